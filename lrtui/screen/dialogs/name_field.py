"""The dialog that names a run."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

MAX_CHARACTERS = 24
"""Maximum characters of a name."""


class NameField(ModalScreen[str | None]):
    """Asks for a name; returns it, or ``None`` if cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Back")]

    def __init__(self, run: int, name: str) -> None:
        """Create the field for a run, by its number, with its current name."""
        super().__init__()
        self._run, self._name_now = run, name

    def compose(self) -> ComposeResult:
        """Lay out the field."""
        with Vertical(id="naming") as box:
            box.border_title = f"name of run {self._run}"
            yield Input(self._name_now, max_length=MAX_CHARACTERS, compact=True)

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        if self.app.screen is self:
            self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Go back without a change."""
        if self.app.screen is self:
            self.dismiss(None)
