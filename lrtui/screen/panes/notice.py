"""The line above the footer: the answer to a key, for a few seconds."""

from __future__ import annotations

import textwrap

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, Span
from lrtui.screen.panes.log import events_fit
from lrtui.screen.panes.pane import TALL, Pane
from lrtui.text.rates import complaint

SIGNS = {"bad": "✕", "good": "✓"}
"""Signs before a notice, by its tone."""


def said(view: View) -> Span:
    """Return a complaint about the typed text, else the answer to a key, else the last event."""
    if wrong := complaint(view.typed):
        return wrong, "bad"
    if not view.notice[0] and view.log and not events_fit(view):
        return view.log[-1][0], "dim"
    return view.notice


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw it in the rows that there are."""
    text, tone = said(view)
    sign = SIGNS.get(tone, "·")
    if not text:
        return [[(" " * width, "dim")]]
    lines = textwrap.wrap(text, max(width - 4, 1))
    if len(lines) > height:
        lines = lines[:height]
        lines[-1] = lines[-1][: max(width - 5, 0)] + "…"
    tone = "dim" if tone == "dim" else "strong"
    return [
        [("   " if i else f" {sign} ", tone), (line.ljust(width - 3), tone)]
        for i, line in enumerate(lines)
    ]


def rows(view: View) -> int:
    """Return how many rows it takes, at most three."""
    return rows_of(said(view)[0], view)


def rows_of(text: str, view: View) -> int:
    """Return how many rows a text takes, at most three."""
    return min(max(len(textwrap.wrap(text, max(view.size[0] - 4, 1))), 1), 3)


def kept(view: View) -> int:
    """Return the rows kept free for it; answers to keys may cover more for their seconds."""
    if view.several and view.log and not events_fit(view):
        return rows_of(view.log[-1][0], view)
    return int(view.size[1] >= TALL)


def applies(view: View) -> bool:
    """Return whether it has something to say, or a line of its own."""
    return bool(said(view)[0]) or view.size[1] >= TALL


NOTICE = Pane(id="notice", place="row", draw=draw, applies=applies)
