"""A pane repaints the cells that changed, no more and no less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lrtui.screen.pane import cells, difference
from lrtui.screen.rows import fitted, length

spans = st.tuples(st.text("ab ", max_size=4), st.sampled_from(["x", "y"]))
rows = st.lists(spans, max_size=6)


@given(rows, rows, st.integers(1, 15))
def test_outside_the_difference_rows_are_the_same(
    before: list[tuple[str, str]], after: list[tuple[str, str]], width: int
) -> None:
    start, end = difference(before, after, width)
    old, new = list(cells(before, width)), list(cells(after, width))
    assert len(old) == len(new) == width
    assert old[:start] == new[:start]
    assert old[end:] == new[end:]
    if start < end:
        assert old[start] != new[start]
        assert old[end - 1] != new[end - 1]


@given(rows, st.integers(0, 15))
def test_fitted_rows_fit(row: list[tuple[str, str]], width: int) -> None:
    assert length(fitted(row, width)) <= width
