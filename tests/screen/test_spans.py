"""Rows of text in tones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lrtui.screen.draw.spans import fitted, length, shortened

spans = st.tuples(st.text("ab ", max_size=4), st.sampled_from(["x", "y"]))
rows = st.lists(spans, max_size=6)


@given(rows, st.integers(0, 15))
def test_fitted_rows_fit(row: list[tuple[str, str]], width: int) -> None:
    assert length(fitted(row, width)) <= width


@given(st.text("ab", max_size=40), st.integers(1, 30))
def test_a_name_that_is_too_long_keeps_both_its_ends(text: str, width: int) -> None:
    found = shortened(text, width)
    assert len(found) == min(len(text), width)
    before, _, after = found.partition("…")
    assert text.startswith(before)
    assert text.endswith(after)
    assert len(text) <= width or abs(len(after) - len(before)) <= 1
