"""Axes: one mapping from values to cells, and ticks that say what they stand for."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrtui.screen.draw.axis import Axis, dots, labels, least_apart, nice, round_up, ticks

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def axes(draw_: st.DrawFn) -> Axis:
    """Axes of every kind: ordinary ones as often as odd ones."""
    if draw_(st.booleans()):
        low = draw_(st.sampled_from([1e-45, 2e-7, 0.01, 0.05, 0.3, 1.0]) | st.floats(1e-300, 1e290))
        return Axis(low, low * 10.0 ** draw_(st.sampled_from([1, 2, 4]) | st.floats(1e-3, 9)), True)
    low = draw_(st.sampled_from([0.0, -1.0, -0.5, 1e4, 646_000.0]) | finite)
    high = draw_(st.floats(1e-3, 1e5).map(lambda length: low + length) | finite)
    assume(high > math.nextafter(low, math.inf))
    return Axis(low, high)


def number(label: str) -> float:
    """Return the number that a label says."""
    return float(label.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(label[-1], 1.0)


def labels_of(axis: Axis, cells: int) -> list[str]:
    return [text for _, text in ticks(axis, cells)]


@given(st.floats(-0.5, 1.5), st.integers(1, 200), st.sampled_from([2, 4]))
def test_a_dot_lies_in_its_cell(share: float, cells: int, each: int) -> None:
    cell = int(dots(share, cells))
    assert cell == int(dots(share, cells * each)) // each
    if not -1e-8 < share < 0 and not 1 < share < 1 + 1e-8:
        assert (cell == -1, cell == cells) == (share < 0, share > 1)


@given(st.integers(1, 800), st.data())
def test_what_is_a_whole_number_of_dots_is_the_first_of_the_next(
    n: int, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, n - 1))
    for rounding in (0, -1e-12, 1e-12):
        assert int(dots(i / n + rounding, n)) == i
        assert int(dots(1 + rounding, n)) == n - 1  # the upper end belongs to the last


def test_dots_of_what_is_no_number() -> None:
    assert dots([math.nan, -math.inf, math.inf, -1e300, 1e300], 8).tolist() == [-1, -1, 8, -1, 8]


@given(axes(), st.lists(st.floats(), max_size=20))
def test_places_are_in_the_order_of_values_and_only_infinity_is_infinite(
    axis: Axis, values: list[float]
) -> None:
    raw = np.sort(np.array([*values, axis.low, axis.high]))
    places = axis.place(raw)
    np.testing.assert_array_equal(np.isnan(places), np.isnan(raw))
    if axis.log:
        assert places[raw <= 0] == pytest.approx(0, abs=1e-9)
    ordered = raw > 0 if axis.log else ~np.isnan(raw)
    np.testing.assert_array_equal(np.isinf(places[ordered]), np.isinf(raw[ordered]))
    within = places[ordered][np.isfinite(places[ordered])]
    assert (np.diff(within) >= 0).all()
    assert axis.place([axis.low, axis.high]) == pytest.approx([0, 1], abs=1e-9)


@pytest.mark.parametrize(
    "axis",
    [Axis(0, 8), Axis(-3, 5), Axis(-1e308, 1e308), Axis(1e-45, 1e38, True), Axis(0.3, 2, True)],
)
def test_the_value_at_a_place_lies_there(axis: Axis) -> None:
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert float(axis.place(axis.at(share))) == pytest.approx(share)


@settings(max_examples=400)
@given(axes(), st.integers(3, 60), st.booleans())
@pytest.mark.slow
def test_a_tick_is_in_the_cell_of_the_number_that_it_says(
    axis: Axis, cells: int, aligned: bool
) -> None:
    axis = axis.aligned(cells) if aligned else axis
    found = ticks(axis, cells)
    assert all(len(text) <= 6 for _, text in found)
    assert [cell for cell, _ in found] == dots(
        axis.place([number(text) for _, text in found]), cells
    ).tolist()
    assert all(b - a >= least_apart(cells) for (a, _), (b, _) in pairwise(found))


@settings(max_examples=400)
@given(axes(), st.integers(3, 60))
@pytest.mark.slow
def test_ticks_of_an_aligned_axis_are_drawn_at_their_values(axis: Axis, cells: int) -> None:
    """The sign of a tick is in the middle of its cell, a dot a quarter of a cell high."""
    assume(
        max(abs(axis.low), abs(axis.high)) < 1e50
    )  # larger than any loss, and no room for digits
    aligned = axis.aligned(cells)
    if aligned is axis:
        return
    found = [tick for tick in ticks(aligned, cells) if aligned.step or aligned.values]
    if not aligned.values or len(found) > 2:
        for cell, text in found:
            place = float(aligned.place(number(text))) * cells
            assert abs(place - (cell + 0.5)) <= 0.125 + 1e-3
    # It holds what it held, and not much more.
    (low, high), (start, end) = axis.scaled(), aligned.scaled()
    assert start <= low + 1e-6 * (aligned.step or 1)
    assert end >= high - 1e-6 * (aligned.step or 1)
    longer = 1.26 * (cells / (cells - 0.5) if aligned.step else 1.3)
    assert end / 2 - start / 2 <= longer * (high / 2 - low / 2) + 1e-9


@pytest.mark.parametrize("cells", [6, 8, 12, 16, 28, 50])
@pytest.mark.parametrize("high", [0.003, 0.8, 1, 3, 7.5, 8, 100, 15_000])
def test_an_axis_from_zero_is_aligned_and_begins_with_a_tick(high: float, cells: int) -> None:
    axis = Axis(0, high).aligned(cells)
    found = ticks(axis, cells)
    assert float(axis.place(0.0)) * cells == pytest.approx(0.5)
    assert axis.step
    assert found[0] == (0, found[0][1])
    assert number(found[0][1]) == 0
    assert len(found) > 1


@pytest.mark.parametrize(
    ("axis", "cells", "low", "high", "expected"),
    [
        (Axis(0, 8), 6, -0.833, 9.167, ["0", "5"]),
        (Axis(0, 7.65), 16, -0.25, 7.75, ["0", "2", "4", "6"]),
        # Rather a little longer than the next larger step.
        (Axis(0, 100), 28, -2, 110, ["0", "20", "40", "60", "80", "100"]),
        (Axis(-0.5, 2.5), 16, -0.5, 2.7, ["0", "1", "2"]),
        (Axis(1e-2, 1e2, True), 12, 10**-2.2, 10**2.6, ["0.01", "1", "100"]),
        # A short log axis: a loss from 5 to 2 has all of the chart.
        (Axis(2, 5.2, True), 12, 1.9034, 6.2457, ["2", "3", "4", "6"]),
        (Axis(2.29, 2.31, True), 12, 2.289, 2.313, ["2.29", "2.30", "2.31"]),
    ],
)
def test_aligned_axes(axis: Axis, cells: int, low: float, high: float, expected: list[str]) -> None:
    aligned = axis.aligned(cells)
    assert (aligned.low, aligned.high) == pytest.approx((low, high), rel=1e-3)
    assert labels_of(aligned, cells) == expected


@pytest.mark.parametrize("cells", [8, 12, 20])
def test_a_short_log_axis_moves_in_steps_while_a_loss_falls(cells: int) -> None:
    axes = [Axis(5 - 3 * i / 999, 5.2, True).aligned(cells) for i in range(1000)]
    moves = sum(one != other for one, other in pairwise(axes))
    assert moves <= 40
    assert math.log(5.2 / 2) >= 0.8 * math.log(axes[-1].high / axes[-1].low)


@pytest.mark.parametrize(
    ("axis", "cells", "expected"),
    [
        (Axis(0, 15_000), 33, ["0", "5k", "10k", "15k"]),
        (Axis(0, 8), 16, ["0", "2", "4", "6", "8"]),
        (Axis(0, 1), 28, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (Axis(-0.5, 2.5), 16, ["0", "1", "2"]),
        (Axis(0, 1e-3), 28, ["0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"]),
        (Axis(0, 3e6), 12, ["0", "1M", "2M", "3M"]),
        (Axis(646_000, 646_100), 12, ["646000", "646050", "646100"]),
        (Axis(1e-2, 1e2, True), 16, ["0.01", "0.1", "1", "10", "100"]),
        (Axis(1e-5, 1e6, True), 28, ["1e-4", "0.01", "1", "100", "10k", "1M"]),
        (Axis(1, 10, True), 16, ["1", "2", "5", "10"]),
        (Axis(0.3, 0.9, True), 6, ["0.4", "0.6", "0.8"]),
        (Axis(0.1 * 3, 0.9), 16, ["0.4", "0.6", "0.8"]),
        (Axis(0.1 * 3, 0.5), 16, ["0.30", "0.35", "0.40", "0.45", "0.50"]),
        (Axis(0.31, 0.33, True), 6, ["0.31", "0.32", "0.33"]),
        (Axis(0, 3, step=1), 33, ["0", "1", "2", "3"]),
        (Axis(1, 1.000_000_1), 16, ["1.0000"]),
        (Axis(0, 5e-324), 16, []),
    ],
)
def test_labels_of_axes(axis: Axis, cells: int, expected: list[str]) -> None:
    assert labels_of(axis, cells) == expected


@settings(max_examples=300)
@given(st.integers(-300, 300), st.sampled_from([1, 2, 5]), st.integers(-999, 990))
def test_labels_name_their_values_to_the_precision_of_the_step(
    power: int, digit: int, first: int
) -> None:
    step = float(f"{digit}e{power}")
    values = [float(f"{i * step:.12g}") for i in range(first, first + 4)]
    texts = labels(values, step)
    assert not texts or len(set(texts)) == len(values)
    for value, text in zip(values, texts, strict=False):
        assert abs(number(text) - value) <= 1e-9 * step * 1000
    if 0 <= first < 90 and -5 < power < 5:
        assert texts


@given(st.floats(1e-300, 1e290))
def test_nice_numbers(value: float) -> None:
    assert value * (1 - 1e-9) <= nice(value) <= value * 2.51
    assert f"{nice(value):.0e}"[0] in "125"


@given(st.floats(1e-300, 1e290))
def test_round_numbers_are_a_little_above(value: float) -> None:
    assert value <= round_up(value) <= value * 1.51
