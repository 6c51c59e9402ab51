"""The heat map: what is compared, and which cell is best."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.analysis.theory import Theory
from lrtui.messages import GridResult, Optimizer, ProblemFacts
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import LineFit
from lrtui.session.heat_grid import (
    Cell,
    best_cell,
    best_from_any_start,
    cell_text,
    heat,
    heat_on_screen,
    kind,
    limit_of,
    table,
)
from lrtui.session.session import Session


def heated(settled: list[list[int | None]], losses: list[list[float | None]]) -> GridResult:
    return GridResult(
        lrs=[0.1, 0.2],
        momenta=[0.0, 0.5],
        steps=50,
        losses=losses,
        settled_at=settled,
        finished=[[True, True], [True, True]],
        first_loss=10.0,
    )


def test_the_best_cell_settled_first_and_of_equals_ended_lowest() -> None:
    found = heated([[None, 7], [5, 5]], [[0.1, 2.0], [4.0, 3.0]])
    assert best_cell(found) == Cell(1, 1)
    best = table(found, Session()).best
    assert best is not None
    assert (best.rate, best.momentum, best.steps, best.loss) == (0.2, 0.5, 5, 3.0)


def test_where_none_settled_the_best_ended_lowest_or_there_is_none() -> None:
    never: list[list[int | None]] = [[None, None], [None, None]]
    assert best_cell(heated(never, [[4.0, 3.0], [None, 9.0]])) == Cell(0, 1)
    assert best_cell(heated(never, [[11.0, 12.0], [None, None]])) is None
    assert table(heated(never, [[11.0, 12.0], [None, None]]), Session()).best is None


def test_what_a_cell_did_in_words() -> None:
    found = heated([[None, 7], [None, None]], [[0.1234, 2.0], [None, 11.0]])
    assert cell_text(found, Cell(0, 0)) == "loss 0.123 after 50 steps"
    assert cell_text(found, Cell(0, 1)) == "settles at 7"
    assert cell_text(found, Cell(1, 0)) == "diverges"
    assert cell_text(found, Cell(1, 1)) == "above its start after 50 steps"


def test_the_lines_of_theory_are_where_the_slowest_direction_turns() -> None:
    problem = LineFit(ProblemSettings(spread="unit"))
    assert problem.quadratic is not None
    theory = Theory.of(problem.quadratic)
    low, high = theory.eigenvalues

    def radius(lr: float, beta: float) -> float:
        # The step from (weight, its last one), along each eigenvector.
        return max(
            float(np.abs(np.linalg.eigvals([[1.0 + beta - lr * value, -beta], [1.0, 0.0]])).max())
            for value in (low, high)
        )

    some = heat(Optimizer(), theory, problem.facts, 100)
    assert len(some.lrs) == 48
    assert len(some.momenta) == 24
    assert (some.momenta[0], some.momenta[-1]) == (0.0, 0.99)
    found = GridResult(
        lrs=some.lrs, momenta=some.momenta, steps=1, optimizer=some.optimizer,
        losses=[[1.0] * 48] * 24, settled_at=[[None] * 48] * 24, finished=[[True] * 48] * 24,
    )  # fmt: skip
    for beta in (0.0, 0.3, 0.9):
        limit, best = limit_of(found, beta, theory), best_from_any_start(found, beta, theory)
        assert limit is not None
        assert best is not None
        assert radius(0.999 * limit, beta) < 1 < radius(1.001 * limit, beta)
        assert some.lrs[0] < limit < some.lrs[-1]
        grid = np.linspace(0.01, 1, 400) * limit
        assert radius(best, beta) <= min(radius(lr, beta) for lr in grid) + 1e-3
    assert best_from_any_start(found, 0.5, None) is None
    assert limit_of(found, 0.5, None) is None


def test_weight_decay_adds_to_every_curvature() -> None:
    problem = LineFit(ProblemSettings())
    assert problem.quadratic is not None
    theory, decay = Theory.of(problem.quadratic), 0.3
    asked = heat(Optimizer(weight_decay=decay), theory, problem.facts, 1)
    found = GridResult(
        lrs=[0.1], momenta=[0.5], steps=1, optimizer=asked.optimizer,
        losses=[[1.0]], settled_at=[[None]], finished=[[True]],
    )  # fmt: skip
    low, high = theory.eigenvalues
    assert limit_of(found, 0.5, theory) == pytest.approx(3 / (high + decay))
    assert best_from_any_start(found, 0.5, theory) == pytest.approx(3 / (low + high + 2 * decay))


def test_what_is_compared_follows_what_is_known() -> None:
    net = ProblemFacts(name="edge", weights=1153, samples=20, sharpness=4.0)
    asked = heat(Optimizer(name="adam"), None, net, 4000, "cosine")
    assert asked.optimizer == Optimizer()
    assert asked.schedule == "cosine"
    assert asked.lrs[0] < 0.5 < asked.lrs[-1]
    shown = heat_on_screen(asked, net)
    assert (shown.steps, len(shown.lrs), len(shown.momenta)) == (200, 24, 12)
    assert shown.seconds is not None
    small = ProblemFacts(name="line", weights=2, samples=100)
    assert heat_on_screen(heat(Optimizer(), None, small, 100), small).steps == 100
    many = ProblemFacts(name="line", weights=2, samples=100_000)
    assert heat_on_screen(heat(Optimizer(), None, many, 100), many).steps == 1
    unknown = heat(Optimizer(), None, ProblemFacts(name="x", weights=5), 10)
    assert unknown.lrs[-1] == pytest.approx(10.0)


def test_the_momentum_that_is_compared_is_that_of_the_kind() -> None:
    assert kind("adamw") == Optimizer()
    assert kind(Optimizer(momentum=0.9, weight_decay=0.1)) == Optimizer(weight_decay=0.1)
    assert kind(Optimizer(name="nesterov", momentum=0.9)) == Optimizer(name="nesterov")
