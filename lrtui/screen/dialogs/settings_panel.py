"""The settings panel: problem, optimizer, steps, seed and more, with their allowed values."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.session.setup import FIELDS, Field, Setup

DIGITS = tuple("0123456789.")
"""Characters of a number."""

MAX_DIGITS = 12
"""Maximum characters of a number."""


def rows(setup: Setup) -> list[Field]:
    """Return the fields that the panel shows for a setup."""
    return [row for row in FIELDS if row.values and row.applies(setup)]


class SettingsPanel(ModalScreen[Setup | None]):
    """Edits a setup; returns the one to run, ``None`` if cancelled."""

    def __init__(self, setup: Setup) -> None:
        """Show a setup."""
        super().__init__()
        self.setup = setup
        self._at = 0
        self._typed = ""
        self._wrong = ""

    def compose(self) -> ComposeResult:
        """Lay out the panel."""
        with Vertical(id="settings") as panel:
            panel.border_title = "settings"
            yield Static(id="lines")

    def on_mount(self) -> None:
        """Show the settings."""
        self._show()

    def _show(self) -> None:
        lines = Text()
        for i, row in enumerate(rows(self.setup)):
            here = i == self._at
            value = f"{self._typed}▏" if here and self._typed else row.text(self.setup)
            lines.append("▶ " if here else "  ", "bold")
            lines.append(f"{row.name:<10}", "bold" if here else "")
            lines.append(f"{value:<12} ", "bold reverse" if here else "bold")
            choices = " ".join(row.values_of(self.setup)) + (" …" if row.is_typed else "")
            lines.append(f"{choices if here else row.hint}\n", "dim")
        lines.append(f"\n{self.setup.command_line()}\n", "dim")
        lines.append(
            self._wrong or "↑ ↓ choose, ← → change, or type a number; Enter runs it, Esc leaves",
            "bold red" if self._wrong else "dim",
        )
        for shown in self.query("#lines").results(Static):  # none yet, for a key that comes early
            shown.update(lines)

    def _set(self, row: Field, text: str) -> bool:
        """Set a field, or show why the value is invalid; return whether it was set."""
        try:
            self.setup = self.setup.changed(row.name, text)
        except ValueError as error:
            self._wrong = str(error)
            return False
        self._wrong = ""
        return True

    def _take_typed(self) -> bool:
        """Apply the typed text; return whether it was valid."""
        typed, self._typed = self._typed, ""
        return not typed or self._set(rows(self.setup)[self._at], typed)

    def _go(self, by: int) -> None:
        """Go to another line."""
        if self._take_typed():
            self._at = (self._at + by) % len(rows(self.setup))

    def _turn(self, by: int) -> None:
        """Select the next or the previous value."""
        self._typed = ""
        row = rows(self.setup)[self._at]
        choices, now = row.values_of(self.setup), row.text(self.setup)
        at = choices.index(now) if now in choices else -1 if by > 0 else 0
        self._set(row, choices[(at + by) % len(choices)])

    def on_key(self, event: events.Key) -> None:
        """Handle a key directly: bindings run too late when several keys arrive at once."""
        event.stop()
        if self.app.screen is not self:
            return  # it is closing already
        self._wrong = ""
        character = event.character or ""
        match event.key:
            case "escape" | "q" | "m":
                self.dismiss(None)
            case "enter" | "ctrl+j":
                if self._take_typed():
                    self.dismiss(self.setup)
            case "up":
                self._go(-1)
            case "down" | "tab":
                self._go(1)
            case "left":
                self._turn(-1)
            case "right":
                self._turn(1)
            case "backspace":
                self._typed = self._typed[:-1]
            case _ if rows(self.setup)[self._at].is_typed and character in DIGITS:
                self._typed = (self._typed + character)[:MAX_DIGITS]
        self._show()
