"""The app: thin, for the screen does the work."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

from textual.app import App, SystemCommand
from textual.screen import Screen

from lrtui.run.rate import rate_text
from lrtui.run.session import Session
from lrtui.screen.commands import COMMANDS
from lrtui.screen.lab import Lab
from lrtui.source import Source


class LrtuiApp(App[None]):
    """Shows the lab."""

    CSS_PATH = "lab.tcss"
    TITLE = "lrtui"
    BINDINGS = [("ctrl+c", "quit", "Leave")]

    def __init__(self, lab: Lab) -> None:
        """Makes the app that shows a lab."""
        super().__init__()
        self._lab = lab

    def get_default_screen(self) -> Screen[None]:
        """Returns the lab."""
        return self._lab

    def on_mount(self) -> None:
        """Leaves in good order on the signals that end a program."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self.exit)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Adds lrtui's commands to the palette."""
        if isinstance(screen, Lab):
            for command in COMMANDS:
                method = getattr(screen, f"action_{command.action}")
                yield SystemCommand(f"{command.label or command.action}", command.help, method)
        yield SystemCommand("theme", "Change the colours", self.action_change_theme)


def run_app(
    source: Source,
    rates: Iterable[float],
    *,
    steps: int,
    speed: float | None,
    every: int,
    fps: float,
) -> str | None:
    """Shows the lab until it is left, then prints the runs on the normal screen.

    Returns:
        What went wrong, ``None`` if nothing did.
    """
    lab = Lab(source, rates, steps=steps, speed=speed, every=every, fps=fps)
    app = LrtuiApp(lab)
    app.run()
    for line in farewell(lab.session):
        print(line)
    return None


def farewell(session: Session) -> list[str]:
    """Returns the table of runs as lines of text."""
    lines = []
    for run in session.runs:
        loss = "–" if run.loss is None else f"{run.loss:.6g}"
        lines.append(
            f"{run.number:>3}  rate {rate_text(run.rate):<9}  {run.outcome or 'stopped':<9}"
            f"  step {run.step:>5,}  loss {loss}"
        )
    return lines
