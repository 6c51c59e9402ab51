"""The list of running trainings, refreshed while it is shown."""

from __future__ import annotations

import os
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lrtui.screen.terminal.choice import driver_class
from lrtui.session.sentences import training_line
from lrtui.sources.trainings import Training, find

REFRESH_SECONDS = 2.0
"""Seconds between two refreshes."""

HEAD = "lrtui  trainings of this machine   ↑↓ choose   enter watch   q leave"

NONE = (
    "No training is running yet; this list waits for the first step of one.\n\n"
    "  lrtui run train.py            watches a script without a change to it\n"
    "  lrtui.Monitor(optimizer)      in a script, then monitor.step(loss) after each step"
)


class Trainings(App[str]):
    """The list; returns the chosen socket."""

    CSS = """
    Screen { background: $background; }
    #head { color: $text-muted; padding: 0 1; }
    OptionList { border: round $surface-lighten-2; height: 1fr; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,ctrl+c", "quit", "Leave", priority=True)
    ]

    def __init__(self, theme: str | None) -> None:
        """Create the list; ``theme`` as in ``LrtuiApp``."""
        super().__init__(driver_class=driver_class(os.environ))
        few = self.console.color_system == "standard"
        self.theme = theme or ("ansi-dark" if few else "textual-dark")
        self._found: list[Training] = []

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        yield Static(HEAD, id="head")
        yield OptionList()

    def on_mount(self) -> None:
        """Refresh the list now and repeatedly."""
        self.look()
        self.set_interval(REFRESH_SECONDS, self.look)

    def look(self) -> None:
        """List the running trainings."""
        found = find()
        listed = self.query_one(OptionList)
        at = listed.highlighted
        marked = self._found[at].path if at is not None and at < len(self._found) else None
        self._found = found
        rows = [Option(Text(line(each), no_wrap=True, overflow="ellipsis")) for each in found]
        listed.clear_options()
        listed.add_options(rows or [Option(NONE, disabled=True)])
        paths = [each.path for each in found]
        if found:
            listed.highlighted = paths.index(marked) if marked in paths else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Watch the chosen training."""
        chosen = self._found[event.option_index]
        if chosen.greeting is not None:
            self.exit(str(chosen.path))


def line(training: Training) -> str:
    """Return a training as a row."""
    if training.greeting is None:
        return f"{training.pid:>8}  does not answer"
    return training_line(training.greeting)


def choose_on_screen(theme: str | None) -> str | None:
    """Show the list until a training is chosen; return its socket, ``None`` if none was."""
    return Trainings(theme).run()
