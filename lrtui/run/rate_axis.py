"""What every rate would do, rate by rate: a sweep read with the verdicts' own rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrtui.messages import Sweep, SweepTable, Swept
from lrtui.run.diagnosis import Verdict, judge
from lrtui.run.theory import Theory

BELOW, ABOVE = 1 / 1000, 4.0
"""The ends of the ruler, as shares of the limit."""

MOST_STEPS = 1000
"""Steps of a sweep on the screen; whether a slower rate settles later is foreseen."""

MOST_WORK = 1.5e7
"""Rates times points times steps of a sweep on the screen: some hundred milliseconds."""


def spaced(low: float, high: float, count: int) -> list[float]:
    """Returns so many rates from ``low`` to ``high``, equal factors apart."""
    if count == 1:
        return [low]
    return [low * (high / low) ** (i / (count - 1)) for i in range(count)]


def ruler_sweep(bowl: Theory, points: int, steps: int) -> Sweep:
    """Returns the sweep that the ruler is drawn from."""
    steps = min(steps, MOST_STEPS)
    count = min(256, max(24, int(MOST_WORK / (points * steps))))
    return Sweep(rates=spaced(BELOW * bowl.limit, ABOVE * bowl.limit, count), steps=steps)


def verdicts(
    swept: Swept, bowl: Theory, start: Sequence[float], steps: int
) -> list[tuple[Verdict, int | None]]:
    """Returns what became of each rate, and the step at which it settled.

    Args:
        swept: what was measured.
        bowl: the loss.
        start: the weights that every run starts from.
        steps: the steps of a run; where the sweep took fewer, the rest is foreseen.
    """
    found: list[tuple[Verdict, int | None]] = []
    for rate, loss, at in zip(swept.rates, swept.losses, swept.settled_at, strict=True):
        verdict, settled = judge(bowl, start, rate, steps, loss, at)
        if verdict in ("converging", "side to side"):  # it settles after the sweep's end
            verdict, settled = "settled", bowl.settles_at(start, rate)
        found.append((verdict, settled))
    return found


def table(swept: Swept, bowl: Theory, start: Sequence[float]) -> SweepTable:
    """Returns a sweep as one message."""
    found = verdicts(swept, bowl, start, swept.steps)
    return SweepTable(
        rates=swept.rates,
        losses=swept.losses,
        settled_at=[settled for _, settled in found],
        verdicts=[verdict for verdict, _ in found],
        limit=bowl.limit,
        best=bowl.best,
    )


def place(rate: float, bowl: Theory) -> float:
    """Returns where a rate lies on the ruler: 0 at its lower end, 1 at its upper end."""
    return math.log(rate / (BELOW * bowl.limit)) / math.log(ABOVE / BELOW)
