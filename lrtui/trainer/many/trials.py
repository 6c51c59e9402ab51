"""Runs at many rates from the same start, and their results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from lrtui.analysis.diagnosis import STEADY
from lrtui.analysis.theory import Theory
from lrtui.messages import Optimizer
from lrtui.messages.quantities import finite_or_none
from lrtui.problems.problem import Problem
from lrtui.trainer.schedules import factors
from lrtui.trainer.training import Training


@dataclass(frozen=True)
class Trials:
    """Runs from the same start and on the same batches.

    Attributes:
        lrs: learning rate of each.
        optimizers: of each; they differ only in momentum.
        steps: of each.
        schedule: of all.
    """

    lrs: list[float]
    optimizers: list[Optimizer]
    steps: int
    schedule: str = "constant"

    def subset(self, which: Sequence[int]) -> Trials:
        """Return those at some indices."""
        lrs, optimizers = [self.lrs[i] for i in which], [self.optimizers[i] for i in which]
        return Trials(lrs, optimizers, self.steps, self.schedule)

    def factors(self) -> Iterator[float] | None:
        """Return the factors of the schedule, ``None`` for a constant rate."""
        return factors(self.schedule, self.steps)

    def alone(self, problem: Problem, i: int) -> Training:
        """Return one of them as a run of its own."""
        return Training(problem, self.lrs[i], self.optimizers[i], self.factors())


@dataclass
class Budget:
    """A time limit of work.

    Attributes:
        left: seconds; the time is up at 0 or less.
    """

    left: float = math.inf

    @contextmanager
    def charge(self) -> Iterator[None]:
        """Subtract the time that a block takes."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.left -= perf_counter() - begun


@dataclass(frozen=True)
class TrialResult:
    """Result of one rate.

    Attributes:
        loss: the last one; may be non-finite.
        settled_at: step since which it has been under the target, ``None`` if it is not.
        taken: steps.
        failure: why it failed, in a sentence; empty if it did not.
    """

    loss: float
    settled_at: int | None
    taken: int
    failure: str = ""

    @property
    def finite_loss(self) -> float | None:
        """The loss, ``None`` if it is not finite."""
        return finite_or_none(self.loss)


def settled_at(result: TrialResult, problem: Problem) -> int | None:
    """Return the step since which a rate has been settled, ``None`` if it is not.

    A mini-batch may be under the target by chance, so that must last for ``STEADY`` steps.
    """
    since, facts = result.settled_at, problem.facts
    sees_few = facts.batch is not None or facts.own_batches
    return None if since is None or (sees_few and result.taken - since < STEADY) else since


def target_of(problem: Problem) -> float:
    """Return the loss below which a run counts as settled, minus infinity if there is none."""
    if problem.facts.target is not None:
        return problem.facts.target
    if problem.quadratic is not None:
        return Theory.of(problem.quadratic).settled_loss
    return -math.inf
