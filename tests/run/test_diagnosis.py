"""What a curve means, and how it is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrtui.run.advice import share
from lrtui.run.diagnosis import ABOVE_FIRST, Diagnosis, foresee
from lrtui.run.theory import Theory
from tests.run.quadratics import descent, quadratic

LOSS = quadratic(1.0, 4.0)
THEORY = Theory.of(LOSS)


def follow(lr: float, steps: int, take: int | None = None) -> Diagnosis:
    """Follow a run on the quadratic for some of its steps, or for all."""
    diagnosis = Diagnosis(THEORY, lr, steps, THEORY.start)
    for step, (_, value) in enumerate(descent(LOSS, lr, steps if take is None else take)):
        diagnosis.see([step], [value])
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
    assert "the excess shrinks" in evidence
    swinging, evidence = follow(0.4, 100, take=3).read()
    assert swinging == "side to side"
    assert "keeps 60% of the distance" in evidence  # not of the loss, of which 36% are left


def test_an_open_number_of_steps() -> None:
    diagnosis = Diagnosis(THEORY, 1e-4, None, THEORY.start)
    diagnosis.see([0], [THEORY.start_loss()])
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
    diagnosis.see([0, 1], [4.0, 5.0])
    assert grows in diagnosis.read()[1]


def test_a_loss_that_is_not_finite_is_named_with_its_step() -> None:
    diagnosis = Diagnosis(THEORY, 1e30, 100, THEORY.start)
    diagnosis.see([0, 1], [40.0, None])
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
        diagnosis.see([step], [value])
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
    diagnosis.see([0, 10], [1.0 + 8.0, 1.0 + 8.0 / 2**10])
    assert diagnosis.shrink() == pytest.approx(0.5)


def test_what_float32_rounds_away_is_not_called_a_change() -> None:
    chance = np.random.default_rng(0)
    near = Diagnosis(THEORY, 0.2, 100, THEORY.start)
    for step in range(50):
        loss = float(np.float32(1.0 + 2e-6 * chance.uniform()))  # some units in the last place
        near.see([step], [loss])
        assert near.shrink() is None
    far = Diagnosis(THEORY, 0.2, 100, THEORY.start)
    far.see([0, 1], [1.4, 1.2])
    assert far.shrink() == pytest.approx(0.5)


def test_gaps_between_steps() -> None:
    diagnosis = Diagnosis(THEORY, 0.4, 100, THEORY.start)
    told = [value for _, value in descent(LOSS, 0.4, 90)]
    steps = [*range(0, 91, 15)]
    diagnosis.see(steps, [told[step] for step in steps])
    first = next(step for step in steps if told[step] <= 1.005)
    assert diagnosis.settled_at == first
    assert diagnosis.read("done")[0] == "settled"


def test_without_a_closed_form_the_losses_decide() -> None:
    diagnosis = Diagnosis(None, 0.1, 10_000)
    diagnosis.see([0], [4.0])
    assert diagnosis.read() == ("converging", "too few losses to compare")
    diagnosis.see([1, 2], [3.0, 9.0])
    assert diagnosis.read() == ("converging", "the loss is at 9, its smallest 3")
    diagnosis.see(range(3, 23), [1.0 + 1e-5 * k for k in range(20)])
    verdict, evidence = diagnosis.read()
    assert verdict == "settled"
    assert "0.1%" in evidence
    above = [4.0 + k for k in range(1, ABOVE_FIRST + 1)]
    diagnosis.see(range(23, 23 + ABOVE_FIRST), above)
    verdict, evidence = diagnosis.read()
    assert verdict == "diverging"
    assert f"the last {ABOVE_FIRST} losses are all above the first, 4" in evidence
    diagnosis.see([500], [3.9])
    assert diagnosis.read()[0] != "diverging"


def test_noise_is_not_called_diverging() -> None:
    called = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        level = 4 * np.exp(-np.arange(600) / 50) + 0.02  # last > 2 × smallest, again and again
        noisy = level * chance.gamma(2.0, 0.5, size=600)
        diagnosis = Diagnosis(None, 0.1, 600)
        for step, loss in enumerate(noisy.tolist()):
            diagnosis.see([step], [loss])
            called += diagnosis.read()[0] == "diverging"
    assert called == 0


def test_noise_about_a_level_is_hardly_ever_called_diverging() -> None:
    called = 0
    for seed in range(100):
        noisy = np.random.default_rng(seed).gamma(4.0, 0.25, size=400)
        diagnosis = Diagnosis(None, 0.1, 400)
        diagnosis.see(range(400), noisy.tolist())
        called += diagnosis.read()[0] == "diverging"
    assert called <= 3


def test_a_run_that_diverged_without_a_closed_form_says_the_reason() -> None:
    diagnosis = Diagnosis(None, 0.1, 100)
    diagnosis.see([0, 1], [4.0, None])
    assert diagnosis.read("diverged", "words") == ("diverged", "words")


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.512, "51%"), (0.0951, "9.5%"), (0.0042, "0.42%"), (0.00001234, "0.0012%"), (1.0, "100%")],
)
def test_small_shares_are_not_rounded_to_nothing(part: float, text: str) -> None:
    assert share(part) == text
