"""Range tests: against medians known from the tools, and their rules on curves made up."""

from __future__ import annotations

import random
from itertools import repeat
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrtui.messages import Optimizer, ProblemFacts
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import LineFit
from lrtui.problems.problem import Problem
from lrtui.trainer.many.range_test import (
    mock_training,
    range_test,
    slide,
    steep,
    suggested,
    tenth_of_minimum,
    valley,
)
from lrtui.trainer.rng import IsolatedRng

pytestmark = pytest.mark.slow

LINE = LineFit(ProblemSettings())


def test_the_line_as_the_tools_see_it() -> None:
    """The medians over 200 seeds; the valley is the same for each."""
    found = [range_test(LineFit(ProblemSettings(seed=s)), Optimizer()) for s in range(5)]
    assert len({f["fastai valley"] for f in found}) == 1
    medians = {name: float(np.median([f[name] or 0 for f in found])) for name in found[0]}
    assert medians == {
        "fastai valley": pytest.approx(0.0012, rel=0.01),
        "fastai slide": pytest.approx(0.145, rel=0.25),
        "fastai minimum/10": pytest.approx(0.331, rel=0.01),
        "fastai steep": pytest.approx(0.363, rel=0.25),
        "Lightning": pytest.approx(0.008, rel=0.1),
        "torch-lr-finder": pytest.approx(0.292, rel=0.3),
    }


def test_the_optimizer_matters() -> None:
    assert range_test(LINE, Optimizer(name="adam")) != range_test(LINE, Optimizer())


def test_a_run_does_not_notice_it() -> None:
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore
    range_test(LINE, Optimizer())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]  # type: ignore


def test_each_step_of_the_mock_training_is_taken_at_its_own_rate() -> None:
    with IsolatedRng("cpu"):
        losses = list(mock_training(LINE, Optimizer(), [0.1, 0.5, 0.2]))
    model = LINE.model()
    expected = []
    for lr in (0.1, 0.5, 0.2):
        loss = LINE.loss(model, LINE.probe)
        expected.append(loss.item())
        (g,) = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            next(model.parameters()).sub_(lr * g)
    assert losses == pytest.approx(expected)


def test_nothing_where_too_few_steps_are_taken() -> None:
    """A loss that rises at once ends each test before there is anything to suggest."""

    class Weight(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))
            self.calls = 0

    def loss(model: Any, batch: object) -> Any:
        model.calls += 1
        return model.w.sum() * 0 + 2.0**model.calls

    rising = Problem(
        facts=ProblemFacts(name="rising", weights=1),
        seed=0,
        make_model=Weight,
        loss=loss,
        batches=lambda: repeat(()),
        probe=(),
    )
    assert set(range_test(rising, Optimizer()).values()) == {None}


lrs = np.geomspace(1e-6, 1, 60)


def test_valley_is_the_middle_of_the_longest_fall() -> None:
    losses = np.r_[np.full(20, 5.0), np.linspace(4, 1, 30), np.linspace(6, 9, 10)]
    # 31 members, the last one at 49: from 18, a third and a sixth of 31 further.
    assert valley(lrs, losses) == lrs[49 - 31 + 10 + 5]
    losses[30] = 7.0  # a rise on the way makes it one member shorter
    assert valley(lrs, losses) == lrs[49 - 30 + 10 + 5]
    assert valley(lrs, np.arange(60.0)) == lrs[0]


def test_slide_is_where_slopes_agree_again() -> None:
    losses = np.r_[np.zeros(45), np.arange(15.0)]
    slopes = np.gradient(losses)
    agree = next(r for r in range(59, 14, -1) if abs(slopes[r] - slopes[r - 15]) <= 0.005)
    assert slide(lrs, losses) == lrs[agree - 15 + 1]
    assert suggested(slide, lrs[:10], losses[:10]) is None


def test_steep_and_minimum() -> None:
    losses = np.full(60, 3.0)
    losses[30:] = 1.0
    losses[40] = 0.5
    assert steep(lrs, losses) == lrs[29]
    assert tenth_of_minimum(lrs, losses) == pytest.approx(lrs[40] / 10)
