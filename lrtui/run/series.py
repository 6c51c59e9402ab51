"""The losses of a run, in memory that does not grow with the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CAPACITY = 4096
"""Buckets of a series: losses are exact up to this step, 128 kB a run at any length."""

RECENT = 128
"""Last losses that are kept one by one at any length."""


class LossSeries:
    """Losses of a run by step, with or without gaps between the steps.

    Up to step ``CAPACITY`` each loss is kept. Then neighbours are merged into buckets of twice as
    many steps that keep their smallest, largest and mean loss, again and again: no spike is lost.

    Attributes:
        count: losses taken so far.
        stride: steps a bucket.
        first: first loss.
        last: last finite loss.
        largest: largest finite loss.
        smallest: smallest finite loss.
        broken: first step whose loss was not finite, if there was one.
        recent: the last losses, NaN where not finite.
        under_since: step from which on every loss was at most the target; ``None`` where the last
            one was not, or there is no target.
    """

    def __init__(self, target: float | None = None) -> None:
        """Start without a loss.

        Args:
            target: loss at which a run counts as settled, if there is one.
        """
        self.under_since: int | None = None
        self.recent: Floats = np.empty(0)
        self._target = target
        self.count = 0
        self.stride = 1
        self.first = self.last = self.largest = self.smallest = float("nan")
        self.broken: int | None = None
        self._low = np.full(CAPACITY, np.nan)
        self._high = np.full(CAPACITY, np.nan)
        self._sum = np.zeros(CAPACITY)
        self._number = np.zeros(CAPACITY)  # finite losses in each bucket
        self._used = 0  # buckets up to the last step

    def append(self, steps: Sequence[int], losses: Sequence[float | None]) -> None:
        """Add the next losses.

        Args:
            steps: ascending, all after those added before.
            losses: one for each step, ``None`` where not finite.
        """
        values: Floats = np.array(losses, dtype=float)
        if not len(values):
            return
        at = np.fromiter(steps, dtype=np.int64, count=len(values))
        finite = np.isfinite(values)
        if self.broken is None and not finite.all():
            self.broken = int(at[np.argmin(finite)])
        if finite.any():
            known = values[finite]
            self.last = float(known[-1])
            self.largest = float(np.fmax(self.largest, known.max()))
            self.smallest = float(np.fmin(self.smallest, known.min()))
        if self.count == 0:
            self.first = float(values[0])
        self.count += len(values)
        self.recent = np.concatenate([self.recent, values])[-RECENT:]
        if self._target is not None:
            above = np.flatnonzero(~(values <= self._target))
            if len(above):
                after = int(above[-1]) + 1
                self.under_since = int(at[after]) if after < len(at) else None
            elif self.under_since is None:
                self.under_since = int(at[0])
        while at[-1] // self.stride >= CAPACITY:
            self._merge()
        buckets = at // self.stride
        np.fmin.at(self._low, buckets, values)
        np.fmax.at(self._high, buckets, values)
        np.add.at(self._sum, buckets[finite], values[finite])
        np.add.at(self._number, buckets[finite], 1)
        self._used = int(buckets[-1]) + 1

    def _merge(self) -> None:
        half = CAPACITY // 2
        for column, merge in ((self._low, np.fmin), (self._high, np.fmax)):
            column[:half] = merge(column[::2], column[1::2])
            column[half:] = np.nan
        for total in (self._sum, self._number):
            total[:half] = total[::2] + total[1::2]
            total[half:] = 0
        self.stride *= 2

    def curve(self) -> tuple[Floats, Floats]:
        """Return steps and finite losses to draw: all of them, or each bucket's extremes."""
        low, high = self._low[: self._used], self._high[: self._used]
        filled = np.flatnonzero(np.isfinite(low))
        if self.stride == 1:
            return filled.astype(float), low[filled]
        steps = np.repeat(filled * float(self.stride), 2)
        return steps, np.column_stack([high[filled], low[filled]]).ravel()

    def means(self) -> tuple[Floats, Floats]:
        """Return the first step and the mean finite loss of each bucket that has one."""
        filled = np.flatnonzero(self._number[: self._used])
        return filled * float(self.stride), self._sum[filled] / self._number[filled]

    def at(self, step: int) -> float | None:
        """Return the loss at a step, as far as each is kept."""
        if self.stride > 1 or step >= self._used:
            return None
        loss = float(self._low[step])
        return loss if np.isfinite(loss) else None

    @property
    def nbytes(self) -> int:
        """Memory of the losses, in bytes."""
        columns = (self._low, self._high, self._sum, self._number, self.recent)
        return sum(column.nbytes for column in columns)
