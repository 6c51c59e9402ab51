"""Durations and paces in words."""

from __future__ import annotations

import pytest

from lrtui.text.amounts import pace_text


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (1234.5, "1,234 steps/s"),
        (123.4, "123 steps/s"),
        (12.0, "12 steps/s"),
        (1.04, "1.0 steps/s"),
        (0.5, "2.0 s/step"),
        (0.584, "1.7 s/step"),
        (0.001, "1,000 s/step"),
    ],
)
def test_slow_steps_are_told_in_seconds_a_step(pace: float, said: str) -> None:
    assert pace_text(pace) == said
