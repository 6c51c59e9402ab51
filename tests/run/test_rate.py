"""What a person types as a rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.run.rate import complaint, parse_rate, rate_text, scaled

rates = st.floats(min_value=5e-324, max_value=1.7e308, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("0.1", 0.1), ("1e-3", 1e-3), (".7", 0.7), ("1.", 1.0), ("+2", 2.0), ("1E2", 100.0)],
)
def test_rates(text: str, rate: float) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(f"  {text} ") == rate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needed"),
        ("  ", "needed"),
        ("abc", "'abc' is not a number"),
        ("0", "more than 0"),
        ("0.0e5", "more than 0"),
        ("-1", "more than 0"),
        ("nan", "finite"),
        ("-inf", "finite"),
        ("1e999", "too large"),
        ("1e-999", "too small"),
        ("1_000", "not a number"),
        ("٣", "not a number"),
        ("0x1", "not a number"),
        ("1e", "not a number"),
        (".", "not a number"),
    ],
)
def test_what_is_no_rate_is_told_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rate(text)


@given(st.text())
def test_any_text_is_a_rate_or_is_told_why(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert 0 < rate < math.inf


@given(rates)
def test_no_complaint_while_a_rate_is_being_typed(rate: float) -> None:
    text = repr(rate)
    for end in range(len(text) + 1):
        typed = text[:end]
        if complaint(typed):  # only where the number so far is already out of range
            assert "too small" in complaint(typed) or "too large" in complaint(typed)
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["abc", "-", "1e999", "1..", "0.1x", "nan"])
def test_what_can_become_no_rate_is_told_at_once(text: str) -> None:
    assert complaint(text)


@given(rates, st.sampled_from([0.8, 1.25]))
def test_what_is_shown_of_a_scaled_rate_is_what_runs(rate: float, factor: float) -> None:
    new = scaled(rate, factor)
    assert 0 < new < math.inf
    if 1e-300 < rate < 1e300:
        assert float(rate_text(new)) == new
        assert new == pytest.approx(rate * factor, rel=6e-3)
