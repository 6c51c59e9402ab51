"""Detects rises of a noisy loss far above its level, brief (spikes) or lasting.

On 370 mini-batch trainings that it was not tuned on, one false spike in 414,400 steps
(``python -m tests.benchmarks.verdicts``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from lrtui.text.rates import rate_cell

LEVEL_WINDOW = 128
"""Losses whose median is the level."""

MIN_LOSSES = 64
"""Least losses to define a level."""

LEVEL_EVERY = 8
"""Losses between two updates of the level."""

RISE_WINDOW = 5
"""Losses whose mean must be high."""

DEVIATIONS = 6.0
"""Standard errors above the level at which such a mean is high."""

MIN_RISE_SHARE = 0.1
"""Least rise, as a share of the level, or of the total fall if losses can be negative."""

MAX_DEVIATIONS = 12.0
"""Deviations to which a single loss is clipped, so that one bad batch is no spike."""

MIN_HIGH_LOSSES = 4
"""Of ``RISE_WINDOW`` losses, so many must exceed the level by ``HIGH_DEVIATIONS``."""

HIGH_DEVIATIONS = 1.5
"""Deviations above the level of each loss of a spike."""

MIN_RISE_OF_FIRST = 1e-3
"""Least rise, as a share of the first loss, for a level close to zero."""

RETURN_WINDOW = 10
"""Losses whose mean must return to the level to end a spike."""

MAX_SPIKE_STEPS = 128
"""Most losses of a spike; a longer rise has left its level."""

GROWTH_FACTOR = 1.1
"""Ratio of the last losses to those before them in a continuing rise, both above the level."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

UPPER, UPPER_DEVIATIONS = 0.9, 1.2816
"""A quantile, and its distance from the mean of a normal distribution in deviations."""


@dataclass
class Spike:
    """A rise of the loss far above its level.

    Attributes:
        step: its first.
        level: median of the losses before it.
        times: largest mean of ``RISE_WINDOW`` losses over the level; infinite after a non-finite
            loss or if the level is not positive.
        over: steps until the loss had returned, ``None`` if it has not.
        count: losses since its beginning.
        now: mean of the last losses.
        earlier: mean of as many losses before these, ``None`` if there are too few.
        raised: if the rate was raised shortly before, the last step at the old rate, the old and
            the new rate.
    """

    step: int
    level: float
    times: float
    over: int | None = None
    count: int = 0
    now: float = math.inf
    earlier: float | None = None
    raised: tuple[int, float, float] | None = None

    @property
    def is_brief(self) -> bool:
        """Whether it is short enough for a spike."""
        return self.count <= MAX_SPIKE_STEPS

    @property
    def still_rises(self) -> bool:
        """Whether the last losses are higher than those before them."""
        return self.earlier is not None and self.now - self.level > GROWTH_FACTOR * (
            self.earlier - self.level
        )

    def in_words(self) -> str:
        """Describe its beginning, the change of the rate before it, and its height."""
        if not math.isfinite(self.now):
            height = "not finite"
        elif self.level > 0:
            height = f"{self.now:.4g}, {times_text(self.now / self.level)} its level before"
        else:
            height = f"{self.now:.3g}, before it was {self.level:.3g}"
        said = f"since step {self.step:,}"
        if self.raised is not None:
            _, before, after = self.raised
            said += f", as the rate rose from {rate_cell(before, 7)} to {rate_cell(after, 7)}"
        return f"{said}: {height}"


class SpikeWatch:
    """Follows the losses of one run, in any portions; a non-finite loss counts as infinite.

    Attributes:
        last: the last spike, over or not.
    """

    def __init__(self) -> None:
        """Start without a loss."""
        self.last: Spike | None = None
        self._before: deque[float] = deque(maxlen=LEVEL_WINDOW)
        self._waiting: list[float] = []  # for the next update of the level
        self._just: deque[tuple[int, float]] = deque(maxlen=2 * RETURN_WINDOW)
        self._first = self._smallest = math.nan
        self._level = self._deviation = self._high = self._back = math.inf

    @property
    def now(self) -> Spike | None:
        """The spike that is not over, if there is one."""
        return self.last if self.last is not None and self.last.over is None else None

    def add(self, steps: Sequence[int], losses: Sequence[float | None]) -> None:
        """Add the next losses and their steps; ``None`` where they are not finite."""
        for step, value in zip(steps, losses, strict=True):
            loss = math.inf if value is None else value
            self._just.append((step, loss))
            if value is not None and not loss >= self._smallest:
                self._first = loss if math.isnan(self._first) else self._first
                self._smallest = loss
            if (spike := self.now) is not None:
                self._follow(spike)
            elif loss > self._level and self._is_high():
                self._begin()
            else:
                self._add_to_level(loss)

    def _add_to_level(self, loss: float) -> None:
        """Add a loss to those that define the level."""
        if math.isfinite(loss):
            self._waiting.append(loss)
        if len(self._waiting) < LEVEL_EVERY:
            return
        self._before.extend(self._waiting)
        self._waiting.clear()
        if len(self._before) < MIN_LOSSES:
            return
        ordered = sorted(self._before)
        level, upper = ordered[len(ordered) // 2], ordered[int(UPPER * len(ordered))]
        deviations = sorted(abs(loss - level) for loss in ordered)
        # Losses of few samples are skewed: their upper tail exceeds what the median suggests.
        deviation = max(
            MAD_TO_DEVIATION * deviations[len(ordered) // 2], (upper - level) / UPPER_DEVIATIONS
        )
        if not deviation:  # nearly all of them are equal
            deviation = pstdev(ordered)
        way = self._first - self._smallest
        least = max(
            MIN_RISE_SHARE * (level if self._smallest >= 0 else way),
            MIN_RISE_OF_FIRST * abs(self._first),
        )
        self._level, self._deviation = level, deviation
        self._high = level + max(DEVIATIONS * deviation / math.sqrt(RISE_WINDOW), least)
        self._back = level + max(deviation, least / 2)

    def _is_high(self) -> bool:
        """Return whether the last losses are far above the level."""
        just = [loss for _, loss in self._just][-RISE_WINDOW:]
        most = self._level + max(MAX_DEVIATIONS * self._deviation, 2 * (self._high - self._level))
        return (
            sum(loss > self._each for loss in just) >= MIN_HIGH_LOSSES
            and sum(min(loss, most) for loss in just) / RISE_WINDOW > self._high
        )

    @property
    def _each(self) -> float:
        """Lower bound of a loss of a spike."""
        return self._level + HIGH_DEVIATIONS * self._deviation

    def _begin(self) -> None:
        """Begin a spike with the first high one of the last losses."""
        just = [*self._just][-RISE_WINDOW:]
        self._just.clear()
        self._waiting.clear()
        first = next(i for i, (_, loss) in enumerate(just) if loss > self._each)
        self.last = Spike(just[first][0], self._level, 0.0)
        for value in just[first:]:
            self._just.append(value)
            self._follow(self.last)

    def _follow(self, spike: Spike) -> None:
        """Update the height of a rise, and whether it is over."""
        spike.count += 1
        just = [loss for _, loss in self._just]
        spike.now = fmean(just[-RETURN_WINDOW:])
        spike.earlier = fmean(just[:RETURN_WINDOW]) if len(just) == 2 * RETURN_WINDOW else None
        height = fmean(just[-RISE_WINDOW:])
        spike.times = max(spike.times, height / self._level if self._level > 0 else math.inf)
        if spike.count >= RETURN_WINDOW and spike.now <= self._back:
            spike.over = self._just[-1][0] - spike.step


def times_text(ratio: float) -> str:
    """Format a ratio: ×1.3, ×1,969."""
    return f"×{ratio:,.0f}" if 1000 <= ratio < 1e6 else f"×{ratio:.3g}"
