"""The app: thin, for the screen does the work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from threading import Timer
from typing import ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES

from lrtui.run.rate import rate_text
from lrtui.run.session import Session
from lrtui.screen.commands import COMMANDS
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.palette import css_variables
from lrtui.screen.terminal.choice import driver_class
from lrtui.screen.terminal.probe import STDIN, STDOUT, hung_up
from lrtui.screen.texts import state

FORCE_AFTER = 1.0
"""Seconds that leaving in good order may take after a signal."""


class LrtuiApp(App[None]):
    """Shows the lab.

    Attributes:
        lab: the screen that is shown.
    """

    CSS_PATH = "main_screen.tcss"
    TITLE = "lrtui"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Leave", priority=True)]

    def __init__(self, lab: MainScreen, theme: str | None = None) -> None:
        """Makes the app that shows a lab.

        Args:
            lab: the screen.
            theme: the name of its theme, ``None`` for the one that fits the terminal's colours.
        """
        super().__init__(driver_class=driver_class(os.environ))
        self.lab = lab
        few = self.console.color_system == "standard"
        self.theme = theme or ("ansi-dark" if few else "textual-dark")

    def get_css_variables(self) -> dict[str, str]:
        """Adds the colours that the style sheet takes from lrtui's palette."""
        variables = super().get_css_variables()
        return variables | css_variables(self.current_theme, variables)

    def get_default_screen(self) -> Screen[None]:
        """Returns the lab."""
        return self.lab

    async def on_event(self, event: events.Event) -> None:
        """Notes when a key is pressed, before anything is made of it, and when the size changes."""
        if isinstance(event, events.Key):
            self.lab.pressed(event)
        if isinstance(event, events.Resize):
            self.lab.action_redraw()
        await super().on_event(event)

    def on_mount(self) -> None:
        """Leaves in good order on the signals that end a program."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._end, 128 + number)
        if not self.is_headless:
            self.set_interval(0.5, self._watch_terminal)

    def _watch_terminal(self) -> None:
        """Leaves when the terminal is gone, though no signal may have told of it."""
        if hung_up(STDIN):
            self._end(128 + signal.SIGHUP)

    def _end(self, code: int) -> None:
        """Leaves in good order; by force where a terminal that takes nothing holds it up."""
        force = Timer(FORCE_AFTER, os._exit, [code])
        force.daemon = True
        force.start()
        self.exit(return_code=code)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Adds lrtui's commands to the palette."""
        if isinstance(screen, MainScreen):
            for command in COMMANDS:
                method = getattr(screen, f"action_{command.action}")
                yield SystemCommand(command.name, command.help, method)
        yield SystemCommand("theme", "Change the colours", self.action_change_theme)


def known_theme(name: str | None) -> str | None:
    """Returns the theme of this name, else the one that TEXTUAL_THEME names, else ``None``.

    Raises:
        ValueError: no theme has this name; says which there are.
    """
    name = name or os.environ.get("TEXTUAL_THEME") or None
    if name is not None and name not in BUILTIN_THEMES:
        raise ValueError(f"no theme is called {name[:24]!r}; there are {', '.join(BUILTIN_THEMES)}")
    return name


def run_app(lab: MainScreen, theme: str | None) -> int:
    """Shows a lab until it is left, then prints the runs on the normal screen.

    Returns:
        The exit code.
    """
    app = LrtuiApp(lab, theme)
    app.run()
    if sys.stdout.isatty() and not hung_up(STDOUT):
        print("\n".join(farewell(lab.controller.session)), flush=True)
    return app.return_code or 0


def farewell(session: Session) -> list[str]:
    """Returns the table of runs as lines of text."""
    lines = []
    for run in session.runs:
        loss = "–" if run.loss is None else f"{run.loss:.6g}"
        lines.append(
            f"{run.number:>3}  rate {rate_text(run.rate):<9}  {state(run, False):<12}"
            f"  step {run.step:>5,}  loss {loss}"
        )
    return lines
