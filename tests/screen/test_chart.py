"""Charts: rows, columns, ticks, marks and labels agree, and nothing that comes in breaks them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrtui.screen.draw.chart import (
    Axis,
    Canvas,
    Cloud,
    Curve,
    Floats,
    Label,
    Layer,
    Mark,
    Path,
    draw,
    placed,
)
from lrtui.screen.draw.spans import Row
from tests.screen.test_axis import axes, number

any_number = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0])
points = st.lists(st.tuples(any_number, any_number), max_size=100)
sizes = st.tuples(st.integers(1, 150), st.integers(1, 50))
roomy = st.tuples(st.integers(24, 120), st.integers(5, 50))
places = st.tuples(st.floats(0, 1), st.floats(0, 1))


def texts(rows: Sequence[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def cells(rows: Sequence[Row], tone: str) -> dict[tuple[int, int], str]:
    """Return the characters of a tone that are no blanks, by row and column of the chart."""
    found: dict[tuple[int, int], str] = {}
    for i, row in enumerate(rows):
        tones = [each for text, each in row for _ in text]
        line = zip("".join(text for text, _ in row), tones, strict=True)
        found |= {(i, j): c for j, (c, t) in enumerate(line) if t == tone and c != " "}
    return found


def on_canvas(rows: Sequence[Row], tone: str, canvas: Canvas) -> dict[tuple[int, int], str]:
    """Return the same by row and column of the canvas."""
    return {(row, column - canvas.left): c for (row, column), c in cells(rows, tone).items()}


@settings(max_examples=150)
@given(sizes, axes(), axes(), points, st.booleans())
@pytest.mark.slow
def test_anything_is_drawn_in_the_size_that_was_asked_for(
    size: tuple[int, int], x: Axis, y: Axis, drawn: list[tuple[float, float]], framed: bool
) -> None:
    at, up = [p for p, _ in drawn], [p for _, p in drawn]
    layers: list[Layer] = [
        Cloud(at, up, "a"),
        Curve(np.sort(np.array(at, dtype=float)), up, "b", dotted=framed),
        Path(at, up, "c"),
        *(Mark(*point, "●", "d") for point in drawn[:3]),
        *(Label(*point, "here", "e") for point in drawn[:3]),
    ]
    rows = draw(*size, x, y, layers, axes=framed)
    assert [len(text) for text in texts(rows)] == [size[0]] * size[1]
    assert {tone for row in rows for _, tone in row} <= {"axis", *"abcde"}


@pytest.mark.parametrize("values", [[], [1.0], [math.nan], [math.inf], [0.5] * 50, [1e308, -1e308]])
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (2, 1), (1, 2), (24, 5), (80, 24)])
def test_odd_series_on_one_cell_and_on_many(values: list[float], size: tuple[int, int]) -> None:
    line = np.arange(len(values)), values
    rows = draw(*size, Axis(0, 1), Axis(0, 1), [Curve(*line, "a"), Path(*line, "b")])
    assert [len(text) for text in texts(rows)] == [size[0]] * size[1]


@settings(max_examples=100)
@given(roomy, axes(), axes(), st.lists(places, min_size=1, max_size=40), st.data())
@pytest.mark.slow
def test_a_mark_at_a_point_of_a_curve_lies_on_the_curve(
    size: tuple[int, int], x: Axis, y: Axis, shares: list[tuple[float, float]], data: st.DataObject
) -> None:
    canvas = Canvas.of(*size)
    # On an axis as short as the last digits of its ends, a point of it may be off it.
    assume(
        all(a.high / 2 - a.low / 2 > 1e4 * math.ulp(max(abs(a.low), abs(a.high))) for a in (x, y))
    )
    line = [(x.at(a), y.at(b)) for a, b in sorted(shares)]
    at = data.draw(st.sampled_from(line))
    kind = data.draw(st.sampled_from([Curve, Path]))
    curve = kind([a for a, _ in line], [b for _, b in line], "line")
    alone = on_canvas(draw(*size, x, y, [curve]), "line", canvas)
    marked = on_canvas(draw(*size, x, y, [curve, Mark(*at, "◆", "mark")]), "mark", canvas)
    place = canvas.row(y, at[1]), canvas.column(x, at[0])
    assert marked == {place: "◆"}
    assert place in alone


@settings(max_examples=150)
@given(roomy, axes(), axes(), st.booleans())
@pytest.mark.slow
def test_a_tick_is_where_a_mark_of_the_number_that_it_says_is(
    size: tuple[int, int], x: Axis, y: Axis, aligned: bool
) -> None:
    canvas = Canvas.of(*size)
    y = y.aligned(canvas.rows) if aligned else y
    rows = texts(draw(*size, x, y, []))
    for i, row in enumerate(rows[: canvas.rows]):
        if row[canvas.left - 1] == "┤":
            assert canvas.row(y, number(row[: canvas.left - 1].strip())) == i
        else:
            assert row[: canvas.left] == " " * (canvas.left - 1) + "│"
    ticks = [i - canvas.left for i, sign in enumerate(rows[-2]) if sign == "┬"]
    # As many labels as ticks: none clipped, none in touch with another.
    assert [canvas.column(x, number(text)) for text in rows[-1].split()] == ticks


@settings(max_examples=150)
@given(
    st.tuples(st.integers(4, 60), st.integers(2, 20)),
    st.lists(places, max_size=6),
    st.lists(st.tuples(places, st.integers(1, 12)), max_size=6),
)
@pytest.mark.slow
def test_labels_cover_neither_marks_nor_each_other(
    size: tuple[int, int],
    marks: list[tuple[float, float]],
    labels: list[tuple[tuple[float, float], int]],
) -> None:
    x = y = Axis(0, 1)
    canvas = Canvas.of(*size, axes=False)
    layers: list[Layer] = [
        Label(*p, "abcdefghijklmno"[:n], f"{i}") for i, (p, n) in enumerate(labels)
    ]
    layers += [Mark(*point, "●", "mark") for point in marks]
    rows = draw(*size, x, y, layers, axes=False)
    assert set(cells(rows, "mark")) == {(canvas.row(y, b), canvas.column(x, a)) for a, b in marks}
    for i, (_, length) in enumerate(labels):
        shown = cells(rows, f"{i}")
        # Whole or not at all, and with a blank on both sides.
        assert "".join(shown.values()) in ("", "abcdefghijklmno"[:length])
        for row, column in shown:
            beside = {texts(rows)[row][j : j + 1] for j in (column - 1, column + 1) if j >= 0}
            inner = {c for (r, j), c in shown.items() if r == row and abs(j - column) == 1}
            assert beside - inner <= {" ", ""}


def test_labels_are_beside_their_marks_and_leave_the_curve_free() -> None:
    x = np.linspace(0, 100, 200)
    loss = 8 * np.exp(-x / 20)
    at = 50.0, 8 * math.exp(-2.5)
    layers: list[Layer] = [
        Curve(x, loss, "line"),
        Mark(*at, "◆", "mark"),
        Label(*at, "limit 0.9992", "label"),
    ]
    bare = draw(55, 18, Axis(0, 100), Axis(0, 8), layers[:1])
    rows = draw(55, 18, Axis(0, 100), Axis(0, 8), layers)
    label, (mark,) = cells(rows, "label"), cells(rows, "mark")
    assert "".join(label.values()) == "limit0.9992"
    assert not set(label) & set(cells(bare, "line"))
    assert min(max(abs(r - mark[0]), abs(c - mark[1])) for r, c in label) <= 2


def test_a_label_without_room_is_left_out() -> None:
    layers: list[Layer] = [Label(0.5, 0.5, "too long for it", "a"), Label(0.5, 0.5, "fits", "b")]
    rows = draw(10, 3, Axis(0, 1), Axis(0, 1), layers, axes=False)
    assert not cells(rows, "a")
    assert "".join(cells(rows, "b").values()) == "fits"


@pytest.mark.parametrize(
    ("at", "place", "sign"),
    [
        ((-1, 5), (5, 0), "◀"),
        ((11, 5), (5, 53), "▶"),
        ((5, 10.1), (0, 27), "▲"),
        ((5, -math.inf), (10, 27), "▼"),
        ((99, 99), (0, 53), "▲"),
        ((10, 10), (0, 53), "●"),
        ((0, 0), (10, 0), "●"),
    ],
)
def test_a_mark_outside_is_an_arrow_at_the_edge(
    at: tuple[float, float], place: tuple[int, int], sign: str
) -> None:
    rows = draw(61, 13, Axis(0, 10), Axis(0, 10), [Mark(*at, "●", "mark")])
    assert on_canvas(rows, "mark", Canvas.of(61, 13)) == {place: sign}


@pytest.mark.parametrize("point", [(math.nan, 1), (1, math.nan)])
def test_a_mark_of_no_number_is_not_drawn(point: tuple[float, float]) -> None:
    layers: list[Layer] = [Mark(*point, "●", "mark"), Label(*point, "here", "mark")]
    assert not cells(draw(60, 12, Axis(0, 10), Axis(0, 10), layers), "mark")


CHART = """
     8┤⠒⠤⣀
      │   ⠉⠒⠤⣀
     6┤       ⠉⠒⠤⣀
      │           ⠉⠒⠤⣀
     4┤               ⠉◆⠤⣀
      │                   ⠉⠒⠤⣀
     2┤                       ⠉⠒⠤⣀
      │                           ⠉⠒⠤⣀
     0┤                               ⠉⠒
      └┬──────────┬──────────┬─────────┬
       0         5k         10k      15k
"""


def test_a_whole_chart() -> None:
    layers: list[Layer] = [Curve([0, 15_000], [8, 0], "line"), Mark(7500, 4, "◆", "mark")]
    rows = texts(draw(40, 11, Axis(0, 15_000), Axis(0, 8).aligned(9), layers))
    assert "\n".join(["", *(row.rstrip() for row in rows), ""]) == CHART


def test_log_ticks_and_the_bottom_of_a_log_axis() -> None:
    y = Axis(1e-2, 1e2, log=True)
    rows = draw(40, 18, Axis(0, 100), y, [Curve([0, 50, 100], [100, 0, 0], "line")])
    labels = {row[:6].strip(): i for i, row in enumerate(texts(rows)[:-2]) if row[:6].strip()}
    assert labels == {"100": 0, "10": 3, "1": 7, "0.1": 11, "0.01": 15}
    # Nothing above zero is below: zero is drawn at the bottom.
    assert {(15, column) for column in range(24, 40)} <= set(cells(rows, "line"))


def test_later_layers_cover_earlier_ones_and_marks_cover_lines() -> None:
    flat = [0, 10], [5, 5]
    layers: list[Layer] = [Mark(5, 5, "●", "mark"), Curve(*flat, "below"), Curve(*flat, "above")]
    rows = draw(61, 13, Axis(0, 10), Axis(0, 10), layers)
    assert not cells(rows, "below")
    assert len(cells(rows, "above")) == 53
    assert len(cells(rows, "mark")) == 1


def test_a_path_is_interrupted_where_a_curve_goes_on() -> None:
    line = [0, 4, 5, 6, 10], [5, 5, math.nan, 5, 5]
    layers: list[Layer] = [Curve(*line, "curve"), Path(*line, "path")]
    rows = draw(20, 1, Axis(0, 10), Axis(0, 10), layers)
    assert [c for _, c in cells(rows, "curve")] == [9, 10, 11]


def test_dots_of_one_tone_are_joined_in_a_cell() -> None:
    layers: list[Layer] = [Cloud([0.1], [0.1], "a"), Cloud([0.9], [0.9], "a")]
    assert texts(draw(1, 1, Axis(0, 1), Axis(0, 1), layers)) == ["⡈"]
    layers[0] = Cloud([0.1], [0.1], "b")
    assert texts(draw(1, 1, Axis(0, 1), Axis(0, 1), layers)) == ["⠈"]


@given(roomy, axes(), st.data())
def test_the_value_at_a_cell_is_in_that_cell(
    size: tuple[int, int], axis: Axis, data: st.DataObject
) -> None:
    canvas = Canvas.of(*size)
    if math.ulp(max(abs(axis.low), abs(axis.high))) * 1e4 > axis.high / 2 - axis.low / 2:
        return
    column = data.draw(st.integers(0, canvas.columns - 1))
    row = data.draw(st.integers(0, canvas.rows - 1))
    assert canvas.column(axis, canvas.x_at(axis, column)) == column
    assert canvas.row(axis, canvas.y_at(axis, row)) == row


def worst_cases(n: int) -> dict[str, Floats]:
    rng = np.random.default_rng(0)
    return {
        "from end to end": np.tile([1e308, -1e308], n // 2),
        "never finite": np.tile([math.nan, math.inf, -math.inf, 1.0], n // 4),
        "noise": rng.uniform(-1, 1, n),
        "wild noise": rng.standard_cauchy(n),
        "constant": np.full(n, 0.5),
        "every power of ten": np.geomspace(1e-300, 1e300, n),
    }


def quickest(layers: Sequence[Layer], axis: Axis) -> float:
    """Return the seconds of this thread to draw layers at 200 × 60, the best of four."""
    times = []
    for _ in range(4):
        start = time.thread_time()
        draw(200, 60, Axis(0, 1), axis, layers)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("case", worst_cases(4))
@pytest.mark.parametrize("log", [False, True])
def test_no_chart_takes_much_longer_than_a_smooth_one(case: str, log: bool) -> None:
    y = worst_cases(20_000)[case]
    x = np.linspace(0, 1, len(y))
    axis = Axis(1e-3, 1.0, log=True) if log else Axis(-1.0, 1.0)
    layers: list[Layer] = [Cloud(x, y, "a"), Curve(x, y, "b"), Path(y, y[::-1], "c")]
    smooth: list[Layer] = [Cloud(x, x, "a"), Curve(x, x, "b"), Path(x, x[::-1], "c")]
    assert quickest(layers, axis) < 16 * quickest(smooth, axis)


def test_between_a_line_and_its_label_there_is_no_other_line() -> None:
    x, y = Axis(0, 10), Axis(0, 1)
    for first, second in ((5.0, 5.5), (5.0, 6.0)):
        layers: list[Layer] = [Curve([at, at], [0, 1], "line") for at in (first, second)]
        layers += [Label(first, 1.0, "aa", "label"), Label(second, 1.0, "b", "label")]
        row = texts(draw(20, 4, x, y, layers))[0]
        assert "aa ⡇" in row or "aa ⢸" in row
        assert re.search("[⡇⢸] b", row)
        assert row.index("aa") < row.index("b")


def test_labels_at_the_ends_of_lines_stand_in_their_order() -> None:
    canvas = Canvas.of(60, 12)
    x, y = Axis(0.0, 1.0), Axis(0.0, 1.0)
    heights = (0.50, 0.52, 0.51, 0.02, 0.01, 0.0)
    labels = [Label(0.5, at, f"{at}", "label", ends=True) for at in heights]
    found = [*placed(canvas, x, y, labels)]
    assert [label.y for label, _, _ in found] == sorted(heights, reverse=True)
    rows = [row for _, row, _ in found]
    assert rows == sorted({*rows})
    assert 0 <= rows[0] <= rows[-1] < canvas.rows
