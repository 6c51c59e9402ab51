"""The notice: the answer to what was asked for, above the footer; it goes away by itself."""

from __future__ import annotations

import textwrap

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, Span
from lrtui.screen.panes.pane import Pane
from lrtui.text.rates import complaint

SIGNS = {"bad": "✕", "good": "✓"}
"""What stands before a notice, by its tone."""


def said(view: View) -> Span:
    """Return what is wrong with what is typed, else the answer to what was asked for."""
    if wrong := complaint(view.typed):
        return wrong, "bad"
    return view.notice


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw it in the rows that there are."""
    text, tone = said(view)
    sign = SIGNS.get(tone, "·")
    lines = textwrap.wrap(text, max(width - 4, 1)) or [""]
    if len(lines) > height:
        lines = lines[:height]
        lines[-1] = lines[-1][: max(width - 5, 0)] + "…"
    return [
        [("   " if i else f" {sign} ", tone), (line.ljust(width - 3), tone)]
        for i, line in enumerate(lines)
    ]


def rows(view: View) -> int:
    """Return how many rows it takes, at most three."""
    return min(max(len(textwrap.wrap(said(view)[0], max(view.size[0] - 4, 1))), 1), 3)


NOTICE = Pane(id="notice", place="notice", draw=draw, applies=lambda view: bool(said(view)[0]))
