"""The advice: as quick as anything that a fine search finds, with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from lrtui.analysis.advice import Advice, advise, advise_from_sweep, best_swept
from lrtui.analysis.theory import Theory
from lrtui.messages import Optimizer, SweepResult
from lrtui.messages.problem_settings import Noise, ProblemSettings, Spread
from lrtui.problems.line import LineFit
from lrtui.session.sentences import advice_text
from lrtui.trainer.many.sweep import sweep
from tests.analysis.quadratics import descent, quadratic


@pytest.mark.parametrize(
    ("spread", "noise"),
    [
        ("symmetric", "uniform"),
        pytest.param("symmetric", "gaussian", marks=pytest.mark.slow),
        pytest.param("unit", "uniform", marks=pytest.mark.slow),
        ("unit", "gaussian"),
    ],
)
def test_it_is_as_quick_as_a_fine_sweep_finds(spread: Spread, noise: Noise) -> None:
    for seed in range(8):
        problem = LineFit(ProblemSettings(seed=seed, spread=spread, noise=noise))
        assert problem.quadratic is not None
        theory = Theory.of(problem.quadratic)
        advice = advise(theory, 1.01, 100)
        assert advice is not None
        limit = theory.max_stable_lr
        rates = [*np.linspace(0.3 * limit, 0.999 * limit, 300).tolist(), advice.lr]
        *_, swept = sweep(problem, rates, 120, Optimizer(), None)
        assert swept is not None
        *others, own = swept.settled_at
        assert own is not None
        assert own <= min(at for at in others if at is not None) + 1
        assert advice.steps is not None
        assert abs(own - advice.steps) <= 1
        assert advise(theory, advice.lr, 100) is None


@pytest.mark.parametrize("eigenvalues", [(2.0,), (0.1, 0.5, 1.0, 1.5, 3.0), (0.001, 4.0)])
def test_any_number_of_weights(eigenvalues: tuple[float, ...]) -> None:
    for seed in range(5):
        loss = quadratic(*eigenvalues, seed=seed)
        theory = Theory.of(loss)
        advice = advise(theory, 0.01 * theory.max_stable_lr, None)
        assert advice is not None
        assert advice.reason
        assert not advice.more_steps
        told = [value for _, value in descent(loss, advice.lr, advice.steps or 0)]
        settled = [step for step, value in enumerate(told) if value <= theory.settled_loss]
        assert settled == [advice.steps]
        assert advise(theory, advice.lr, None) is None


def test_one_direction_is_settled_in_one_step() -> None:
    theory = Theory.of(quadratic(2.0))
    advice = advise(theory, 0.1, 10)
    assert advice is not None
    assert (advice.lr, advice.steps) == (0.5, 1)


@pytest.mark.parametrize("lr", [0.1, 0.744, 5.0])
def test_too_few_steps_for_any_rate(lr: float) -> None:
    theory = Theory.of(quadratic(0.7, 2.0))
    advice = advise(theory, lr, 2)
    assert advice is not None
    assert advice.more_steps
    assert advice.reason == "no rate settles in 2 steps"
    assert advice.steps is not None
    assert advice.steps > 2
    assert advice.steps == theory.settles_at(theory.start, advice.lr)
    assert "take more steps" in advice_text(advice)
    enough = advise(theory, advice.lr, advice.steps)
    assert enough is None


def test_nothing_is_advised_where_no_rate_settles() -> None:
    assert advise(Theory.of(quadratic(1e-12, 1.0, min_loss=0.0)), 0.1, 100) is None


def test_nothing_is_advised_where_the_start_has_settled() -> None:
    loss = quadratic(1.0, 4.0)
    theory = Theory.of(quadratic(1.0, 4.0, start=loss.minimum))
    assert advise(theory, 0.1, 100) is None


def test_a_rate_that_is_quicker_than_the_rounded_best_one_is_not_advised_against() -> None:
    theory = Theory.of(quadratic(0.11, 2.0, seed=222))
    lr, fewest = theory.quickest(theory.start)
    assert theory.settles_at(theory.start, theory.best_lr) == fewest + 1
    assert advise(theory, lr, 100) is None


def test_a_start_for_which_another_rate_is_quicker_than_the_minimax_one() -> None:
    problem = LineFit(ProblemSettings(spread="unit"))
    assert problem.quadratic is not None
    theory = Theory.of(problem.quadratic)
    advice = advise(theory, 0.1, 1000)
    assert advice is not None
    worst = theory.settles_at(theory.start, theory.minimax_lr)
    assert f"{theory.minimax_lr:.3g}" in advice.reason
    assert f"takes {worst}" in advice.reason
    assert advice.steps is not None
    assert worst is not None
    assert advice.steps < worst


def test_with_momentum_it_is_the_first_of_many() -> None:
    theory = Theory.of(quadratic(0.7, 2.0), Optimizer(momentum=0.9))
    advice = advise(theory, 0.003, None)
    assert advice is not None
    assert advice.reason == "fewest steps of 400 rates tried in the closed form"
    assert advice.steps == theory.settles_at(theory.start, advice.lr)
    assert advise(theory, advice.lr, None) is None
    few = advise(theory, 0.003, 5)
    assert few is not None
    assert few.more_steps


SWEPT = SweepResult(
    lrs=[0.01, 0.1, 1.0],
    steps=100,
    losses=[0.9, 0.5, None],
    settled_at=[None, None, None],
    first_loss=1.0,
)


def test_from_a_sweep_the_rate_that_ended_clearly_lower() -> None:
    advice = advise_from_sweep(SWEPT, 0.01, None, 0.9)
    assert advice == Advice(0.1, "lowest loss after 100 steps of the 3 rates tried, 0.5")
    assert advise_from_sweep(SWEPT, 1.0) == advice  # its run diverged
    assert advise_from_sweep(SWEPT, 0.01) == advice  # its run has not come as far
    assert advise_from_sweep(SWEPT, 0.01, None, 0.52) is None
    assert advise_from_sweep(SWEPT, 0.01, None, 0.4) is None
    assert advise_from_sweep(SWEPT, 0.1, None, 0.5) is None
    assert advise_from_sweep(SWEPT, 0.01, 70, 0.9) is None  # settled, and none of these did


def test_from_a_sweep_the_rate_that_settled_sooner() -> None:
    swept = replace(SWEPT, settled_at=[80, 30, None])
    reason = "the first to reach its target of the 3 rates tried, at step 30"
    assert advise_from_sweep(swept, 0.01, 80, 0.9) == Advice(0.1, reason, 30)
    assert advise_from_sweep(swept, 0.05, 30, 0.9) is None
    assert advise_from_sweep(swept, 0.05, None, 0.9) == Advice(0.1, reason, 30)


def test_where_nothing_ended_below_its_start_nothing_is_advised() -> None:
    assert advise_from_sweep(replace(SWEPT, losses=[1.1, 1.2, None]), 0.01, None, 1.1) is None


def test_in_words() -> None:
    assert advice_text(Advice(0.25, "")) == "try 0.25"
    assert advice_text(Advice(0.25, "", 1234)) == "try 0.25, settles at step 1,234"


def test_a_rate_right_below_one_that_breaks_away_is_not_the_best() -> None:
    swept = SweepResult(
        lrs=[1.0, 1.4, 2.0, 2.8],
        steps=100,
        losses=[0.3, 0.2, 0.1, None],
        settled_at=[None, 90, 60, None],
        first_loss=1.0,
    )
    assert best_swept(swept) == 1.4
    assert best_swept(replace(swept, losses=[0.3, 0.2, 0.1, 0.9])) == 2.0
    assert best_swept(replace(swept, settled_at=[None] * 4)) == 1.4
    far = replace(swept, lrs=[0.001, 0.01, 0.1, 1.0])
    assert best_swept(far) == 0.1
    only = replace(swept, losses=[0.3, None, None, None], settled_at=[None] * 4)
    assert best_swept(only) == 1.0
