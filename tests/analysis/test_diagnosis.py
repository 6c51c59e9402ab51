"""What a curve means, and how it is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from lrtui.analysis.advice import share
from lrtui.analysis.diagnosis import Diagnosis, foresee, judge
from lrtui.analysis.theory import Theory
from lrtui.messages import Optimizer
from tests.analysis.quadratics import descent, quadratic

LOSS = quadratic(1.0, 4.0)
THEORY = Theory.of(LOSS)


def follow(lr: float, steps: int, take: int | None = None) -> Diagnosis:
    """Follow a run on the quadratic for some of its steps, or for all."""
    diagnosis = Diagnosis(THEORY, lr, steps, THEORY.start)
    for step, (_, value) in enumerate(descent(LOSS, lr, steps if take is None else take)):
        diagnosis.add([step], [value])
    return diagnosis


@pytest.mark.parametrize(
    ("lr", "steps", "verdict", "evidence"),
    [
        (0.005, 100, "too slow", "was given 100"),
        (0.39, 100, "settled", "within 0.5% of the smallest loss, 1"),
        (0.499, 100, "on the edge", "just below the limit 0.5; settles at "),
        (0.501, 100, "on the edge", "past the limit 0.5, steps grow by 0.4%"),
        (0.51, 100, "diverging", "past the limit 0.5, steps grow by 4%"),
        (0.39, 3, "too few steps", "settles at "),
        (0.005, 3, "too few steps", "was given 3"),
    ],
)
def test_verdicts(lr: float, steps: int, verdict: str, evidence: str) -> None:
    said = follow(lr, steps).read("done")
    assert said[0] == verdict
    assert evidence in said[1]


def test_too_few_steps_names_the_step_that_it_needs() -> None:
    settles = THEORY.settles_at(THEORY.start, 0.39)
    assert follow(0.39, 3).read("done") == ("too few steps", f"settles at {settles}, was given 3")


def test_while_it_is_on_it_converges_on_one_side_or_from_side_to_side() -> None:
    slow, evidence = follow(0.2, 100, take=3).read()
    assert slow == "converging"
    assert "above its minimum shrinks" in evidence
    swinging, evidence = follow(0.4, 100, take=3).read()
    assert swinging == "side to side"
    assert "keeps 60% of the distance" in evidence  # not of the loss, of which 36% are left


def test_an_open_number_of_steps() -> None:
    diagnosis = Diagnosis(THEORY, 1e-4, None, THEORY.start)
    diagnosis.add([0], [THEORY.start_loss()])
    assert diagnosis.read()[0] == "converging"
    assert foresee(THEORY, THEORY.start, 0.51, math.inf) == "diverging"


@pytest.mark.parametrize(
    ("lr", "grows"),
    [
        (0.50025, "steps grow by 0.1%"),
        (1.0, "steps grow 3-fold"),
        (3.0, "steps grow 11-fold"),
        (25.25, "steps grow 100-fold"),
        (2.5e8, "steps grow 1e+09-fold"),
    ],
)
def test_how_much_the_steps_grow(lr: float, grows: str) -> None:
    diagnosis = Diagnosis(THEORY, lr, 100, THEORY.start)
    diagnosis.add([0, 1], [4.0, 5.0])
    assert grows in diagnosis.read()[1]


def test_a_loss_that_is_not_finite_is_named_with_its_step() -> None:
    diagnosis = Diagnosis(THEORY, 1e30, 100, THEORY.start)
    diagnosis.add([0, 1], [40.0, None])
    verdict, evidence = diagnosis.read("diverged", "words")
    assert verdict == "diverged"
    assert evidence.startswith("not finite at step 1; past the limit")
    assert "at step 0" not in evidence


def test_a_run_that_diverged_and_stayed_finite() -> None:
    verdict, evidence = follow(0.6, 50).read("diverged", "words")
    assert verdict == "diverged"
    assert " at step 50; past the limit 0.5, steps grow by 40%" in evidence


def test_data_that_is_fitted_exactly_has_no_share_of_its_minimum() -> None:
    loss = quadratic(1.0, 4.0, min_loss=0.0)
    theory = Theory.of(loss)
    diagnosis = Diagnosis(theory, 0.4, 1000, theory.start)
    for step, (_, value) in enumerate(descent(loss, 0.4, 200)):
        diagnosis.add([step], [value])
    verdict, evidence = diagnosis.read("done")
    assert verdict == "settled"
    assert "0.5%" not in evidence
    assert "float32" in evidence


def test_how_much_of_the_excess_a_step_removes() -> None:
    diagnosis = follow(0.2, 100, take=10)
    (_, before), (_, after) = list(descent(LOSS, 0.2, 10))[-2:]
    assert diagnosis.shrink() == pytest.approx(1 - (after - 1) / (before - 1))


def test_how_much_a_step_removes_where_the_steps_have_gaps() -> None:
    diagnosis = Diagnosis(THEORY, 0.2, 100, THEORY.start)
    diagnosis.add([0, 10], [1.0 + 8.0, 1.0 + 8.0 / 2**10])
    assert diagnosis.shrink() == pytest.approx(0.5)


def test_what_float32_rounds_away_is_not_called_a_change() -> None:
    rng = np.random.default_rng(0)
    near = Diagnosis(THEORY, 0.2, 100, THEORY.start)
    for step in range(50):
        loss = float(np.float32(1.0 + 2e-6 * rng.uniform()))  # some units in the last place
        near.add([step], [loss])
        assert near.shrink() is None
    far = Diagnosis(THEORY, 0.2, 100, THEORY.start)
    far.add([0, 1], [1.4, 1.2])
    assert far.shrink() == pytest.approx(0.5)


def test_gaps_between_steps() -> None:
    diagnosis = Diagnosis(THEORY, 0.4, 100, THEORY.start)
    told = [value for _, value in descent(LOSS, 0.4, 90)]
    steps = [*range(0, 91, 15)]
    diagnosis.add(steps, [told[step] for step in steps])
    first = next(step for step in steps if told[step] <= 1.005)
    assert diagnosis.settled_at == first
    assert diagnosis.read("done")[0] == "settled"


def test_without_a_closed_form_nothing_is_foreseen() -> None:
    diagnosis = Diagnosis(None, 0.1, 10_000)
    diagnosis.add([0, 1], [4.0, 4.0])
    assert diagnosis.read()[0] == "cannot tell yet"
    assert diagnosis.forecast is None
    assert diagnosis.shrink() is None


def test_a_run_that_diverged_without_a_closed_form_says_the_reason() -> None:
    diagnosis = Diagnosis(None, 0.1, 100)
    diagnosis.add([0, 1], [4.0, None])
    assert diagnosis.read("diverged", "words") == ("diverged", "words")


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.512, "51%"), (0.0951, "9.5%"), (0.0042, "0.42%"), (0.00001234, "0.0012%"), (1.0, "100%")],
)
def test_small_shares_are_not_rounded_to_nothing(part: float, text: str) -> None:
    assert share(part) == text


# --- other optimizers ---

HEAVY = Theory.of(LOSS, Optimizer(momentum=0.9))


def follow_by(theory: Theory, lr: float, steps: int | None, take: int) -> Diagnosis:
    """Follow a run of any optimizer that goes as it is foreseen."""
    diagnosis = Diagnosis(theory, lr, steps, theory.start)
    diagnosis.add(range(take + 1), theory.losses(theory.start, lr, range(take + 1)).tolist())
    return diagnosis


def test_momentum_is_not_called_settled_while_it_flies_through() -> None:
    lr, flown = 0.05, 0
    diagnosis = Diagnosis(HEAVY, lr, 500, HEAVY.start)
    settles = HEAVY.settles_at(HEAVY.start, lr)
    assert settles is not None
    told = HEAVY.losses(HEAVY.start, lr, range(settles + 20)).tolist()
    for step, loss in enumerate(told):
        diagnosis.add([step], [loss])
        verdict, evidence = diagnosis.read()
        if step < settles:
            assert (verdict, evidence) == ("converging", f"settles at {settles}")
            flown += loss <= HEAVY.settled_loss
        else:
            assert (verdict, diagnosis.settled_at) == ("settled", settles)
    assert flown > 3


def test_momentum_that_is_over_has_settled_only_if_it_would_stay() -> None:
    """A run of 90 steps was settled at 90 where its forecast was 92 to 97."""
    under = [
        step
        for step, loss in enumerate(HEAVY.losses(HEAVY.start, 0.05, range(200)).tolist())
        if loss <= HEAVY.settled_loss
    ]
    diagnosis = follow_by(HEAVY, 0.05, under[0], under[0])
    assert diagnosis.read()[0] == "too few steps"
    settles = HEAVY.settles_at(HEAVY.start, 0.05)
    said = f"settles at {settles}, was given {under[0]}"
    assert diagnosis.read("done") == ("too few steps", said)
    assert diagnosis.settled_at is None


def test_past_the_limit_nothing_stays_settled() -> None:
    told = [value for _, value in descent(LOSS, 0.4, 90)]
    diagnosis = Diagnosis(THEORY, 0.4, 100, THEORY.start)
    diagnosis.add(range(91), told)
    later = diagnosis.continued(0.6, 90, THEORY.start)
    later.add([91, 92], [2.0, 4.0])
    assert later.settled_at is None
    back = later.continued(0.4, 92, THEORY.start)
    back.add([93], [3.0])
    assert back.settled_at is None


@pytest.mark.parametrize("name", ["sgd", "nesterov"])
def test_momentum_near_its_limit_and_past_it(name: str) -> None:
    theory = Theory.of(LOSS, Optimizer(name=name, momentum=0.5))  # type: ignore[arg-type]
    limit = theory.max_stable_lr
    verdict, evidence = follow_by(theory, 0.999 * limit, 50, 50).read("done")
    assert verdict == "on the edge"
    assert f"just below the limit {limit:.4g}" in evidence
    verdict, evidence = follow_by(theory, 1.2 * limit, 50, 50).read("diverged", "words")
    assert verdict == "diverged"
    assert f"past the limit {limit:.3g}, steps grow by " in evidence
    told = theory.losses(theory.start, 1.2 * limit, [40, 41]) - theory.min_loss
    assert f"grow by {share(float(np.sqrt(told[1] / told[0])) - 1)}" in evidence
    assert foresee(theory, theory.start, 1.2 * limit, 50) == "diverging"
    assert foresee(theory, theory.start, 1.0001 * limit, 50) == "on the edge"
    assert foresee(theory, theory.start, 1.2 * limit, 1) == "diverging"  # though it grows little


def test_only_gradient_descent_goes_from_side_to_side() -> None:
    for theory in (HEAVY, Theory.of(LOSS, Optimizer(weight_decay=0.01))):
        verdict, evidence = follow_by(theory, 0.4, 2000, 5).read()
        assert verdict == "converging"
        assert evidence.startswith("settles at ")


def test_where_weight_decay_holds_it() -> None:
    theory = Theory.of(LOSS, Optimizer(weight_decay=0.5))
    verdict, evidence = follow_by(theory, 0.2, 300, 300).read("done")
    assert verdict == "settled"
    assert f"within 0.5% of {theory.end_loss:.4g}, where the weight decay holds it" in evidence
    assert theory.end_loss > 1.005 * theory.min_loss


def test_a_target_is_named() -> None:
    theory = Theory.of(replace(LOSS, target=1.5), Optimizer(momentum=0.5))
    verdict, evidence = follow_by(theory, 0.2, 300, 300).read("done")
    assert verdict == "settled"
    assert "at most 1.5" in evidence


def test_another_rate_under_an_optimizer_that_remembers() -> None:
    weights = (1.0, 1.0)
    after = follow_by(HEAVY, 0.1, 500, 100).continued(0.2, 100, weights)
    assert (after.theory, after.start, after.since) == (None, (), 100)
    decayed = Theory.of(LOSS, Optimizer(weight_decay=0.1))
    after = follow_by(decayed, 0.1, 500, 10).continued(0.2, 10, weights)
    assert after.start == weights
    settles = decayed.settles_at(weights, 0.2)
    assert settles is not None
    assert after.forecast == 10 + settles


def test_what_is_above_the_start_has_not_always_diverged() -> None:
    start = THEORY.start_loss()
    assert judge(THEORY, 0.1, 100, 2 * start, None)[0] == "diverged"
    assert judge(HEAVY, 0.1, 100, 2 * start, None)[0] == "above its start"
    assert judge(HEAVY, 1.0, 100, 2 * start, None)[0] == "diverged"
    drawn = Theory.of(replace(LOSS, start=LOSS.minimum), Optimizer(weight_decay=0.5))
    assert judge(drawn, 0.1, 100, drawn.end_loss, 0) == ("settled", 0)
