"""Detects rises of a noisy loss far above its level, brief (spikes) or lasting.

On 370 mini-batch trainings that it was not tuned on, one false spike in 414,400 steps
(``python -m tests.benchmarks.verdicts``).
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from lrtui.text.rates import rate_cell

LEVEL_WINDOW = 128
"""Losses whose median is the level."""

MIN_LOSSES = 64
"""Least losses to define a level."""

LEVEL_EVERY = 8
"""Losses between two updates of the level."""

RISE_WINDOW = 5
"""Losses whose mean must be high."""

DEVIATIONS = 5.0
"""Standard errors above the level at which such a mean is high."""

LONG_WINDOW, LONG_RISE = 20, 0.5
"""So many losses must be high too, if a rise is slow: by this share of the level at least; then
half of them must exceed the level by a deviation."""

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

RAISED_FACTOR = 1.1
"""A rate counts as raised from this factor on."""

GROWTH_FACTOR = 1.1
"""Ratio of the last losses to those before them in a continuing rise, both above the level."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

UPPER, UPPER_DEVIATIONS = 0.9, 1.2816
"""A quantile, and its distance from the mean of a normal distribution in deviations."""


NORM_DEVIATIONS, NORM_FACTOR = 8.0, 3.0
"""A gradient norm is an alarm if its logarithm exceeds the median by so many deviations, and the
norm the level so many times."""

NORM_WITHIN = 10
"""Steps between an alarm of the norm and the beginning of a spike that have one cause."""

MIN_NORMS = 50
"""Least norms to define their level."""

MAX_HIGH_NORMS = 50
"""High norms in a row after which they count as the level; alarms so close are one."""

CAUSES = {"bad batch": "one bad batch", "rate raised": "the rate was raised"}
"""Causes of a spike, in words."""


class Level:
    """The last ``LEVEL_WINDOW`` values, and their median and deviation."""

    def __init__(self) -> None:
        """Start without a value."""
        self.ordered: list[float] = []
        self._values: deque[float] = deque()

    def add(self, values: Iterable[float]) -> None:
        """Add the next values."""
        for value in values:
            if len(self._values) == LEVEL_WINDOW:
                del self.ordered[bisect_left(self.ordered, self._values.popleft())]
            self._values.append(value)
            insort(self.ordered, value)

    @property
    def median(self) -> float:
        """The upper median."""
        return self.ordered[len(self.ordered) // 2]

    @property
    def deviation(self) -> float:
        """The median absolute deviation, as a standard deviation."""
        ordered, half, level = self.ordered, len(self.ordered) // 2, self.median
        # The closer half of the values is a window of the ordered ones.
        low, high = 0, len(ordered) - half - 1
        while low < high:
            middle = (low + high) // 2
            if level - ordered[middle] > ordered[middle + half] - level:
                low = middle + 1
            else:
                high = middle
        found = max(level - ordered[low], ordered[low + half] - level)
        if low:
            found = min(found, max(level - ordered[low - 1], ordered[low - 1 + half] - level))
        return MAD_TO_DEVIATION * found


@dataclass(frozen=True)
class HighNorm:
    """A gradient norm far above its level: mostly of a single bad batch.

    Attributes:
        step: its step.
        level: median of the norms before it.
        times: the norm over that.
    """

    step: int
    level: float
    times: float

    def in_words(self) -> str:
        """Describe it."""
        return f"gradient norm {times_text(self.times)} its level"


class NormWatch:
    """Follows the gradient norms of one run.

    Attributes:
        last: the last alarm.
    """

    def __init__(self) -> None:
        """Start without a norm."""
        self.last: HighNorm | None = None
        self._level = Level()
        self._waiting: list[float] = []  # logarithms for the next update of the level
        self._limit = math.inf
        self._high_in_a_row = 0
        self._calm = MAX_HIGH_NORMS  # norms since the last high one

    def add(self, step: int, norm: float | None) -> None:
        """Add the next norm; ``None`` and 0 are ignored.

        With mixed precision, norms that are not finite are usual: their steps are skipped.
        """
        if norm is None or not 0 < norm < math.inf:
            return
        value = math.log(norm)
        if value > self._limit:
            if self._calm >= MAX_HIGH_NORMS:
                level = math.exp(self._level.median)
                self.last = HighNorm(step, level, norm / level)
            self._calm = 0
            self._high_in_a_row += 1
            if self._high_in_a_row <= MAX_HIGH_NORMS:
                return
        else:
            self._calm += 1
            self._high_in_a_row = 0
        self._waiting.append(value)
        if len(self._waiting) >= LEVEL_EVERY:
            self._update()

    def _update(self) -> None:
        self._level.add(self._waiting)
        self._waiting.clear()
        if len(self._level.ordered) >= MIN_NORMS:
            least = max(NORM_DEVIATIONS * self._level.deviation, math.log(NORM_FACTOR))
            self._limit = self._level.median + least


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
        norm: the alarm of the gradient norm at its beginning, if there was one.
    """

    step: int
    level: float
    times: float
    over: int | None = None
    count: int = 0
    now: float = math.inf
    earlier: float | None = None
    raised: tuple[int, float, float] | None = None
    norm: HighNorm | None = None

    @property
    def is_brief(self) -> bool:
        """Whether it is short enough for a spike."""
        return self.count <= MAX_SPIKE_STEPS

    @property
    def cause(self) -> str:
        """What caused it: ``rate raised``, ``bad batch``, or empty if that is not known."""
        if self.raised is not None:
            return "rate raised"
        return "bad batch" if self.norm is not None else ""

    @property
    def height_text(self) -> str:
        """Its height over the level."""
        return f"{times_text(self.times)} its level" if math.isfinite(self.times) else "not finite"

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
        if self.cause == "bad batch":
            said = f"one bad batch, {said}"
        if self.raised is not None:
            _, before, after = self.raised
            said += f", as the rate rose from {rate_cell(before, 7)} to {rate_cell(after, 7)}"
        return f"{said}: {height}"


class SpikeWatch:
    """Follows the losses of one run, in any portions; a non-finite loss counts as infinite.

    Attributes:
        last: the last spike, over or not.
        norms: alarms of the gradient norm.
    """

    def __init__(self) -> None:
        """Start without a loss."""
        self.last: Spike | None = None
        self.norms = NormWatch()
        self._before = Level()
        self._waiting: list[float] = []  # for the next update of the level
        self._just: deque[tuple[int, float]] = deque(maxlen=LONG_WINDOW)
        self._first = self._smallest = math.nan
        self._level = self._deviation = self._high = self._long_high = self._back = math.inf
        self._each = math.inf  # lower bound of a loss of a spike

    @property
    def now(self) -> Spike | None:
        """The spike that is not over, if there is one."""
        return self.last if self.last is not None and self.last.over is None else None

    def add(
        self,
        steps: Sequence[int],
        losses: Sequence[float | None],
        norms: Sequence[float | None] | None = None,
    ) -> None:
        """Add the next losses, gradient norms and their steps; ``None`` where not finite."""
        for i, (step, value) in enumerate(zip(steps, losses, strict=True)):
            if norms is not None:
                self.norms.add(step, norms[i])
            loss = math.inf if value is None else value
            # Of RISE_WINDOW losses, all but one are high in a rise: so is one of the last two.
            higher = loss if not self._just else max(loss, self._just[-1][1])
            self._just.append((step, loss))
            if value is not None and not loss >= self._smallest:
                self._first = loss if math.isnan(self._first) else self._first
                self._smallest = loss
            if (spike := self.now) is not None:
                self._follow(spike)
            elif higher > self._each and loss > self._level and (count := self._rise()):
                self._begin(count)
            elif math.isfinite(loss):
                self._waiting.append(loss)
                if len(self._waiting) == LEVEL_EVERY:
                    self._update_level()

    def _update_level(self) -> None:
        """Add the losses that wait to those that define the level."""
        self._before.add(self._waiting)
        self._waiting.clear()
        ordered = self._before.ordered
        if len(ordered) < MIN_LOSSES:
            return
        level, upper = self._before.median, ordered[int(UPPER * len(ordered))]
        # Losses of few samples are skewed: their upper tail exceeds what the median suggests.
        deviation = max(self._before.deviation, (upper - level) / UPPER_DEVIATIONS)
        if not deviation and ordered[0] < ordered[-1]:  # nearly all of them are equal
            mean = fmean(ordered)
            deviation = math.sqrt(fmean((value - mean) ** 2 for value in ordered))
        usual = level if self._smallest >= 0 else self._first - self._smallest
        floor = MIN_RISE_OF_FIRST * abs(self._first)
        least, slow = max(MIN_RISE_SHARE * usual, floor), max(LONG_RISE * usual, floor)
        self._level, self._deviation = level, deviation
        self._each = level + HIGH_DEVIATIONS * deviation
        self._high = level + max(DEVIATIONS * deviation / math.sqrt(RISE_WINDOW), least)
        self._long_high = level + max(DEVIATIONS * deviation / math.sqrt(LONG_WINDOW), slow)
        self._back = level + max(deviation, least / 2)

    def _rise(self) -> int:
        """Return how many of the last losses rise, a few by far or more by less; 0 for none."""
        just = [loss for _, loss in self._just]
        most = self._level + max(MAX_DEVIATIONS * self._deviation, 2 * (self._high - self._level))
        few = just[-RISE_WINDOW:]
        mean = sum(min(loss, most) for loss in few) / RISE_WINDOW
        if mean > self._high and sum(loss > self._each for loss in few) >= MIN_HIGH_LOSSES:
            return RISE_WINDOW
        if just[-1] <= self._each or len(just) < LONG_WINDOW:
            return 0
        above = sum(loss > self._level + self._deviation for loss in just)
        mean = sum(min(loss, most) for loss in just) / LONG_WINDOW
        return LONG_WINDOW if above >= LONG_WINDOW / 2 and mean > self._long_high else 0

    def _begin(self, count: int) -> None:
        """Begin a spike with the first of the last losses from which on most are high."""
        just = [*self._just][-count:]
        self._just.clear()
        self._waiting.clear()
        high = [loss > self._each for _, loss in just]
        starts = (i for i in range(len(just)) if high[i] and 2 * sum(high[i:]) >= len(just) - i)
        first = next(starts)
        self.last = Spike(just[first][0], self._level, 0.0)
        norm = self.norms.last
        if norm is not None and abs(norm.step - self.last.step) <= NORM_WITHIN:
            self.last.norm = norm
        for value in just[first:]:
            self._just.append(value)
            self._follow(self.last)

    def _follow(self, spike: Spike) -> None:
        """Update the height of a rise, and whether it is over."""
        spike.count += 1
        just = [loss for _, loss in self._just]
        spike.now = fmean(just[-RETURN_WINDOW:])
        spike.earlier = fmean(just[:RETURN_WINDOW]) if len(just) >= 2 * RETURN_WINDOW else None
        height = fmean(just[-RISE_WINDOW:])
        spike.times = max(spike.times, height / self._level if self._level > 0 else math.inf)
        if spike.count >= RETURN_WINDOW and spike.now <= self._back:
            spike.over = self._just[-1][0] - spike.step
            self._just.clear()  # its losses begin no other one


def find_raise(steps: Sequence[int], rates: Sequence[float]) -> tuple[int, float, float] | None:
    """Return the largest rise of the rate within some steps: after which step, from, to.

    It counts even if it lasted for a single step. ``None`` if the rate was not raised.
    """
    found, largest, low = None, RAISED_FACTOR, 0
    for i, rate in enumerate(rates):
        if rate <= rates[low]:
            low = i
        elif (ratio := rate / max(rates[low], sys.float_info.min)) > largest:
            found, largest = (steps[low], rates[low], rate), ratio
    return found


def times_text(ratio: float) -> str:
    """Format a ratio: ×1.3, ×1,969."""
    return f"×{ratio:,.0f}" if 1000 <= ratio < 1e6 else f"×{ratio:.3g}"
