"""The losses of a run, in memory that does not grow with the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CAPACITY = 4096
"""Buckets of a series: losses are exact up to this step, 64 kB a run at any length."""


class LossSeries:
    """Losses of a run by step, with or without gaps between the steps.

    Up to step ``CAPACITY`` each loss is kept. Then neighbours are merged into buckets of twice as
    many steps that keep their smallest and largest loss, again and again: no spike is lost.

    Attributes:
        count: losses taken so far.
        stride: steps a bucket.
        first: first loss.
        last: last finite loss.
        largest: largest finite loss.
        smallest: smallest finite loss.
        broken: first step whose loss was not finite, if there was one.
    """

    def __init__(self) -> None:
        """Start without a loss."""
        self.count = 0
        self.stride = 1
        self.first = self.last = self.largest = self.smallest = float("nan")
        self.broken: int | None = None
        self._low = np.full(CAPACITY, np.nan)
        self._high = np.full(CAPACITY, np.nan)
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
        while at[-1] // self.stride >= CAPACITY:
            self._merge()
        buckets = at // self.stride
        np.fmin.at(self._low, buckets, values)
        np.fmax.at(self._high, buckets, values)
        self._used = int(buckets[-1]) + 1

    def _merge(self) -> None:
        half = CAPACITY // 2
        for column, merge in ((self._low, np.fmin), (self._high, np.fmax)):
            column[:half] = merge(column[::2], column[1::2])
            column[half:] = np.nan
        self.stride *= 2

    def curve(self) -> tuple[Floats, Floats]:
        """Return steps and finite losses to draw: all of them, or each bucket's extremes."""
        low, high = self._low[: self._used], self._high[: self._used]
        filled = np.flatnonzero(np.isfinite(low))
        if self.stride == 1:
            return filled.astype(float), low[filled]
        steps = np.repeat(filled * float(self.stride), 2)
        return steps, np.column_stack([high[filled], low[filled]]).ravel()

    @property
    def nbytes(self) -> int:
        """Memory of the losses, in bytes."""
        return self._low.nbytes + self._high.nbytes
