"""The line in a terminal that is too small."""

from __future__ import annotations

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes.pane import Pane

NEEDED = (40, 12)
"""Columns and rows below which only one line is shown."""


def is_small(view: View) -> bool:
    """Return whether the terminal is too small."""
    return view.size[0] < NEEDED[0] or view.size[1] < NEEDED[1]


def draw(view: View, width: int, height: int) -> list[Row]:
    """Say that the terminal is too small, in as many words as it holds."""
    wanted = "{} × {}".format(*NEEDED)
    now = "{} × {}".format(*view.size)
    texts = (f"lrtui needs {wanted}, this is {now}", f"lrtui needs {wanted}", wanted)
    return [[(next((t for t in texts if len(t) <= width), "–"), "dim")]]


SMALL = Pane(id="small", place="screen", draw=draw, applies=is_small)
