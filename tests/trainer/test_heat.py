"""Heat maps, held against loops over torch.optim, one cell at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lrtui.messages import GridResult, Heat, Optimizer, OptimizerName
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.problems.problem import Problem
from lrtui.trainer.many.grid import heat
from lrtui.trainer.many.trials import target_of

LRS = [0.01, 0.03, 0.3]
MOMENTA = [0.0, 0.5, 0.9]
STEPS = 80


def heated(problem: Problem, name: OptimizerName = "sgd", **more: Any) -> GridResult:
    asked = Heat(lrs=LRS, momenta=MOMENTA, steps=STEPS, optimizer=Optimizer(name=name), **more)
    (found,) = filter(None, heat(problem, asked))
    return found


def solo(problem: Problem, lr: float, momentum: float, nesterov: bool) -> list[float]:
    model, batches = problem.model(), problem.batches()
    optimizer = torch.optim.SGD(
        model.parameters(), lr, momentum=momentum, nesterov=nesterov and momentum > 0
    )
    losses = []
    for step in range(STEPS + 1):
        loss = problem.loss(model, next(batches))
        losses.append(loss.item())
        if step < STEPS:
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sgd", "nesterov"])
@pytest.mark.parametrize("name", ["line", "bowl", "moons"])
def test_each_cell_is_the_run_that_it_says_it_is(name: str, kind: OptimizerName) -> None:
    problem = load(ProblemSettings(name=name))
    found = heated(problem, kind)
    assert found.how == "9 runs in one batch"
    assert found.finished == [[True] * 3] * 3
    for row, momentum in enumerate(MOMENTA):
        for column, lr in enumerate(LRS):
            losses = solo(problem, lr, momentum, kind == "nesterov")
            assert found.first_loss == pytest.approx(losses[0])
            loss = found.losses[row][column]
            if loss is None or losses[-1] > losses[0]:  # rounding grows with the loss
                assert losses[-1] > losses[0] or losses[-1] != losses[-1]
                continue
            assert loss == pytest.approx(losses[-1], rel=1e-3, abs=1e-9)
            above = [k for k, v in enumerate(losses) if not v <= target_of(problem)]
            since = above[-1] + 1 if above else 0
            assert found.settled_at[row][column] == (since if since <= STEPS else None)


def test_a_problem_that_reads_numbers_is_trained_one_run_at_a_time() -> None:
    problem = load(ProblemSettings(name="bowl"))
    right = problem.loss
    problem.loss = lambda model, batch: right(model, batch) * float(right(model, batch) >= 0)
    found = heated(problem)
    assert found.how == "one by one"
    assert found.losses[1][0] == pytest.approx(solo(problem, 0.01, 0.5, False)[-1], rel=1e-3)
    cut = heated(problem, seconds=0.02)
    assert not all(map(all, cut.finished))
    assert "of 9 in 0.02 s" in cut.how
