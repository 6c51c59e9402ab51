"""The outcome of a run, in a word and a sentence."""

from __future__ import annotations

import math

from lrtui.analysis.diagnosis import DIVERGED_FACTOR, DIVERGED_FACTOR_ADAPTIVE
from lrtui.messages import LARGEST, Optimizer, Outcome
from lrtui.problems.problem import Problem


def conclusion(
    loss: float,
    lr: float,
    step: int,
    first: float,
    last_finite: float | None,
    threshold: float,
) -> tuple[Outcome, str]:
    """Return the outcome of a run that was not interrupted, and a sentence about it.

    Args:
        loss: the last one.
        lr: the last one.
        step: steps taken.
        first: loss at step 0.
        last_finite: last finite loss.
        threshold: finite loss above which the run has diverged.
    """
    if not abs(loss) <= LARGEST:
        word = "not a number" if math.isnan(loss) else "infinite"
        reason = f"at rate {lr:g} the loss was {word} at step {step:,}"
        if last_finite is not None:
            reason += f"; the last finite one was {last_finite:.4g}"
        return "diverged", reason
    if loss > threshold:
        times = f"{loss / first:.3g} × the first" if first > 0 else f"from {first:.4g}"
        return "diverged", f"at rate {lr:g} the loss is {loss:.4g} after {step:,} steps, {times}"
    steps = f"all {step:,} steps" if step != 1 else "its one step"
    return "done", f"{steps} taken, the loss went from {first:.4g} to {loss:.4g}"


def divergence_threshold(
    problem: Problem, optimizer: Optimizer, schedule: str, first: float
) -> float:
    """Return the finite last loss above which a run has diverged, given its ``first`` loss."""
    if problem.quadratic is not None and optimizer.is_plain and schedule == "constant":
        return first  # the loss of a stable run never rises
    growth = DIVERGED_FACTOR_ADAPTIVE if optimizer.is_adaptive else DIVERGED_FACTOR
    return growth * first if first > 0 else math.inf
