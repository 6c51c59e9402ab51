"""The losses: exact while they are few, no spike lost when they are many, memory bounded."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.run.series import CAPACITY, LossSeries

losses = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.integers(0, CAPACITY - 1), losses, max_size=60), st.integers(1, 20))
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


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 40 * CAPACITY),
    st.integers(1, 9999),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
def test_long_series_keep_each_spike_where_it_was(
    count: int, batch: int, gap: int, chance: Random
) -> None:
    spike = chance.randrange(count)
    values = np.linspace(1.0, 0.5, count)
    values[spike] = 99.0
    series = LossSeries()
    for first in range(0, count, batch):
        end = min(first + batch, count)
        series.append(range(first * gap, end * gap, gap), values[first:end].tolist())
    steps, kept = series.curve()
    assert len(kept) <= 2 * CAPACITY
    assert kept.max() == 99.0
    assert 0 <= spike * gap - steps[np.argmax(kept)] < series.stride
    assert kept.min() == values.min()
    assert np.all(np.diff(steps) >= 0)


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
