"""Trains many rates from the same start, beside a run: in batches if possible, else one by one."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch

from lrtui.messages import Optimizer, SweepResult
from lrtui.messages.quantities import finite_or_none
from lrtui.problems.line import LineFit
from lrtui.problems.problem import Problem
from lrtui.trainer.many.line_trials import train_line
from lrtui.trainer.many.stacked import gradient_of_each, gradient_of_sum
from lrtui.trainer.many.together import batch_size, steps_of, train_alone, train_together
from lrtui.trainer.many.trials import Budget, TrialResult, Trials, settled_at, target_of
from lrtui.trainer.rng import IsolatedRng

SLICE_SECONDS = 0.005
"""Seconds of work between two yields, unless one step alone takes longer."""

HEAVY_STEP_SECONDS = 0.002
"""Seconds of a step above which rates are trained one by one.

Training them together saves Python's overhead, which is then small.
"""

ALLOCATOR_BLOCK = 1 << 22
"""Numbers of a block that is allocated and freed at once.

Freeing one of this size makes glibc keep the memory that a step frees for the next step. Returning
it and faulting it in again took up to a third of the time.
"""


@dataclass(frozen=True)
class TrialResults:
    """Results of many rates.

    Attributes:
        results: of each.
        steps: planned for each.
        first: loss at the start; may be non-finite.
        how: they were trained, in words.
    """

    results: Sequence[TrialResult]
    steps: int
    first: float | None
    how: str

    @property
    def finished(self) -> list[bool]:
        """Whether each took all its steps, or diverged before."""
        return [
            not result.failure and (result.taken >= self.steps or result.finite_loss is None)
            for result in self.results
        ]

    @property
    def failures(self) -> list[str]:
        """Why each failed, empty if none did; see ``SweepResult``."""
        failures = [result.failure for result in self.results]
        return failures if any(failures) else []

    @property
    def is_unfinished(self) -> bool:
        """Whether any of them has steps left."""
        return not all(self.finished)

    @property
    def first_loss(self) -> float | None:
        """The loss at the start, ``None`` if it is not finite."""
        return finite_or_none(self.first)


def sweep(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    seconds: float | None,
    schedule: str = "constant",
) -> Iterator[SweepResult | None]:
    """Train one run at each rate, from the same start and on the same batches.

    For the arguments see the command ``Sweep``.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    trials = Trials([*lrs], [optimizer] * len(lrs), steps, schedule)
    for found in run_trials(problem, trials, seconds):
        if found is None:
            yield None
            continue
        yield SweepResult(
            lrs=trials.lrs,
            steps=steps,
            losses=[result.finite_loss for result in found.results],
            settled_at=[settled_at(result, problem) for result in found.results],
            taken=[result.taken for result in found.results] if found.is_unfinished else [],
            first_loss=found.first_loss,
            optimizer=optimizer,
            schedule=schedule,
            how=found.how,
            failures=found.failures,
        )


def _with_start_loss(
    problem: Problem, trials: Trials, seconds: float | None
) -> Iterator[TrialResults | None]:
    """Train all rates; with mini-batches, measure the first loss on the batch of the last losses.

    Otherwise the difference of two batches may exceed the progress of a slow rate.
    """
    for found in _run_trials(problem, trials, seconds):
        if found is not None and (problem.facts.batch is not None or problem.facts.own_batches):
            first = yield from start_loss(problem, trials.steps)
            yield replace(found, first=first)
        else:
            yield found


def start_loss(problem: Problem, step: int) -> Generator[None, None, float]:
    """Return the loss of the initial weights on the batch of a step.

    Yields:
        ``None`` after each batch.
    """
    model, batches = problem.model(), problem.batches()
    for _ in range(step):
        next(batches)
        yield
    with torch.no_grad():
        return float(problem.loss(model, next(batches)))


def run_trials(
    problem: Problem, trials: Trials, seconds: float | None
) -> Iterator[TrialResults | None]:
    """Train all rates in the fastest way that works for them.

    Random states of a training in progress are not touched.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    torch.empty(ALLOCATOR_BLOCK)
    isolated = IsolatedRng(problem.device)
    work = _with_start_loss(problem, trials, seconds)
    result = None
    while result is None:
        until = perf_counter() + SLICE_SECONDS
        with isolated:
            while result is None and perf_counter() < until:
                result = next(work)
        yield result


def _run_trials(
    problem: Problem, trials: Trials, seconds: float | None
) -> Iterator[TrialResults | None]:
    count = len(trials.lrs)
    if isinstance(problem, LineFit) and problem.takes_batches_of_rates:
        results = yield from train_line(problem, trials)
        yield TrialResults(
            results, trials.steps, problem.start_loss(), f"{count:,} rates in one batch"
        )
        return
    together: Sequence[TrialResult] | None = None
    first, budget = math.nan, Budget(math.inf if seconds is None else seconds)
    if trials.optimizers[0].name != "own" or not problem.own_optimizer:
        alone = yield from train_alone(problem, trials, budget)
        first = alone.losses[0]
        if alone.seconds < HEAVY_STEP_SECONDS:
            for gradient in (gradient_of_sum, gradient_of_each):
                try:
                    together = yield from train_together(problem, trials, gradient, alone, budget)
                except Exception:  # a person's model sees tensors that it does not expect
                    continue
                if together is not None:
                    break
    if together is not None:
        size = batch_size(problem, trials)
        how = "one batch" if count <= size else f"chunks of {size}"
        found = TrialResults(together, trials.steps, first, f"{count:,} rates in {how}")
        if found.is_unfinished:
            found = replace(found, how=f"{found.how}, as far as {seconds:g} s of work went")
        yield found
        return
    results, first = yield from train_one_by_one(problem, trials, budget, first)
    found = TrialResults(results, trials.steps, first, "one by one")
    if found.is_unfinished:
        within = "" if seconds is None else f" in {seconds:g} s"
        how = f"one by one, {sum(found.finished):,} of {count:,}{within}"
        failed = next((i for i, result in enumerate(results) if result.failure), None)
        if failed is not None:
            how += f"; {trials.lrs[failed]:.3g} failed {results[failed].failure}"
        found = replace(found, how=how)
    yield found


def train_one_by_one(
    problem: Problem, trials: Trials, budget: Budget, first: float
) -> Generator[None, None, tuple[list[TrialResult], float]]:
    """Train one rate after another, coarse to fine, until the time is up.

    Yields:
        ``None`` after each step.

    Returns:
        The results, and the first loss, which is ``first`` if the time was up before.
    """
    target, steps, count = target_of(problem), trials.steps, len(trials.lrs)
    results: dict[int, TrialResult] = {}
    # Every 64th, then each halfway between two of them, and so on.
    for i in sorted(range(count), key=lambda i: -((i + 1) & -(i + 1))):
        if budget.left <= 0:
            break
        with budget.charge():
            training = trials.alone(problem, i)
        first = loss = training.loss
        taken = 0
        since = 0 if loss <= target else None
        failure = ""
        while taken < steps and budget.left > 0 and math.isfinite(loss) and not failure:
            try:
                with budget.charge():
                    for loss in steps_of(training, min(training.steps_per_sync, steps - taken)):
                        taken += 1
                        since = None if not loss <= target else taken if since is None else since
            except (Exception, SystemExit) as error:  # a person's model may raise anything
                failure = f"at step {taken + 1:,}: {problem.explain(error)}"
            yield
        results[i] = TrialResult(loss, since, taken, failure)
    unbegun = TrialResult(first, None, 0)
    return [results.get(i, unbegun) for i in range(count)], first
