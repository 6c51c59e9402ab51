"""The footer: the keys, as many as fit."""

from __future__ import annotations

from lrtui.screen.actions import ACTIONS, BY_NAME, offered
from lrtui.screen.panes.pane import Pane, Press
from lrtui.screen.spans import Row, length
from lrtui.screen.view import View

LAST = 2
"""Entries that are always there: the help and the way out."""


def entries(view: View, width: int) -> list[tuple[str, Row]]:
    """Return the action and the text of each key that fits; the last entries always do."""
    found: list[tuple[str, Row]] = []
    if view.session.offers("start"):
        found.append(("", entry("0-9", "rate")))
    elif view.session.offers("hold"):
        found.append(("", entry("0-9", "hold")))
    for action in offered(view.session):
        if action.footer:
            word = action.footer if action.in_the_lab(view.session) else "÷/×"
            found.append((action.name, entry(" ".join(action.signs), word)))
    last = found[-LAST:]
    room = width - sum(length(row) for _, row in last)
    kept = []
    for name, row in found[:-LAST]:
        if length(row) <= room:
            kept.append((name, row))
            room -= length(row)
    return kept + last


def entry(sign: str, word: str) -> Row:
    """Return a key and what it does."""
    return [(f" {sign}", "strong"), (f" {word} ", "dim")]


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the keys."""
    return [[span for _, row in entries(view, width) for span in row]]


def click(view: View, x: int, y: int, width: int, height: int) -> Press | None:
    """Do what the clicked key does; of two keys, the one that was hit."""
    start = 0
    for name, row in entries(view, width):
        if x < start + length(row):
            if not name:
                return None
            second = BY_NAME[name].pair and x >= start + len(BY_NAME[name].sign) + 2
            return Press(ACTIONS[ACTIONS.index(BY_NAME[name]) + 1].name if second else name)
        start += length(row)
    return None


FOOTER = Pane(id="footer", place="footer", draw=draw, click=click)
