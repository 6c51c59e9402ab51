"""The built-in problems: what SCIENCE says of each rate, with torch.optim's own steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from lrtui.messages import Optimizer
from lrtui.messages.problem_settings import BUILT_IN, ProblemSettings
from lrtui.problems.load import MAKERS, load
from lrtui.trainer.training import Training

pytestmark = pytest.mark.slow

MOMENTUM = Optimizer(momentum=0.9)
ADAM = Optimizer(name="adam")


def losses(name: str, lr: float, steps: int, optimizer: Optimizer | None = None) -> list[float]:
    torch.set_num_threads(1)
    training = Training(load(ProblemSettings(name=name)), lr, optimizer or Optimizer())
    found = [training.loss]
    while len(found) <= steps and math.isfinite(found[-1]):
        found.append(training.step())
    return found


def reached(name: str, found: list[float]) -> int | None:
    target = load(ProblemSettings(name=name)).facts.target
    assert target is not None
    return next((k for k, loss in enumerate(found) if loss <= target), None)


@pytest.mark.parametrize(
    ("lr", "optimizer", "step"),
    [(0.016, None, 208), (0.064, None, 51), (0.076, None, 45), (0.064, MOMENTUM, 43)],
)
def test_bowl(lr: float, optimizer: Optimizer | None, step: int) -> None:
    assert reached("bowl", losses("bowl", lr, 300, optimizer)) == step


def test_bowl_diverges_past_its_limit() -> None:
    found = losses("bowl", 0.084, 300)
    assert found[-1] > 1e20 * found[0]


@pytest.mark.parametrize(
    ("lr", "optimizer", "step"),
    [(0.002, None, 1923), (0.0029, MOMENTUM, 110), (0.1, ADAM, 537)],
)
def test_rosenbrock(lr: float, optimizer: Optimizer | None, step: int) -> None:
    assert reached("rosenbrock", losses("rosenbrock", lr, 2000, optimizer)) == step


def test_rosenbrock_past_what_it_allows() -> None:
    assert reached("rosenbrock", losses("rosenbrock", 0.0027, 3000)) is None
    assert not math.isfinite(losses("rosenbrock", 0.0066, 100)[-1])


def test_sine() -> None:
    assert reached("sine", losses("sine", 0.03, 200, ADAM)) == 98
    assert not math.isfinite(losses("sine", 0.29, 3000)[-1])
    smooth = losses("sine", 0.039, 1000)
    assert all(b < a for a, b in pairwise(smooth))


def test_edge() -> None:
    """The edge: smooth at 0.02, a catapult at 0.2, and a late end at 0.3."""
    smooth = losses("edge", 0.02, 500)
    assert all(b < a for a, b in pairwise(smooth))
    assert max(losses("edge", 0.2, 200)) > 2 * smooth[0]
    late = losses("edge", 0.3, 400)
    assert 200 < len(late) < 400
    assert not math.isfinite(late[-1])


def test_moons_and_spiral() -> None:
    found = losses("moons", 10, 200)
    assert max(found) > 5 * found[0]
    assert (
        (reached("moons", found) or 999) < 200 < (reached("moons", losses("moons", 0.2, 1500)) or 0)
    )
    stuck = losses("spiral", 7.7, 1000)
    assert stuck[-1] == pytest.approx(math.log(2), abs=0.01)
    assert (reached("spiral", losses("spiral", 0.1, 100, ADAM)) or 999) < 60


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_problem_is_whole(name: str) -> None:
    problem = load(ProblemSettings(name=name))
    assert problem.facts.name == name
    assert sum(p.numel() for p in problem.model().parameters()) == problem.facts.weights
    assert problem.scene is not None
    assert MAKERS.keys() == BUILT_IN.keys()
    seeded = load(ProblemSettings(name=name, seed=5))
    if name not in ("bowl", "rosenbrock"):
        one, two = (Training(p, 0.01, Optimizer()).loss for p in (problem, seeded))
        assert one != two


@pytest.mark.parametrize("name", ["line", "sine", "moons"])
def test_batches_are_the_same_for_every_run_and_change_with_the_seed(name: str) -> None:
    def run(seed: int) -> list[float]:
        problem = load(ProblemSettings(name=name, batch=8, seed=seed))
        assert problem.facts.batch == 8
        assert problem.quadratic is None
        return Training(problem, 0.05, Optimizer()).steps(30)

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_an_epoch_shows_every_sample_once() -> None:
    problem = load(ProblemSettings(name="moons", batch=50))
    batches = problem.batches()
    seen = torch.cat([next(batches)[0] for _ in range(4)])
    whole = problem.probe[0]
    assert torch.equal(seen.sort(dim=0).values, whole.sort(dim=0).values)
