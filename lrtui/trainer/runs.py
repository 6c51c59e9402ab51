"""A new run of a problem, on the path that suits it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import nn

from lrtui.messages import Optimizer
from lrtui.problems.line import LineFit, LineTraining
from lrtui.problems.problem import Batch, Problem
from lrtui.trainer.training import Training


class AnyTraining(Protocol):
    """One run: a model, and the loss where its weights are now.

    Attributes:
        lr: learning rate, at its peak; may be changed between two steps.
        factor: what the schedule multiplies it by at the next step.
        loss: at the current weights.
        model: the model that is trained.
        batch: of the next step.
        burst: how many steps are best taken at a time.
    """

    lr: float
    factor: float
    loss: float
    model: nn.Module
    batch: Batch
    burst: int

    def step(self) -> float:
        """Take one step and return the loss at the new weights."""

    def steps(self, count: int) -> list[float]:
        """Take steps and return the loss after each, up to the first that is not finite."""

    def weights(self) -> list[float]:
        """Return the weights where they are few enough to be told, else an empty list."""


def begin(
    problem: Problem, lr: float, optimizer: Optimizer, factors: Iterator[float] | None = None
) -> AnyTraining:
    """Return a new run at the initial weights.

    Args:
        problem: what is trained.
        lr: learning rate.
        optimizer: what takes the steps.
        factors: what the rate is multiplied by at each step, ``None`` for nothing.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    if isinstance(problem, LineFit) and problem.is_exact(optimizer):
        return LineTraining(problem, lr, factors)
    return Training(problem, lr, optimizer, factors)
