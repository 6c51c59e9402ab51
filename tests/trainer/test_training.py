"""One run of any problem, held against a plain loop of torch's own optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from lrtui.messages import Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.trainer.beginnings import begin
from lrtui.trainer.training import Training

OPTIMIZERS = [
    (Optimizer(), lambda p: torch.optim.SGD(p, 0.05)),
    (Optimizer(momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    (
        Optimizer(name="nesterov", momentum=0.8, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
    ),
    (
        Optimizer(name="adam", betas=(0.8, 0.99)),
        lambda p: torch.optim.Adam(p, 0.05, betas=(0.8, 0.99)),
    ),
    (
        Optimizer(name="adamw", weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1),
    ),
]


@pytest.mark.parametrize("name", ["line", "moons", "sine"])
@pytest.mark.parametrize(("optimizer", "make"), OPTIMIZERS, ids=lambda o: getattr(o, "title", ""))
def test_a_run_is_that_of_torch(
    name: str,
    optimizer: Optimizer,
    make: Callable[[Iterator[torch.nn.Parameter]], torch.optim.Optimizer],
) -> None:
    problem = load(ProblemSettings(name=name, batch=16))
    training = Training(problem, 0.05, optimizer)
    measured = [training.loss, *training.steps(20)]
    model, batches = problem.model(), problem.batches()
    stepper = make(model.parameters())
    expected = []
    for _ in range(21):
        loss = problem.loss(model, next(batches))
        expected.append(loss.item())
        stepper.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
    assert measured == pytest.approx(expected, rel=1e-6)


def test_losses_read_together_are_those_read_one_by_one() -> None:
    """As they are on a device."""
    problem = load(ProblemSettings(name="sine"))
    one, together = (Training(problem, 0.05, Optimizer()) for _ in range(2))
    assert together.steps(30) == [one.step() for _ in range(30)]
    wild = Training(problem, 50.0, Optimizer())
    found = wild.steps(200)
    assert len(found) < 200
    assert not torch.tensor(found[-1]).isfinite()
    assert all(torch.tensor(loss).isfinite() for loss in found[:-1])


def test_groups_keep_the_ratio_of_their_rates() -> None:
    problem = load(ProblemSettings(name="moons"))

    def own(parameters: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [
            {"params": parameters[:2], "lr": 10 * lr},
            {"params": parameters[2:]},
        ]
        return torch.optim.SGD(groups, lr)

    problem.own_optimizer = own
    training = Training(problem, 0.1, Optimizer(name="own"))
    training.lr = 0.02
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.2, 0.02]


def test_the_lines_own_path_is_taken_by_plain_gradient_descent_on_all_of_it() -> None:
    line = load(ProblemSettings())
    assert not isinstance(begin(line, 0.1, Optimizer()), Training)
    assert isinstance(begin(line, 0.1, Optimizer(momentum=0.9)), Training)
    batched = load(ProblemSettings(batch=10))
    assert isinstance(begin(batched, 0.1, Optimizer()), Training)
    quick, general = begin(line, 0.1, Optimizer()), Training(line, 0.1, Optimizer())
    assert quick.steps(50) == pytest.approx(general.steps(50), rel=1e-6)
    assert quick.weights() == pytest.approx(general.weights(), rel=1e-6)
