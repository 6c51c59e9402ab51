"""The verdict on a run with a closed form: one word, and the evidence for it.

The closed form forecasts the run before the first step, and the measured losses confirm it. Without
one, see ``lrtui.analysis.measured``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from lrtui.analysis.advice import share
from lrtui.analysis.theory import Theory
from lrtui.messages import Outcome

Verdict = Literal[
    "converging",
    "side to side",
    "settled",
    "too few steps",
    "too slow",
    "on the edge",
    "diverging",
    "diverged",
    "level",
    "falling",
    "falling, swinging",
    "rising",
    "at the edge",
    "spike",
    "above its start",
    "above its level",
    "cannot tell yet",
    "unfinished",
    "failed",
]
"""The last eleven come from losses alone. A ``spike`` is a rise that may soon be over; one that has
lasted is ``above its level`` until the loss has come back.
"""

EDGE_GROWTH = 10.0
"""Growth of the loss within a run below which a rate just past the limit is on the edge."""

EDGE_SHARE = 0.95
"""A rate is on the edge if the smaller of rate and limit is at least this share of the other. At
the lower end, each step keeps 90% of the distance along the steepest direction."""

RISEN_FACTOR = 1.05
"""A loss has risen if it is more than this many times the first."""

STEADY = 50
"""Mini-batches in a row under the target after which a run has settled."""

STEP_TOLERANCE = 10
"""Steps by which rounding may shift the step at which a run with momentum settles."""

DIVERGED_FACTOR, DIVERGED_FACTOR_ADAPTIVE = 1e3, 1e6
"""A loss has diverged if it is this many times the first; Adam recovers from a thousand times."""

RECENT_LOSSES = 2
"""Last losses kept, for the pace."""

LOSS_ROUNDING = 5e-7
"""Relative rounding error of a float32 loss."""


def has_diverged(loss: float | None, first: float) -> bool:
    """Return whether a finished run has diverged, from its last loss and its first."""
    return loss is None or not math.isfinite(loss) or loss > first


def foresee(theory: Theory, start: Sequence[float], lr: float, steps: float) -> Verdict:
    """Forecast the verdict on a rate within a number of steps.

    Args:
        theory: closed form of the loss.
        start: initial weights.
        lr: learning rate.
        steps: of the run, infinite if open.

    Returns:
        ``converging`` or, if the weights cross the valley at each step, ``side to side`` for a run
        that settles in time. For one that does not: ``too slow`` if a larger rate would, else ``on
        the edge`` close to the limit, else ``too few steps``. Past the limit ``on the edge`` if it
        is close and the loss grows less than ``EDGE_GROWTH``, else ``diverging``.
    """
    if lr >= theory.max_stable_lr:
        growth = theory.growth(lr)
        grown = 2 * steps * math.log(growth) if growth != 1 else 0.0
        is_close = EDGE_SHARE * lr <= theory.max_stable_lr
        return "on the edge" if is_close and grown < math.log(EDGE_GROWTH) else "diverging"
    settles = theory.settles_at(start, lr)
    if settles is None or settles > steps:
        quickest, fewest = theory.quickest(tuple(start))
        if fewest <= steps and lr < quickest:
            return "too slow"
        return "on the edge" if lr >= EDGE_SHARE * theory.max_stable_lr else "too few steps"
    crosses = theory.optimizer.is_plain and theory.factors(lr)[-1] < 0
    return "side to side" if crosses else "converging"


def judge(
    theory: Theory, lr: float, steps: int, loss: float | None, settled_at: int | None
) -> tuple[Verdict, int | None]:
    """Return the verdict on a finished run.

    Args:
        theory: closed form of the loss.
        lr: learning rate.
        steps: taken.
        loss: last one, ``None`` if non-finite.
        settled_at: step since which the loss was below ``Theory.settled_loss``.

    Returns:
        The verdict, and the step at which it settled for good.
    """
    first = theory.start_loss()
    if has_diverged(loss, first) and not is_only_above(theory, lr, loss):
        return "diverged", None
    if settled_at is not None and lr < theory.max_stable_lr:
        if theory.optimizer.is_plain:
            return "settled", settled_at
        # With momentum, the loss may be low only for a while.
        forecast = theory.settles_at(theory.start, lr)
        if forecast is not None and forecast <= steps:
            return "settled", settled_at if abs(
                settled_at - forecast
            ) <= STEP_TOLERANCE else forecast
    if loss is not None and loss > first:
        return "above its start", None
    return foresee(theory, theory.start, lr, steps), None


def is_only_above(theory: Theory, lr: float, loss: float | None) -> bool:
    """Return whether a run whose last loss is above its first may still not have diverged.

    With momentum the loss may rise and fall again, and weight decay may raise it.
    """
    is_finite = loss is not None and math.isfinite(loss)
    return is_finite and not theory.optimizer.is_plain and lr < theory.max_stable_lr


@dataclass
class Diagnosis:
    """Diagnoses a run at one rate, loss by loss, in constant time and memory per step.

    Attributes:
        theory: closed form of the loss, ``None`` if there is none.
        lr: learning rate.
        steps: of the run, ``None`` if open.
        start: weights at the first step of this rate.
        since: that step.
        under_since: step since which the loss has been below ``Theory.settled_loss``. Gradient
            descent stays there; momentum may overshoot.
        broken: first step with a non-finite loss, ``None`` if there is none.
    """

    theory: Theory | None
    lr: float
    steps: int | None
    start: tuple[float, ...] = ()
    since: int = 0
    under_since: int | None = None
    broken: int | None = None
    _recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_LOSSES))

    def add(self, steps: Sequence[int], losses: Sequence[float | None]) -> None:
        """Add the next losses and their steps; ``None`` where they are not finite."""
        if None in losses:
            if self.broken is None:
                self.broken = steps[losses.index(None)]
            finite = [(k, v) for k, v in zip(steps, losses, strict=True) if v is not None]
            steps, losses = [k for k, _ in finite], [v for _, v in finite]
        finite_losses = cast("Sequence[float]", losses)
        self._recent.extend(
            zip(steps[-RECENT_LOSSES:], finite_losses[-RECENT_LOSSES:], strict=True)
        )
        if self.theory is None or not finite_losses:
            return
        target = self.theory.settled_loss
        # Below the limit, gradient descent stays settled.
        if self.theory.optimizer.is_plain and self.lr < self.theory.max_stable_lr:
            if self.under_since is None and min(finite_losses) <= target:
                self.under_since = steps[
                    next(i for i, v in enumerate(finite_losses) if v <= target)
                ]
            return
        over = next(
            (i for i in reversed(range(len(finite_losses))) if finite_losses[i] > target), -1
        )
        if over == len(finite_losses) - 1:
            self.under_since = None
        elif over >= 0 or self.under_since is None:
            self.under_since = steps[over + 1]

    def continued(self, lr: float, step: int, weights: tuple[float, ...]) -> Diagnosis:
        """Return the diagnosis of the same run after a step, at another rate.

        There is no forecast if the optimizer keeps a state, or the weights are unknown.
        """
        if self.theory is not None and remembers(self.theory):
            return Diagnosis(None, lr, self.steps, since=step)
        if self.theory is None or len(weights) != len(self.theory.minimum):
            weights = ()
        return Diagnosis(self.theory, lr, self.steps, weights, step, self.under_since)

    @property
    def forecast(self) -> int | None:
        """The step at which it will settle, ``None`` if never or unknown."""
        if self.theory is None or not self.start or not all(map(math.isfinite, self.start)):
            return None
        settles = self.theory.settles_at(self.start, self.lr)
        if settles == 0 and self.since and self.under_since is not None:
            return self.under_since  # before the change of the rate
        return None if settles is None else self.since + settles

    @property
    def settled_at(self) -> int | None:
        """The step at which it settled, ``None`` if it has not yet.

        With momentum, not before the step of the forecast, as a low loss may rise again.
        """
        theory = self.theory
        if theory is None or self.lr >= theory.max_stable_lr:
            return None
        if theory.optimizer.is_plain or not self._recent or self.under_since is None:
            return self.under_since
        forecast = self.forecast
        has_come = forecast is not None and self._recent[-1][0] >= forecast
        return self.under_since if has_come else None

    def shrink(self) -> float | None:
        """Return the share of the excess loss that a step removed lately, negative if it grew.

        ``None`` if it is lost in rounding errors, and for momentum and weight decay, with which the
        excess does not shrink evenly.
        """
        if self.theory is None or not self.theory.optimizer.is_plain or len(self._recent) < 2:
            return None
        (before, older), (after, newer) = self._recent
        older, newer = older - self.theory.min_loss, newer - self.theory.min_loss
        if min(older, newer) < 20 * LOSS_ROUNDING * self.theory.min_loss or older <= 0:
            return None
        kept: float = (newer / older) ** (1 / (after - before))
        return 1 - kept

    def read(self, outcome: Outcome | None = None, reason: str = "") -> tuple[Verdict, str]:
        """Return the verdict and its evidence, a short sentence of measured numbers.

        Args:
            outcome: of the run, ``None`` before its end.
            reason: given by its source.
        """
        theory = self.theory
        if theory is None or not self.start:
            if outcome == "diverged":
                return "diverged", reason
            return "cannot tell yet", "only the losses are known"
        if outcome == "diverged":
            if self.lr < theory.max_stable_lr or not self._recent:
                return "diverged", reason
            step, loss = self._recent[-1]
            said = f"loss {loss:.3g} at step {step:,}"
            if self.broken is not None:
                said = f"not finite at step {self.broken:,}"
            return "diverged", f"{said}; {self._beyond()}"
        if self.settled_at is not None:
            return "settled", f"at step {self.settled_at:,}, {self._near()}"
        if not all(map(math.isfinite, self.start)):
            return "diverging", "the weights are no longer finite"
        left = math.inf if self.steps is None else self.steps - self.since
        verdict = foresee(theory, self.start, self.lr, left)
        if outcome is not None and verdict in ("converging", "side to side"):
            verdict = "too few steps"  # the forecast is that of float64, a step or two earlier
        return verdict, self._evidence(verdict)

    def _near(self) -> str:
        """Say what it has settled at."""
        theory = self.theory
        assert theory is not None
        if theory.target is not None:
            return f"at most {theory.target:.4g} from there on"
        if theory.end_loss > theory.min_loss:
            return f"within 0.5% of {theory.end_loss:.4g}, where the weight decay holds it"
        if theory.fits_exactly:
            return "0, up to float32 rounding"
        return f"within 0.5% of the smallest loss, {theory.min_loss:.4g}"

    def _beyond(self) -> str:
        """Return the evidence for a rate past the limit."""
        assert self.theory is not None
        growth = self.theory.growth(self.lr)
        if growth < 2:
            grows = f"grow by {share(growth - 1)}" if growth > 1 else "do not shrink"
        else:
            grows = f"grow {growth:,.0f}-fold" if 9.5 <= growth < 1e6 else f"grow {growth:.2g}-fold"
        return f"past the limit {self.theory.max_stable_lr:.3g}, steps {grows}"

    def _evidence(self, verdict: Verdict) -> str:
        theory = self.theory
        assert theory is not None
        shrink = self.shrink()
        pace = (
            f"the loss above its minimum shrinks {share(shrink)} a step; "
            if shrink and shrink > 0
            else ""
        )
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


def remembers(theory: Theory) -> bool:
    """Return whether a step depends on earlier steps, not only on the weights."""
    return theory.optimizer.momentum > 0
