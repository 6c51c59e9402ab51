"""Rows of text in tones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lrtui.screen.draw.spans import fitted, length

spans = st.tuples(st.text("ab ", max_size=4), st.sampled_from(["x", "y"]))
rows = st.lists(spans, max_size=6)


@given(rows, st.integers(0, 15))
def test_fitted_rows_fit(row: list[tuple[str, str]], width: int) -> None:
    assert length(fitted(row, width)) <= width
