"""A problem's title says first what is unusual about it."""

from __future__ import annotations

from lrtui.messages.problem_settings import ProblemSettings


def test_the_usual_problem() -> None:
    assert ProblemSettings().title == (
        "line fit · 100 points · uniform noise · seed 0 · symmetric spread"
    )


def test_what_differs_comes_first() -> None:
    title = ProblemSettings(spread="unit", seed=3).title
    assert title == "line fit · seed 3 · unit spread · 100 points · uniform noise"
