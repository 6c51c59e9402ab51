"""The loss along the next step, held against closed forms and against steps that are taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lrtui.messages import Optimizer, ProblemFacts, Slice
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import LineFit, LineTraining
from lrtui.problems.problem import Problem, count, pair_batches, trained
from lrtui.trainer.measure import loss_slice as module
from lrtui.trainer.measure.loss_slice import Slicer
from lrtui.trainer.training import Training

pytestmark = pytest.mark.slow

H = torch.diag(torch.tensor([1.0, 25.0]))
START = torch.tensor([-4.0, 1.5])

x = torch.linspace(-2, 2, 24)[:, None]
y = torch.sin(2 * x)


class Weights(nn.Module):
    """Two weights and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(START.clone())

    def forward(self) -> Any:
        return self.w


def quadratic(model: nn.Module, batch: Any) -> Any:
    w = model()
    return 0.5 * w @ H @ w + 3


BOWL = Problem(
    facts=ProblemFacts(name="bowl", weights=2),
    seed=0,
    make_model=Weights,
    loss=quadratic,
    batches=lambda: repeat(()),
    probe=(),
)


def mlp(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), *more, nn.Tanh(), nn.Linear(8, 1))


class Reading(nn.Module):
    """A model that reads a number in its forward pass, so that it cannot be batched."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.calls = 0

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        return self.line(x) + 0 * self.line.weight.sum().item()


def problem(make: Callable[[], nn.Module], size: int | None = None) -> Problem:
    return Problem(
        facts=ProblemFacts(name="test", weights=count(trained(make()))),
        seed=0,
        make_model=make,
        loss=lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]),
        batches=pair_batches(x, y, size, 0),
        probe=(x, y),
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def along(slice_: Slice | None) -> dict[float, float]:
    assert slice_ is not None
    return {t: loss for t, loss in zip(slice_.lrs, slice_.losses, strict=True) if loss is not None}


def test_on_a_quadratic_it_is_the_parabola_of_the_textbook() -> None:
    training = Training(BOWL, 0.03, Optimizer())
    g = H @ START
    best = (g @ g / (g @ H @ g)).item()
    # So that one of the rates is the best one, another twice it.
    training.lr = best / 100 ** (2 / 24)
    loss, seen = Slicer(BOWL).step(training, 3, 0)
    assert loss == training.loss
    assert seen is not None
    assert (seen.run, seen.step, seen.lr) == (3, 0, training.lr)
    assert seen.before == pytest.approx(quadratic(Weights(), ()).item())
    assert seen.downhill
    f = along(seen)
    assert len(f) == 25
    assert list(f) == sorted(f)
    assert min(f) == pytest.approx(training.lr / 100)
    assert max(f) == pytest.approx(training.lr * 100)
    for t, value in f.items():
        parabola = seen.before - t * (g @ g).item() + t**2 / 2 * (g @ H @ g).item()
        assert value == pytest.approx(parabola, rel=1e-4)
    assert min(f, key=f.__getitem__) == pytest.approx(best)


def test_back_where_it_began_at_twice_the_best() -> None:
    g = H @ START
    best = (g @ g / (g @ H @ g)).item()
    training = Training(BOWL, 2 * best, Optimizer())
    loss, seen = Slicer(BOWL).step(training, 1, 0)
    assert seen is not None
    assert seen.losses[12] == pytest.approx(seen.before, rel=1e-5)
    assert loss == pytest.approx(seen.before, rel=1e-5)


@pytest.mark.parametrize(
    "optimizer", [Optimizer(momentum=0.9), Optimizer(name="adam"), Optimizer(weight_decay=0.1)]
)
@pytest.mark.parametrize("size", [None, 5])
def test_each_rate_leads_to_the_loss_that_its_own_step_does(
    optimizer: Optimizer, size: int | None
) -> None:
    some = problem(mlp, size)
    training = Training(some, 0.05, optimizer)
    training.steps(3)
    for _ in range(7):
        training.step()
    batch = training.batch
    _, seen = Slicer(some).step(training, 1, 10)
    for i in (0, 9, 12, 15):
        assert seen is not None
        other = Training(some, 0.05, optimizer)
        for _ in range(10):
            other.step()
        other.lr = seen.lrs[i]
        other.step()
        with torch.no_grad():
            expected = some.loss(other.model, batch).item()
        assert seen.losses[i] == pytest.approx(expected, rel=1e-4)


def test_the_run_goes_on_as_if_it_had_not_been_watched() -> None:
    some = problem(lambda: mlp(nn.BatchNorm1d(8), nn.Dropout(0.3)), size=6)
    alone = Training(some, 0.05, Optimizer(momentum=0.5))
    expected = [alone.step() for _ in range(20)]
    buffers = [b.clone() for b in alone.model.buffers()]
    watched = Training(some, 0.05, Optimizer(momentum=0.5))
    slicer = Slicer(some)
    told = [slicer.step(watched, 1, k) for k in range(20)]
    assert [loss for loss, _ in told] == expected
    assert all(map(torch.equal, watched.model.buffers(), buffers))
    assert slicer._works_together
    # One mask for all rates: the smallest hardly changes the loss.
    for _, seen in told:
        assert seen is not None
        assert seen.losses[0] == pytest.approx(seen.before, rel=0.1)


def test_carried_uphill_by_momentum() -> None:
    training = Training(BOWL, 0.06, Optimizer(momentum=0.9))
    slicer = Slicer(BOWL)
    seen = [slicer.step(training, 1, k)[1] for k in range(30)]
    rises = [s for s in seen if s is not None and not s.downhill]
    assert rises
    for s in rises:
        assert next(loss for loss in s.losses if loss != s.before) > s.before  # type: ignore
    plain = Training(BOWL, 0.06, Optimizer())
    slicer = Slicer(BOWL)
    assert all(s is None or s.downhill for s in (slicer.step(plain, 1, k)[1] for k in range(30)))


def test_nothing_where_only_rounding_is_left() -> None:
    training = Training(BOWL, 0.06, Optimizer())
    training.steps(1)
    for _ in range(400):
        training.step()
    loss, seen = Slicer(BOWL).step(training, 1, 401)
    assert seen is None
    assert loss == training.loss == 3.0


def test_losses_that_are_not_finite_are_not_told() -> None:
    training = Training(BOWL, 1e18, Optimizer())
    _, seen = Slicer(BOWL).step(training, 1, 0)
    assert seen is not None
    assert seen.losses[-1] is None
    assert seen.losses[0] is not None
    while math.isfinite(training.loss):
        training.step()
    assert Slicer(BOWL).step(training, 1, 9)[1] is None


def test_a_model_that_cannot_be_batched_is_tried_once() -> None:
    some = problem(Reading)
    slicer = Slicer(some)
    training = Training(some, 0.05, Optimizer())
    _, first = slicer.step(training, 1, 0)
    together = Slicer(problem(lambda: nn.Linear(1, 1)))
    plain = Training(problem(lambda: nn.Linear(1, 1)), 0.05, Optimizer())
    assert along(first) == pytest.approx(along(together.step(plain, 1, 0)[1]), rel=1e-5)
    assert isinstance(training.model, Reading)
    training.model.calls = 0
    slicer.step(training, 1, 1)
    assert training.model.calls == 1 + 26  # its own step, zero, and each of the rates


def test_a_batch_of_rates_is_not_believed_where_it_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = module.evaluate_together
    monkeypatch.setattr(module, "evaluate_together", lambda *all_: 1.01 * right(*all_))
    slicer = Slicer(BOWL)
    training = Training(BOWL, 0.06, Optimizer())
    for k in range(2):
        _, seen = slicer.step(training, 1, k)
        assert seen is not None
        assert seen.losses[12] == pytest.approx(training.loss)


def test_the_line_takes_its_own_path() -> None:
    line = LineFit(ProblemSettings())
    training, watched = LineTraining(line, 0.7), LineTraining(line, 0.7)
    slicer = Slicer(line)
    for k in range(5):
        loss, seen = slicer.step(watched, 1, k)
        assert loss == training.step()
        assert seen is not None
        assert seen.losses[12] == pytest.approx(loss, rel=1e-5)
