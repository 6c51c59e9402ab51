"""A heat map: every rate with every momentum, from the same start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from msgspec.structs import replace

from lrtui.messages import GridResult, Heat
from lrtui.problems.problem import Problem
from lrtui.trainer.many.sweep import run_trials
from lrtui.trainer.many.trials import Trials, settled_at

T = TypeVar("T")


def heat(problem: Problem, command: Heat) -> Iterator[GridResult | None]:
    """Train one run at each rate and each momentum, in one batch if possible.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    rates, momenta = command.lrs, command.momenta
    optimizers = [
        replace(command.optimizer, momentum=momentum) for momentum in momenta for _ in rates
    ]
    trials = Trials(rates * len(momenta), optimizers, command.steps, command.schedule)

    def rows(cells: Sequence[T]) -> list[list[T]]:
        return [[*cells[at : at + len(rates)]] for at in range(0, len(cells), len(rates))]

    for found in run_trials(problem, trials, command.seconds):
        if found is None:
            yield None
            continue
        yield GridResult(
            lrs=rates,
            momenta=momenta,
            steps=command.steps,
            losses=rows([result.finite_loss for result in found.results]),
            settled_at=rows([settled_at(result, problem) for result in found.results]),
            finished=rows(found.finished),
            first_loss=found.first_loss,
            optimizer=command.optimizer,
            schedule=command.schedule,
            how=found.how.replace("rates", "runs"),
        )
