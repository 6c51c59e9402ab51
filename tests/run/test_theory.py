"""Verdicts and forecasts, held against float64 descent, on what torch's float32 runs did.

The rule that a verdict is held against is computed here from explicit steps in float64: *settled*
when some loss within the steps is at most 1.005 times the least-squares loss and the rate is under
2/λmax; *diverged* when the last loss is over the first or not finite; past 2/λmax otherwise *on the
edge* or *diverging*, by whether the part along the steepest eigenvector grew less than tenfold.
Under it *too slow* where the quickest of a hundred rates is larger and settles in time, else *on
the edge* within 5% of the limit, else *too few steps*.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from lrtui.messages import Ended, Start, Swept
from lrtui.problems.line import LineFit
from lrtui.problems.settings import LineSettings, Noise, Spread
from lrtui.run.diagnosis import Diagnosis, judge
from lrtui.run.theory import HORIZON, Theory
from tests.in_process import InProcess, last, losses, session
from tests.run.quadratics import descent, quadratic

RATES = (0.001, 0.01, 0.1, 0.3, 0.7, 0.95, 1.0, 1.01, 1.5, 50.0)
SEEDS = range(200)
STEPS = 100
START = (-1.0, 1.0)
KINDS: list[tuple[Spread, Noise]] = [
    ("symmetric", "uniform"),
    ("symmetric", "gaussian"),
    ("unit", "uniform"),
    ("unit", "gaussian"),
]


@dataclass
class Case:
    """One set of data: what torch's runs did in float32, and what float64 says of them."""

    theory: Theory
    swept: Swept
    losses: np.ndarray  # float64, shape [steps + 1, rates]
    min_loss: float
    values: np.ndarray
    distances: np.ndarray  # of the start, along each eigenvector
    steep: np.ndarray  # distance along the steepest eigenvector, shape [steps + 1, rates]


def sweep(problem: LineFit, lrs: list[float], steps: int) -> Swept:
    *_, swept = problem.sweep(lrs, steps)
    assert swept is not None
    return swept


@cache
def cases(spread: Spread, noise: Noise) -> list[Case]:
    torch.set_num_threads(1)
    problems = [LineFit(LineSettings(seed=seed, spread=spread, noise=noise)) for seed in SEEDS]
    x = np.array([problem.x.double().numpy() for problem in problems])
    y = np.array([problem.y.double().numpy() for problem in problems])
    n = y.shape[1]
    hessian = 2 / n * x.swapaxes(1, 2) @ x
    values, vectors = np.linalg.eigh(hessian)
    best = np.array([np.linalg.lstsq(*data, rcond=None)[0] for data in zip(x, y, strict=True)])
    min_loss = ((np.einsum("snd,sd->sn", x, best) - y) ** 2).mean(axis=1)
    distances = np.einsum("sd,sde->se", np.array(START) - best, vectors)

    a = np.tile(START, (len(problems), len(RATES), 1)).astype(float)
    told, steep = [], []
    with np.errstate(over="ignore"):  # at a rate of 50
        for _ in range(STEPS + 1):
            residual = a @ x.swapaxes(1, 2) - y[:, None]
            told.append((residual**2).mean(axis=2))
            steep.append(np.einsum("srd,sd->sr", a - best[:, None], vectors[:, :, -1]))
            a = a - np.array(RATES)[:, None] * 2 / n * residual @ x
    losses64, steepest = np.array(told), np.array(steep)
    return [
        Case(
            theory=Theory.of(problem.quadratic()),
            swept=sweep(problem, [*RATES], STEPS),
            losses=losses64[:, i],
            min_loss=min_loss[i],
            values=values[i],
            distances=distances[i],
            steep=steepest[:, i],
        )
        for i, problem in enumerate(problems)
    ]


def quickest(case: Case) -> tuple[float, int]:
    """The rate of a hundred that settles first, and its step, by explicit steps."""
    limit = 2 / case.values[-1]
    lr = np.linspace(0.01, 0.99, 100) * limit
    distances = np.tile(case.distances, (100, 1))
    for step in range(1000):
        settled = (distances**2 @ case.values) / 2 <= 0.005 * case.min_loss
        if settled.any():
            return float(lr[settled].mean()), step
        distances *= 1 - lr[:, None] * case.values
    return 0.0, HORIZON


def expected(case: Case, i: int) -> str:
    told, limit = case.losses[:, i], 2 / case.values[-1]
    if told[-1] > told[0] or told[-1] > 3e38:
        return "diverged"
    if RATES[i] >= limit:
        grown = (case.steep[-1, i] / case.steep[0, i]) ** 2
        return "on the edge" if grown < 10 else "diverging"
    if (told <= 1.005 * case.min_loss).any():
        return "settled"
    best, fewest = quickest(case)
    if fewest <= STEPS and RATES[i] < best:
        return "too slow"
    return "on the edge" if RATES[i] >= 0.95 * limit else "too few steps"


@pytest.mark.parametrize(
    ("spread", "noise"),
    [pytest.param(*k, marks=[pytest.mark.slow] if k[1] == "gaussian" else []) for k in KINDS],
)
def test_every_verdict_is_right(spread: Spread, noise: Noise) -> None:
    seen = set()
    for case in cases(spread, noise):
        for i, rate in enumerate(RATES):
            loss, at = case.swept.losses[i], case.swept.settled_at[i]
            known = loss if loss is not None and math.isfinite(loss) else None
            verdict, _ = judge(case.theory, rate, STEPS, known, at)
            assert verdict == expected(case, i), (rate, case.theory)
            seen.add(verdict)
    assert {"settled", "too slow", "diverged"} <= seen
    assert spread == "unit" or "on the edge" in seen


@pytest.mark.slow
def test_settled_steps_are_forecast_at_step_0() -> None:
    exact = near = total = 0
    for kind in KINDS:
        for case in cases(*kind):
            for i, rate in enumerate(RATES):
                at = case.swept.settled_at[i]
                forecast = case.theory.settles_at(START, rate)
                if rate >= case.theory.max_stable_lr:
                    assert forecast is None
                    continue
                if forecast is None or forecast > STEPS:
                    assert at is None or at >= STEPS - 1
                    continue
                total += 1
                exact += at == forecast
                near += at is not None and abs(at - forecast) <= 1
    assert total > 2000
    assert near == total
    assert exact >= 0.99 * total


def test_the_posts_headline() -> None:
    found = cases("symmetric", "uniform")
    for rate, steps, about in [(0.1, 70, 3), (0.7, 8, 1)]:
        settled = [case.swept.settled_at[RATES.index(rate)] for case in found]
        assert all(at is not None for at in settled)
        assert abs(statistics.median(at for at in settled if at is not None) - steps) <= about
    for case in found:
        assert case.theory.max_stable_lr < 1.01
        ended = case.swept.losses[RATES.index(1.01)]
        assert ended is None or ended > case.losses[0, 0]


def test_a_real_run_is_read_without_flicker() -> None:
    for seed in range(4):
        settings = LineSettings(seed=seed)
        theory = Theory.of(LineFit(settings).quadratic())
        for rate in RATES:
            source = InProcess(settings)
            source.send(Start(run=1, lr=rate, steps=STEPS, speed=None))
            told = losses(source.poll())
            diagnosis = Diagnosis(theory, rate, STEPS, START)
            verdicts = []
            for step, loss in enumerate(told):
                diagnosis.see([step], [loss])
                verdict, evidence = diagnosis.read()
                assert evidence
                verdicts.append(verdict)
            changes = sum(a != b for a, b in itertools.pairwise(verdicts))
            assert changes <= 1, (rate, verdicts)
            if rate >= theory.max_stable_lr:
                assert set(verdicts) <= {"diverging", "on the edge"}
            if rate in (0.1, 0.3, 0.7):
                at = diagnosis.settled_at
                assert at is not None
                assert verdicts[at:] == ["settled"] * (len(told) - at)


def test_points_that_a_line_fits_exactly_settle_too() -> None:
    settings = LineSettings(points=2)
    theory = Theory.of(LineFit(settings).quadratic())
    assert theory.fits_exactly
    source = InProcess(settings)
    source.send(Start(run=1, lr=theory.best_lr, steps=1000, speed=None))
    settles = theory.settles_at(START, theory.best_lr)
    assert settles is not None
    assert settles < 1000
    assert min(loss for loss in losses(source.poll()) if loss is not None) <= theory.settled_loss


def test_a_long_sweep_settles_where_it_is_forecast() -> None:
    problem = LineFit(LineSettings())
    theory = Theory.of(problem.quadratic())
    rates = [0.01, 0.02, 0.025, 0.1]
    for rate, at in zip(rates, sweep(problem, rates, 800).settled_at, strict=True):
        forecast = theory.settles_at(START, rate)
        assert at is not None
        assert forecast is not None
        assert abs(at - forecast) <= 1


@pytest.mark.parametrize("eigenvalues", [(2.0,), (1.0, 4.0), (0.1, 0.5, 1.0, 1.5, 3.0), (3.0, 3.0)])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 1.1])
def test_the_curve_of_any_number_of_weights(eigenvalues: tuple[float, ...], share: float) -> None:
    loss = quadratic(*eigenvalues)
    theory = Theory.of(loss)
    lr = share * theory.max_stable_lr
    told = [value for _, value in descent(loss, lr, 200)]
    excess = theory.excess(theory.start, lr)
    for step, value in enumerate(told):
        assert theory.min_loss + excess(step) == pytest.approx(value, rel=1e-6)
    assert theory.start_loss() == pytest.approx(told[0])
    settles = theory.settles_at(theory.start, lr)
    near = [step for step, value in enumerate(told) if value <= theory.settled_loss]
    if share > 1:
        assert settles is None
        assert not near
    else:
        assert settles is not None
        assert near[:1] == [settles] or (not near and settles > 200)


def test_from_any_point_of_a_run_the_forecast_is_the_same() -> None:
    loss = quadratic(0.3, 1.0, 4.0)
    theory = Theory.of(loss)
    whole = theory.settles_at(theory.start, 0.1)
    assert whole is not None
    for step, (weights, _) in enumerate(descent(loss, 0.1, whole)):
        assert theory.settles_at(weights, 0.1) == whole - step


def test_a_rate_that_settles_only_beyond_the_horizon() -> None:
    theory = Theory.of(quadratic(1e-12, 1.0, min_loss=0.0))
    assert theory.settles_at(theory.start, 1.0) is None
    assert theory.quickest(theory.start)[1] == HORIZON


def test_a_start_that_has_settled() -> None:
    loss = quadratic(1.0, 4.0)
    theory = Theory.of(loss)
    assert theory.settles_at(theory.minimum, 0.1) == 0
    assert theory.quickest(theory.minimum)[1] == 0


def test_the_best_rate_is_rounded_only_where_that_does_no_harm() -> None:
    mild = Theory.of(quadratic(0.7, 2.0))
    assert float(f"{mild.best_lr:.3g}") == mild.best_lr
    # Close to the limit: in three digits it would be 1, and diverge.
    limit = 0.99996
    loss = quadratic(2 / limit / 1e4, 2 / limit)
    away = np.array([5000.0, 5.0]) @ np.array(loss.eigenvectors)
    steep = Theory.of(replace(loss, start=(np.array(loss.minimum) + away).tolist()))
    _, fewest = steep.quickest(steep.start)
    needed = steep.settles_at(steep.start, steep.best_lr)
    assert needed is not None
    assert needed <= 1.03 * fewest


def test_a_batch_takes_the_steps_that_single_runs_take() -> None:
    swept = sweep(LineFit(LineSettings()), [*RATES[:6]], STEPS)
    told = session(*RATES[:6])
    for number, loss in enumerate(swept.losses, 1):
        ended = last([m for m in told if isinstance(m, Ended) and m.run == number], Ended)
        assert loss == pytest.approx(ended.loss, rel=1e-5)
