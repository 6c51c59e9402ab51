"""Devices without float64, such as Apple's: a tensor is moved before it is converted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lrtui.messages import Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import closed_form
from lrtui.problems.load import load
from lrtui.problems.scenes import classes_scene, curve_scene
from lrtui.trainer.training import Training


class Elsewhere(Tensor):
    """A tensor as on such a device, though it is in memory."""

    def double(self, *args: object, **kwargs: object) -> Tensor:
        raise TypeError("this device has no float64")

    def cpu(self, *args: object, **kwargs: object) -> Tensor:
        return self.as_subclass(Tensor)


def elsewhere(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Elsewhere)


def test_a_closed_form() -> None:
    x, y = torch.randn(20, 2), torch.randn(20)
    start = torch.zeros(2)
    here, there = closed_form(x, y, start), closed_form(elsewhere(x), elsewhere(y), start)
    assert there.min_loss == pytest.approx(here.min_loss)
    assert there.minimum == pytest.approx(here.minimum)


class There(nn.Linear):
    """A model that answers from there."""

    def forward(self, x: Tensor) -> Tensor:
        return elsewhere(super().forward(x))


def test_pictures() -> None:
    x, y = torch.randn(20, 1), torch.randn(20, 1)
    _, picture = curve_scene(x, y)
    assert len(picture(There(1, 1))) == 121
    _, picture = classes_scene(torch.randn(20, 2), y[:, 0] > 0)
    assert set(picture(There(2, 1))) <= {0.0, 1.0}


def test_losses_of_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = load(ProblemSettings(name="sine"))
    plain = problem.loss
    here = Training(problem, 0.05, Optimizer())
    monkeypatch.setattr(problem, "loss", lambda model, batch: elsewhere(plain(model, batch)))
    there = Training(problem, 0.05, Optimizer())
    there.steps_per_sync = 10
    assert there.steps(10) == here.steps(10)
