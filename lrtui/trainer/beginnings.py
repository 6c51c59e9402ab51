"""Begins a new run of a problem: as any model, a line or a race of lines."""

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
    """One run: a model and its current loss.

    Attributes:
        lr: peak learning rate; may be changed between two steps.
        loss: at the current weights.
        steps_per_sync: best number of steps to take at a time.
    """

    lr: float
    loss: float
    steps_per_sync: int

    @property
    def model(self) -> nn.Module | None:
        """The model, ``None`` if it is part of a batch of runs."""

    def steps(self, count: int) -> Iterable[float]:
        """Take steps and return the loss after each, up to the first non-finite one."""

    def weights(self) -> list[float]:
        """Return the weights if they are few, else an empty list."""


def begin(
    problem: Problem, lr: float, optimizer: Optimizer, rate_factors: Iterator[float] | None = None
) -> AnyTraining:
    """Return a new run at the initial weights; for the arguments see ``Training``.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    if isinstance(problem, LineFit) and problem.is_exact(optimizer):
        return LineTraining(problem, lr, rate_factors)
    return Training(problem, lr, optimizer, rate_factors)


def begin_in_one_batch(problem: Problem, starts: Sequence[Start]) -> list[AnyTraining] | None:
    """Return new runs trained in one batch, ``None`` if that is impossible."""
    if len(starts) < 2 or not isinstance(problem, LineFit):
        return None
    if not all(problem.is_exact(start.optimizer) for start in starts):
        return None
    first = starts[0]
    rate_factors = factors(first.schedule, first.steps)
    race = LineRace(problem, [start.lr for start in starts], rate_factors)
    return [LineRaceRun(race, place, start.lr) for place, start in enumerate(starts)]
