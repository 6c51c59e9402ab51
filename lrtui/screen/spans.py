"""Rows of text in tones: what every pane is made of."""

from __future__ import annotations

from typing import Literal

from lrtui.run.session import Run, Session

Span = tuple[str, str]
"""A piece of text and its tone, the name of what its colour means."""

Row = list[Span]

Scale = Literal["linear", "log", "gap"]
SCALES: tuple[Scale, ...] = ("linear", "log", "gap")
"""What the loss can be drawn on, in the order of the key; ``gap`` is the loss above its minimum."""

EARLIER = ("earlier-1", "earlier-2", "earlier-3", "earlier-4")
"""Tones of the earlier runs on the loss chart, the youngest first: as many as can be told apart."""


def behind(session: Session, highlighted: int | None) -> list[tuple[Run, str]]:
    """Returns the runs drawn behind the current one, the youngest first, and their tones.

    Args:
        session: the runs so far.
        highlighted: the number of the run that is highlighted, drawn however old it is.
    """
    drawn = [r for r in session.runs[:-1] if r.series is not None and r.series.count > 1]
    found = list(zip(reversed(drawn), EARLIER, strict=False))
    others = [(run, tone) for run, tone in found if run.number != highlighted]
    return [(r, "strong") for r in drawn if r.number == highlighted] + others


def length(row: Row) -> int:
    """Returns how many cells a row takes."""
    return sum(len(text) for text, _ in row)


def fitted(row: Row, width: int) -> Row:
    """Returns the spans of a row that fit whole into the width, leaving out those that do not."""
    kept: Row = []
    for text, tone in row:
        if len(text) > width:
            continue
        kept.append((text, tone))
        width -= len(text)
    return kept


def note(text: str, width: int, height: int) -> list[Row]:
    """Returns an otherwise empty pane that says what will be there."""
    rows: list[Row] = [[] for _ in range(max(height, 0))]
    if rows:
        rows[height // 2] = [(text[:width].center(width), "dim")]
    return rows
