"""The caption of a tour."""

from __future__ import annotations

import textwrap

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes.pane import Pane


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the caption in its two rows."""
    lines = textwrap.wrap(view.caption, max(width - 2, 1))[:height]
    return [[("▌ ", "accent"), (line, "strong")] for line in lines]


CAPTION = Pane(id="caption", place="row", draw=draw, applies=lambda view: bool(view.caption))
