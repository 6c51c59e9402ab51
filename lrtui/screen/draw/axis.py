"""Axes: the positions of values, and the round numbers along them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LABEL_WIDTH = 6
"""Cells for the labels of the y axis; constant, so that the canvas does not shift."""
MIN_TICK_STEP = 1e-307
"""The smallest step between ticks: below it, numbers lose digits."""
NUDGE = 1e-9
"""Allowed rounding error: a tick at 3/10 belongs to dot 3 of 10, not to dot 2."""
MAX_OFFSET = 1e150
"""Positions are clipped here, so that their differences stay finite."""
MAX_STEPS_FROM_ZERO = 1e6
"""Steps from zero beyond which six cells cannot distinguish neighbouring ticks."""
MAX_STRETCH_FOR_COARSER = 1.15
"""Factor on the length of an aligned axis from which the next larger step is better."""
SHORT_DECADES = 1.3
"""Decades below which a log axis needs ticks besides powers of ten."""
STRETCH_PER_TICK = 0.9
"""Factor on the score of a short log axis per tick; a smaller score is better."""
TICK_OFFSET = 0.125
"""Cells by which a tick may miss the middle of its cell: half a dot."""
MAX_STRETCH = 1.25 + NUDGE
"""Maximum factor on the length of an aligned axis."""

Tick = tuple[int, str]
"""The cell of a tick, counted from the low end, and its label."""


@dataclass(frozen=True)
class Axis:
    """The range of an axis.

    Attributes:
        low: the lower end.
        high: the upper end, above ``low``.
        log: whether equal distances are equal factors; ``low`` is positive then.
        step: the preferred distance of ticks, in decades on a log axis; 0 for none.
        values: of the preferred ticks.
        last: the largest value that may have a tick; beyond it is room for labels.
    """

    low: float
    high: float
    log: bool = False
    step: float = 0.0
    values: tuple[float, ...] = ()
    last: float = math.inf

    def place(self, values: ArrayLike) -> Floats:
        """Return the positions of values: 0 at the lower end, 1 at the upper end.

        NaN and infinity are kept; on a log axis, zero and negative values count as ``low``.
        """
        raw = np.asarray(values, dtype=float)
        low, high = self.scaled()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.log:
                raw = np.log10(np.where(raw <= 0, self.low, raw))
            # A quarter keeps the difference of any two finite numbers finite.
            unit = 1.0 if math.isfinite(high - low) else 0.25
            placed: Floats = (raw * unit - low * unit) / (high * unit - low * unit)
        return np.where(np.isfinite(raw), np.clip(placed, -MAX_OFFSET, MAX_OFFSET), raw)

    def at(self, share: float) -> float:
        """Return the value at a position, from 0 to 1."""
        if self.log:
            return float(self.low ** (1 - share) * self.high**share)
        return self.low * (1 - share) + self.high * share

    def scaled(self) -> tuple[float, float]:
        """Return both ends, as powers of ten on a log axis."""
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)

    def aligned(self, cells: int) -> Axis:
        """Return the axis, a little longer, with each tick in the middle of a cell.

        That is where ticks are drawn. The ends move in steps, however smoothly those of the axis
        do. Return the axis itself if it would get too long, or if labels would not fit.
        """
        low, high = self.scaled()
        if self.log and high - low < SHORT_DECADES:
            return self._between_two_ticks(cells)
        # A low end that is a tick has half a cell below it.
        size, least = high / (cells - 0.5) - low / (cells - 0.5), least_apart(cells)
        found: list[tuple[float, Axis]] = []
        for step in steps(least * size, high - low, self.log):
            most = min(math.floor(step / size + NUDGE), cells)
            # One cell less if the low end moves down by a part of a cell.
            for apart in range(most, max(most - 2, least - 1), -1):
                cell = step / apart
                start = (math.floor(low / cell + 0.5 + NUDGE) - 0.5) * cell
                end = start + cell * cells
                if end >= high - NUDGE * step and cell <= MAX_STRETCH * size:
                    with np.errstate(over="ignore"):
                        ends = np.power(10.0, [start, end]) if self.log else (start, end)
                    axis = Axis(float(ends[0]), float(ends[1]), self.log, step)
                    if math.isfinite(axis.high) and len(marked(axis, step)) > 1:
                        found.append((cell * MAX_STRETCH_FOR_COARSER ** len(found), axis))
                    break
        return min(found, key=lambda f: f[0])[1] if found else self

    def _between_two_ticks(self, cells: int) -> Axis:
        """Return a short log axis, a little longer, with two round numbers in the middle of cells.

        Others are in the middle only by chance: they become ticks if they are within an eighth of
        a cell.
        """
        low, high = outwards(self.low, self.high)
        size, least = (high - low) / cells, least_apart(cells)
        candidates = round_between(self.low, self.high)
        known = {math.log10(v): v for v in candidates if labels([v], 10.0 ** last_digit(v))}
        best, found = math.inf, self
        for first, last in combinations(known, 2):
            fewest = max(math.ceil((last - first) / (MAX_STRETCH * size)), least)
            for apart in range(fewest, math.floor((last - first) / size + NUDGE) + 1):
                cell = (last - first) / apart
                below = max(math.ceil((first - low) / cell - 0.5 - NUDGE), 0)
                start = first - (below + 0.5) * cell
                if start + cells * cell < high - NUDGE or below + apart >= cells:
                    continue
                at = {(place - start) / cell: value for place, value in known.items()}
                kept = in_the_middle(at, cells, least)
                # Another tick is worth a slightly longer axis.
                score = cell * STRETCH_PER_TICK ** len(kept)
                if score < best:
                    ends = 10.0**start, 10.0 ** (start + cells * cell)
                    best, found = score, Axis(*ends, log=True, values=tuple(kept))
        return found


def dots(shares: ArrayLike, number: int) -> Ints:
    """Return the dot, or cell, of each position on an axis, from 0 to 1.

    The upper end belongs to the last dot. Positions below the axis and NaN are at -1, those above
    it at ``number``. Cell i always has the dots 4 i to 4 i + 3.
    """
    near = np.minimum(np.fmax(shares, -1.0), 2.0)
    near = np.where(np.abs(near - 1) <= NUDGE, 1 - 2 * NUDGE, near)
    found = np.floor((near + NUDGE) * number)
    return np.asarray(np.minimum(np.maximum(found, -1), number), dtype=np.int64)


def least_apart(cells: int) -> int:
    """Return the minimum number of cells from one tick to the next."""
    return max(3 if cells >= 12 else 2, math.ceil(cells / 8))


def nice(value: float) -> float:
    """Return the next number up that is 1, 2 or 5 times a power of ten, for a positive value."""
    power = 10.0 ** math.floor(math.log10(max(value, MIN_TICK_STEP)))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= value * (1 - 1e-9))


def round_up(value: float) -> float:
    """Return a round number a little above, in steps of a tenth to a third."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(f * power for f in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if f * power >= value)


def steps(least: float, most: float, whole: bool) -> Iterator[float]:
    """Yield nice numbers from ``least`` to ``most``; whole numbers only, if asked."""
    step = nice(max(least, 1.0 if whole else MIN_TICK_STEP))
    while step <= most and math.isfinite(step):
        yield step
        step = nice(step * 1.5)


def multiples(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of a step in a range; none if their labels would be the same."""
    first, last = low / step, high / step
    if max(abs(first), abs(last)) > MAX_STEPS_FROM_ZERO or last - first > 1000:
        return []
    numbers = range(math.ceil(first - NUDGE), math.floor(last + NUDGE) + 1)
    return [float(f"{i * step:.12g}") for i in numbers]


def marked(axis: Axis, step: float) -> list[tuple[float, str]]:
    """Return ticks at the multiples of a step, with labels; none if these do not fit."""
    values = multiples(*axis.scaled(), step)
    if axis.log:
        return one_digit([10.0**v for v in values])
    return list(zip(values, labels(values, step), strict=False))


def one_digit(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return values of one digit each, and their labels."""
    return [(v, labels([v], v)[0]) for v in values]


def in_the_middle(at: Mapping[float, float], cells: int, least: int) -> list[float]:
    """Return the values in the middle of a cell, at least ``least`` cells apart.

    ``at`` holds the values by their place in cells, ascending.
    """
    found: list[float] = []
    before = -math.inf
    for place, value in at.items():
        centred = 0 < place < cells and abs(place % 1 - 0.5) <= TICK_OFFSET
        if centred and place - before > least - 0.5:
            found.append(value)
            before = place
    return found


def outwards(low: float, high: float) -> tuple[float, float]:
    """Return the ends of a short log axis, in decades, moved out a little to one of few places."""
    if high >= 5 * low:
        first, last = 8 * math.log10(low), 8 * math.log10(high)
        return math.floor(first + NUDGE) / 8, math.ceil(last - NUDGE) / 8
    step = nice((high - low) / 18)
    least, most = math.floor(low / step + NUDGE) * step, math.ceil(high / step - NUDGE) * step
    return math.log10(least if least > 0 else low), math.log10(most)


def round_between(low: float, high: float) -> list[float]:
    """Return round numbers in a range and a little around it, to choose from."""
    if high >= 5 * low > 0:
        powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        found = [float(f"{d}e{p}") for p in powers for d in (1, 2, 3, 5)]
        return [v for v in found if low / 1.5 <= v <= high * 1.5]
    step = nice((high - low) / 5)
    return [v for v in multiples(low - step, high + step, step) if v > 0]


def last_digit(value: float) -> int:
    """Return the power of ten of the last digit of a round number that is not 0."""
    return exponent(value) - len(f"{value:.9e}".partition("e")[0].rstrip("0")) + 2


def choices(axis: Axis, cells: int) -> Iterator[list[tuple[float, str]]]:
    """Yield possible ticks of an axis, with labels, the best ones first."""
    if axis.values:
        texts = [labels([v], v)[0] for v in axis.values]
        last = min(map(last_digit, axis.values))
        if any(last_digit(v) < exponent(v) for v in axis.values):  # of one precision
            texts = labels(axis.values, 10.0**last)
        yield list(zip(axis.values, texts, strict=False))
    if axis.step:
        found = marked(axis, axis.step)
        yield from (found, found[:-1])  # the last may be at the end, too close to the one before
    low, high = axis.scaled()
    least = least_apart(cells) / cells / 4  # steps too small for all ticks may do for two
    if axis.log:
        powers = range(math.floor(low), math.floor(high) + 1) if high - low <= 3 else ()
        simple = [float(f"{d}e{p}") for p in powers for d in (1, 2, 5)]
        yield one_digit([v for v in simple if axis.low <= v <= axis.high])
        yield from (marked(axis, s) for s in steps((high - low) * least, high - low, whole=True))
    if not axis.log or high - low < 1:
        linear = Axis(axis.low, axis.high)
        size, ends = axis.high * least - axis.low * least, max(abs(axis.low), abs(axis.high))
        # Steps as large as the ends give one tick if there is no room for two.
        yield from (marked(linear, s) for s in steps(size, 2 * ends, whole=False))


def ticks(
    axis: Axis, cells: int, fits: Callable[[Sequence[Tick]], bool] = lambda _: True
) -> list[Tick]:
    """Return the ticks of an axis of so many cells, from the low end.

    ``fits`` returns whether there is room for the labels of ticks.
    """
    least = least_apart(cells)
    second: list[Tick] = []
    for choice in choices(axis, cells):
        found = [(value, text) for value, text in choice if value <= axis.last]
        at = dots(axis.place([value for value, _ in found]), cells).tolist()
        whole = [(cell, text) for cell, (_, text) in zip(at, found, strict=True)]
        for some in (whole, [*whole[:1], *whole[1:][-1:]]):
            if all(b - a >= least for (a, _), (b, _) in pairwise(some)) and fits(some):
                if some is whole and len(some) > 1:
                    return some
                second = max(second, some, key=len)
    return second


def labels(values: Sequence[float], step: float) -> list[str]:
    """Return labels to the precision of a step, such as 0.05, 15k, 2M or 1e-5; none if too long."""
    largest = max(map(abs, values), default=0.0)
    written = [[in_unit(v, step, "", 1.0) for v in values]]
    if largest >= 1e9 or (largest < 0.01 and step < 0.001):
        written.append([scientific(v, step) for v in values])
    elif largest >= 1e4:
        unit, size = ("k", 1e3) if largest < 1e6 else ("M", 1e6)
        written.append([in_unit(v, step, unit, size) for v in values])
    shortest = min(written, key=lambda texts: max(map(len, texts), default=0))
    return shortest if all(len(text) <= LABEL_WIDTH for text in shortest) else []


def in_unit(value: float, step: float, unit: str, size: float) -> str:
    """Return a number in thousands, say, to the precision of a step."""
    decimals = max(0, exponent(size) - exponent(step))
    return f"{value / size:.{decimals}f}{unit}" if value or not unit else "0"


def scientific(value: float, step: float) -> str:
    """Return a number like 1e-5, to the precision of a step."""
    decimals = max(0, exponent(value) - exponent(step))
    mantissa, _, power = f"{value:.{decimals}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if decimals else mantissa
    return f"{mantissa}e{int(power)}" if value else "0"


def exponent(value: float) -> int:
    """Return the power of ten of a number's first digit."""
    return int(f"{value:e}".partition("e")[2])
