"""Rates as a person types and reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.text.rates import complaint, parse_rate, parse_rates, rate_cell, rate_text, scaled

rates = st.floats(min_value=5e-324, max_value=1.7e308, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("0.1", 0.1),
        ("1e-3", 1e-3),
        (".7", 0.7),
        ("1.", 1.0),
        ("+2", 2.0),
        ("1E2", 100.0),
        ("0,5", 0.5),
        ("0,25", 0.25),
        (",7", 0.7),
        ("0,001", 0.001),
        ("1,5e-3", 1.5e-3),
        ("9" * 40, 1e40),
    ],
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
        ("0,0", "more than 0"),
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
        ("1 000", "not a number"),
        ("0.1.2", "not a number"),
        ("1,000", "two ways"),
        ("1,000,000", "two ways"),
        ("1,000.5", "not a number"),
        ("0,1,2", "not a number"),
        ("9" * 41, "longer than 40"),
    ],
)
def test_what_is_not_a_rate_is_an_error_that_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rate(text)


@given(st.text())
def test_any_text_is_a_rate_or_an_error_that_says_why(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 320
    else:
        assert 0 < rate < math.inf


@given(st.from_regex(r"\d{0,3}[.,]?\d{0,6}(e-?\d{1,2})?", fullmatch=True))
def test_nothing_that_was_typed_is_dropped(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert rate == float(text.replace(",", "."))


@given(rates, st.sampled_from(".,"))
def test_no_complaint_while_a_rate_is_being_typed(rate: float, point: str) -> None:
    text = repr(rate).replace(".", point)
    for end in range(len(text) + 1):
        typed = text[:end]
        if complaint(typed):  # only where the number so far is already out of range
            assert "too small" in complaint(typed) or "too large" in complaint(typed)


@pytest.mark.parametrize("text", ["abc", "-", "1e999", "1..", "0.1x", "nan", "1_0", "0,1,", "0x1"])
def test_a_complaint_as_soon_as_it_cannot_become_a_rate(text: str) -> None:
    assert complaint(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.1 0.7 1.01", [0.1, 0.7, 1.01]),
        ("  0,1   .7 ", [0.1, 0.7]),
        ("0.1, 0.7; 1e-3", [0.1, 0.7, 1e-3]),
        ("0.3", [0.3]),
    ],
)
def test_rates_with_blanks_between_them(text: str, found: list[float]) -> None:
    assert parse_rates(text) == found
    assert not any(complaint(text[:end]) for end in range(len(text)) if text[end - 1] not in ",;")


@pytest.mark.parametrize("text", ["0.1 abc", "0.1 -1 ", "1 2 3 4 5 6 7 8 9", "0.1 0 "])
def test_rates_that_cannot_be_raced(text: str) -> None:
    assert complaint(text)
    with pytest.raises(ValueError, match=r"number|more than 0|a race has 8 at most"):
        parse_rates(text)


@given(rates, st.sampled_from([0.8, 1.25]))
def test_what_is_shown_of_a_scaled_rate_is_what_runs(rate: float, factor: float) -> None:
    new = scaled(rate, factor)
    assert 0 < new < math.inf
    if 1e-300 < rate < 1e300:
        assert float(rate_text(new)) == new
        assert new == pytest.approx(rate * factor, rel=6e-3)


@given(rates, st.integers(7, 14))
def test_a_cell_shows_a_rate_rounded_and_never_cut(rate: float, width: int) -> None:
    cell = rate_cell(rate, width)
    assert len(cell) <= width
    if 1e-300 < rate < 1e300:
        # "1.2e-305" in seven cells has one digit left for the number itself.
        assert float(cell) == pytest.approx(rate, rel=0.5)


@pytest.mark.parametrize(
    ("rate", "width", "shown"),
    [
        (0.1, 7, "0.1"),
        (0.000999, 7, "9.99e-4"),
        (0.000999, 8, "0.000999"),
        (1.2345e-5, 9, "1.2345e-5"),
        (1.2345e-5, 7, "1.23e-5"),
        (0.123456, 7, "0.1235"),
        (1e30, 7, "1e+30"),
    ],
)
def test_rates_in_the_table(rate: float, width: int, shown: str) -> None:
    assert rate_cell(rate, width) == shown
