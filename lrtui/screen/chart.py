"""Charts as rows of text: the one place that calls plotext, and the guard in front of it.

plotext draws every cell of a line, on the canvas or off it, raises on infinity and costs about
10 µs a dot. So what goes to it is finite, inside the limits, and never more than a few thousand
dots, whatever comes in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotext as plt
from numpy.typing import ArrayLike, NDArray

from lrtui.screen.spans import Row

Floats = NDArray[np.float64]

DOTS = 500
"""Points of a cloud that are drawn, at most."""
LINE_DOTS = 2000
"""Dots that the curves of a chart may take together, where they are not many."""
DOT_GAP = 3
"""From one dot of a dotted line to the next."""
LABEL_WIDTH = 6
"""Cells for the labels of the y axis: always the same, so that the canvas does not shift."""
SMALLEST = 1e-307
"""The smallest step between two ticks: below it, numbers lose their digits."""


@dataclass(frozen=True)
class Axis:
    """The range of an axis.

    Attributes:
        low: its lower end.
        high: its upper end, above ``low``.
        log: whether equal distances are equal factors; ``low`` is positive then.
    """

    low: float
    high: float
    log: bool = False

    def place(self, values: ArrayLike) -> Floats:
        """Returns where values lie on the axis: 0 at its lower end, 1 at its upper end.

        What is not finite stays NaN or infinite; zero and less on a log axis is taken for ``low``.
        """
        # A quarter keeps the difference of any two finite numbers finite.
        raw = np.asarray(values, dtype=float)
        if self.log:
            raw = np.where(raw > 0, raw, np.where(np.isnan(raw), np.nan, self.low))
            low, high = math.log(self.low), math.log(self.high)
            placed: Floats = (np.log(raw) - low) / (high - low)
            return placed
        with np.errstate(over="ignore"):  # far outside is infinitely far
            return (raw / 4 - self.low / 4) / (self.high / 4 - self.low / 4)

    def at(self, share: float) -> float:
        """Returns the value that lies at a share of the axis."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low * (1 - share) + self.high * share


@dataclass(frozen=True)
class Curve:
    """A line through points, from left to right; dotted where nothing was measured."""

    x: ArrayLike
    y: ArrayLike
    tone: str
    dotted: bool = False


@dataclass(frozen=True)
class Path:
    """A line through points in any order; what lies outside is left out."""

    x: ArrayLike
    y: ArrayLike
    tone: str


@dataclass(frozen=True)
class Cloud:
    """Points by themselves."""

    x: ArrayLike
    y: ArrayLike
    tone: str


@dataclass(frozen=True)
class Mark:
    """A short text at a point; held inside the canvas."""

    x: float
    y: float
    text: str
    tone: str


Layer = Curve | Path | Cloud | Mark


def draw(
    width: int, height: int, x: Axis, y: Axis, layers: Sequence[Layer], *, axes: bool = True
) -> list[Row]:
    """Draws a chart with plotext; later layers cover earlier ones.

    Args:
        width: cells.
        height: rows.
        x: the range from left to right.
        y: the range from bottom to top.
        layers: what to draw.
        axes: whether to draw the axes, where there is room for them.

    Returns:
        ``height`` rows of ``width`` cells each.
    """
    if width < 1 or height < 1:
        return []
    framed = axes and width >= 24 and height >= 5
    columns = width - LABEL_WIDTH - 1 if framed else width
    rows = height - 2 if framed else height
    tones = ["axis", *dict.fromkeys(layer.tone for layer in layers)]
    plt.clear_figure()
    plt.limit_size(False, False)
    plt.plot_size(width, height)
    plt.theme("clear")
    plt.canvas_color("default")
    plt.axes_color("default")
    plt.ticks_color(0)
    plt.xlim(0, 1)
    plt.ylim(0, 1)
    plt.frame(False)
    if framed:
        plt.xaxes(True, False)
        plt.yaxes(True, False)
        x_ticks = ticks(x, max(2, columns // 12))
        y_ticks = ticks(y, max(2, rows // 2))
        plt.xticks(x.place(x_ticks).tolist(), [number(t) for t in x_ticks])
        plt.yticks(y.place(y_ticks).tolist(), [number(t).rjust(LABEL_WIDTH) for t in y_ticks])
    else:
        plt.xaxes(False, False)
        plt.yaxes(False, False)
        plt.xticks([], [])
        plt.yticks([], [])
    curves = sum(isinstance(layer, Curve | Path) for layer in layers)
    # A curve that only falls or only rises is always drawn in full.
    dots = max(LINE_DOTS // max(curves, 1), 2 * columns + 4 * rows)
    drawn = False
    for layer in layers:
        tone = tones.index(layer.tone)
        px, py = x.place(np.atleast_1d(layer.x)), y.place(np.atleast_1d(layer.y))
        match layer:
            case Curve():
                for part_x, part_y in guarded(px, py, columns, rows, dots):
                    if layer.dotted:
                        part_x, part_y = dotted(part_x, part_y, columns, rows)
                    show = plt.scatter if layer.dotted else plt.plot
                    show(part_x.tolist(), part_y.tolist(), marker="braille", color=tone)
                    drawn = True
            case Path():
                for part_x, part_y in trimmed(px, py, columns, rows, dots):
                    plt.plot(part_x.tolist(), part_y.tolist(), marker="braille", color=tone)
                    drawn = True
            case Cloud():
                inside = (px >= 0) & (px <= 1) & (py >= 0) & (py <= 1)
                px, py = thinned(px[inside], py[inside], 2 * columns, 4 * rows)
                if len(px):
                    plt.scatter(px.tolist(), py.tolist(), marker="braille", color=tone)
                    drawn = True
            case Mark(text=text):
                if np.isnan(px[0]) or np.isnan(py[0]) or len(text) > columns:
                    continue
                # Held inside, the whole text: plotext centres it on the point.
                half = (len(text) / 2 + 0.5) / columns
                at = float(np.clip(px[0], min(half, 0.5), max(1 - half, 0.5)))
                plt.text(text, at, float(np.clip(py[0], 0, 1)), color=tone, alignment="center")
                drawn = True
    if not drawn:  # plotext draws no axes without data
        plt.text(" ", 0.5, 0.5)
    return spans(plt.build(), width, height, tones)


def guarded(
    x: Floats, y: Floats, columns: int, rows: int, dots: int
) -> list[tuple[Floats, Floats]]:
    """Makes a curve safe and cheap to draw, and keeps what it shows.

    Drops what is not finite, holds the rest inside the canvas, interrupts the curve where it
    stays outside, and keeps the smallest and largest value of each column, in their order.

    Args:
        x: from left to right, 0 to 1 on the canvas.
        y: from bottom to top, 0 to 1 on the canvas.
        columns: cells across.
        rows: cells down.
        dots: how many dots the curve may take; columns are joined until it keeps to that.

    Returns:
        The parts of the curve, each with a point that is inside.
    """
    good = np.isfinite(x) & np.isfinite(y) & (x >= 0) & (x <= 1)
    x, y = x[good], y[good]
    if not len(x):
        return []
    side = np.sign(np.where(y > 1, 1, np.where(y < 0, -1, 0)))
    y = np.clip(y, 0, 1)
    bins = columns
    while True:
        keep = extremes(x, y, bins)
        x, y, side = x[keep], y[keep], side[keep]
        path = np.maximum(np.abs(np.diff(x)) * 2 * columns, np.abs(np.diff(y)) * 4 * rows)
        if bins == 1 or path.sum() <= dots:
            break
        bins //= 2
    outside = (side[1:] == side[:-1]) & (side[1:] != 0)
    breaks = np.flatnonzero(outside) + 1
    parts = zip(np.split(x, breaks), np.split(y, breaks), np.split(side, breaks), strict=True)
    return [(x, y) for x, y, side in parts if not side.all()]


def trimmed(
    x: Floats, y: Floats, columns: int, rows: int, dots: int
) -> list[tuple[Floats, Floats]]:
    """Makes a path safe and cheap to draw: its parts inside the canvas, not too long.

    Args:
        x: 0 to 1 on the canvas.
        y: 0 to 1 on the canvas.
        columns: cells across.
        rows: cells down.
        dots: how many dots it may take; the rest of a longer path is left out, the oldest first.
    """
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)  # False where not finite
    length = np.maximum(
        np.abs(np.diff(x, prepend=x[:1])) * 2 * columns,
        np.abs(np.diff(y, prepend=y[:1])) * 4 * rows,
    )
    length = np.where(inside & np.isfinite(length), np.maximum(length, 0.01), 0.0)
    inside &= np.cumsum(length[::-1])[::-1] <= dots
    ends = np.flatnonzero(np.diff(inside)) + 1
    parts = zip(np.split(x, ends), np.split(y, ends), np.split(inside, ends), strict=True)
    return [(px, py) for px, py, kept in parts if len(kept) and kept[0]]


def dotted(x: Floats, y: Floats, columns: int, rows: int) -> tuple[Floats, Floats]:
    """Returns points along a line, ``DOT_GAP`` dots apart."""
    steps = np.maximum(np.abs(np.diff(x)) * 2 * columns, np.abs(np.diff(y)) * 4 * rows)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0.0, along[-1] + DOT_GAP / 2, DOT_GAP)
    return np.interp(at, along, x), np.interp(at, along, y)


def extremes(x: Floats, y: Floats, bins: int) -> NDArray[np.intp]:
    """Returns the indices of the smallest and largest y of each of so many columns, in order."""
    if len(x) <= 2 * bins:
        return np.arange(len(x))
    column = np.minimum((x * bins).astype(int), bins - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], len(x))
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    kept = [a + i for a, b in pairs for i in (int(y[a:b].argmin()), int(y[a:b].argmax()))]
    return np.unique(np.array(kept, dtype=np.intp))


def thinned(x: Floats, y: Floats, columns: int, rows: int) -> tuple[Floats, Floats]:
    """Returns one point for each dot that a cloud would light, and no more than ``DOTS``."""
    cells = np.round(x * columns) + np.round(y * rows) * (columns + 1)
    _, first = np.unique(cells, return_index=True)
    first = np.sort(first)[:: max(1, math.ceil(len(first) / DOTS))]
    return x[first], y[first]


def spans(canvas: str, width: int, height: int, tones: Sequence[str]) -> list[Row]:
    """Turns plotext's canvas into rows of text with tones, padded to the size."""
    rows: list[Row] = []
    for line in canvas.split("\n")[:height]:
        row: Row = []
        tone = "axis"
        # plotext writes colour n as \x1b[38;5;nm and ends each piece with \x1b[0m.
        for i, piece in enumerate(re.split(r"\x1b\[([\d;]*)m", line)):
            if i % 2:
                code = piece.rpartition(";")[2]
                tone = tones[int(code)] if piece.startswith("38") else "axis"
            elif piece:
                row.append((piece, tone))
        length = sum(len(text) for text, _ in row)
        row.append((" " * (width - length), "axis"))
        rows.append(row)
    rows.extend([[(" " * width, "axis")] for _ in range(height - len(rows))])
    return rows


def ticks(axis: Axis, most: int) -> list[float]:
    """Returns round numbers on an axis, at most so many (and two, where there are two)."""
    if axis.log:
        low, high = math.ceil(math.log10(axis.low) - 1e-9), math.floor(math.log10(axis.high) + 1e-9)
        every = max(1, math.ceil((high - low + 1) / most))
        return [10.0**p for p in range(low, high + 1, every)]
    step = nice(axis.high / most - axis.low / most)
    first, last = axis.low / step, axis.high / step
    # Where the ends are closer than their last digits, or too far for a number, there is no step.
    if not first + 0.1 < last <= first + most + 1:
        return [axis.low, axis.high]
    return [i * step for i in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]


def nice(value: float) -> float:
    """Returns the next number up that is 1, 2 or 5 times a power of ten, for a positive value."""
    power = 10.0 ** math.floor(math.log10(max(value, SMALLEST)))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= value * (1 - 1e-9))


def round_up(value: float) -> float:
    """Returns a round number a little above, in steps of a tenth to a third."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(f * power for f in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if f * power >= value)


def number(value: float) -> str:
    """Writes a tick's number in at most six cells, or an ellipsis where that is not enough."""
    texts = (f"{value:.4g}", f"{value:.0e}".replace("e+", "e"), "…")
    return next(text for text in texts if len(text) <= LABEL_WIDTH)
