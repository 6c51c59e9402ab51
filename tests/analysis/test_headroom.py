"""The words on the headroom, for readings of every kind."""

from __future__ import annotations

import math

import pytest

from lrtui.analysis.headroom import LOWERED, ROOM, TRIALS, sentence, word
from lrtui.guide import page_text


def said(left: float, **changed: object) -> str:
    usual = {"calm": 0.2, "growth": 0.0, "pairs": 27}
    return word(left, **(usual | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0.3, ROOM), (0.9, ROOM), (0.29, ""), (0.0, ""), (-0.9, "")],
)
def test_by_the_slope_left(left: float, expected: str) -> None:
    assert said(left) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"calm": 0.98},
        {"full_batch": True},
        {"alone": False},
        {"risen": True},
        {"pairs": 26},
        {"growth": 0.002},
        {"growth": None},
        {"growth": math.nan},
    ],
)
def test_no_room_is_seen_where_the_slope_is_blind_or_the_steps_still_grow(
    changed: dict[str, object],
) -> None:
    assert said(0.5, **changed) == ""
    assert said(0.5, **changed, before=ROOM) == ""


def test_a_word_that_was_said_ends_a_little_later() -> None:
    assert said(0.26, before=ROOM) == ROOM
    assert said(0.24, before=ROOM) == ""
    assert said(0.26) == ""


def test_the_counts_are_those_of_the_guide() -> None:
    row = "| room for ×2: the loss is lower at twice the rate | {} of {} |"
    assert row.format(TRIALS - LOWERED, TRIALS) in page_text("what-is-said")


def test_the_sentences() -> None:
    start = "room for ×2: fresh batches still slope along the last steps (53%); doubling lowered"
    assert sentence(ROOM, 0.53).startswith(start)
    assert sentence("", 0.1) == ""
