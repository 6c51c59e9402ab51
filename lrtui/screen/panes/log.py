"""The events, the oldest first."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.text.ascii_fallback import printable

EVENTS = 40
"""Columns of the events beside a table without a maximum width."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the last events, the oldest first; a long one takes several rows."""
    rows: list[Row] = []
    for printed, tone in reversed(view.log):
        text = printable(printed)
        room = width - 1 - (cell_len(text) - len(text))  # some letters take two cells
        lines = textwrap.wrap(text, max(room, 1)) or [""]
        rows = [*([(line, tone)] for line in lines), *rows]
        if len(rows) >= height:
            break
    return rows[-height:]


def events_fit(view: View) -> bool:
    """Return whether there is room for the events; beside a table of trainings, there is less."""
    columns, rows = view.size
    return LOG.fits(columns - view.several * EVENTS, rows)


LOG = Pane(
    id="log",
    title="events",
    place="foot",
    heading=False,
    draw=draw,
    help="What happened, the oldest first, and what the training code printed.",
    fits=lambda columns, rows: columns >= 110 and in_two_rows(columns, rows),
    widths=(24, 44),
)
