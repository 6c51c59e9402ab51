"""What a training has done so far, in memory that does not grow with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lrtui.messages import LARGEST, Progress

MAX_BUCKETS = 4096
"""Stretches that are kept."""

MAX_SCALARS = 32
"""Scalars of different names that are told, besides the loss and the rates."""


IN_GAUGE = ("calm", "pairs")
"""Numbers that a ``Gauge`` has, and no column."""


class Row(NamedTuple):
    """One step.

    Attributes:
        step: steps taken.
        loss: NaN where it was not finite.
        lr: rate in force, ``None`` if unknown.
        scheduled: rate that the schedule asked for, ``None`` if unknown.
        others: further scalars by name.
    """

    step: int
    loss: float
    lr: float | None
    scheduled: float | None
    others: Mapping[str, float | None]


class History:
    """Rows of all steps up to ``MAX_BUCKETS``; then those of the extremes of longer stretches.

    Neighbouring stretches are merged again and again: of each, the rows with its smallest and its
    largest loss are kept, so no spike is lost. A loss that is not finite counts as the largest.
    The last row is kept besides: it says how far the training is.
    """

    def __init__(self, stride: int = 1) -> None:
        """Start without a row.

        Args:
            stride: rows of a stretch.
        """
        self._stretches: list[tuple[Row, Row]] = []
        self._stride = stride
        self._filled = 0  # rows in the last stretch
        self._last: Row | None = None

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows."""
        stretches = self._stretches
        for row in rows:
            if self._filled % self._stride == 0:
                if len(stretches) == MAX_BUCKETS:
                    self._merge()
                    stretches = self._stretches
                stretches.append((row, row))
                self._filled = 1
                continue
            low, high = stretches[-1]
            self._filled += 1
            # As min and max by height would; of many steps a second, this counts.
            if row.loss < low.loss or low.loss != low.loss:
                stretches[-1] = (row, high)
            elif not row.loss <= high.loss and high.loss == high.loss:
                stretches[-1] = (low, row)
        self._last = rows[-1] if rows else self._last

    def _merge(self) -> None:
        pairs = zip(self._stretches[::2], self._stretches[1::2], strict=True)
        self._stretches = [
            (min(a[0], b[0], key=height), max(a[1], b[1], key=height)) for a, b in pairs
        ]
        self._stride *= 2
        self._filled = 0

    def rows(self) -> list[Row]:
        """Return the rows that are kept, ascending."""
        found: list[Row] = []
        for low, high in self._stretches:
            if low.step == high.step:
                found.append(low)
            else:
                found += (low, high) if low.step < high.step else (high, low)
        if self._last is not None and self._last.step > found[-1].step:
            found.append(self._last)
        return found


def height(row: Row) -> float:
    """Return the loss of a row, infinite where it is not a number."""
    return row.loss if row.loss == row.loss else math.inf


def extremes(rows: Sequence[Row], most: int) -> list[Row]:
    """Return rows; where there are more, the extremes of ``most`` equal stretches and the last."""
    if len(rows) <= 2 * most:
        return [*rows]
    kept = History(stride=-(-len(rows) // most))
    kept.add(rows)
    return kept.rows()


def progress(run: int, rows: Sequence[Row], seconds: float, *, no_loss: bool) -> Progress:
    """Return rows as a message.

    Args:
        run: number of the run.
        rows: at least one.
        seconds: time spent training so far.
        no_loss: whether the loss of none of them is known.
    """
    columns = {"loss": [told(row.loss) for row in rows]}
    lrs = [told(row.lr) for row in rows]
    scheduled = [told(row.scheduled) for row in rows]
    if any(lr is not None for lr in lrs):
        columns["lr"] = lrs
    if scheduled != lrs:
        columns["scheduled"] = scheduled
    names = dict.fromkeys(name for row in rows for name in row.others if name not in IN_GAUGE)
    for name in [*names][:MAX_SCALARS]:
        columns[name] = [told(row.others.get(name)) for row in rows]
    first, last = rows[0].step, rows[-1].step
    consecutive = last - first == len(rows) - 1
    steps = first if consecutive else [row.step for row in rows]
    return Progress(run=run, steps=steps, scalars=columns, seconds=seconds, no_loss=no_loss)


def told(number: float | None) -> float | None:
    """Return a number as a message has it: ``None`` for one that is not finite."""
    return number if number is not None and abs(number) <= LARGEST else None
