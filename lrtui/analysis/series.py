"""The losses of a run of any length, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_BUCKETS = 4096
"""Most buckets of a series, and of exact steps: 160 kB per run."""

RECENT_LOSSES = 128
"""Last losses, always kept exactly."""

OPENING = 10
"""First losses, always kept exactly."""


class LossSeries:
    """Losses of a run by step, with or without gaps between the steps.

    Up to ``MAX_BUCKETS`` steps, each loss is kept. Beyond that, buckets are merged in pairs, and
    keep their smallest and largest loss and their mean, so that no spike is lost.

    Attributes:
        target: loss at which the run counts as settled, ``None`` if there is none.
        count: number of losses.
        stride: steps per bucket.
        origin: step of the first loss.
        first: first loss.
        opening: first ``OPENING`` losses, NaN if non-finite; never changed in place.
        last: last finite loss.
        largest: largest finite loss.
        smallest: smallest finite loss.
        smallest_at: its step.
        broken: first step with a non-finite loss, ``None`` if there is none.
        non_finite_since: step since which all are non-finite, ``None`` if the last is finite.
        under_since: step since which all are at most the target, ``None`` if the last is not.
        recent: last ``RECENT_LOSSES`` losses, NaN if non-finite; never changed in place.
        recent_steps: their steps.
    """

    def __init__(self, target: float | None = None) -> None:
        """Start without a loss."""
        self.target = target
        self.count = self.origin = self.smallest_at = 0
        self.stride = 1
        self.first = self.last = self.largest = self.smallest = float("nan")
        self.opening: Floats = np.zeros(0)
        self.broken: int | None = None
        self.non_finite_since: int | None = None
        self.under_since: int | None = None
        self.recent: Floats = np.zeros(0)
        self.recent_steps: Ints = np.zeros(0, dtype=np.int64)
        self._low = np.full(MAX_BUCKETS, np.nan)
        self._high = np.full(MAX_BUCKETS, np.nan)
        self._sum = np.zeros(MAX_BUCKETS)  # of the finite losses in each bucket
        self._finite = np.zeros(MAX_BUCKETS)  # how many they are
        self._missing = np.zeros(MAX_BUCKETS)  # how many were not finite
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
        if isinstance(steps, range):  # faster
            at: Ints = np.arange(steps.start, steps.stop, steps.step)
        else:
            at = np.fromiter(steps, dtype=np.int64, count=len(values))
        finite = np.isfinite(values)
        values[~finite] = np.nan
        if self.broken is None and not finite.all():
            self.broken = int(at[np.argmin(finite)])
        if finite[-1]:
            self.non_finite_since = None
        elif finite.any() or self.non_finite_since is None:
            finite_at = np.flatnonzero(finite)
            self.non_finite_since = int(at[finite_at[-1] + 1 if len(finite_at) else 0])
        if self.count == 0:
            self.first, self.origin = float(values[0]), int(at[0])
        if finite.any():
            finite_values = values[finite]
            self.last = float(finite_values[-1])
            self.largest = float(np.fmax(self.largest, finite_values.max()))
            least = int(finite_values.argmin())
            if not self.smallest <= finite_values[least]:
                self.smallest = float(finite_values[least])
                self.smallest_at = int(at[finite][least])
        if self.count < OPENING:
            self.opening = np.concatenate([self.opening, values])[:OPENING]
        self.count += len(values)
        self._follow_target(at, values)
        self.recent = np.concatenate([self.recent, values[-RECENT_LOSSES:]])[-RECENT_LOSSES:]
        self.recent_steps = np.concatenate([self.recent_steps, at[-RECENT_LOSSES:]])[
            -RECENT_LOSSES:
        ]
        while (at[-1] - self.origin) // self.stride >= MAX_BUCKETS:
            self._merge()
        buckets = (at - self.origin) // self.stride
        np.fmin.at(self._low, buckets, values)
        np.fmax.at(self._high, buckets, values)
        np.add.at(self._sum, buckets, np.where(finite, values, 0.0))
        np.add.at(self._finite, buckets, finite.astype(float))
        np.add.at(self._missing, buckets, (~finite).astype(float))
        self._used = int(buckets[-1]) + 1

    def _follow_target(self, at: Ints, values: Floats) -> None:
        if self.target is None:
            return
        over = np.flatnonzero(~(values <= self.target))
        since = int(over[-1]) + 1 if len(over) else 0
        if since == len(at):
            self.under_since = None
        elif since or self.under_since is None:
            self.under_since = int(at[since])

    def _merge(self) -> None:
        half = MAX_BUCKETS // 2
        for column, merge, empty in (
            (self._low, np.fmin, np.nan),
            (self._high, np.fmax, np.nan),
            (self._sum, np.add, 0.0),
            (self._finite, np.add, 0.0),
            (self._missing, np.add, 0.0),
        ):
            column[:half] = merge(column[::2], column[1::2])
            column[half:] = empty
        self.stride *= 2

    def curve(self) -> tuple[Floats, Floats]:
        """Return steps and finite losses to draw: all, or each bucket's extremes."""
        low, high = self._low[: self._used], self._high[: self._used]
        filled = np.flatnonzero(np.isfinite(low))
        steps: Floats = (self.origin + filled * self.stride).astype(np.float64)
        if self.stride == 1:
            return steps, low[filled]
        return np.repeat(steps, 2), np.column_stack([high[filled], low[filled]]).ravel()

    def at(self, step: int) -> float | None:
        """Return the loss at a step, ``None`` if it is unknown, merged or non-finite."""
        bucket = step - self.origin
        if self.stride == 1 and 0 <= bucket < self._used:
            loss = float(self._low[bucket])
        else:
            near = np.flatnonzero(self.recent_steps == step)
            loss = float(self.recent[near[0]]) if len(near) else float("nan")
        return None if np.isnan(loss) else loss

    def around(self, step: int) -> tuple[float, float] | None:
        """Return the extremes of the bucket of a step, ``None`` without a finite loss."""
        bucket = (step - self.origin) // self.stride
        if not 0 <= bucket < self._used or np.isnan(self._low[bucket]):
            return None
        return float(self._low[bucket]), float(self._high[bucket])

    def means(self, edges: Ints) -> Floats:
        """Return the mean loss of each half-open interval between steps, NaN without a loss.

        Args:
            edges: steps counted from ``origin``, ascending; rounded down to a bucket's first step.
        """
        at = np.minimum(edges // self.stride, self._used)
        # Summed separately: a running sum would lose all digits after a huge loss.
        total, finite = (
            np.add.reduceat(np.append(column[: self._used], 0.0), at)[:-1]
            for column in (self._sum, self._finite)
        )
        low, high = (
            extreme.reduceat(np.append(column[: self._used], np.nan), at)[:-1]
            for extreme, column in ((np.fmin, self._low), (np.fmax, self._high))
        )
        with np.errstate(invalid="ignore"):
            means: Floats = np.clip(total / finite, low, high)  # the rounding of the sum
        means[np.diff(at) == 0] = np.nan
        return means

    def non_finite(self) -> list[tuple[int, int]]:
        """Return the first and the last step of each stretch of non-finite losses.

        Merged losses count as non-finite if any of their bucket is.
        """
        if self.broken is None:
            return []
        known_buckets = np.flatnonzero(
            (self._missing[: self._used] > 0) | (self._finite[: self._used] > 0)
        )
        missing = np.append(np.append(False, self._missing[known_buckets] > 0), False).astype(
            np.int8
        )
        edges = np.diff(missing)
        starts, ends = (
            known_buckets[np.flatnonzero(edges > 0)],
            known_buckets[np.flatnonzero(edges < 0) - 1],
        )
        first, last = self.origin + starts * self.stride, self.origin + (ends + 1) * self.stride - 1
        return [*zip(first.tolist(), last.tolist(), strict=True)]

    def within_since(self, low: float, high: float) -> int | None:
        """Return the step since which every finite loss is in a range, ``None`` if the last is not.

        For merged losses, the first step of their bucket.
        """
        smallest, largest = self._low[: self._used], self._high[: self._used]
        outside = np.flatnonzero((smallest < low) | (largest > high))
        since = int(outside[-1]) + 1 if len(outside) else 0
        return None if since >= self._used else self.origin + since * self.stride

    @property
    def nbytes(self) -> int:
        """Memory of the losses, in bytes."""
        columns = (self._low, self._high, self._sum, self._finite, self._missing)
        return sum(
            column.nbytes for column in (*columns, self.opening, self.recent, self.recent_steps)
        )


def quantile(values: Floats, q: float) -> float:
    """Return a quantile of finite values, by linear interpolation; NaN of none.

    ``np.quantile`` and ``np.median`` do the same, but first import ``numpy.ma``: 20 ms of the
    first frame.
    """
    if not len(values):
        return np.nan
    return float(np.interp(q * (len(values) - 1), np.arange(len(values)), np.sort(values)))
