"""What a run's curve means: one word, and the evidence for it.

Where the loss has a closed form, the fate of a rate is known before the first step, and the
measured losses confirm it. Where it has none, the losses alone decide, by a rule that is named.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrtui.messages import Outcome
from lrtui.run.advice import share
from lrtui.run.theory import Theory

Verdict = Literal[
    "converging",
    "side to side",
    "settled",
    "too few steps",
    "too slow",
    "on the edge",
    "diverging",
    "diverged",
]

EDGE_GROWTH = 10.0
"""Past the limit, a loss that grows less than this within the run is on the edge."""

EDGE = 0.95
"""Below the limit, a rate of at least this share of it is on the edge: each step keeps 90% of the
distance along the steepest direction."""

WINDOW = 10
"""Number of steps that are looked back on."""

STILL = 1e-3
"""Without a known minimum: a loss that changes less than this share over a window has settled."""

ABOVE_FIRST = 100
"""Without a known minimum: as many losses in a row above the first one are diverging. Fewer are
noise (1 false alarm in 525 runs, against 178 for a single one)."""

ROUNDING = 5e-7
"""Relative rounding of a float32 loss: differences below this share mean nothing."""


def has_diverged(loss: float | None, first: float) -> bool:
    """Return whether a run that is over has diverged: the one place where that is decided.

    Args:
        loss: its last loss; ``None`` where not finite.
        first: its loss at step 0.
    """
    return loss is None or not math.isfinite(loss) or loss > first


def foresee(theory: Theory, start: Sequence[float], lr: float, steps: float) -> Verdict:
    """Forecast the verdict on a rate within a number of steps.

    Args:
        theory: closed form of the loss.
        start: weights that it starts from.
        lr: learning rate.
        steps: steps given, infinite where that is open.

    Returns:
        ``converging`` or ``side to side`` for a run that settles in time, with the weights on one
        side of the steepest direction or changing sides. For one that does not: ``too slow`` where
        a larger rate would, else ``on the edge`` close to the limit, else ``too few steps``. Past
        the limit ``on the edge`` if the loss grows less than tenfold, else ``diverging``.
    """
    steepest = theory.factors(lr)[-1]
    if lr >= theory.max_stable_lr:
        growth = 2 * steps * math.log(abs(steepest)) if steepest != -1 else 0.0
        return "on the edge" if growth < math.log(EDGE_GROWTH) else "diverging"
    settles = theory.settles_at(start, lr)
    if settles is None or settles > steps:
        quickest, fewest = theory.quickest(tuple(start))
        if fewest <= steps and lr < quickest:
            return "too slow"
        return "on the edge" if lr >= EDGE * theory.max_stable_lr else "too few steps"
    return "side to side" if steepest < 0 else "converging"


def judge(
    theory: Theory, lr: float, steps: int, loss: float | None, settled_at: int | None
) -> tuple[Verdict, int | None]:
    """Return the verdict on a run that is over, from what was measured.

    Args:
        theory: closed form of the loss.
        lr: learning rate.
        steps: steps taken.
        loss: last loss, ``None`` where not finite.
        settled_at: first step at which the loss was close to its minimum.

    Returns:
        The verdict, and the step at which it settled if it did and stayed so.
    """
    if has_diverged(loss, theory.start_loss()):
        return "diverged", None
    if settled_at is not None and lr < theory.max_stable_lr:
        return "settled", settled_at
    return foresee(theory, theory.start, lr, steps), None


@dataclass
class Diagnosis:
    """Follows one run at one rate, loss by loss, in constant time and memory a step.

    Attributes:
        theory: closed form of the loss, ``None`` where there is none.
        lr: learning rate.
        steps: steps given, ``None`` where that is open.
        start: weights that the run, or the part of it at this rate, started from.
        since: step at which it did.
        settled_at: step at which it settled, once it has.
        broken: first step whose loss was not finite, once there is one.
    """

    theory: Theory | None
    lr: float
    steps: int | None
    start: tuple[float, ...] = ()
    since: int = 0
    settled_at: int | None = None
    broken: int | None = None
    _first: float = math.nan
    _smallest: float = math.inf
    _above_first: int = 0  # losses in a row that are larger than the first
    _recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=WINDOW + 1))

    def see(self, steps: Sequence[int], losses: Sequence[float | None]) -> None:
        """Take in the next losses and their steps; ``None`` where they are not finite."""
        for step, loss in zip(steps, losses, strict=True):
            if loss is None:
                if self.broken is None:
                    self.broken = step
                continue
            if not self._recent:
                self._first = loss
            self._above_first = self._above_first + 1 if loss > self._first else 0
            self._recent.append((step, loss))
            self._smallest = min(self._smallest, loss)
            if self.settled_at is None and self._is_settled(loss):
                self.settled_at = step

    def _is_settled(self, loss: float) -> bool:
        if self.theory is not None:
            return loss <= self.theory.settled_loss
        if len(self._recent) <= WINDOW:
            return False
        recent = [loss for _, loss in self._recent]
        return max(recent) - min(recent) <= STILL * max(map(abs, recent))

    def continued(self, lr: float, step: int, weights: tuple[float, ...]) -> Diagnosis:
        """Return the diagnosis of the same run from a step on, at another rate.

        Args:
            lr: the new rate.
            step: last step at the old one.
            weights: at that step; of another number than the loss has, they are not used.
        """
        if self.theory is None or len(weights) != len(self.theory.minimum):
            weights = ()
        return Diagnosis(self.theory, lr, self.steps, weights, step, self.settled_at)

    @property
    def forecast(self) -> int | None:
        """The step at which it will settle, known at its start; ``None`` if never."""
        if self.theory is None or not self.start or not all(map(math.isfinite, self.start)):
            return None
        settles = self.theory.settles_at(self.start, self.lr)
        return None if settles is None else self.since + settles

    def shrink(self) -> float | None:
        """Return the share of the excess that a step removed, over the last two losses.

        Negative where the excess grew; ``None`` where it cannot be told from rounding.
        """
        if self.theory is None or len(self._recent) < 2:
            return None
        (before, older), (after, newer) = list(self._recent)[-2:]
        older, newer = older - self.theory.min_loss, newer - self.theory.min_loss
        if min(older, newer) < 20 * ROUNDING * self.theory.min_loss or older <= 0:
            return None
        kept: float = (newer / older) ** (1 / (after - before))
        return 1 - kept

    def read(self, outcome: Outcome | None = None, reason: str = "") -> tuple[Verdict, str]:
        """Return the verdict and its evidence, a short sentence of measured numbers.

        Args:
            outcome: how the run ended, ``None`` while it is on.
            reason: why, in the words of its source.
        """
        theory = self.theory
        if theory is None or not self.start:
            return ("diverged", reason) if outcome == "diverged" else self._read_losses_alone()
        if outcome == "diverged":
            if self.lr < theory.max_stable_lr or not self._recent:
                return "diverged", reason
            step, loss = self._recent[-1]
            said = f"loss {loss:.3g} at step {step:,}"
            if self.broken is not None:
                said = f"not finite at step {self.broken:,}"
            return "diverged", f"{said}; {self._beyond()}"
        if self.settled_at is not None and self.lr < theory.max_stable_lr:
            near = "0, up to float32 rounding" if theory.fits_exactly else ""
            near = near or f"within 0.5% of the smallest loss, {theory.min_loss:.4g}"
            return "settled", f"at step {self.settled_at:,}, {near}"
        if not all(map(math.isfinite, self.start)):
            return "diverging", "the weights are not finite any more"
        left = math.inf if self.steps is None else self.steps - self.since
        verdict = foresee(theory, self.start, self.lr, left)
        return verdict, self._evidence(verdict)

    def _beyond(self) -> str:
        """Say what it means that the rate is past the limit."""
        assert self.theory is not None
        growth = abs(self.theory.factors(self.lr)[-1])
        if growth < 2:
            grows = f"grow by {share(growth - 1)}" if growth > 1 else "do not shrink"
        else:
            grows = f"grow {growth:,.0f}-fold" if 9.5 <= growth < 1e6 else f"grow {growth:.2g}-fold"
        return f"past the limit {self.theory.max_stable_lr:.3g}, steps {grows}"

    def _evidence(self, verdict: Verdict) -> str:
        theory = self.theory
        assert theory is not None
        shrink = self.shrink()
        pace = f"the excess shrinks {share(shrink)} a step; " if shrink and shrink > 0 else ""
        if self.forecast is None:
            when = "never settles" if self.lr >= theory.max_stable_lr else "settles beyond 1e9"
        else:
            when = f"settles at {self.forecast:,}"
        given = "" if self.steps is None else f", was given {self.steps:,}"
        match verdict:
            case "converging":
                return f"{pace}{when}"
            case "side to side":
                keeps = share(-theory.factors(self.lr)[-1])
                return f"each step crosses the valley and keeps {keeps} of the distance; {when}"
            case "too slow":
                return f"{pace}{when}{given}"
            case "too few steps":
                return f"{when}{given}"
            case "on the edge" if self.lr < theory.max_stable_lr:
                return f"just below the limit {theory.max_stable_lr:.4g}; {when}{given}"
        return self._beyond()

    def _read_losses_alone(self) -> tuple[Verdict, str]:
        """Read the curve where nothing but its losses is known."""
        if len(self._recent) < 2:
            return "converging", "too few losses to compare"
        if self._above_first >= ABOVE_FIRST:
            last = f"the last {self._above_first:,} losses"
            return "diverging", f"{last} are all above the first, {self._first:.4g}"
        if self.settled_at is not None:
            since = f"{WINDOW + 1} losses in a row differ by under 0.1%"
            return "settled", f"at step {self.settled_at:,}, where {since}"
        now, smallest = self._recent[-1][1], self._smallest
        return "converging", f"the loss is at {now:.4g}, its smallest {smallest:.4g}"
