"""Lines as dots, clipped to the canvas, in bounded time for any input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrtui.screen.draw.axis import NUDGE, Floats, Ints, dots

LINE_DOTS = 50_000
"""Maximum dots of a line: they fill a canvas and take a few milliseconds."""
DOT_GAP = 4
"""Distance between the dots of a dotted line."""
TOO_FAR = 1e12
"""Canvas sizes beyond which a line is dropped: rounding hides its crossing of the canvas."""


def line_dots(
    x: Floats,
    y: Floats,
    width: int,
    height: int,
    *,
    gaps: bool = False,
    dotted: bool = False,
    wide: bool = False,
) -> tuple[Ints, Ints]:
    """Return the dots of a line through points, clipped to the canvas.

    Args:
        x: places from left to right, 0 to 1 on the canvas.
        y: places from bottom to top, 0 to 1 on the canvas.
        width: dots across.
        height: dots up.
        gaps: whether points that are not finite break the line.
        dotted: whether to keep only one dot in ``DOT_GAP``.
        wide: whether the line is two dots wide.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    broken = (np.diff(known) > 1) & gaps
    inside = clipped(segments(x[known], y[known], dots(x[known], width), broken))
    # Rounding may leave an end a little outside.
    ends = [
        np.clip(dots(e, n), 0, n - 1) for e, n in zip(inside.T, (width, height) * 2, strict=True)
    ]
    across, up, steep = strokes(*affordable(np.stack(ends)))
    if dotted:
        new = np.flatnonzero((np.diff(across, prepend=-1) != 0) | (np.diff(up, prepend=-1) != 0))
        across, up = across[new[::DOT_GAP]], up[new[::DOT_GAP]]
    if wide:
        # The second dot is in the cell of the first, or a change would cost more cells.
        beside = np.where(steep, across ^ 1, across)
        below = np.where(steep, up, up - 1 + 2 * (up % 4 == 0))
        across, up = np.append(across, beside), np.append(up, below)
    return across, up


def segments(x: Floats, y: Floats, column: Ints, broken: NDArray[np.bool_]) -> Floats:
    """Return the segments of a line, a few for all points that share a column of dots.

    Args:
        x: places of the points, shape [points].
        y: places of the points, shape [points].
        column: the columns of dots of the points, shape [points].
        broken: whether the line is interrupted after a point, shape [points - 1].

    Returns:
        x and y of the starts, x and y of the ends, shape [segments, 4].
    """
    if not len(x):
        return np.empty((0, 4))
    # Successive points in one column become one vertical stroke; lines lead from each to the next.
    first = np.append(0, np.flatnonzero((np.diff(column) != 0) | broken) + 1)
    last = np.append(first[1:], len(x)) - 1
    # Clip near the canvas, to keep strokes precise.
    low, high = (np.clip(f.reduceat(y, first), -1.0, 2.0) for f in (np.minimum, np.maximum))
    down = y[last] < y[first]
    lines = np.empty((2 * len(first) - 1, 4))
    lines[::2, 0] = lines[::2, 2] = x[first]
    lines[::2, 1], lines[::2, 3] = np.where(down, high, low), np.where(down, low, high)
    lines[1::2, 0], lines[1::2, 1] = x[last[:-1]], y[last[:-1]]
    lines[1::2, 2], lines[1::2, 3] = x[first[1:]], y[first[1:]]
    kept = np.ones(len(lines), dtype=bool)
    kept[1::2] = ~broken[first[1:] - 1]
    return lines[kept]


def clipped(lines: Floats) -> Floats:
    """Return the parts of segments that lie in the square from 0 to 1, of those that have one."""
    start, end = lines[:, :2], lines[:, 2:]
    # From the nearer end, which is more precise.
    swap = np.abs(start).max(axis=1) > np.abs(end).max(axis=1)
    start, end = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    way = end - start
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        edges = np.stack([(-NUDGE - start) / way, (1 + NUDGE - start) / way])
    still = way == 0
    inside = (start >= -NUDGE) & (start <= 1 + NUDGE)
    enter = np.where(still, np.where(inside, 0.0, np.inf), edges.min(axis=0)).max(axis=1)
    leave = np.where(still, 1.0, edges.max(axis=0)).min(axis=1)
    enter, leave = np.maximum(enter, 0.0), np.minimum(leave, 1.0)
    seen = (enter <= leave) & (np.abs(start).max(axis=1) < TOO_FAR)
    start, way, swap = start[seen], way[seen], swap[seen, None]
    first, last = start + enter[seen, None] * way, start + leave[seen, None] * way
    return np.hstack([np.where(swap, last, first), np.where(swap, first, last)])


def affordable(ends: Ints) -> Ints:
    """Return each segment once; of too many, the first and the last.

    ``ends`` are x and y of the starts, then of the ends, shape [4, segments].
    """
    x0, y0, x1, y1 = ends
    packed = ((x0 << 15 | y0) << 15 | x1) << 15 | y1
    _, first = np.unique(packed, return_index=True)
    ends = ends[:, np.sort(first)]
    size = np.abs(ends[:2] - ends[2:]).max(axis=0) + 1
    until = np.cumsum(size)
    return ends[:, (until <= LINE_DOTS / 2) | (until - size >= size.sum() - LINE_DOTS / 2)]


def strokes(x0: Ints, y0: Ints, x1: Ints, y1: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the dots of straight lines, in order, both ends included, and which are steep."""
    number = np.maximum(np.abs(x1 - x0), np.abs(y1 - y0)) + 1
    line = np.repeat(np.arange(len(number)), number)
    along = np.arange(len(line)) - np.repeat(np.cumsum(number) - number, number)
    share = along / np.maximum(number - 1, 1)[line]
    across, up = (np.rint(a[line] + share * (b - a)[line]) for a, b in ((x0, x1), (y0, y1)))
    steep = (np.abs(y1 - y0) > 2 * np.abs(x1 - x0))[line]
    return across.astype(np.int64), up.astype(np.int64), steep
