"""Every rate from the same start, beside the run that is watched: as many at a time as possible.

What cannot be trained in one batch is trained one rate after another.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch

from lrtui.messages import Optimizer, SweepResult
from lrtui.problems.line import LineFit
from lrtui.problems.problem import Problem
from lrtui.trainer.many.line_trials import train_line
from lrtui.trainer.many.stacked import gradient_of_each, gradient_of_sum
from lrtui.trainer.many.together import batch_size, steps_of, train_alone, train_together
from lrtui.trainer.many.trials import Budget, TrialResult, Trials, is_told, settled_at, target_of
from lrtui.trainer.rng import IsolatedRng

SLICE_SECONDS = 0.005
"""Seconds of work between two yields, unless one step alone takes longer."""

HEAVY_STEP_SECONDS = 0.002
"""Seconds of a step from which on rates are trained one by one.

What is saved by training them together is the time that Python takes, little by then.
"""

ALLOCATOR_BLOCK = 1 << 22
"""Numbers of a block that is taken from the system and given back at once, unused.

Once glibc has seen one of this size, it keeps the memory that a step frees for the next step. To
give it back and fault it in again took up to a third of the time.
"""


@dataclass(frozen=True)
class Tried:
    """What became of many rates.

    Attributes:
        fates: of each.
        steps: that each was to take.
        first: loss at the start of them all, which may be anything but finite.
        how: how they were trained, in words.
    """

    fates: Sequence[TrialResult]
    steps: int
    first: float | None
    how: str

    @property
    def finished(self) -> list[bool]:
        """Whether each took all its steps, or diverged before."""
        return [
            not fate.failure and (fate.taken >= self.steps or fate.told is None)
            for fate in self.fates
        ]

    @property
    def failures(self) -> list[str]:
        """Why each could not go on, no list where all could."""
        failures = [fate.failure for fate in self.fates]
        return failures if any(failures) else []

    @property
    def is_unfinished(self) -> bool:
        """Whether any of them was not tried to the end."""
        return not all(self.finished)

    @property
    def first_loss(self) -> float | None:
        """The loss at the start as messages tell it."""
        return self.first if self.first is not None and is_told(self.first) else None


def sweep(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    seconds: float | None,
    schedule: str = "constant",
) -> Iterator[SweepResult | None]:
    """Train one run at each learning rate, all from the same start and on the same batches.

    Args:
        problem: what is trained.
        lrs: learning rates.
        steps: steps of each run.
        optimizer: of the runs.
        seconds: of work, ``None`` for as many as it takes.
        schedule: how each rate moves from its peak.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    trials = Trials([*lrs], [optimizer] * len(lrs), steps, schedule)
    for found in tried(problem, trials, seconds):
        if found is None:
            yield None
            continue
        yield SweepResult(
            lrs=trials.lrs,
            steps=steps,
            losses=[fate.told for fate in found.fates],
            settled_at=[settled_at(fate, problem) for fate in found.fates],
            taken=[fate.taken for fate in found.fates] if found.is_unfinished else [],
            first_loss=found.first_loss,
            optimizer=optimizer,
            schedule=schedule,
            how=found.how,
            failures=found.failures,
        )


def _tried_from_start(
    problem: Problem, trials: Trials, seconds: float | None
) -> Iterator[Tried | None]:
    """Train all rates; of mini-batches tell the first loss on the batch that the last ones are on.

    Of two batches, the loss of the same weights may differ by more than a slow rate does.
    """
    for found in _tried(problem, trials, seconds):
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


def tried(problem: Problem, trials: Trials, seconds: float | None) -> Iterator[Tried | None]:
    """Train all rates in the first way that works for them.

    What is random in a training going on meanwhile stays as it is.

    Args:
        problem: what is trained.
        trials: the rates.
        seconds: see ``sweep``.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    torch.empty(ALLOCATOR_BLOCK)
    aside = IsolatedRng(problem.device)
    work = _tried_from_start(problem, trials, seconds)
    result = None
    while result is None:
        until = perf_counter() + SLICE_SECONDS
        with aside:
            while result is None and perf_counter() < until:
                result = next(work)
        yield result


def _tried(problem: Problem, trials: Trials, seconds: float | None) -> Iterator[Tried | None]:
    count = len(trials.lrs)
    if isinstance(problem, LineFit) and problem.takes_batches_of_rates:
        fates = yield from train_line(problem, trials)
        yield Tried(fates, trials.steps, problem.start_loss(), f"{count:,} rates in one batch")
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
                except (
                    Exception
                ):  # anything at all: a person's model sees tensors it was not made for
                    continue
                if together is not None:
                    break
    if together is not None:
        size = batch_size(problem, trials)
        how = "one batch" if count <= size else f"chunks of {size}"
        found = Tried(together, trials.steps, first, f"{count:,} rates in {how}")
        if found.is_unfinished:
            found = replace(found, how=f"{found.how}, as far as {seconds:g} s of work went")
        yield found
        return
    fates, first = yield from train_one_by_one(problem, trials, budget, first)
    found = Tried(fates, trials.steps, first, "one by one")
    if found.is_unfinished:
        within = "" if seconds is None else f" in {seconds:g} s"
        how = f"one by one, {sum(found.finished):,} of {count:,}{within}"
        failed = next((i for i, fate in enumerate(fates) if fate.failure), None)
        if failed is not None:
            how += f"; {trials.lrs[failed]:.3g} failed {fates[failed].failure}"
        found = replace(found, how=how)
    yield found


def train_one_by_one(
    problem: Problem, trials: Trials, budget: Budget, first: float
) -> Generator[None, None, tuple[list[TrialResult], float]]:
    """Train one rate after another, coarse to fine, until the time is up.

    Args:
        problem: what is trained.
        trials: the rates.
        budget: of the work.
        first: loss at the start, as far as it is known.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, and the first loss.
    """
    target, steps, count = target_of(problem), trials.steps, len(trials.lrs)
    fates: dict[int, TrialResult] = {}
    # Every 64th, then each halfway between two of them, and so on.
    for i in sorted(range(count), key=lambda i: -((i + 1) & -(i + 1))):
        if budget.left <= 0:
            break
        with budget.spent_here():
            training = trials.alone(problem, i)
        first = loss = training.loss
        taken = 0
        since = 0 if loss <= target else None
        failure = ""
        while taken < steps and budget.left > 0 and math.isfinite(loss) and not failure:
            try:
                with budget.spent_here():
                    for loss in steps_of(training, min(training.steps_per_sync, steps - taken)):
                        taken += 1
                        since = None if not loss <= target else taken if since is None else since
            except (Exception, SystemExit) as error:  # anything: it is a person's model
                failure = f"at step {taken + 1:,}: {problem.explain(error)}"
            yield
        fates[i] = TrialResult(loss, since, taken, failure)
    unbegun = TrialResult(first, None, 0)
    return [fates.get(i, unbegun) for i in range(count)], first
