"""The losses: exact while they are few, no spike lost when they are many, memory bounded."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.analysis.series import MAX_BUCKETS, OPENING, RECENT_LOSSES, LossSeries, quantile

losses = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.integers(0, MAX_BUCKETS - 1), losses, max_size=60), st.integers(1, 20))
def test_short_series_are_exact(told: dict[int, float | None], batch: int) -> None:
    rows = sorted(told.items())  # with gaps between the steps, or without
    series = LossSeries()
    for i in range(0, len(rows), batch):
        steps, values = zip(*rows[i : i + batch], strict=True)
        series.append(steps, values)
    known = [(step, loss) for step, loss in rows if loss is not None]
    steps_kept, kept = series.curve()
    assert [*zip(steps_kept, kept, strict=True)] == known
    assert series.count == len(rows)
    assert series.broken == next((step for step, loss in rows if loss is None), None)
    if known:
        values_known = [loss for _, loss in known]
        assert (series.smallest, series.largest) == (min(values_known), max(values_known))
        assert series.last == values_known[-1]
    else:
        assert math.isnan(series.last)


def test_the_first_loss_stays_the_first() -> None:
    series = LossSeries()
    series.append([0], [4.0])
    series.append([1, 2], [3.0, 5.0])
    assert series.first == 4.0


@settings(max_examples=25)
@given(
    st.integers(1, 40 * MAX_BUCKETS),
    st.integers(1, 9999),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
@pytest.mark.slow
def test_long_series_keep_each_spike_where_it_was(
    count: int, batch: int, gap: int, rng: Random
) -> None:
    spike = rng.randrange(count)
    values = np.linspace(1.0, 0.5, count)
    values[spike] = 99.0
    series = LossSeries()
    for first in range(0, count, batch):
        end = min(first + batch, count)
        series.append(range(first * gap, end * gap, gap), values[first:end].tolist())
    steps, kept = series.curve()
    assert len(kept) <= 2 * MAX_BUCKETS
    assert kept.max() == 99.0
    assert 0 <= spike * gap - steps[np.argmax(kept)] < series.stride
    assert kept.min() == values.min()
    assert np.all(np.diff(steps) >= 0)


@given(st.lists(losses, min_size=1, max_size=300), st.integers(1, 40), st.floats(-10, 10))
def test_what_is_kept_incrementally_is_what_the_whole_says(
    told: list[float | None], batch: int, target: float
) -> None:
    series = LossSeries(target)
    for i in range(0, len(told), batch):
        series.append(range(7 + 3 * i, 7 + 3 * len(told[: i + batch]), 3), told[i : i + batch])
    known = [np.nan if loss is None else loss for loss in told]
    np.testing.assert_array_equal(series.recent, known[-RECENT_LOSSES:])
    assert series.recent_steps.tolist() == [7 + 3 * i for i in range(len(told))][-RECENT_LOSSES:]
    np.testing.assert_array_equal(series.opening, known[:OPENING])
    over = [i for i, loss in enumerate(known) if not loss <= target]
    since = over[-1] + 1 if over else 0
    assert series.under_since == (7 + 3 * since if since < len(told) else None)
    assert series.origin == 7


def test_above_the_target_and_back_in_one_portion() -> None:
    series = LossSeries(1.0)
    series.append([0, 1], [2.0, 0.5])
    assert series.under_since == 1
    series.append([2, 3, 4], [0.5, 2.0, 0.5])
    assert series.under_since == 4
    series.append([5, 6], [0.5, None])
    assert series.under_since is None


def test_without_a_target_it_is_never_under_it() -> None:
    series = LossSeries()
    series.append([0, 1], [1.0, -1.0])
    assert series.under_since is None


@settings(max_examples=25)
@given(st.integers(1, 5 * MAX_BUCKETS), st.integers(1, 999), st.integers(0, 10**6))
def test_means_are_exact_between_buckets(count: int, batch: int, origin: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    values[::97] = np.nan
    told = [None if np.isnan(loss) else float(loss) for loss in values]
    series = LossSeries()
    for first in range(0, count, batch):
        end = min(first + batch, count)
        series.append(range(origin + first, origin + end), told[first:end])
    edges = np.unique(np.linspace(0, count, 9).astype(int) // series.stride * series.stride)
    for mean, first, end in zip(series.means(edges), edges[:-1], edges[1:], strict=True):
        part = values[first:end]
        if np.isfinite(part).any():
            assert mean == np.float64(np.nanmean(part)) or abs(mean - np.nanmean(part)) < 1e-9
        else:
            assert math.isnan(mean)


def test_the_loss_at_a_step() -> None:
    series = LossSeries()
    series.append(range(10, 4000), [float(k) for k in range(10, 3999)] + [None])
    assert series.at(10) == 10.0
    assert series.at(3998) == 3998.0
    assert [series.at(k) for k in (9, 3999, 4000, -5)] == [None] * 4
    series.append(range(4000, 9000), [float(k) for k in range(4000, 9000)])
    assert series.at(10) is None  # merged
    assert series.at(8999) == 8999.0
    assert series.at(9000 - RECENT_LOSSES) == 9000.0 - RECENT_LOSSES
    assert series.at(8999 - RECENT_LOSSES) is None


def test_from_where_on_it_stays_between() -> None:
    series = LossSeries()
    series.append(range(5, 105), [1.0 + (k % 2) / (k + 1) for k in range(100)])
    assert series.within_since(0.9, 1.1) == 5 + 8
    assert series.within_since(0.0, 9.0) == 5
    assert series.within_since(0.0, 0.5) is None


def test_a_long_run_that_begins_late_is_as_exact_as_any() -> None:
    series = LossSeries()
    series.append(range(10**9, 10**9 + 100), [1.0] * 100)
    assert series.stride == 1
    assert series.curve()[0].tolist() == [*range(10**9, 10**9 + 100)]


def test_memory_is_bounded() -> None:
    series = LossSeries()
    for i in range(1000):
        series.append(range(10_000 * i, 10_000 * (i + 1)), [0.5] * 10_000)
    assert series.count == 10_000_000
    assert series.nbytes < 200_000


def test_a_step_very_far_away() -> None:
    series = LossSeries()
    series.append([0, 10**12], [2.0, 1.0])
    steps, kept = series.curve()
    assert kept.tolist() == [2.0, 2.0, 1.0, 1.0]
    assert steps[0] == 0
    assert 0 <= 10**12 - steps[-1] < series.stride


def test_the_mean_after_a_huge_loss_is_that_of_the_losses_after_it() -> None:
    """A running sum of 1e18 has no digits left for a loss of 0.1."""
    for huge in (1e18, 1e37):
        series = LossSeries()
        series.append(range(300), [0.5] * 100 + [huge] * 100 + [0.1] * 100)
        np.testing.assert_allclose(series.means(np.arange(0, 301, 20))[10:], 0.1, rtol=1e-12)
        whole = series.means(np.array([0, 300]))
        np.testing.assert_allclose(whole, (100 * huge + 60) / 300, rtol=1e-12)


@settings(max_examples=50)
@given(st.lists(losses, min_size=1, max_size=200), st.integers(1, 50))
def test_a_mean_lies_within_its_band(told: list[float | None], size: int) -> None:
    series = LossSeries()
    series.append(range(len(told)), [None if v is None else v / 1e300 for v in told])
    edges = np.arange(0, len(told) + 1, size)
    for mean, first in zip(series.means(edges), edges[:-1], strict=True):
        part = [v / 1e300 for v in told[first : first + size] if v is not None]
        assert min(part) <= mean <= max(part) if part else math.isnan(mean)


def test_where_the_losses_were_not_finite() -> None:
    series = LossSeries()
    assert series.non_finite() == []
    assert series.non_finite_since is None
    series.append(range(10, 14), [1.0, None, None, 2.0])
    assert series.non_finite() == [(11, 12)]
    assert series.non_finite_since is None
    series.append(range(14, 17), [1.0, 1.0, None])
    assert series.non_finite() == [(11, 12), (16, 16)]
    assert series.non_finite_since == 16
    series.append(range(17, 20), [None] * 3)
    assert series.non_finite() == [(11, 12), (16, 19)]
    assert series.non_finite_since == 16
    series.append([20], [0.5])
    assert series.non_finite_since is None
    assert series.non_finite() == [(11, 12), (16, 19)]
    sparse = LossSeries()
    sparse.append(range(0, 1000, 50), [1.0, None, None, *[1.0] * 17])
    assert sparse.non_finite() == [(50, 100)]


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 3 * MAX_BUCKETS), st.integers(1, 3 * MAX_BUCKETS), st.integers(1, 999))
def test_of_a_long_series_too(first: int, length: int, batch: int) -> None:
    count = 5 * MAX_BUCKETS
    told = [None if first <= k < first + length else 1.0 for k in range(count)]
    series = LossSeries()
    for k in range(0, count, batch):
        series.append(range(k, min(k + batch, count)), told[k : k + batch])
    ((begins, ends),) = series.non_finite()
    last = min(first + length, count) - 1
    assert begins <= first < begins + series.stride
    assert ends - series.stride < last <= ends


@pytest.mark.parametrize("count", [1, 2, 5, 10, 127])
@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
def test_quantiles_are_those_of_numpy(count: int, q: float) -> None:
    values = np.random.default_rng(count).normal(size=count)
    assert quantile(values, q) == pytest.approx(np.quantile(values, q), abs=1e-12)
    assert np.isnan(quantile(values[:0], q))
