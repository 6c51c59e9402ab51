"""Charts as rows of text: the only module that calls plotext.

``Canvas`` alone turns values into dots, rows and columns. plotext, which rounds ticks and texts
each in its own way, draws the axes, from ticks that are on its grid already.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import plotext as plt
from numpy.typing import ArrayLike, NDArray

from lrtui.screen.draw.axis import (
    LABEL_WIDTH,
    Axis,
    Floats,
    Ints,
    Tick,
    dots,
    nice,
    round_up,
    ticks,
)
from lrtui.screen.draw.raster import line_dots
from lrtui.screen.draw.spans import Row

__all__ = [
    "Axis", "Canvas", "Cloud", "Curve", "Floats", "Ints", "Label", "Layer", "Mark", "Path",
    "Stroke", "draw", "line_of_text", "nice", "round_up",
]  # fmt: skip

BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a braille character, by row from the top and column."""
BLANK = 0x2800
"""The braille character without a dot."""
AXIS = "axis"
"""The tone of axes and ticks."""
MAX_FRAMES = 64
"""Axes in the cache."""


@dataclass(frozen=True)
class Canvas:
    """The cells inside the axes, ``columns`` by ``rows``, with ``left`` cells before them."""

    left: int
    columns: int
    rows: int

    @classmethod
    def of(cls, width: int, height: int, axes: bool = True) -> Canvas:
        """Return the canvas of a chart; small charts have no axes."""
        if axes and width >= 24 and height >= 5:
            return cls(LABEL_WIDTH + 1, width - LABEL_WIDTH - 1, height - 2)
        return cls(0, max(width, 1), max(height, 1))

    def column(self, axis: Axis, value: float) -> int:
        """Return the column of a value: -1 left of the canvas, ``columns`` right of it."""
        return int(dots(axis.place(value), self.columns))

    def row(self, axis: Axis, value: float) -> int:
        """Return the row of a value, from the top: -1 above the canvas, ``rows`` below it."""
        return self.rows - 1 - int(dots(axis.place(value), self.rows))

    def x_at(self, axis: Axis, column: int) -> float:
        """Return the value at the middle of a column."""
        return axis.at((column + 0.5) / self.columns)

    def y_at(self, axis: Axis, row: int) -> float:
        """Return the value at the middle of a row."""
        return axis.at((self.rows - row - 0.5) / self.rows)


@dataclass(frozen=True)
class Points:
    """Points of one tone."""

    x: ArrayLike
    y: ArrayLike
    tone: str


class Cloud(Points):
    """Unconnected points."""


class Path(Points):
    """A line through points, broken at those that are not finite."""


class Stroke(Path):
    """A path two dots wide: the line of a run."""


@dataclass(frozen=True)
class Curve(Points):
    """A line through the finite points; dotted for a forecast."""

    dotted: bool = False


@dataclass(frozen=True)
class Mark:
    """A character in the cell of a point; outside the canvas, an arrow at the edge."""

    x: float
    y: float
    sign: str
    tone: str


@dataclass(frozen=True)
class Label:
    """A text beside a point, left out if it does not fit.

    With ``ends`` it labels the end of a line, and must not cover anything.
    """

    x: float
    y: float
    text: str
    tone: str
    ends: bool = False


Layer = Curve | Path | Cloud | Mark | Label


class Sheet:
    """The cells of a canvas: a character and a tone each."""

    def __init__(self, canvas: Canvas) -> None:
        """Start blank."""
        self.canvas = canvas
        shape = (canvas.rows, canvas.columns)
        self.codes: Ints = np.full(shape, BLANK)
        self.tones: Ints = np.zeros(shape, dtype=np.int64)
        self.taken: NDArray[np.bool_] = np.zeros(shape, dtype=bool)

    def light(self, x: Ints, y: Ints, tone: int) -> None:
        """Light dots, over those of other tones, clipped to the canvas."""
        rows, columns = self.codes.shape
        inside = (x >= 0) & (x < 2 * columns) & (y >= 0) & (y < 4 * rows)
        across, down = x[inside], 4 * rows - 1 - y[inside]
        new = np.zeros_like(self.codes)
        np.bitwise_or.at(new, (down // 4, across // 2), BITS[down % 4, across % 2])
        here = new > 0
        kept = np.where(self.tones == tone, self.codes, BLANK)
        self.codes = np.where(here, kept | new, self.codes)
        self.tones[here] = tone

    def write(self, row: int, column: int, text: str, tone: int) -> None:
        """Write a text and reserve its cells."""
        end = column + len(text)
        self.codes[row, column:end] = [ord(c) for c in text]
        self.tones[row, column:end] = tone
        self.taken[row, column:end] = True

    def place(self, label: Label, row: int, column: int, tone: int) -> None:
        """Write a label near a cell, where it covers fewest dots and no mark or label."""
        size, columns = len(label.text), self.canvas.columns
        right, left = column + 2, column - 1 - size
        if label.ends:
            start = min(right, columns - size)
            near = [(row + down, start) for down in (0, -1, 1, -2, 2, -3, 3, -4, -5)]
        else:
            over = min(max(column - size // 2, 0), columns - size)
            near = [(row, right), (row, left), (row - 1, over), (row + 1, over)]
            near += [(row + down, start) for down in (-1, 1) for start in (right, left)]
            near += [(row - 2, over), (row + 2, over), (row, right + 2), (row, left - 2)]
        free = []
        for line, start in near:
            if not (0 <= line < self.canvas.rows and 0 <= start <= columns - size):
                continue
            # A blank on either side keeps other lines from between a line and its label.
            beside = slice(max(start - 1, 0), start + size + (not label.ends))
            if not self.taken[line, beside].any():
                covered = np.count_nonzero(self.codes[line, start : start + size] != BLANK)
                near_it = np.count_nonzero(self.codes[line, beside] != BLANK)
                if not (label.ends and near_it):
                    free.append(((int(covered), int(near_it)), line, start))
        if free:
            _, line, start = min(free, key=lambda f: f[0])
            self.write(line, start, label.text, tone)

    def rows(self, frame: Ints, tones: Sequence[str]) -> list[Row]:
        """Return the rows of the chart, in spans of one tone.

        Args:
            frame: the code of each cell of the chart without lines, shape [rows, columns].
            tones: the tone of each number; the first is that of the frame.
        """
        left, (down, across) = self.canvas.left, self.codes.shape
        lit = self.codes != BLANK
        codes, kind = frame.copy(), np.zeros_like(frame)
        codes[:down, left : left + across][lit] = self.codes[lit]
        kind[:down, left : left + across][lit] = self.tones[lit]
        new = np.diff(kind, axis=1, prepend=-1) != 0
        found: list[Row] = []
        for line, starts, kinds in zip(text_of(codes), new, kind, strict=True):
            cuts = pairwise([*np.flatnonzero(starts).tolist(), len(line)])
            found.append([(line[start:end], tones[kinds[start]]) for start, end in cuts])
        return found


def draw(
    width: int, height: int, x: Axis, y: Axis, layers: Sequence[Layer], *, axes: bool = True
) -> list[Row]:
    """Draw a chart of ``height`` rows of ``width`` cells with plotext.

    Later layers cover earlier ones, marks cover all lines. Small charts have no axes.
    """
    if width < 1 or height < 1:
        return []
    canvas = Canvas.of(width, height, axes)
    tones = [AXIS, *dict.fromkeys(layer.tone for layer in layers)]
    sheet = Sheet(canvas)
    for layer in layers:
        if not isinstance(layer, Mark | Label):
            sheet.light(*lit(canvas, x, y, layer), tones.index(layer.tone))
    marks = [layer for layer in layers if isinstance(layer, Mark)]
    texts = [layer for layer in layers if isinstance(layer, Label)]
    for mark in marks:  # first, as labels keep clear of them
        put(sheet, x, y, mark, tones.index(mark.tone))
    for label, row, column in placed(canvas, x, y, texts):
        sheet.place(label, row, column, tones.index(label.tone))
    frame = axes_drawn(width, height, x, y) if canvas.left else np.full((height, width), ord(" "))
    return sheet.rows(frame, tones)


def line_of_text(at: ArrayLike, values: ArrayLike, x: Axis, y: Axis, cells: int) -> str:
    """Return a curve in one row of text, without axes."""
    canvas = Canvas(0, cells, 1)
    sheet = Sheet(canvas)
    sheet.light(*lit(canvas, x, y, Curve(at, values, AXIS)), 0)
    return text_of(sheet.codes)[0].replace(chr(BLANK), " ")


def text_of(codes: Ints) -> list[str]:
    """Return the text of each row of codes."""
    width = codes.shape[1]
    text = codes.astype(np.uint32).tobytes().decode("utf-32-le")
    return [text[i : i + width] for i in range(0, len(text), width)]


@lru_cache(maxsize=MAX_FRAMES)
def axes_drawn(width: int, height: int, x: Axis, y: Axis) -> Ints:
    """Return the code of each cell of an empty chart: axes, ticks and their labels.

    Axes change seldom, and plotext takes longer for them than numpy for the lines.
    """
    canvas = Canvas.of(width, height)
    across = ticks(x, canvas.columns, lambda found: bool(label_row(canvas, found)))
    up = ticks(y, canvas.rows)
    plt.clear_figure()
    plt.limit_size(False, False)
    plt.plot_size(width, height)
    plt.xlim(0, 1)
    plt.ylim(0, 1)
    plt.xaxes(True, False)
    plt.yaxes(True, False)
    # Blank labels, off the axis if there are no ticks, make plotext keep room for labels.
    places, blanks = [c for c, _ in across] or [-1], [" "] * max(len(across), 1)
    plt.xticks([share(c, canvas.columns) for c in places], blanks)
    plt.yticks(
        [share(row, canvas.rows) for row, _ in up or [(-1, "")]],
        [text.rjust(LABEL_WIDTH) for _, text in up or [(-1, "")]],
    )
    plt.text(" ", 0, 0)  # plotext draws no axes without data
    rows = plt.uncolorize(plt.build()).split("\n")[: height - 1]
    # plotext would move these labels away from their ticks.
    return np.array([[*map(ord, row)] for row in [*rows, label_row(canvas, across)]])


def share(cell: int, cells: int) -> float:
    """Return the position at which plotext draws exactly in a cell."""
    return cell / max(cells - 1, 1)


def label_row(canvas: Canvas, found: Sequence[Tick]) -> str:
    """Return the labels of the x axis, centred on their ticks; empty if they would touch."""
    width = canvas.left + canvas.columns
    row = ""
    for column, text in found:
        start = min(canvas.left + column - len(text) // 2, width - len(text))
        if row and start <= len(row):
            return ""
        row = row.ljust(start) + text
    return row.ljust(width)


def lit(canvas: Canvas, x: Axis, y: Axis, layer: Curve | Path | Cloud) -> tuple[Ints, Ints]:
    """Return the dots that a layer lights: two across and four up to a cell."""
    at, up = x.place(np.atleast_1d(layer.x)), y.place(np.atleast_1d(layer.y))
    width, height = 2 * canvas.columns, 4 * canvas.rows
    match layer:
        case Curve(dotted=dotted):
            return line_dots(at, up, width, height, dotted=dotted)
        case Path():
            return line_dots(at, up, width, height, gaps=True, wide=isinstance(layer, Stroke))
        case Cloud():
            return dots(at, width), dots(up, height)


def inside(canvas: Canvas, column: int, row: int) -> tuple[int, int]:
    """Return the cell of the canvas next to a column and row."""
    return min(max(column, 0), canvas.columns - 1), min(max(row, 0), canvas.rows - 1)


def placed(
    canvas: Canvas, x: Axis, y: Axis, labels: Iterable[Label]
) -> Iterator[tuple[Label, int, int]]:
    """Yield labels with row and column; those at the ends of lines stand in the order of these."""
    ends = []
    for label in labels:
        if math.isnan(label.x) or math.isnan(label.y):
            continue
        column, row = inside(canvas, canvas.column(x, label.x), canvas.row(y, label.y))
        if label.ends:
            ends.append((label, row, column))
        else:
            yield label, row, column
    ends.sort(key=lambda end: -end[0].y)

    def overlap(i: int, j: int) -> bool:
        (one, _, first), (other, _, second) = ends[i], ends[j]
        return first < second + len(other.text) and second < first + len(one.text)

    rows = [row for _, row, _ in ends]
    for i in range(len(ends)):  # each below those that ended higher, then up from the bottom
        rows[i] = max([rows[i], *(rows[j] + 1 for j in range(i) if overlap(i, j))])
    for i in reversed(range(len(ends))):
        after = (rows[j] - 1 for j in range(i + 1, len(ends)) if overlap(i, j))
        rows[i] = min([rows[i], canvas.rows - 1, *after])
    yield from ((label, row, column) for (label, _, column), row in zip(ends, rows, strict=True))


def put(sheet: Sheet, x: Axis, y: Axis, mark: Mark, tone: int) -> None:
    """Write a mark in its cell; nothing if the point is not a number."""
    if np.isnan([mark.x, mark.y]).any():
        return
    canvas = sheet.canvas
    column, row = canvas.column(x, mark.x), canvas.row(y, mark.y)
    at, up = inside(canvas, column, row)
    sign = mark.sign
    if row != up:
        sign = "▲" if row < up else "▼"
    elif column != at:
        sign = "◀" if column < at else "▶"
    sheet.write(up, at, sign, tone)
