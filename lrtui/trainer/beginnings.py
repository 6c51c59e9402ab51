"""A new run of a problem, on the path that suits it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from torch import nn

from lrtui.messages import Optimizer, Start
from lrtui.problems.line import LineFit, LineTraining
from lrtui.problems.line_race import LineRace, LineRaceRun
from lrtui.problems.problem import Problem
from lrtui.trainer.schedules import factors
from lrtui.trainer.training import Training


class AnyTraining(Protocol):
    """One run: a model, and the loss where its weights are now.

    Attributes:
        lr: learning rate, at its peak; may be changed between two steps.
        loss: at the current weights.
        burst: how many steps are best taken at a time.
    """

    lr: float
    loss: float
    steps_per_sync: int

    @property
    def model(self) -> nn.Module | None:
        """The model that is trained; ``None`` if it has none of its own."""

    def steps(self, count: int) -> Iterable[float]:
        """Take steps and return the loss after each, up to the first that is not finite."""

    def weights(self) -> list[float]:
        """Return the weights where they are few enough to be told, else an empty list."""


def begin(
    problem: Problem, lr: float, optimizer: Optimizer, moving: Iterator[float] | None = None
) -> AnyTraining:
    """Return a new run at the initial weights.

    Args:
        problem: what is trained.
        lr: learning rate.
        optimizer: of the runs.
        moving: what the rate is multiplied by at each step, ``None`` for nothing.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    if isinstance(problem, LineFit) and problem.is_exact(optimizer):
        return LineTraining(problem, lr, moving)
    return Training(problem, lr, optimizer, moving)


def begin_in_one_batch(problem: Problem, starts: Sequence[Start]) -> list[AnyTraining] | None:
    """Return new runs that are trained in one batch, ``None`` where that cannot be."""
    if len(starts) < 2 or not isinstance(problem, LineFit):
        return None
    if not all(problem.is_exact(start.optimizer) for start in starts):
        return None
    first = starts[0]
    moving = factors(first.schedule, first.steps)
    race = LineRace(problem, [start.lr for start in starts], moving)
    return [LineRaceRun(race, place, start.lr) for place, start in enumerate(starts)]
