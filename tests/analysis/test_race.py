"""What the losses of a race say, against means by hand and against chance itself."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.analysis.race import best_of, compare, loss_at, window
from lrtui.analysis.series import LossSeries


def series(losses: list[float], first: int = 1) -> LossSeries:
    found = LossSeries()
    found.append(range(first, first + len(losses)), losses)
    return found


@pytest.mark.parametrize("count", [3, 40, 1000])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_losses_are_means_over_the_last_steps(count: int, first: int) -> None:
    losses = np.random.default_rng(0).normal(2, 1, count)
    found, last = series([*losses], first), first + count - 1
    for step in {last, last - count // 3}:
        upto = losses[: step - first + 1]
        assert loss_at(found, step) == pytest.approx(upto[-window(step) :].mean())
    assert loss_at(found, first - 1) is None


def test_a_long_run_is_averaged_as_well_as_a_short_one() -> None:
    losses = np.random.default_rng(0).normal(2, 1, 100_000)
    found = loss_at(series([*losses]), 100_000)
    assert found == pytest.approx(losses[-5000:].mean(), abs=0.01)


def test_the_lowest_stretch_and_where_it_ends() -> None:
    losses = [*np.linspace(9, 1, 100), *np.linspace(1, 5, 100)]
    best = best_of(series(losses), 200)
    assert best is not None
    assert best[0] == 110  # it rises more slowly than it fell
    assert best[1] == pytest.approx(np.mean(losses[100:110]))
    assert best_of(series([3.0, 2.0]), 2) == (2, 2.5)
    assert best_of(series([float("nan")] * 30), 30) is None


def test_the_spread_is_pooled_over_the_seeds_of_a_rate() -> None:
    found = compare({0.1: [1.0, 3.0], 0.2: [10.0, 14.0, 12.0], 0.3: []})
    assert [*found.means.items()] == [(0.1, 2.0), (0.2, 12.0)]
    assert found.spread == pytest.approx(np.sqrt((2 + 8) / 3))
    assert found.difference(0.2) == 10.0
    assert found.within_chance == []
    assert compare({0.1: [1.0], 0.2: [2.0]}).spread is None
    assert compare({}).means == {}


@pytest.mark.parametrize("seeds", [2, 3, 5, 12])
def test_equal_rates_are_told_apart_by_chance_in_one_race_of_twenty(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    races = 4000
    drawn = rng.normal(0, 1, (races, 2, seeds)).tolist()
    told = sum(not compare({0.1: a, 0.2: b}).within_chance for a, b in drawn)
    assert 0.03 < told / races < 0.065
