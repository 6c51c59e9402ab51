"""The textual app: the main screen, the signals, and the output at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import ThemeProvider

from lrtui.messages.problem_settings import BUILT_IN
from lrtui.screen.actions import BY_NAME, KEYMAP, offered
from lrtui.screen.dialogs.command_palette import Palette
from lrtui.screen.draw.palette import css_variables
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.panes.pane import Press
from lrtui.screen.terminal.choice import driver_class
from lrtui.screen.terminal.environment import wants_no_color
from lrtui.screen.terminal.probe import STDIN, STDOUT, hung_up
from lrtui.session.sentences import run_line
from lrtui.session.session import Session

if TYPE_CHECKING:
    from lrtui.screen.terminal.driver import LineDriver

FORCE_AFTER = 1.0
"""Seconds for a clean exit after a signal."""

OPENS = ("name", "settings", "find_scalar", "help")
"""Actions that put something in front of the main screen; the next key is for that."""

QUIET_TURNS = 5
"""Turns of the event loop without a message anywhere after which a key has been handled."""

LONGEST_WAIT = 5.0
"""Seconds after which the next key is handled in any case."""

NO_KEYMAP: Mapping[str, str] = {}

LAST_RUNS = 30
"""Number of last runs that are printed at the end."""


class LrtuiApp(App[None]):
    """The app: thin, because the main screen does the work.

    Attributes:
        main: the screen that is shown.
        line: the driver for slow lines, which sets this; ``None`` for another driver.
    """

    CSS_PATH = "main_screen.tcss"
    TITLE = "lrtui"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Leave", priority=True)]

    def __init__(
        self, main: MainScreen, theme: str | None = None, keymap: Mapping[str, str] = NO_KEYMAP
    ) -> None:
        """Create the app that shows a screen.

        Args:
            main: the screen.
            theme: name of its theme, ``None`` to fit the terminal's colours.
            keymap: the user's own keys, by the name of the action, in textual's names.
        """
        super().__init__(driver_class=driver_class(os.environ))
        self.main = main
        self.line: LineDriver | None = None
        self.force: Timer | None = None  # exits by force
        self._waiting: list[events.Key | events.Paste] | None = (
            None  # while what is in front may change
        )
        few = self.console.color_system == "standard"
        self.theme = theme or ("ansi-dark" if few else "textual-dark")
        self.set_keymap({**keymap})
        KEYMAP.clear()
        KEYMAP.update({name: keys.split(",") for name, keys in keymap.items()})
        self._opens = {"ctrl+p", *(key for name in OPENS for key in BY_NAME[name].keys)}

    def get_css_variables(self) -> dict[str, str]:
        """Add the colours that the style sheet takes from lrtui's palette."""
        variables = super().get_css_variables()
        if wants_no_color(os.environ):  # no background marks the cursor then
            styles = ("block-cursor-text-style", "input-cursor-text-style")
            variables |= dict.fromkeys(styles, "reverse")
        return variables | css_variables(self.current_theme, variables)

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return self.main

    async def on_event(self, event: events.Event) -> None:
        """Record a key press before it is handled, and redraw when the size changes."""
        if isinstance(event, events.InputEvent | events.Paste) and not self.screen_stack:
            return  # it came bundled with the key that quit
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if self._waiting is not None:
                self._waiting.append(event)
                return
            opens = isinstance(event, events.Key) and event.key in self._opens
            if opens or not self.main.is_in_front:
                self._waiting = []
                self.call_later(self._go_on, time.monotonic() + LONGEST_WAIT)
        if isinstance(event, events.Key):
            self.main.pressed(event)
        if isinstance(event, events.Resize):
            self.main.redraw()
        await super().on_event(event)

    async def _go_on(self, latest: float, quiet: int = 0) -> None:
        """Handle the next key once all that the one before caused has happened.

        Keys may arrive bundled, and what one opens or closes decides whom the next one is for.
        This counts turns of the event loop: on a busy machine no number of seconds is enough.
        """
        await asyncio.sleep(0)
        quiet = 0 if self._has_messages() else quiet + 1
        if quiet < QUIET_TURNS and time.monotonic() < latest:
            self.call_later(self._go_on, latest, quiet)
            return
        waiting, self._waiting = self._waiting or [], None
        for event in waiting:
            await self.on_event(event)

    def _has_messages(self) -> bool:
        """Return whether a message waits for anything that is on the screen or behind it."""
        shown = (
            node for screen in self.screen_stack for node in screen.walk_children(with_self=True)
        )
        return any(node.message_queue_size for node in (self, *shown))

    def on_mount(self) -> None:
        """Exit cleanly on the signals that end a program."""
        self.main.line = self.line
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._end, 128 + number)
        if not self.is_headless:
            self.set_interval(0.5, self._watch_terminal)

    def _watch_terminal(self) -> None:
        """Exit when the terminal is gone, even if no signal came."""
        if hung_up(STDIN):
            self._end(128 + signal.SIGHUP)

    def _end(self, code: int) -> None:
        """Exit cleanly; by force if a terminal that accepts nothing delays that."""
        self.force = Timer(FORCE_AFTER, os._exit, [code])
        self.force.daemon = True
        self.force.start()
        self.exit(return_code=code)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Add lrtui's actions to the palette."""
        if isinstance(screen, MainScreen):
            for action in offered(screen.view.session):
                command = partial(screen.carry_out, Press(action.name))
                yield SystemCommand(action.title, action.help, command)
            if screen.view.session.offers("load"):
                for name, built_in in BUILT_IN.items():
                    yield SystemCommand(
                        f"problem: {name}", built_in.shows, partial(screen.load_problem, name)
                    )
        yield SystemCommand("theme", "Change the colours", self.action_change_theme)

    def action_command_palette(self) -> None:
        """Show the palette, unless it is open."""
        if not any(isinstance(screen, Palette) for screen in self.screen_stack):
            self.push_screen(Palette())

    def search_themes(self) -> None:
        """Show the themes to choose from."""
        self.push_screen(Palette([ThemeProvider], "Search for themes…"))


def run_app(main: MainScreen, theme: str | None, keymap: Mapping[str, str]) -> int:
    """Show a screen until the user quits, then print its runs; return the exit code.

    For the arguments see ``LrtuiApp``.
    """
    app = LrtuiApp(main, theme, keymap)
    app.run()
    if sys.stdout.isatty() and not hung_up(STDOUT):
        print("\n".join(farewell(main.view.session)), flush=True)
    if app.force is not None:
        app.force.cancel()  # the terminal is restored; what follows has its own time limits
    return app.return_code or 0


def farewell(session: Session) -> list[str]:
    """Return the last runs as lines of text."""
    left_out = len(session.runs) - LAST_RUNS
    lines = [f"({left_out:,} earlier runs)"] if left_out > 0 else []
    return lines + [run_line(run) for run in session.runs[-LAST_RUNS:]]
