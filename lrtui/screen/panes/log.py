"""The log: what happened, most recent first."""

from __future__ import annotations

import textwrap

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes.pane import Pane, in_two_rows


def draw(view: View, width: int, height: int) -> list[Row]:
    """List what happened; what is longer than a row takes several."""
    rows: list[Row] = []
    for text, tone in view.log:
        rows += [[(line, tone)] for line in textwrap.wrap(text, width) or [""]]
        if len(rows) >= height:
            break
    return rows[:height]


LOG = Pane(
    id="log",
    title="log",
    place="bottom",
    draw=draw,
    help="What happened, most recent first, and what the training code printed.",
    fits=lambda columns, rows: columns >= 110 and in_two_rows(columns, rows),
    widths=(22, 30),
)
