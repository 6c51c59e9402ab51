"""Rises of a noisy loss far above its level: spikes, and levels it never came back to.

On 370 mini-batch trainings that it was not tuned on one spike was false in 414,400 steps
(``python -m tests.benchmarks.verdicts``).
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lrtui.text.rates import rate_cell

LEVEL_WINDOW = 128
"""Losses whose median is the level that a rise is measured by."""

MIN_LOSSES = 64
"""Losses before which no level is known."""

LEVEL_EVERY = 8
"""Losses between two looks at the level."""

RISE_WINDOW = 5
"""Losses whose mean has to be high."""

DEVIATIONS = 6.0
"""Standard errors of such a mean above the level from which on it is high."""

MIN_RISE_SHARE = 0.1
"""Share of the level, or of the way come where losses can be negative, that it is above it too."""

MAX_DEVIATIONS = 12.0
"""Deviations at which a single loss is held: one bad batch is no spike."""

MIN_HIGH_LOSSES = 4
"""Of ``RISE_WINDOW`` losses as many have to be above ``HIGH_DEVIATIONS`` deviations."""

HIGH_DEVIATIONS = 1.5
"""Deviations above the level that each of them has to be."""

MIN_RISE_OF_FIRST = 1e-3
"""Share of the first loss that a rise has to be, where the level is as good as zero."""

RETURN_WINDOW = 10
"""Losses whose mean has to be back for a spike to be over."""

MAX_SPIKE_STEPS = 128
"""Losses for which a rise is called a spike. One that lasts longer has left its level."""

GROWTH_FACTOR = 1.1
"""Times that the last losses are higher than those before them in a rise that goes on."""

MAD_TO_DEVIATION = 1.4826
"""What makes the median absolute deviation of a normal distribution its standard deviation."""

UPPER, UPPER_DEVIATIONS = 0.9, 1.2816
"""A share of the losses before, and how many deviations of a normal distribution lie below it."""


@dataclass
class Spike:
    """A rise of the loss far above its level.

    Attributes:
        step: where it began.
        level: median of the losses before it.
        times: largest mean of ``RISE_WINDOW`` losses since, over the level; infinite where a loss
            was not finite or the level is not positive.
        over: steps until the loss had come back, ``None`` while it has not.
        count: losses since it began.
        now: mean of the last losses.
        earlier: mean of as many losses before these, since it began; ``None`` before there are any.
        raised: last step before the rate was raised, if it was shortly before; and the rate before
            and after that.
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
        """Whether it has lasted for no longer than a spike."""
        return self.count <= MAX_SPIKE_STEPS

    @property
    def still_rises(self) -> bool:
        """Whether the last losses are higher than those before them."""
        return self.earlier is not None and self.now - self.level > GROWTH_FACTOR * (
            self.earlier - self.level
        )

    def in_words(self) -> str:
        """Say how high it is now, since when, and after which change of the rate."""
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
    """Follows the losses of one run, one by one: the same in whatever portions they come.

    A loss that is not finite counts as an infinite one.

    Attributes:
        last: the last spike, over or not.
    """

    def __init__(self) -> None:
        """Start without a loss."""
        self.last: Spike | None = None
        self._before: deque[float] = deque(maxlen=LEVEL_WINDOW)
        self._waiting: list[float] = []  # at most EVERY, to be taken into the level together
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
        """Let a loss count for the level."""
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
        # Losses of few samples each are skewed: their upper tail is longer than half of them tells.
        deviation = max(
            MAD_TO_DEVIATION * deviations[len(ordered) // 2], (upper - level) / UPPER_DEVIATIONS
        )
        if not deviation:  # nearly all of them are the same
            deviation = statistics.pstdev(ordered)
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
        """What a loss of a spike is above."""
        return self._level + HIGH_DEVIATIONS * self._deviation

    def _begin(self) -> None:
        """Begin a spike with the first of the last losses that belongs to it."""
        just = [*self._just][-RISE_WINDOW:]
        self._just.clear()
        self._waiting.clear()
        first = next(i for i, (_, loss) in enumerate(just) if loss > self._each)
        self.last = Spike(just[first][0], self._level, 0.0)
        for value in just[first:]:
            self._just.append(value)
            self._follow(self.last)

    def _follow(self, spike: Spike) -> None:
        """Update the height of a rise, and whether the loss has come back."""
        spike.count += 1
        just = [loss for _, loss in self._just]
        spike.now = mean(just[-RETURN_WINDOW:])
        spike.earlier = mean(just[:RETURN_WINDOW]) if len(just) == 2 * RETURN_WINDOW else None
        height = mean(just[-RISE_WINDOW:])
        spike.times = max(spike.times, height / self._level if self._level > 0 else math.inf)
        if spike.count >= RETURN_WINDOW and spike.now <= self._back:
            spike.over = self._just[-1][0] - spike.step


def mean(values: Sequence[float]) -> float:
    """Return the mean of values, one at least."""
    return sum(values) / len(values)


def times_text(ratio: float) -> str:
    """Write how many times as large something is: ×1.3, ×1,969."""
    return f"×{ratio:,.0f}" if 1000 <= ratio < 1e6 else f"×{ratio:.3g}"
