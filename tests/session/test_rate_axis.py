"""Every rate side by side."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lrtui.analysis.advice import best_of
from lrtui.analysis.theory import Theory
from lrtui.messages import Optimizer, ProblemFacts, SweepResult
from lrtui.session.rate_axis import (
    ABOVE,
    ADAPTIVE,
    BELOW,
    ends,
    graded,
    outcomes,
    ruler_sweep,
    spaced,
    table,
)
from lrtui.session.session import Session
from tests.analysis.quadratics import descent, quadratic

LOSS = quadratic(0.7, 2.0)
THEORY = Theory.of(LOSS)


def measured(lrs: list[float], steps: int) -> SweepResult:
    found, settled_at = [], []
    for lr in lrs:
        told = [value for _, value in descent(LOSS, lr, steps)]
        near = [step for step, value in enumerate(told) if value <= THEORY.settled_loss]
        found.append(told[-1] if math.isfinite(told[-1]) else None)
        settled_at.append(near[0] if near else None)
    return SweepResult(lrs=lrs, steps=steps, losses=found, settled_at=settled_at)


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
    facts = ProblemFacts(name="line", weights=2, samples=points)
    sweep = ruler_sweep(THEORY, Optimizer(), None, facts, steps)
    assert sweep is not None
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
    session = Session()
    session.apply(LOSS)
    report = table(measured([0.01, 0.7, 50.0], 200), session)
    assert report.verdicts == ["too slow", "settled", "diverged"]
    assert report.settled_at == [None, THEORY.settles_at(THEORY.start, 0.7), None]
    assert (report.limit, report.best) == (THEORY.max_stable_lr, THEORY.best_lr)


NETWORK = SweepResult(
    lrs=[0.001, 0.01, 0.1, 1.0, 10.0, 100.0],
    steps=500,
    losses=[0.9, 0.1, 0.01, 3.0, None, 0.5],
    settled_at=[None, None, None, None, None, None],
    taken=[500, 500, 500, 500, 500, 20],
    first_loss=1.0,
)


def test_of_a_network_nothing_is_said_but_what_was_seen() -> None:
    words = [verdict for verdict, _ in outcomes(NETWORK, None, 500)]
    expected = ["falling", "falling", "falling", "above its start", "diverged", "unfinished"]
    assert words == expected
    grades = graded(NETWORK)
    assert grades[2] == 0.0
    assert grades[3:] == [None, None, None]
    assert grades[0] == pytest.approx(math.log(0.9 / 0.01) / math.log(1 / 0.01))
    settled = replace(NETWORK, settled_at=[None, 400, 100, None, None, None])
    assert graded(settled)[:3] == [1.0, pytest.approx(math.log(4) / math.log(5)), 0.0]
    assert best_of(NETWORK, None) == 0.1
    assert best_of(settled, None) == 0.1


def test_the_ends_follow_from_what_is_known() -> None:
    plain, adam = Optimizer(), Optimizer(name="adam")
    assert ends(None, plain, None) is None
    assert ends(None, adam, None) == ends(None, "rmsprop", 5.0) == ADAPTIVE
    assert ends(None, plain, 10.0) == pytest.approx((0.0002, 4.0))
    heavy = ends(None, Optimizer(momentum=0.9), 10.0)
    assert heavy == pytest.approx((0.00038, 7.6))
    assert ends(None, plain, -1.0) == ADAPTIVE
    assert ruler_sweep(None, plain, None, None, 100) is None
    sweep = ruler_sweep(None, adam, None, None, 10**6)
    assert sweep is not None
    assert (sweep.optimizer, sweep.steps) == (adam, 1000)
