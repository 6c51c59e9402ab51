"""Every rate side by side: which rates are compared, and what would become of each."""

from __future__ import annotations

from lrtui.messages import Sweep, Swept
from lrtui.reports import SweepTable
from lrtui.run.diagnosis import Verdict, judge
from lrtui.run.theory import Theory

BELOW, ABOVE = 1 / 1000, 4.0
"""Ends of the rates that are compared, as shares of the limit."""

MAX_SWEEP_STEPS = 1000
"""Steps of a sweep on the screen; whether a slower rate settles later is forecast."""

MAX_SWEEP_WORK = 1.5e7
"""Rates times points times steps of a sweep on the screen: a few hundred milliseconds."""

FEWEST_LRS = 24
"""Rates that a sweep on the screen has at least: a cell of the ruler then has a rate near it."""


def spaced(low: float, high: float, count: int) -> list[float]:
    """Return ``count`` rates from ``low`` to ``high``, equal factors apart."""
    shares = [i / (count - 1) for i in range(count)] if count > 1 else [0.0]
    return [low ** (1 - share) * high**share for share in shares]


def ruler_sweep(theory: Theory, points: int, steps: int) -> Sweep:
    """Return the sweep that the ruler is drawn from.

    Args:
        theory: closed form of the loss.
        points: samples, what a step costs.
        steps: steps of a run.
    """
    affordable = int(MAX_SWEEP_WORK / (points * FEWEST_LRS))
    steps = max(min(steps, MAX_SWEEP_STEPS, affordable), 1)
    count = min(256, max(FEWEST_LRS, int(MAX_SWEEP_WORK / (points * steps))))
    limit = theory.max_stable_lr
    return Sweep(lrs=spaced(BELOW * limit, ABOVE * limit, count), steps=steps)


def outcomes(swept: Swept, theory: Theory, steps: int) -> list[tuple[Verdict, int | None]]:
    """Return what becomes of each rate of a sweep, and the step at which it settles.

    Args:
        swept: what was measured.
        theory: closed form of the loss.
        steps: steps of a run; where the sweep took fewer, the rest is forecast.
    """
    found: list[tuple[Verdict, int | None]] = []
    for lr, loss, at in zip(swept.lrs, swept.losses, swept.settled_at, strict=True):
        if at is not None and at > steps:
            at = None
        verdict, settled = judge(theory, lr, steps, loss, at)
        if verdict in ("converging", "side to side"):  # it settles after the end of the sweep
            verdict, settled = "settled", theory.settles_at(theory.start, lr)
        found.append((verdict, settled))
    return found


def table(swept: Swept, theory: Theory) -> SweepTable:
    """Return a sweep as a report."""
    found = outcomes(swept, theory, swept.steps)
    return SweepTable(
        rates=swept.lrs,
        losses=swept.losses,
        settled_at=[settled for _, settled in found],
        verdicts=[verdict for verdict, _ in found],
        limit=theory.max_stable_lr,
        best=theory.best_lr,
    )
