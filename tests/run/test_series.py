"""The losses: exact while they are few, no spike lost when they are many, memory bounded."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.run.series import CAPACITY, LossSeries

losses = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=50)


@given(st.lists(losses, max_size=8))
def test_short_series_are_exact(batches: list[list[float | None]]) -> None:
    series = LossSeries()
    for batch in batches:
        series.append(batch)
    flat = [math.nan if v is None else v for batch in batches for v in batch]
    steps, kept = series.curve()
    assert np.array_equal(steps, np.arange(len(flat)))
    assert np.array_equal(kept, np.array(flat, dtype=float), equal_nan=True)
    known = [v for v in flat if math.isfinite(v)]
    assert series.count == len(flat)
    if known:
        assert (series.smallest, series.largest) == (min(known), max(known))
        assert series.last == known[-1]
    broken = [k for k, v in enumerate(flat) if math.isnan(v)]
    assert series.broken == (broken[0] if broken else None)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40 * CAPACITY), st.integers(1, 9999), st.randoms(use_true_random=False))
def test_long_series_keep_each_spike_where_it_was(count: int, batch: int, chance: object) -> None:
    spike = chance.randrange(count)  # type: ignore[attr-defined]
    values = np.linspace(1.0, 0.5, count)
    values[spike] = 99.0
    series = LossSeries()
    for first in range(0, count, batch):
        series.append(values[first : first + batch].tolist())
    steps, kept = series.curve()
    assert len(kept) <= 2 * CAPACITY + series.stride
    assert kept.max() == 99.0
    assert 0 <= spike - steps[np.argmax(kept)] < series.stride
    assert kept.min() == values.min()
    assert np.all(np.diff(steps) >= 0)


def test_memory_is_bounded() -> None:
    series = LossSeries()
    for _ in range(1000):
        series.append([0.5] * 10_000)
    assert series.count == 10_000_000
    assert series.nbytes < 200_000
