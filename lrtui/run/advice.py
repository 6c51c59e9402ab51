"""Which rate to try next, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lrtui.run.theory import Theory


@dataclass(frozen=True)
class Advice:
    """A rate to try.

    Attributes:
        rate: the rate.
        reason: the evidence for it, in a short sentence.
        steps: the step at which it will settle, where that can be foreseen.
    """

    rate: float
    reason: str
    steps: int | None


def advise(bowl: Theory, start: tuple[float, ...], rate: float) -> Advice | None:
    """Returns the rate that settles first from ``start``.

    Args:
        bowl: the loss.
        start: the weights that runs start from.
        rate: the rate that was tried.

    Returns:
        The advice; ``None`` where the rate tried is as quick as any.
    """
    quickest, steps = bowl.quickest(start)
    if rate < bowl.limit and bowl.settles_at(start, rate) == steps:
        return None
    quickest = float(f"{quickest:.3g}")
    steps = bowl.settles_at(start, quickest) or steps
    if quickest == float(f"{bowl.best:.3g}"):
        slow, steep = (
            abs(factor) for factor in bowl.factors(quickest)[:: len(bowl.eigenvalues) - 1]
        )
        reason = f"steep and flat shrink alike, to {max(slow, steep):.0%} a step"
    else:
        worst = bowl.settles_at(start, bowl.best)
        reason = f"{bowl.best:.3g}, the best from any start, takes {worst}"
    return Advice(quickest, reason, steps)


def bisect(tried: Iterable[tuple[float, bool]]) -> Advice | None:
    """Returns a rate between the largest that was good and the smallest that diverged.

    Args:
        tried: rates, and whether each was good (did not diverge).

    Returns:
        The advice; ``None`` as long as nothing was tried.
    """
    rates = list(tried)
    bad = min((rate for rate, good in rates if not good), default=None)
    good = max((rate for rate, good in rates if good and (bad is None or rate < bad)), default=None)
    if good is None and bad is None:
        return None
    if bad is None:
        assert good is not None
        return Advice(
            float(f"{3 * good:.3g}"), f"{good:.4g} was good and nothing has diverged", None
        )
    if good is None:
        return Advice(float(f"{bad / 3:.3g}"), f"{bad:.4g} diverged and nothing was good yet", None)
    middle = float(f"{math.sqrt(good * bad):.3g}")
    return Advice(
        middle, f"halfway between {good:.4g}, which was good, and {bad:.4g}, which diverged", None
    )
