"""What a run's curve means: one word, and the evidence for it.

Where the curvature is known, what the rate will come to is known before the first step, and the
measured losses confirm it. Where it is not, the losses alone decide, with the rule named.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrtui.messages import Outcome
from lrtui.run.theory import Theory

Verdict = Literal[
    "converging",
    "side to side",
    "settled",
    "too slow",
    "on the edge",
    "diverging",
    "diverged",
]

EDGE_GROWTH = 10.0
"""Past the limit a loss that grows less than so many times within the run is on the edge."""

WINDOW = 10
"""Losses that are looked back on."""

STILL = 1e-3
"""Without a known minimum: a loss that changes less than this share over a window has settled."""

ROUNDING = 5e-7
"""Relative rounding of a float32 loss: differences below this share mean nothing."""


def foresee(bowl: Theory, start: Sequence[float], rate: float, steps: int) -> Verdict:
    """Says what a rate will come to within so many steps.

    Args:
        bowl: the loss.
        start: the weights that it starts from.
        rate: the learning rate.
        steps: the steps given.

    Returns:
        ``converging`` or ``side to side`` for a run that settles in time, with the weight on one
        side of the steepest direction or changing sides; ``too slow`` for one that does not and
        would with a larger rate, ``on the edge`` for one that would with a smaller rate, or that
        is past the limit and grows less than tenfold; else ``diverging``.
    """
    steepest = bowl.factors(rate)[-1]
    if rate >= bowl.limit:
        growth = 2 * steps * math.log(abs(steepest))
        return "on the edge" if growth < math.log(EDGE_GROWTH) else "diverging"
    settles = bowl.settles_at(start, rate)
    if settles is None or settles > steps:
        return "too slow" if rate < bowl.best else "on the edge"
    return "side to side" if steepest < 0 else "converging"


def judge(
    bowl: Theory,
    start: Sequence[float],
    rate: float,
    steps: int,
    loss: float | None,
    settled_at: int | None,
) -> tuple[Verdict, int | None]:
    """Says what became of a run that is over, from what was measured of it.

    Args:
        bowl: the loss.
        start: the weights that it started from.
        rate: the learning rate.
        steps: the steps taken.
        loss: the last loss, ``None`` where not finite.
        settled_at: the first step at which the loss was near the floor.

    Returns:
        The verdict, and the step at which it settled if it did and stayed so.
    """
    if loss is None or loss > bowl.floor + bowl.gaps(start, rate)(0):
        return "diverged", None
    if settled_at is not None and rate < bowl.limit:
        return "settled", settled_at
    return foresee(bowl, start, rate, steps), None


@dataclass
class Diagnosis:
    """The diagnosis of one run's curve, fed with its losses as they come, O(1) a step.

    Attributes:
        bowl: the loss, where its curvature is known.
        rate: the learning rate.
        steps: the steps given.
        start: the weights that the run, or the stretch at this rate, started from.
        since: the step it did so at.
        settled_at: the step at which it settled, once it has.
        step: the last step seen.
        smallest: the smallest loss seen.
        last: the last finite loss.
        last_at: its step.
    """

    bowl: Theory | None
    rate: float
    steps: int
    start: tuple[float, ...] = ()
    since: int = 0
    settled_at: int | None = None
    step: int = -1
    smallest: float = math.inf
    last: float = math.nan
    last_at: int = 0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW + 1))

    def see(self, losses: Sequence[float | None]) -> None:
        """Takes in the next losses."""
        for loss in losses:
            self.step += 1
            if loss is None:
                continue
            self._recent.append(loss)
            self.last, self.last_at = loss, self.step
            if loss < self.smallest:
                self.smallest = loss
            if self.settled_at is None and self._is_settled(loss):
                self.settled_at = self.step

    def _is_settled(self, loss: float) -> bool:
        if self.bowl is not None:
            return loss <= self.bowl.target
        if len(self._recent) <= WINDOW:
            return False
        return max(self._recent) - min(self._recent) <= STILL * max(self._recent)

    @property
    def forecast(self) -> int | None:
        """The step at which it will settle, foreseen from its start; ``None`` if never."""
        if self.bowl is None or not self.start:
            return None
        settles = self.bowl.settles_at(self.start, self.rate)
        return None if settles is None else self.since + settles

    def shrink(self) -> float | None:
        """Returns the share of the gap to the floor that a step closes, as last measured.

        Negative where the gap grows; ``None`` where it is too small to be told from rounding.
        """
        if self.bowl is None or len(self._recent) < 2:
            return None
        older, newer = (loss - self.bowl.floor for loss in list(self._recent)[-2:])
        if min(older, newer) < 20 * ROUNDING * self.bowl.floor:
            return None
        return 1 - newer / older

    def read(self, outcome: Outcome | None = None, reason: str = "") -> tuple[Verdict, str]:
        """Returns the verdict and its evidence, a short sentence of measured numbers.

        Args:
            outcome: how the run ended, if it did.
            reason: why, in the words of whoever ran it.
        """
        if outcome == "diverged":
            if self.bowl is None or self.rate < self.bowl.limit:
                return "diverged", reason
            beyond = f"past limit {self.bowl.limit:.4g}, overshooting {self._growth():.3g}×"
            return "diverged", f"loss {self.last:.4g} at step {self.last_at:,}; {beyond}"
        if self.bowl is None or not self.start:
            return self._read_losses_alone()
        if self.settled_at is not None and self.rate < self.bowl.limit:
            floor = self.bowl.floor
            return "settled", f"at step {self.settled_at:,}, within 0.5% of the floor {floor:.4g}"
        left = self.steps - self.since
        verdict = foresee(self.bowl, self.start, self.rate, left)
        return verdict, self._evidence(verdict)

    def _growth(self) -> float:
        """Returns what a step multiplies the distance along the steepest direction by."""
        assert self.bowl is not None
        return abs(self.bowl.factors(self.rate)[-1])

    def _beyond(self) -> str:
        """Says what it means that the rate is past the limit."""
        assert self.bowl is not None
        growth = self._growth()
        further = f"{growth - 1:.2%}" if growth < 1.01 else f"{growth - 1:.1%}"
        out = f"{further} further" if growth < 2 else f"{growth:.3g} times as far"
        return f"past the limit {self.bowl.limit:.4g}, each step overshoots {out}"

    def _evidence(self, verdict: Verdict) -> str:
        bowl = self.bowl
        assert bowl is not None
        shrink = self.shrink()
        kept = -bowl.factors(self.rate)[-1]
        pace = f"the gap shrinks {shrink:.0%} a step" if shrink else "the loss falls"
        when = f"settle at {self.forecast:,}" if self.forecast is not None else "never settle"
        match verdict:
            case "converging":
                return f"{pace}, to {when}"
            case "side to side":
                return f"each step crosses the valley, {kept:.0%} as far up; to {when}"
            case "too slow":
                return f"{pace}; would {when}, past the end"
            case "on the edge" if self.rate < bowl.limit:
                return f"just below the limit {bowl.limit:.4g}; would {when}"
            case "on the edge":
                return self._beyond()
        return self._beyond()

    def _read_losses_alone(self) -> tuple[Verdict, str]:
        if len(self._recent) < 2:
            return "converging", "no loss to compare yet"
        if self.settled_at is not None:
            since = f"the loss changed under 0.1% in {WINDOW} steps"
            return "settled", f"at step {self.settled_at:,}, where {since}"
        last = self._recent[-1]
        if last > 2 * self.smallest:
            return "diverging", f"the loss is {last / self.smallest:.3g} × its smallest"
        return "converging", f"the loss is at {last:.4g}, its smallest {self.smallest:.4g}"
