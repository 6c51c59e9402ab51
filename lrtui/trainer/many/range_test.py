"""What the usual learning rate range tests would suggest for a problem.

Each is one mock training whose rate grows exponentially, on weights that carry over from rate to
rate (Smith, "Cyclical Learning Rates for Training Neural Networks", 2015). Run lengths, smoothing
and rules are those of fastai 2 (``Learner.lr_find``, ``fastai/callback/schedule.py``), Lightning
2.6 (``lightning/pytorch/tuner/lr_finder.py``) and torch-lr-finder 0.2 (``range_test`` and
``plot``), with their defaults and their oddities, written from scratch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lrtui.messages import Optimizer
from lrtui.problems.problem import Problem
from lrtui.trainer.rng import IsolatedRng
from lrtui.trainer.training import Training

STEPS = 100
"""Steps of the mock training, in all three."""

SMOOTHING = 0.98
"""Weight of what came before in the running average of fastai and Lightning."""

SMOOTHED = 0.95
"""The same in that of torch-lr-finder."""

SKIPPED_RATES = 10
"""Rates at the beginning that none of them suggests."""

Curve = npt.NDArray[np.float64]
"""Rates, or losses, one for each step taken."""


def range_test(problem: Problem, optimizer: Optimizer) -> dict[str, float | None]:
    """Return the rate that each test suggests, by its name; ``None`` if it has none to suggest.

    What is random in a training going on meanwhile stays as it is.

    Args:
        problem: what is trained, from its initial weights in each test.
        optimizer: of the runs.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    with IsolatedRng(problem.device):
        return {
            **fastai(problem, optimizer),
            "Lightning": lightning(problem, optimizer),
            "torch-lr-finder": torch_lr_finder(problem, optimizer),
        }


def fastai(problem: Problem, optimizer: Optimizer) -> dict[str, float | None]:
    """Return the four suggestions of fastai; its default is the valley."""
    lrs = [1e-7 * 1e8 ** (i / STEPS) for i in range(STEPS)]
    losses: list[float] = []
    average = 0.0
    best = math.inf
    for i, loss in enumerate(mock_training(problem, optimizer, lrs)):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        losses.append(average / (1 - SMOOTHING ** (i + 1)))
        best = min(best, losses[-1])
        if losses[-1] > 4 * best:
            break
    curve = np.array(losses[SKIPPED_RATES:-5])
    rates = np.array(lrs[: len(losses)][SKIPPED_RATES:-5])
    known = np.isnan(curve).argmax() if np.isnan(curve).any() else len(curve)
    rules = {"valley": valley, "slide": slide, "minimum/10": tenth_of_minimum, "steep": steep}
    return {
        f"fastai {name}": suggested(rule, rates[:known], curve[:known])
        for name, rule in rules.items()
    }


def suggested(rule: Callable[[Curve, Curve], float], lrs: Curve, losses: Curve) -> float | None:
    """Return what a rule suggests, ``None`` where the losses are too few for it."""
    try:
        return float(rule(lrs, losses))
    except (IndexError, ValueError):
        return None


def valley(lrs: Curve, losses: Curve) -> float:
    """Return the rate in the middle of the longest fall, which may be interrupted by rises.

    The fall is the longest decreasing subsequence; it is taken to be as many steps long as it has
    members.
    """
    lengths = np.ones(len(losses), dtype=int)
    for i in range(1, len(losses)):
        higher = lengths[:i][losses[:i] > losses[i]]
        lengths[i] += higher.max(initial=0)
    end = int(lengths.argmax())
    length = int(lengths[end]) if lengths[end] > 1 else 0
    return float(lrs[end - length + int(length / 3) + int(length / 6)])


def slide(lrs: Curve, losses: Curve) -> float:
    """Return the rate 15 steps before where, from the end, the slopes 15 steps apart agree."""
    apart, threshold = 15, 0.005
    slopes = np.gradient(losses)
    right, left = -1, -1 - apart
    rate = lrs[left]
    while left >= -len(losses) and abs(slopes[right] - slopes[left]) > threshold:
        rate = lrs[left]
        right, left = right - 1, left - 1
    return float(rate)


def tenth_of_minimum(lrs: Curve, losses: Curve) -> float:
    """Return a tenth of the rate at which the loss was least."""
    return float(lrs[losses.argmin()] / 10)


def steep(lrs: Curve, losses: Curve) -> float:
    """Return the rate at which the loss falls most steeply over the logarithm of the rate."""
    return float(lrs[(np.diff(losses) / np.diff(np.log(lrs))).argmin()])


def lightning(problem: Problem, optimizer: Optimizer) -> float | None:
    """Return the rate of Lightning: where the loss falls most steeply over the rate itself.

    The bias of its average is corrected for one step too many, as Lightning does it.
    """
    smallest, growth = 1e-8, 1e8
    lrs = [smallest] + [smallest * growth ** (i / STEPS) for i in range(2, STEPS + 1)]
    losses: list[float] = []
    average = best = 0.0
    for i, loss in enumerate(mock_training(problem, optimizer, lrs)):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        losses.append(average / (1 - SMOOTHING ** (i + 2)))
        if i > 0 and losses[-1] > 4 * best:
            break
        if i == 0 or losses[-1] < best:
            best = losses[-1]
    curve = np.array(losses[SKIPPED_RATES:-1])
    rates = np.array(lrs[: len(losses)][SKIPPED_RATES:-1])
    finite = np.isfinite(curve)
    if finite.sum() < 2:
        return None
    slopes = np.gradient(curve[finite], rates[finite])
    return float(rates[finite][slopes.argmin()])


def torch_lr_finder(problem: Problem, optimizer: Optimizer) -> float | None:
    """Return the rate of torch-lr-finder: where the loss falls most from step to step."""
    lrs = [1e-7 * 1e8 ** (i / (STEPS - 1)) for i in range(STEPS)]
    losses: list[float] = []
    for loss in mock_training(problem, optimizer, lrs):
        losses.append(loss if not losses else SMOOTHED * losses[-1] + (1 - SMOOTHED) * loss)
        if losses[-1] > 5 * min(losses):
            break
    curve = np.array(losses[SKIPPED_RATES:-5])
    return float(lrs[SKIPPED_RATES + int(np.gradient(curve).argmin())]) if len(curve) > 1 else None


def mock_training(problem: Problem, optimizer: Optimizer, lrs: Sequence[float]) -> Iterator[float]:
    """Train at a rate of its own in each step.

    Args:
        problem: what is trained.
        optimizer: of the runs.
        lrs: rate of each step.

    Yields:
        The loss before each step, which is taken once the next loss is asked for.
    """
    training = Training(problem, lrs[0], optimizer)
    for lr in lrs:
        yield training.loss
        training.lr = lr
        training.step()
