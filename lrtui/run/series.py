"""The losses of a run, in memory that does not grow with the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CAPACITY = 4096
"""Buckets of a series: the losses are exact up to so many steps, 64 kB a run at any length."""


class LossSeries:
    """Every loss of a run, from step 0 on.

    Up to ``CAPACITY`` steps each loss is kept. Then neighbours are merged into buckets of twice
    as many steps that keep their smallest and largest loss, again and again: no spike is lost.

    Attributes:
        count: losses taken so far.
        stride: steps a bucket.
        first: the loss at step 0.
        last: the last finite loss.
        largest: the largest finite loss.
        smallest: the smallest finite loss.
        broken: the first step whose loss was not finite, if there was one.
    """

    def __init__(self) -> None:
        """Starts without a loss."""
        self.count = 0
        self.stride = 1
        self.first = self.last = self.largest = self.smallest = float("nan")
        self.broken: int | None = None
        self._low = np.empty(CAPACITY)
        self._high = np.empty(CAPACITY)
        self._full = 0
        self._rest = np.empty(0)  # losses of the bucket that is not full yet

    def append(self, new: Sequence[float | None]) -> None:
        """Adds the next losses, ``None`` where they are not finite."""
        losses = np.array(new, dtype=float)
        if not len(losses):
            return
        finite = np.isfinite(losses)
        if self.broken is None and not finite.all():
            self.broken = self.count + int(np.argmin(finite))
        if finite.any():
            known = losses[finite]
            self.last = float(known[-1])
            self.largest = float(np.fmax(self.largest, known.max()))
            self.smallest = float(np.fmin(self.smallest, known.min()))
        if self.count == 0:
            self.first = float(losses[0])
        self.count += len(losses)
        losses = np.concatenate([self._rest, losses])
        while len(losses) >= self.stride:
            if self._full == CAPACITY:
                self._merge()
                continue
            buckets = min(len(losses) // self.stride, CAPACITY - self._full)
            taken = losses[: buckets * self.stride].reshape(buckets, self.stride)
            self._low[self._full : self._full + buckets] = np.fmin.reduce(taken, axis=1)
            self._high[self._full : self._full + buckets] = np.fmax.reduce(taken, axis=1)
            self._full += buckets
            losses = losses[buckets * self.stride :]
        self._rest = losses.copy()

    def _merge(self) -> None:
        self._low[: CAPACITY // 2] = np.fmin(self._low[::2], self._low[1::2])
        self._high[: CAPACITY // 2] = np.fmax(self._high[::2], self._high[1::2])
        self._full = CAPACITY // 2
        self.stride *= 2

    def curve(self) -> tuple[Floats, Floats]:
        """Returns steps and losses to draw: all of them, or each bucket's largest and smallest."""
        low, high = self._low[: self._full], self._high[: self._full]
        start = self._full * self.stride
        rest = np.arange(start, start + len(self._rest), dtype=float)
        if self.stride == 1:
            return np.arange(self.count, dtype=float), low.copy()
        steps = np.repeat(np.arange(self._full) * float(self.stride), 2)
        losses = np.column_stack([high, low]).ravel()
        return np.concatenate([steps, rest]), np.concatenate([losses, self._rest])

    @property
    def nbytes(self) -> int:
        """Memory of the losses, in bytes."""
        return self._low.nbytes + self._high.nbytes + self._rest.nbytes
