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

from lrtui.screen.commands import COMMANDS

INTRODUCTION = """\
Gradient descent fits a line: each step moves slope and bias against the \
gradient, by the learning rate. Only the rate differs between two runs."""


class Help(ModalScreen[None]):
    """Says what each key does."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q,enter", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """Lays out the page."""
        table = Table.grid(padding=(0, 2))
        table.add_row(Text("0-9", "bold"), "Type a learning rate; Enter runs it, Esc leaves it.")
        commands = iter(COMMANDS)
        for command in commands:
            signs = [command.sign, *([next(commands).sign] if command.pair else [])]
            table.add_row(Text(" ".join(signs), "bold"), command.pair or command.help)
        table.add_row(
            Text("ctrl+p", "bold"), "The same commands to search through, and the colours."
        )
        with VerticalScroll(id="help") as page:
            page.border_title = "help"
            yield Static(INTRODUCTION)
            yield Static(table)
