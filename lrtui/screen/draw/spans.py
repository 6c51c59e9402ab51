"""Rows of text in tones, of which every pane is made."""

from __future__ import annotations

from rich.cells import cell_len

Span = tuple[str, str]
"""A piece of text and its tone, a name for the meaning of its colour."""

Row = list[Span]


def length(row: Row) -> int:
    """Return how many cells a row takes."""
    return sum(cell_len(text) for text, _ in row)


def fitted(row: Row, width: int) -> Row:
    """Return the spans of a row that fit whole into the width, leaving out those that do not."""
    kept: Row = []
    for text, tone in row:
        if len(text) > width:
            continue
        kept.append((text, tone))
        width -= len(text)
    return kept


def shortened(text: str, width: int) -> str:
    """Leave out the middle of a name that is wider than it may be; both its ends tell it apart."""
    if len(text) <= width:
        return text
    after = width // 2
    return f"{text[: width - after - 1]}…{text[len(text) - after :]}"


def note(text: str, width: int, height: int) -> list[Row]:
    """Return an empty pane with a text in its middle."""
    rows: list[Row] = [[] for _ in range(max(height, 0))]
    if rows:
        rows[height // 2] = [(text[:width].center(width), "dim")]
    return rows
