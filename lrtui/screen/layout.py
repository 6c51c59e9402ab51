"""Which panes are shown together, by the size of the terminal."""

from __future__ import annotations

PANES = ("fit", "loss", "bowl", "runs", "log", "sweep")
INSIDE = {"charts": ("fit", "loss", "sweep"), "tables": ("bowl", "runs", "log")}
WIDE, TALL = 72, 20
"""Columns and rows from which on most panes are shown together."""
WIDEST = 110
"""Columns from which on the log is, too."""


def usual_view(width: int, height: int) -> list[str]:
    """Returns the panes that a terminal of this size can hold together."""
    if width < WIDE:
        return ["fit", "loss"] if height >= TALL + 6 else ["loss"]
    if height < TALL:
        return ["fit", "loss"]
    return ["fit", "loss", "bowl", "runs", *(["log"] if width >= WIDEST else [])]
