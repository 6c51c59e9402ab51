"""What the losses of a race say: which rate was best at the same step, and whether that is noise.

Nothing is said of a rate that was not tried. Whether two rates differ is judged by the spread
between seeds alone; with one seed a rate nobody can tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lrtui.analysis.series import LossSeries

MIN_WINDOW, WINDOW_SHARE = 10, 0.05
"""Steps whose losses are averaged: so many at least, and this share of all steps."""

QUANTILES = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 5% quantiles of Student's t from 1 degree of freedom on."""


def window(step: int) -> int:
    """Return how many steps up to one are averaged."""
    return max(MIN_WINDOW, math.ceil(WINDOW_SHARE * step))


def loss_at(series: LossSeries, step: int) -> float | None:
    """Return the mean loss of the last steps up to one, ``None`` without a finite loss."""
    end = step + 1 - series.origin
    begin = max(end - window(step), 0)
    if begin >= end:
        return None
    mean = float(series.means(np.array([begin, end]))[0])
    return None if math.isnan(mean) else mean


def best_of(series: LossSeries, last: int) -> tuple[int, float] | None:
    """Return the end of the stretch with the lowest mean loss, and that mean."""
    width = window(last)
    edges = np.arange(last + 1 - series.origin, -1, -width)[::-1]
    if len(edges) < 2:
        found = loss_at(series, last)
        return None if found is None else (last, found)
    means = series.means(edges)
    if np.isnan(means).all():
        return None
    best = int(np.nanargmin(means))
    return int(edges[best + 1]) - 1 + series.origin, float(means[best])


class Comparison(NamedTuple):
    """Rates by their mean loss at one step.

    Attributes:
        means: by rate, the lowest first.
        spread: pooled standard deviation of the losses between seeds, ``None`` if it is unknown.
        within_chance: rates that it cannot distinguish from the first; empty if it is unknown.
    """

    means: Mapping[float, float]
    spread: float | None
    within_chance: Sequence[float]

    def difference(self, lr: float) -> float:
        """Return by how much a rate is above the first."""
        return self.means[lr] - next(iter(self.means.values()))


def compare(losses: Mapping[float, Sequence[float]]) -> Comparison:
    """Compare rates by their losses, one for each seed.

    Two rates differ if the difference of their means is beyond the two-sided 5% quantile of
    Student's t, with the standard deviation pooled over all rates.
    """
    means = {lr: float(np.mean(found)) for lr, found in losses.items() if len(found)}
    means = dict(sorted(means.items(), key=lambda item: item[1]))
    freedom = sum(len(losses[lr]) - 1 for lr in means)
    if freedom < 1:
        return Comparison(means, None, [])
    squares = sum(float(np.sum((np.array(losses[lr]) - means[lr]) ** 2)) for lr in means)
    spread = math.sqrt(squares / freedom)
    first = next(iter(means))
    within = []
    for lr in [*means][1:]:
        error = spread * math.sqrt(1 / len(losses[first]) + 1 / len(losses[lr]))
        if means[lr] - means[first] <= quantile(freedom) * error:
            within.append(lr)
    return Comparison(means, spread, within)


def quantile(freedom: int) -> float:
    """Return the two-sided 5% quantile of Student's t, rounded up between those of the table."""
    return QUANTILES[freedom - 1] if freedom <= len(QUANTILES) else QUANTILES[-1]
