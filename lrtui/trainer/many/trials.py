"""Rates that are tried from the same start, and what became of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from lrtui.analysis.diagnosis import STEADY
from lrtui.analysis.theory import Theory
from lrtui.messages import LARGEST, Optimizer
from lrtui.problems.problem import Problem
from lrtui.trainer.schedules import factors
from lrtui.trainer.training import Training


@dataclass(frozen=True)
class Trials:
    """Runs from the same start and on the same batches.

    Attributes:
        lrs: learning rate of each.
        optimizers: one for each run; they differ only in momentum.
        steps: steps of each.
        schedule: how each rate moves from its peak.
    """

    lrs: list[float]
    optimizers: list[Optimizer]
    steps: int
    schedule: str = "constant"

    def some(self, which: Sequence[int]) -> Trials:
        """Return some of them."""
        lrs, optimizers = [self.lrs[i] for i in which], [self.optimizers[i] for i in which]
        return Trials(lrs, optimizers, self.steps, self.schedule)

    def factors(self) -> Iterator[float] | None:
        """Return what the rates are multiplied by at each step, ``None`` for nothing."""
        return factors(self.schedule, self.steps)

    def alone(self, problem: Problem, i: int) -> Training:
        """Return one of them as a run."""
        return Training(problem, self.lrs[i], self.optimizers[i], self.factors())


@dataclass
class Budget:
    """Seconds of work that may still be done.

    Attributes:
        left: how many; none where it is not above 0.
    """

    left: float = math.inf

    @contextmanager
    def spent_here(self) -> Iterator[None]:
        """Count the time of a block."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.left -= perf_counter() - begun


@dataclass(frozen=True)
class TrialResult:
    """What became of one rate.

    Attributes:
        loss: the last one, which may be anything but finite.
        settled_at: first step of the last unbroken stretch under the target, if it ends in one.
        taken: steps.
        failure: why it could not go on, in a sentence; empty if it did.
    """

    loss: float
    settled_at: int | None
    taken: int
    failure: str = ""

    @property
    def told(self) -> float | None:
        """The loss as messages tell it."""
        return self.loss if is_told(self.loss) else None


def is_told(loss: float) -> bool:
    """Return whether a loss is finite, in the range of the numbers that messages tell."""
    return abs(loss) <= LARGEST


def settled_at(fate: TrialResult, problem: Problem) -> int | None:
    """Return the step from which on a rate is settled, as the verdict on a run has it.

    A single batch may be under the target by chance: it has to last.
    """
    since, facts = fate.settled_at, problem.facts
    sees_few = facts.batch is not None or facts.own_batches
    return None if since is None or (sees_few and fate.taken - since < STEADY) else since


def target_of(problem: Problem) -> float:
    """Return the loss from which on a run counts as settled, minus infinity if there is none."""
    if problem.facts.target is not None:
        return problem.facts.target
    if problem.quadratic is not None:
        return Theory.of(problem.quadratic).settled_loss
    return -math.inf
