"""The page of help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.screen.actions import Action, offered
from lrtui.screen.control.view import View
from lrtui.screen.panes import PANES
from lrtui.screen.panes.footer import essential
from lrtui.screen.panes.ruler import RULER
from lrtui.session.session import Session

WATCHING = """\
This training runs in a process of its own and goes on when you leave. The rate is what its \
optimizer uses; it is changed only while a step is taken."""

INTRODUCTION = """\
Gradient descent moves the weights against the gradient of the loss, by the learning rate \
times the gradient a step. Only the rate differs between two runs."""


def rest(session: Session) -> list[Action]:
    """Return the actions that are not on the first page."""
    known = {sign for action in essential(session) for sign in action.signs}
    return [action for action in offered(session) if not known & {action.sign}]


def lines(actions: Sequence[Action]) -> Iterator[tuple[str, str]]:
    """Yield the keys and the meaning of each action; a pair shares a line."""
    seconds = {sign for action in actions for sign in action.signs[1:]}
    for action in actions:
        if action.sign not in seconds:
            yield " ".join(action.signs), action.pair or action.help


class Help(ModalScreen[None]):
    """Describes the keys and the panes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q,enter,ctrl+j", "leave", "Back"),
        ("g", "guide", "The guide"),
    ]

    def __init__(self, view: View) -> None:
        """Create the page of the keys that work now."""
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        session = self._view.session
        keys, others, panes = (Table.grid(padding=(0, 2)) for _ in range(3))
        if session.offers("start"):
            keys.add_row(Text("0-9", "bold"), "Type a learning rate; Enter runs it, Esc clears it.")
        elif session.offers("hold"):
            keys.add_row(Text("0-9", "bold"), "Type a learning rate; Enter holds it there.")
        for table, actions in ((keys, essential(session)), (others, rest(session))):
            for sign, says in lines(actions):
                table.add_row(Text(sign, "bold"), says)
        keys.add_row(Text("ctrl+p", "bold"), "Search all commands, and change the colours.")
        for pane in PANES:
            # A training that is watched has its rate in place of the ruler.
            is_there = pane is not RULER or self._view.swept is not None
            if pane.help and pane.applies(self._view) and is_there:
                panes.add_row(Text(pane.title or pane.id, "bold"), pane.help)
        with VerticalScroll(id="help") as page:
            page.border_title, page.border_subtitle = "help", "g the guide   q back"
            yield Static(INTRODUCTION if self._view.live is None else WATCHING)
            yield Static()
            yield Static(keys)
            yield Static(Text("\nWhat is shown\n", "bold"))
            yield Static(panes)
            yield Static(Text("\nMore keys\n", "bold"))
            yield Static(others)

    def action_leave(self) -> None:
        """Close the page once, even if several keys arrive before it is gone."""
        if self.app.screen is self:
            self.dismiss()

    def action_guide(self) -> None:
        """Show the guide in front of this page."""
        from lrtui.screen.dialogs.guide import Guide

        if self.app.screen is self:
            self.app.push_screen(Guide("keys"))
