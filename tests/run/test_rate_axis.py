"""Every rate side by side."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.messages import Swept
from lrtui.run.rate_axis import ABOVE, BELOW, outcomes, ruler_sweep, spaced, table
from lrtui.run.theory import Theory
from tests.run.quadratics import descent, quadratic

LOSS = quadratic(0.7, 2.0)
THEORY = Theory.of(LOSS)


def measured(lrs: list[float], steps: int) -> Swept:
    found, settled_at = [], []
    for lr in lrs:
        told = [value for _, value in descent(LOSS, lr, steps)]
        near = [step for step, value in enumerate(told) if value <= THEORY.settled_loss]
        found.append(told[-1] if math.isfinite(told[-1]) else None)
        settled_at.append(near[0] if near else None)
    return Swept(lrs=lrs, steps=steps, losses=found, settled_at=settled_at)


@given(st.floats(5e-324, 1e308, exclude_max=True), st.floats(5e-324, 1e308), st.integers(1, 50))
def test_equal_factors_apart(a: float, b: float, count: int) -> None:
    low, high = sorted((a, b))
    lrs = spaced(low, high, count)
    assert len(lrs) == count
    assert lrs[0] == low
    assert all(0 < lr < math.inf for lr in lrs)
    if count > 1:
        assert lrs[-1] == high
        apart = (math.log(high) - math.log(low)) / (count - 1)
        if low > 1e-300:
            steps = [math.log(b) - math.log(a) for a, b in pairwise(lrs)]
            assert steps == pytest.approx([apart] * (count - 1), abs=1e-9)


@pytest.mark.parametrize("points", [2, 100, 10_000, 100_000])
@pytest.mark.parametrize("steps", [1, 100, 10**9])
def test_the_sweep_of_the_ruler_is_affordable(points: int, steps: int) -> None:
    sweep = ruler_sweep(THEORY, points, steps)
    assert 1 <= sweep.steps <= steps
    assert len(sweep.lrs) * sweep.steps * points <= 1.6e7
    assert sweep.lrs[0] == pytest.approx(BELOW * THEORY.max_stable_lr)
    assert sweep.lrs[-1] == pytest.approx(ABOVE * THEORY.max_stable_lr)


def test_what_a_short_sweep_did_not_see_is_forecast() -> None:
    lrs = [0.01, 0.1, 0.5, 0.7, 1.1]
    whole = outcomes(measured(lrs, 300), THEORY, 300)
    short = outcomes(measured(lrs, 5), THEORY, 300)
    assert short == whole
    assert [verdict for verdict, _ in whole] == ["too slow", *["settled"] * 3, "diverged"]


def test_what_settles_after_the_end_of_the_run_has_not_settled() -> None:
    lrs = [0.1, 0.7]
    (slow, at), (quick, quick_at) = outcomes(measured(lrs, 300), THEORY, 20)
    assert (slow, at) == ("too slow", None)
    assert quick == "settled"
    assert quick_at == THEORY.settles_at(THEORY.start, 0.7)


def test_a_rate_that_is_past_the_limit_is_never_settled() -> None:
    assert outcomes(measured([1.0001], 50), THEORY, 50) == [("on the edge", None)]


def test_as_a_report() -> None:
    report = table(measured([0.01, 0.7, 50.0], 200), THEORY)
    assert report.verdicts == ["too slow", "settled", "diverged"]
    assert report.settled_at == [None, THEORY.settles_at(THEORY.start, 0.7), None]
    assert (report.limit, report.best) == (THEORY.max_stable_lr, THEORY.best_lr)
