"""Verdicts, forecasts and advice, held against float64 descent, on what torch's float32 runs did.

The rule that a verdict is held against is computed here from explicit steps in float64:
*settled* when some loss within the steps is at most 1.005 times the least-squares loss and the
rate is under 2/λmax; *diverged* when the last loss is over the first or not finite; past 2/λmax
otherwise *on the edge* or *diverging*, by whether the part along the steepest eigenvector grew less
than tenfold; under it *too slow* or *on the edge*, by which side of 2/(λmin + λmax) the rate is on.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue

import numpy as np
import pytest
import torch

from lrtui.messages import Ended, Message, Noise, Problem, Progress, Spread, Start, Swept
from lrtui.problems.line import sample
from lrtui.run.advice import advise, bisect
from lrtui.run.diagnosis import Diagnosis, judge
from lrtui.run.session import Session
from lrtui.run.theory import Theory
from lrtui.trainer.curvature import least_squares, sharpness
from lrtui.trainer.sweep import sweep
from lrtui.trainer.worker import Worker

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

    bowl: Theory
    swept: Swept
    losses: np.ndarray  # float64, shape [steps + 1, rates]
    floor: float
    values: np.ndarray
    steep: np.ndarray  # distance along the steepest eigenvector, shape [steps + 1, rates]


def finished(x: torch.Tensor, y: torch.Tensor, steps: int, target: float) -> Swept:
    *_, swept = sweep(x, y, RATES, steps, target)
    assert swept is not None
    return swept


@cache
def cases(spread: Spread, noise: Noise) -> list[Case]:
    torch.set_num_threads(1)
    found = []
    for seed in SEEDS:
        x32, y32 = sample(Problem(seed=seed, spread=spread, noise=noise))
        bowl = Theory.of(least_squares(x32, y32))
        swept = finished(x32, y32, STEPS, bowl.target)
        x, y = x32.double().numpy(), y32.double().numpy()
        hessian = 2 / len(y) * x.T @ x
        values, vectors = np.linalg.eigh(hessian)
        best = np.linalg.lstsq(x, y, rcond=None)[0]
        lr = np.array(RATES)
        a = np.tile(START, (len(RATES), 1)).astype(float)
        losses, steep = [], []
        for _ in range(STEPS + 1):
            residual = a @ x.T - y
            with np.errstate(over="ignore"):  # at a rate of 50
                losses.append((residual**2).mean(axis=1))
            steep.append((a - best) @ vectors[:, -1])
            a = a - lr[:, None] * 2 / len(y) * residual @ x
        floor = ((x @ best - y) ** 2).mean()
        found.append(Case(bowl, swept, np.array(losses), floor, values, np.array(steep)))
    return found


def expected(case: Case, i: int) -> tuple[str, int | None]:
    losses, limit = case.losses[:, i], 2 / case.values[-1]
    near = np.flatnonzero(losses <= 1.005 * case.floor)
    if losses[-1] > losses[0] or losses[-1] > 3e38:
        return "diverged", None
    if len(near) and RATES[i] < limit:
        return "settled", int(near[0])
    if RATES[i] >= limit:
        grown = (case.steep[-1, i] / case.steep[0, i]) ** 2
        return ("on the edge" if grown < 10 else "diverging"), None
    return ("too slow" if RATES[i] < 2 / case.values.sum() else "on the edge"), None


@pytest.mark.parametrize(("spread", "noise"), KINDS)
def test_every_verdict_is_right(spread: Spread, noise: Noise) -> None:
    seen = set()
    for case in cases(spread, noise):
        for i, rate in enumerate(RATES):
            loss, at = case.swept.losses[i], case.swept.settled_at[i]
            known = loss if loss is not None and math.isfinite(loss) else None
            verdict, _ = judge(case.bowl, START, rate, STEPS, known, at)
            assert verdict == expected(case, i)[0], (rate, case.bowl)
            seen.add(verdict)
    assert {"settled", "too slow", "diverged"} <= seen
    assert spread == "unit" or "on the edge" in seen


def test_settled_steps_are_foreseen_at_step_0() -> None:
    exact = near = total = 0
    for kind in KINDS:
        for case in cases(*kind):
            for i, rate in enumerate(RATES):
                at = case.swept.settled_at[i]
                foreseen = case.bowl.settles_at(START, rate)
                if rate >= case.bowl.limit:
                    assert foreseen is None
                    continue
                if foreseen is None or foreseen > STEPS:
                    assert at is None or at >= STEPS - 1
                    continue
                total += 1
                exact += at == foreseen
                near += at is not None and abs(at - foreseen) <= 1
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
        assert case.bowl.limit < 1.01
        losses = case.swept.losses[RATES.index(1.01)]
        assert losses is None or losses > case.losses[0, 0]


@pytest.mark.parametrize(("spread", "noise"), KINDS)
def test_the_advice_is_as_quick_as_a_fine_sweep_finds(spread: Spread, noise: Noise) -> None:
    for seed in range(8):
        x, y = sample(Problem(seed=seed, spread=spread, noise=noise))
        bowl = Theory.of(least_squares(x, y))
        advice = advise(bowl, START, 1.01)
        assert advice is not None
        rates = [*np.linspace(0.3 * bowl.limit, 0.999 * bowl.limit, 300), advice.rate]
        *_, swept = sweep(x, y, rates, 120, bowl.target)
        assert swept is not None
        *others, own = swept.settled_at
        assert own is not None
        assert own <= min(at for at in others if at is not None) + 1
        assert advice.steps is not None
        assert abs(own - advice.steps) <= 1
        assert advise(bowl, START, advice.rate) is None or advice.steps > 0


def test_curvature_is_that_of_numpy() -> None:
    x32, y32 = sample(Problem(seed=5))
    told = least_squares(x32, y32)
    x, y = x32.double().numpy(), y32.double().numpy()
    values, vectors = np.linalg.eigh(2 / len(y) * x.T @ x)
    assert told.eigenvalues == pytest.approx(values)
    assert np.abs(np.array(told.directions) @ vectors) == pytest.approx(np.eye(2), abs=1e-9)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    assert told.minimum == pytest.approx(best)
    assert told.floor == pytest.approx(((x @ best - y) ** 2).mean())
    bowl = Theory.of(told)
    assert bowl.limit == pytest.approx(2 / values[1])
    assert bowl.best == pytest.approx(2 / values.sum())
    assert bowl.condition == pytest.approx(values[1] / values[0])


def test_sharpness_of_least_squares_is_the_exact_eigenvalue() -> None:
    x, y = sample(Problem(seed=5))
    value = sharpness(lambda a: ((x @ a - y) ** 2).mean(), torch.zeros(2))
    assert value == pytest.approx(least_squares(x, y).eigenvalues[-1], rel=2e-3)


def test_sharpness_of_another_loss_is_that_of_its_hessian() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, 8, generator=generator, dtype=torch.double)
    y = torch.randn(60, generator=generator, dtype=torch.double)

    def loss(w: torch.Tensor) -> torch.Tensor:
        return ((torch.tanh(x @ w) - y) ** 2).mean()

    w = torch.randn(8, generator=generator, dtype=torch.double) / 3
    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, w))  # type: ignore[no-untyped-call]
    largest = exact[exact.abs().argmax()].item()
    assert sharpness(loss, w) == pytest.approx(largest, rel=2e-2)


def test_a_batch_takes_the_steps_that_single_runs_take() -> None:
    told: list[Message] = []
    worker = Worker(Problem(), SimpleQueue(), told.append)
    x, y = sample(Problem())
    swept = finished(x, y, STEPS, Theory.of(least_squares(x, y)).target)
    for number, rate in enumerate(RATES[:6], 1):
        worker.train(Start(run=number, rate=rate, steps=STEPS, speed=None))
        ended = [m for m in told if isinstance(m, Ended)][-1]
        assert swept.losses[number - 1] == pytest.approx(ended.loss, rel=1e-5)


def test_a_real_run_is_read_without_flicker() -> None:
    for seed in range(6):
        told: list[Message] = []
        worker = Worker(Problem(seed=seed), SimpleQueue(), told.append)
        for number, rate in enumerate(RATES, 1):
            del told[2:]
            worker.train(Start(run=number, rate=rate, steps=STEPS, speed=None))
            losses = [loss for m in told if isinstance(m, Progress) for loss in m.losses]
            session = Session()
            session.begin(rate, STEPS)
            bowl = Theory.of(told[1])  # type: ignore[arg-type]
            diagnosis = Diagnosis(bowl, rate, STEPS, START)
            verdicts = []
            for loss in losses:
                diagnosis.see([loss])
                verdict, evidence = diagnosis.read()
                assert evidence
                verdicts.append(verdict)
            changes = sum(a != b for a, b in itertools.pairwise(verdicts))
            assert changes <= 1, (rate, verdicts)
            if rate >= bowl.limit:
                assert set(verdicts) <= {"diverging", "on the edge"}
            if rate in (0.1, 0.3, 0.7):
                assert verdicts[-1] == "settled"
                assert verdicts[diagnosis.settled_at or 0 :] == ["settled"] * (
                    len(losses) - (diagnosis.settled_at or 0)
                )


def test_without_curvature_the_losses_decide() -> None:
    diagnosis = Diagnosis(None, 0.1, 100)
    diagnosis.see([4.0, 3.0])
    assert diagnosis.read()[0] == "converging"
    diagnosis.see([9.0])
    assert diagnosis.read()[0] == "diverging"
    diagnosis.see([1.0 + 1e-5 * k for k in range(20)])
    verdict, evidence = diagnosis.read()
    assert verdict == "settled"
    assert "0.1%" in evidence


def test_bisection_where_no_theory_applies() -> None:
    assert bisect([]) is None
    only_good = bisect([(0.1, True)])
    assert only_good is not None
    assert only_good.rate == 0.3
    only_bad = bisect([(3.0, False)])
    assert only_bad is not None
    assert only_bad.rate == 1.0
    both = bisect([(0.1, True), (0.4, True), (1.6, False), (50.0, False), (2.0, True)])
    assert both is not None
    assert both.rate == 0.8
    assert "0.4" in both.reason
    assert "1.6" in both.reason


def test_points_that_a_line_fits_exactly_settle_too() -> None:
    told: list[Message] = []
    worker = Worker(Problem(points=2), SimpleQueue(), told.append)
    bowl = Theory.of(told[1])  # type: ignore[arg-type]
    worker.train(Start(run=1, rate=bowl.best, steps=20_000, speed=None))
    losses = [loss for m in told if isinstance(m, Progress) for loss in m.losses]
    settles = bowl.settles_at(START, bowl.best)
    assert settles is not None
    assert settles < 20_000
    assert min(loss for loss in losses if loss is not None) <= bowl.target


def test_a_long_sweep_settles_where_it_is_foreseen() -> None:
    x, y = sample(Problem())
    bowl = Theory.of(least_squares(x, y))
    rates = [0.01, 0.02, 0.025, 0.1]
    *_, swept = sweep(x, y, rates, 800, bowl.target)
    assert swept is not None
    for rate, at in zip(rates, swept.settled_at, strict=True):
        foreseen = bowl.settles_at(START, rate)
        assert at is not None
        assert foreseen is not None
        assert abs(at - foreseen) <= 1
