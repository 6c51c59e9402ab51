"""The page of help."""

from __future__ import annotations

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
from lrtui.screen.panes.ruler import RULER

WATCHING = """\
This training runs in a process of its own and goes on when you leave. The rate is what its \
optimizer uses; it is changed only while a step is taken."""

INTRODUCTION = """\
Gradient descent moves the weights against the gradient of the loss, by the learning rate \
times the gradient a step. Only the rate differs between two runs."""


def listed(view: View) -> list[Action]:
    """Return the actions that have a line: of a training that is watched, what steers it first."""
    actions, found = iter(offered(view.session)), []
    for action in actions:
        found.append(action)
        if action.pair:
            next(actions)
    if view.session.offers("start"):
        return found
    return sorted(found, key=lambda action: not action.steers)


class Help(ModalScreen[None]):
    """Says what each key does and what each pane shows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q,enter,ctrl+j", "leave", "Back"),
        ("g", "guide", "The guide"),
    ]

    def __init__(self, view: View) -> None:
        """Create the page.

        Args:
            view: what is offered now.
        """
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        keys = Table.grid(padding=(0, 2))
        if self._view.session.offers("start"):
            keys.add_row(Text("0-9", "bold"), "Type a learning rate; Enter runs it, Esc clears it.")
        elif self._view.session.offers("hold"):
            keys.add_row(Text("0-9", "bold"), "Type a learning rate; Enter holds it there.")
        for action in listed(self._view):
            keys.add_row(Text(" ".join(action.signs), "bold"), action.pair or action.help)
        keys.add_row(
            Text("ctrl+p", "bold"), "The same commands to search through, and the colours."
        )
        panes = Table.grid(padding=(0, 2))
        for pane in PANES:
            # Where the ruler would be, a training that is watched has its rate.
            is_there = pane is not RULER or self._view.swept is not None
            if pane.help and pane.applies(self._view) and is_there:
                panes.add_row(Text(pane.title or pane.id, "bold"), pane.help)
        with VerticalScroll(id="help") as page:
            page.border_title, page.border_subtitle = "help", "g the guide   q back"
            run = self._view.session.current
            is_live = run is not None and run.live is not None
            yield Static(WATCHING if is_live else INTRODUCTION)
            yield Static(keys)
            yield Static()
            yield Static(panes)

    def action_leave(self) -> None:
        """Go back, once: keys may come faster than the page goes."""
        if self.app.screen is self:
            self.dismiss()

    def action_guide(self) -> None:
        """Show the guide in front of this page."""
        from lrtui.screen.dialogs.guide import Guide

        if self.app.screen is self:
            self.app.push_screen(Guide("keys"))
