"""Advises which rate to try next, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrtui.analysis.theory import Theory
from lrtui.messages import SweepResult
from lrtui.text.rates import rate_text

MIN_GAIN = 0.05
"""Share of the loss by which a rate must end lower to be advised."""

EDGE_FACTOR = 2.0
"""Largest factor between two close rates of a sweep."""


@dataclass(frozen=True)
class Advice:
    """A rate to try.

    Attributes:
        lr: learning rate.
        reason: evidence, in a short sentence.
        steps: step at which it settles, ``None`` if unknown.
        more_steps: whether that is more than the run has.
    """

    lr: float
    reason: str
    steps: int | None = None
    more_steps: bool = False


def advise(
    theory: Theory, lr: float, steps: int | None, settled_at: int | None = None
) -> Advice | None:
    """Return the rate that settles first from the start.

    Args:
        theory: closed form of the loss.
        lr: rate tried.
        steps: of its run, ``None`` if open.
        settled_at: step at which it settled, ``None`` if it did not.

    Returns:
        The advice; ``None`` if no rate settles, or none faster than the rate tried, which has
        enough steps.
    """
    best = theory.best_lr
    needed = theory.settles_at(theory.start, best)
    if needed is None:
        return None
    own = theory.settles_at(theory.start, lr)
    as_quick = own is not None and own <= needed
    if settled_at is not None and settled_at <= needed:  # faster after a change of the rate
        return None
    tried = f"{theory.candidates:,} rates tried in the closed form"
    if steps is not None and needed > steps:
        given = f"{steps:,} step{'s' if steps > 1 else ''}"
        none = "no rate" if theory.optimizer.is_plain else f"none of {tried}"
        return Advice(lr if as_quick else best, f"{none} settles in {given}", needed, True)
    if as_quick:
        return None
    if not theory.optimizer.is_plain:
        return Advice(best, f"fewest steps of {tried}", needed)
    minimax = theory.rounded(theory.minimax_lr)
    if best == minimax:
        shrinks = 1 - max(map(abs, theory.factors(best)))
        reason = f"the quickest: every direction shrinks by at least {share(shrinks)} a step"
    else:
        worst = theory.settles_at(theory.start, theory.minimax_lr)
        takes = "never settles" if worst is None else f"takes {worst:,}"
        reason = f"{rate_text(minimax)}, the best from any start, {takes}"
    return Advice(best, reason, needed)


def best_swept(swept: SweepResult) -> float | None:
    """Return the rate of a sweep that reached the target first, or else ended lowest.

    Rates right below one that ended above its start come last, as rounding decides whether such a
    run diverges. ``None`` if no rate ended lower than it began.
    """
    rates = range(len(swept.lrs))
    settled = [
        (is_at_edge(swept, i), at, swept.lrs[i])
        for i in rates
        if (at := swept.settled_at[i]) is not None
    ]
    if settled:
        return min(settled)[2]
    ended = [
        (is_at_edge(swept, i), loss, swept.lrs[i])
        for i in rates
        if (loss := swept.losses[i]) is not None and swept.is_finished(i)
    ]
    lowest = min(ended, default=None)
    if lowest is None or (swept.first_loss is not None and lowest[1] >= swept.first_loss):
        return None
    return lowest[2]


def is_at_edge(swept: SweepResult, i: int) -> bool:
    """Return whether the next larger rate of a sweep is close and ended above its start."""
    if i + 1 == len(swept.lrs) or swept.lrs[i + 1] > EDGE_FACTOR * swept.lrs[i]:
        return False
    loss = swept.losses[i + 1]
    return loss is None or (swept.first_loss is not None and loss >= swept.first_loss)


def best_of(swept: SweepResult | None, theory: Theory | None) -> float | None:
    """Return the best known rate: by the closed form, or else of a sweep."""
    if theory is not None:
        return theory.best_lr
    return best_swept(swept) if swept is not None else None


def advise_from_sweep(
    swept: SweepResult, lr: float, settled_at: int | None = None, loss: float | None = None
) -> Advice | None:
    """Return the best rate of a sweep.

    Args:
        swept: result of the sweep.
        lr: rate tried.
        settled_at: step at which its run reached the target, ``None`` if it did not.
        loss: of its run after as many steps, ``None`` if unknown or non-finite. If both are
            ``None``, the closest rate of the sweep represents the rate tried.

    Returns:
        The advice; ``None`` if no rate of the sweep was clearly better.
    """
    best = best_swept(swept)
    if best is None:
        return None
    i = swept.lrs.index(best)
    near = min(range(len(swept.lrs)), key=lambda j: abs(math.log(swept.lrs[j] / lr)))
    if settled_at is None and loss is None:
        settled_at, loss = swept.settled_at[near], swept.losses[near]
    at, lowest = swept.settled_at[i], swept.losses[i]
    tried = f"of the {len(swept.lrs):,} rates tried"
    if any(is_at_edge(swept, j) for j in range(i, len(swept.lrs))):
        tried += " short of the edge"
    if at is not None:
        if settled_at is not None and settled_at <= at:
            return None
        return Advice(best, f"the first to reach its target {tried}, at step {at:,}", at)
    assert lowest is not None
    if settled_at is not None:
        return None
    if loss is not None and loss - lowest <= MIN_GAIN * abs(loss):
        return None
    return Advice(best, f"lowest loss after {swept.steps:,} steps {tried}, {lowest:.2g}")


def share(part: float) -> str:
    """Format a share in percent, with two digits if it is small: 51%, 0.42%."""
    percent = 100 * part
    return f"{percent:.0f}%" if abs(percent) >= 9.95 else f"{percent:.2g}%"
