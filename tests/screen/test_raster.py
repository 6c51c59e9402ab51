"""Lines as dots: nothing lost, nothing invented, in bounded time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.screen.draw.axis import dots
from lrtui.screen.draw.raster import LINE_DOTS, line_dots

near = st.floats(-3, 4)
anything = near | st.floats() | st.sampled_from([0.0, 1.0, 1e150, -1e150, math.inf, math.nan])


def drawn(
    x: list[float], y: list[float], width: int, height: int, **how: bool
) -> set[tuple[int, int]]:
    across, up = line_dots(np.array(x, dtype=float), np.array(y, dtype=float), width, height, **how)
    return set(zip(across.tolist(), up.tolist(), strict=True))


@given(
    st.lists(st.tuples(anything, anything), max_size=50),
    st.integers(1, 60),
    st.integers(1, 60),
    st.booleans(),
    st.booleans(),
)
def test_dots_are_on_the_canvas_and_every_point_inside_has_one(
    points: list[tuple[float, float]], width: int, height: int, gaps: bool, dotted: bool
) -> None:
    x, y = [p for p, _ in points], [p for _, p in points]
    found = drawn(x, y, width, height, gaps=gaps, dotted=dotted)
    assert all(0 <= a < width and 0 <= b < height for a, b in found)
    at = zip(dots(x, width).tolist(), dots(y, height).tolist(), strict=True)
    inside = {(a, b) for a, b in at if 0 <= a < width and 0 <= b < height}
    assert dotted or inside <= found


@given(near, near, near, near)
def test_a_segment_is_drawn_where_it_crosses_the_canvas_and_nowhere_else(
    x0: float, y0: float, x1: float, y1: float
) -> None:
    found = drawn([x0, x1], [y0, y1], 40, 40)
    along = np.linspace(0, 1, 5000)
    x, y = (x0 + along * (x1 - x0)) * 40, (y0 + along * (y1 - y0)) * 40
    inside = (x >= 0) & (x <= 40) & (y >= 0) & (y <= 40)
    for a, b in zip(x[inside][::50], y[inside][::50], strict=True):
        assert any(abs(a - 0.5 - c) <= 1.51 and abs(b - 0.5 - d) <= 1.51 for c, d in found)
    for c, d in found:
        assert (np.maximum(np.abs(x - 0.5 - c), np.abs(y - 0.5 - d)) <= 1.6).any()


@pytest.mark.parametrize(
    ("end", "last"), [((5.0, 0.5), (39, 20)), ((0.5, -1e150), (20, 0)), ((1e100, 1e100), (39, 39))]
)
def test_a_jump_off_the_canvas_is_drawn_to_the_edge(
    end: tuple[float, float], last: tuple[int, int]
) -> None:
    there = drawn([0.5, end[0]], [0.5, end[1]], 40, 40)
    back = drawn([end[0], 0.5], [end[1], 0.5], 40, 40)
    for found in (there, back):
        assert {(20, 20), last} <= found
        assert 20 <= len(found) <= 21


def test_a_line_across_the_canvas_between_points_outside_is_drawn() -> None:
    assert drawn([-5, 7], [-5, 7], 10, 10) == {(i, i) for i in range(10)}
    assert drawn([-1, 2], [3, 1.1], 10, 10) == set()
    assert drawn([-1e15, 1e15], [-1e15, 1e15], 10, 10) == set()  # too far to tell


def test_a_line_ends_where_it_leaves() -> None:
    assert max(drawn([0.5, 0.9], [0.2, -0.2], 100, 100)) == (70, 0)


def test_a_line_beside_the_canvas_is_not_drawn() -> None:
    assert drawn([0, 1], [-0.01, -0.01], 10, 10) == set()
    assert drawn([1.01, 1.01], [0, 1], 10, 10) == set()


def test_points_in_one_column_of_dots_are_joined_to_those_in_the_next() -> None:
    column = {(0, i) for i in range(9)}
    assert drawn([0, 0.02, 1], [0, 0.85, 0.85], 10, 10) == column | {(i, 8) for i in range(10)}
    assert drawn([0.5] * 4, [0.5, 1e13, -1e13, 0.5], 1, 10) == {(0, i) for i in range(10)}


def test_a_line_that_leaves_is_not_drawn_along_the_edge() -> None:
    x = np.linspace(0, 1, 101)
    across, up = line_dots(x, x * 10, 100, 40)
    assert across.max() <= 10
    assert up.max() == 39


def test_points_that_are_not_finite_are_skipped_or_interrupt() -> None:
    x, y = [0, 0.2, 0.5, 0.9, 1], [0.5, 0.5, math.nan, 0.5, 0.5]
    assert drawn(x, y, 10, 1) == {(i, 0) for i in range(10)}
    assert drawn(x, y, 10, 1, gaps=True) == {(0, 0), (1, 0), (2, 0), (9, 0)}


def test_a_spike_among_many_points_is_drawn() -> None:
    y = np.full(1_000_000, 0.5)
    y[123_456], y[654_321] = 0.9, 0.1
    across, up = line_dots(np.linspace(0, 1, len(y)), y, 120, 60)
    assert {(14, 54), (78, 6)} <= set(zip(across.tolist(), up.tolist(), strict=True))


def test_a_dotted_line_has_one_dot_in_four() -> None:
    assert drawn([0, 1], [0, 0], 30, 1, dotted=True) == {(i, 0) for i in range(0, 30, 4)}
    steep = drawn([0, 0.04], [1, 0], 30, 60, dotted=True)
    assert steep == {(a, b) for a, b in steep if b % 4 == 59 % 4}
    assert len(steep) == 15
    dense = np.linspace(0, 0.02, 200).tolist(), np.linspace(1, 0, 200).tolist()
    assert drawn(*dense, 30, 60, dotted=True) == {(0, b) for b in range(3, 60, 4)}


def test_wild_paths_are_drawn_in_bounded_work_from_both_ends() -> None:
    x, y = np.random.default_rng(0).uniform(0, 1, (2, 20_000))
    x[:2] = y[:2] = 0
    across, _ = line_dots(x, y, 400, 240)
    assert LINE_DOTS / 2 < len(across) <= LINE_DOTS
    ends = line_dots(x, y, 400, 240)
    assert (ends[0][0], ends[1][0]) == (0, 0)
    assert (ends[0][-1], ends[1][-1]) == (dots(x[-1], 400), dots(y[-1], 240))
