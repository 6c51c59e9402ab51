"""Trains many rates of any model in one batch, and checks one of them against a run alone.

The rates are trained by ``torch.func``: a stacked copy of the weights for each, and one pass for
all. The results only count if one of the rates has the same losses as a run alone.
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
    flatten,
    stacked_buffers,
    stacked_weights,
    update_settled,
)
from lrtui.trainer.many.trials import Budget, TrialResult, Trials, target_of
from lrtui.trainer.training import Training

RATES_PER_CHUNK = 32
"""Rates of a network trained together: fastest for perceptrons; small convolutions would be a fifth
faster with half as many."""

MAX_WEIGHTS_FOR_ALL_RATES = 100
"""Most weights of a model whose rates are all trained together."""

CHECKED_STEPS = 30
"""Steps of one rate that are compared with those of a run alone."""

SAME_LOSS = 1e-3
"""Largest difference of two equal losses, as a share of the change of the loss so far."""

ROUNDING_ERRORS = 100
"""Rounding errors by which two equal losses may differ in addition."""

MIN_CHANGE = 0.01
"""Share of the first loss by which a rate must change it for a meaningful comparison."""

STEPS_PER_READ = 128
"""Steps whose losses are read from the device together; must exceed ``CHECKED_STEPS``."""


@dataclass(frozen=True)
class Alone:
    """The first steps of one rate, trained alone for comparison.

    Attributes:
        at: index of the rate.
        losses: from the start on.
        seconds: of the fastest step.
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
    """Take the first steps of a rate at which the loss falls noticeably, alone.

    It has the momentum of the first. If the loss rose, rounding errors might grow as well, and make
    a comparison meaningless.

    Yields:
        ``None`` after each step.

    Returns:
        The steps up to the first with more than twice the first loss.
    """
    steps, optimizers = trials.steps, trials.optimizers
    losses_match = [i for i, optimizer in enumerate(optimizers) if optimizer == optimizers[0]]
    ordered = sorted(losses_match, key=lambda i: trials.lrs[i])
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
                with budget.charge():
                    (loss,) = steps_of(training, 1)
            except (Exception, SystemExit):  # reported when the rates are trained one by one
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
            if losses[0] - losses[-1] >= MIN_CHANGE * abs(losses[0]):
                break
            low = middle + 1
    assert best is not None
    return best


def steps_of(training: Training, count: int) -> list[float]:
    """Take steps and return the loss after each, NaN if the model raises at non-finite weights.

    An error at finite weights is no divergence, and is raised.
    """
    try:
        return training.steps(count)
    except (Exception, SystemExit):  # a person's model may raise anything
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
        The results, ``None`` if they differ from those of a run alone.
    """
    count = len(trials.lrs)
    size = batch_size(problem, trials)
    chunks = [range(first, min(first + size, count)) for first in range(0, count, size)]
    # The chunk that can be checked comes first.
    chunks.sort(key=lambda chunk: alone.at not in chunk)
    results: dict[int, TrialResult] = {}
    for chunk in chunks:
        at = alone.at - chunk[0] if alone.at in chunk else None
        trained = yield from train_chunk(problem, trials.subset(chunk), gradient, alone, at, budget)
        if trained is None:
            return None
        results.update(zip(chunk, trained, strict=True))
    return [results[i] for i in range(count)]


def train_chunk(
    problem: Problem,
    trials: Trials,
    gradient: Gradient,
    alone: Alone,
    at: int | None,
    budget: Budget,
) -> Generator[None, None, list[TrialResult] | None]:
    """Train some rates in one batch; see ``train_together``.

    The gradient of the sum of the losses with respect to the weights of one rate is the gradient
    of that rate's own loss, so each takes the steps of a run alone.

    Args:
        problem: of the runs.
        trials: the rates.
        gradient: computes losses and gradients.
        alone: for comparison.
        at: index of its rate among these, ``None`` if it is not one of them.
        budget: of the work; when it is spent, the rates stop early.
    """
    # In the order of a run alone, to draw the same random numbers.
    model = problem.model()
    objective = Objective(model, problem.loss)
    batches = problem.batches()
    steps, count = trials.steps, len(trials.lrs)
    weights, update = stacked_weights(objective, trials)
    buffers = stacked_buffers(objective, count)
    rate_factors = trials.factors() or repeat(1.0)
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
            if not losses_match(mine, alone.losses):
                return None
        is_last = step == steps or budget.left <= 0
        if len(recent) == STEPS_PER_READ or is_last:
            block = torch.stack(recent).cpu()
            update_settled(since, block <= target, step - len(recent) + 1)
            recent.clear()
            if is_last:
                break
            if not block[-1].isfinite().any():
                step = steps  # they remain non-finite
                break
        update(flatten(parts, weights.values()), next(rate_factors))
        budget.left -= perf_counter() - begun
        yield
    if at is not None and step < len(alone.losses) - 1:
        return None  # time was up before the comparison
    return [
        TrialResult(loss, k if k >= 0 else None, step)
        for loss, k in zip(block[-1].tolist(), since.tolist(), strict=True)
    ]


def losses_match(losses: Tensor, alone: Sequence[float]) -> bool:
    """Return whether a rate trained with others has the losses of a run alone.

    Args:
        losses: of the rate, shape [k], in the precision of their computation.
        alone: the k losses of the run alone.
    """
    expected = torch.tensor(alone, dtype=torch.float64)
    moved = (expected - expected[0]).abs().cummax(dim=0).values
    rounding = ROUNDING_ERRORS * torch.finfo(losses.dtype).eps * expected.abs().cummax(dim=0).values
    differences = (losses.cpu().double() - expected).abs()
    return bool((differences <= SAME_LOSS * moved + rounding).all())
