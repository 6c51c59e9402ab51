"""Many rates of any model in one batch, one of them held against a run alone.

The rates are trained together by ``torch.func``: one copy of the weights for each, stacked, and
one pass for all. A batch of rates is believed only once one of its rates has come to the same
losses as a run alone.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter

import torch
from torch import Tensor
from torch.func import functional_call

from lrtui.problems.problem import Batch, Objective, Problem
from lrtui.trainer.many.stacked import (
    Gradient,
    Stack,
    joined,
    note_settled,
    stacked_buffers,
    stacked_weights,
)
from lrtui.trainer.many.trials import Budget, TrialResult, Trials, target_of
from lrtui.trainer.training import Training

RATES_PER_CHUNK = 32
"""Rates of a network that are trained together: perceptrons are quickest so, small convolutions
with half as many, by a fifth."""

MAX_WEIGHTS_FOR_ALL_RATES = 100
"""Weights of a model all of whose rates are trained together."""

CHECKED_STEPS = 30
"""Steps of one rate that are compared with those of a run alone."""

SAME_LOSS = 1e-3
"""Largest difference of two losses that count as the same, as a share of what the loss moved."""

ROUNDING_ERRORS = 100
"""Rounding errors by which two losses that count as the same may differ besides."""

TELLING = 0.01
"""Share of the first loss by which a rate has to move it for a comparison to tell anything."""

STEPS_PER_READ = 128
"""Steps whose losses are read from the device together; more than are compared."""


@dataclass(frozen=True)
class Alone:
    """The first steps of one rate, trained alone, that others are held against.

    Attributes:
        at: which of the rates it is.
        losses: from the start on.
        seconds: what the quickest step took.
    """

    at: int
    losses: list[float]
    seconds: float


def batch_size(problem: Problem, trials: Trials) -> int:
    """Return how many of the rates are trained together."""
    return (
        len(trials.lrs) if problem.facts.weights <= MAX_WEIGHTS_FOR_ALL_RATES else RATES_PER_CHUNK
    )


def train_alone(problem: Problem, trials: Trials, budget: Budget) -> Generator[None, None, Alone]:
    """Take the first steps of a rate at which the loss moves and does not rise, alone.

    One with the momentum of the first. Where the loss rises, rounding errors may grow as well, and
    nothing could be compared.

    Yields:
        ``None`` after each step.

    Returns:
        The steps, as far as the loss stayed below twice the first.
    """
    steps, optimizers = trials.steps, trials.optimizers
    alike = [i for i, optimizer in enumerate(optimizers) if optimizer == optimizers[0]]
    ordered = sorted(alike, key=lambda i: trials.lrs[i])
    low, high = 0, len(ordered)
    best: Alone | None = None
    while low < high and (best is None or budget.left > 0):
        middle = (low + high) // 2
        training = trials.alone(problem, ordered[middle])
        losses = [training.loss]
        quickest = math.inf
        divergence_threshold = losses[0] + abs(losses[0])
        while len(losses) <= min(steps, CHECKED_STEPS) and budget.left > 0:
            begun = perf_counter()
            try:
                with budget.spent_here():
                    (loss,) = steps_of(training, 1)
            except (Exception, SystemExit):  # is told where the rates are trained one by one
                break
            quickest = min(quickest, perf_counter() - begun)
            yield
            if not loss <= divergence_threshold:
                break
            losses.append(loss)
        run = Alone(ordered[middle], losses, quickest)
        if len(losses) <= min(steps, CHECKED_STEPS) or losses[-1] > losses[0]:
            high = middle
            best = best or run
        else:
            best = run
            if losses[0] - losses[-1] >= TELLING * abs(losses[0]):
                break
            low = middle + 1
    assert best is not None
    return best


def steps_of(training: Training, count: int) -> list[float]:
    """Take steps and return the loss after each.

    Not a number where the model refuses to go on at weights that are not finite any more, as some
    do. What is raised at other weights is no divergence, and is raised here.
    """
    try:
        return training.steps(count)
    except (Exception, SystemExit):  # anything: it is a person's model
        if all(bool(p.isfinite().all()) for p in training.model.parameters()):
            raise
        return [math.nan]


def train_together(
    problem: Problem, trials: Trials, gradient: Gradient, alone: Alone, budget: Budget
) -> Generator[None, None, list[TrialResult] | None]:
    """Train all rates, many at a time.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, ``None`` where that is not what becomes of it alone.
    """
    count = len(trials.lrs)
    size = batch_size(problem, trials)
    chunks = [range(first, min(first + size, count)) for first in range(0, count, size)]
    # The one that can be checked comes first.
    chunks.sort(key=lambda chunk: alone.at not in chunk)
    fates: dict[int, TrialResult] = {}
    for chunk in chunks:
        at = alone.at - chunk[0] if alone.at in chunk else None
        told = yield from train_chunk(problem, trials.some(chunk), gradient, alone, at, budget)
        if told is None:
            return None
        fates.update(zip(chunk, told, strict=True))
    return [fates[i] for i in range(count)]


def train_chunk(
    problem: Problem,
    trials: Trials,
    gradient: Gradient,
    alone: Alone,
    at: int | None,
    budget: Budget,
) -> Generator[None, None, list[TrialResult] | None]:
    """Train some rates, all in one batch.

    The gradient of the sum of the losses with respect to the weights of one rate is the gradient
    of that rate's own loss, so each takes the steps that it would take alone.

    Args:
        problem: what is trained.
        trials: the rates.
        gradient: how losses and gradients are computed.
        alone: the first steps of a rate, trained alone.
        at: which of the rates that is, ``None`` for none of these.
        budget: of the work; when it is spent, the rates have taken fewer steps.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, ``None`` where that is not what becomes of it alone.
    """
    # In this order, which is that of a run alone, all of it draws the same random numbers.
    model = problem.model()
    objective = Objective(model, problem.loss)
    batches = problem.batches()
    steps, count = trials.steps, len(trials.lrs)
    weights, update = stacked_weights(objective, trials)
    buffers = stacked_buffers(objective, count)
    moving = trials.factors() or repeat(1.0)
    target = target_of(problem)
    recent: list[Tensor] = []
    since = torch.full((count,), -1)

    for step in range(steps + 1):
        begun = perf_counter()
        batch = next(batches)

        def each(weights: Stack, buffers: Stack, batch: Batch = batch) -> Tensor:
            loss: Tensor = functional_call(objective, (weights, buffers), (batch,))
            return loss.reshape(())

        losses, parts = gradient(each, weights, buffers)
        recent.append(losses)
        if at is not None and step == len(alone.losses) - 1:
            mine = torch.stack(recent)[:, at]
            if not alike(mine, alone.losses):
                return None
        is_last = step == steps or budget.left <= 0
        if len(recent) == STEPS_PER_READ or is_last:
            block = torch.stack(recent).cpu()
            note_settled(since, block <= target, step - len(recent) + 1)
            recent.clear()
            if is_last:
                break
            if not block[-1].isfinite().any():
                step = steps  # they stay so
                break
        update(joined(parts, weights), next(moving))
        budget.left -= perf_counter() - begun
        yield
    if at is not None and step < len(alone.losses) - 1:
        return None  # not held against a run alone
    return [
        TrialResult(loss, k if k >= 0 else None, step)
        for loss, k in zip(block[-1].tolist(), since.tolist(), strict=True)
    ]


def alike(losses: Tensor, alone: Sequence[float]) -> bool:
    """Return whether a rate that was trained with others came to the losses of a run alone.

    Args:
        losses: of the rate, shape [k], in the precision that they were computed in.
        alone: the k losses of the run alone.
    """
    expected = torch.tensor(alone, dtype=torch.float64)
    moved = (expected - expected[0]).abs().cummax(dim=0).values
    rounding = ROUNDING_ERRORS * torch.finfo(losses.dtype).eps * expected.abs().cummax(dim=0).values
    differences = (losses.cpu().double() - expected).abs()
    return bool((differences <= SAME_LOSS * moved + rounding).all())
