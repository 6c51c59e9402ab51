"""The footer: the keys, as many as fit."""

from __future__ import annotations

from lrtui.screen.actions import ACTIONS, BY_NAME, Action, is_over, offered
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, length
from lrtui.screen.panes.pane import TALL, Pane, Press

LAST = 2
"""Entries that are always there: the help and the way out."""

MATTER = ("pause", "advice", "restart", "optimizer", "settings", "zoom", "heat", "step")
"""What matters most of our own runs, of what is not told on the borders."""

STEERED = ("shrink", "pause", "release", "rewind", "checkpoint", "stop", "step", "scalar", "zoom")
"""What matters most in a training that is watched."""

RECORDED = ("pause", "seek_start", "run_before", "slower", "zoom")
"""What matters most in a record."""

ALONE = {"every-rate": ("every_rate", "cursor_left", "zoom_ruler"), "heat": ("heat",)}
"""What matters most where a pane is shown alone, by the pane."""

ON_BORDERS = ("scale", "cursor_left", "older", "pin", "name", "remove", "lens")
"""What the borders tell, where there are any."""


def entries(view: View, width: int) -> list[tuple[str, Row]]:
    """Return the action and the text of each key that fits; the last entries always do."""
    session = view.session
    found: list[tuple[str, Row]] = []
    if view.alone in ALONE and session.offers("start"):
        found.append(("", entry("enter", "run it")))
    elif view.race and session.is_on:
        found.append(("", entry("enter", "alone")))
    if session.offers("start"):
        found.append(("", entry("0-9", "rate")))
    elif session.offers("hold") and not is_over(session):
        found.append(("", entry("0-9", "hold")))
    for action in ordered(view):
        found.append((action.name, entry(" ".join(action.signs), action.footer)))
    last = found[-LAST:]
    room = width - sum(length(row) for _, row in last)
    kept = []
    for name, row in found[:-LAST]:
        if length(row) <= room:
            kept.append((name, row))
            room -= length(row)
    return kept + last


def ordered(view: View) -> list[Action]:
    """Return the actions for the footer, what matters most first; help and the way out are last."""
    named = [action for action in offered(view.session) if action.footer]
    alone = ALONE.get(view.alone or "", ())
    if view.size[1] >= TALL:
        named = [
            action for action in named if action.name not in ON_BORDERS or action.name in alone
        ]
    first = (*alone, *matter(view))
    rank = {name: place for place, name in enumerate(first)}
    rest = named[:-LAST]
    return [*sorted(rest, key=lambda action: rank.get(action.name, len(rank))), *named[-LAST:]]


def matter(view: View) -> tuple[str, ...]:
    """Return what matters most, by what the source can do."""
    if view.session.offers("start"):
        return MATTER
    return STEERED if view.session.offers("hold") else RECORDED


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


FOOTER = Pane(id="footer", place="row", draw=draw, click=click)
