"""Judges losses of the same batches at several rates.

Counted on trials that no rule was tuned on (``python -m tests.benchmarks trials``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

MIN_STEPS = 100
"""Fewest steps of a trial with a word: what the words were counted with."""

BLOCKS = 8
"""Blocks of the last half of the steps whose means are compared."""

MIN_SHARE = 0.03
"""Least difference of the means, as a share of the loss, that is no tie."""

MIN_ERRORS = 2.4
"""Least difference of the means in standard errors that is no tie."""

RISE = 3.0
"""A loss has risen if its last ones are this many times the largest at the rate in force."""

OVERFLOW = 1e9
"""Stands for a loss that is not finite."""


@dataclass(frozen=True)
class Comparison:
    """The losses at one rate against those at the rate in force.

    Attributes:
        difference: of the mean losses, as a share of that at the rate in force; infinite if the
            losses rose out of bounds, NaN if they cannot be compared.
        word: what that means, empty if it means nothing.
    """

    difference: float
    word: str

    @property
    def is_better(self) -> bool:
        """Whether this rate is to be advised."""
        return self.word == BETTER


BETTER = "better"
NOT_TOO_HIGH = "worse: the rate is not too high"
LOWER_FOR_NOW = "lower for now, which says nothing: less noise"
HIGHER_FOR_NOW = "higher for now, which says nothing of later"
AS_GOOD = "no difference beyond the noise"
TOO_FEW = f"no word on fewer than {MIN_STEPS} steps"
SEVERAL = "no word where several losses are trained"
IN_FORCE = "the rate in force"

STAYED = (62, 65)
"""Of the rates that were better within a try, those whose loss was at least 2 % lower 1,100 steps
later, the rate decayed to 0 by then, and all; the others were equal."""

MEANINGS = {
    BETTER: f"better; stayed so once the rate decayed: {STAYED[0]} of {STAYED[1]}",
}
"""Words that need an explanation."""


def compare(
    factor: float, losses: Sequence[float], base: Sequence[float], *, several: bool = False
) -> Comparison:
    """Compare the losses at ``factor`` times the rate in force with those at that rate.

    Args:
        factor: on the rate.
        losses: of each step; may be shorter if the network raised an error.
        base: of the same steps at the rate in force.
        several: whether other optimizers have losses of their own, as in a GAN: there a lower loss
            of one network is no better.
    """
    if factor == 1:
        return Comparison(0.0, IN_FORCE)
    steps = len(base)
    clean = [value if math.isfinite(value) else OVERFLOW for value in losses]
    clean += [OVERFLOW] * (steps - len(clean))
    largest = max((value for value in base if math.isfinite(value)), default=math.nan)
    last = clean[-max(5, steps // 10) :]
    if last and largest > 0 and fmean(last) > RISE * largest:
        height = fmean(last) / largest
        times = f"{height:.3g}-fold" if height < OVERFLOW / largest / 2 else "out of bounds"
        return Comparison(math.inf, f"rose {times} within {steps:,} steps")
    half = slice(steps // 2, steps)
    if steps < 2 * BLOCKS or not all(map(math.isfinite, base[half])):
        return Comparison(math.nan, "")
    pairs = [ours - theirs for ours, theirs in zip(clean[half], base[half], strict=True)]
    blocks = [fmean(block) for block in split(pairs, BLOCKS)]
    level, mean, error = fmean(base[half]), fmean(blocks), stdev(blocks) / math.sqrt(BLOCKS)
    if level <= 0:  # such as a log likelihood: a share of it means nothing
        return Comparison(math.nan, "")
    share = mean / level
    if steps < MIN_STEPS:
        return Comparison(share, TOO_FEW)
    if abs(share) <= MIN_SHARE or abs(mean) <= MIN_ERRORS * error:
        return Comparison(share, AS_GOOD)
    if several:
        return Comparison(share, SEVERAL)
    if factor > 1:
        return Comparison(share, BETTER if mean < 0 else HIGHER_FOR_NOW)
    return Comparison(share, LOWER_FOR_NOW if mean < 0 else NOT_TOO_HIGH)


def split(values: Sequence[float], count: int) -> list[Sequence[float]]:
    """Split values into blocks of nearly equal length."""
    ends = [len(values) * i // count for i in range(count + 1)]
    return [values[a:b] for a, b in pairwise(ends)]
