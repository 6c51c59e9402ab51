"""Suggestions of the usual learning rate range tests.

Each trains once at an exponentially growing rate (Smith, "Cyclical Learning Rates for Training
Neural Networks", 2015). Run lengths, smoothing and rules are those of fastai 2
(``Learner.lr_find``, ``fastai/callback/schedule.py``), Lightning 2.6
(``lightning/pytorch/tuner/lr_finder.py``) and torch-lr-finder 0.2 (``range_test`` and ``plot``),
with their defaults and oddities, written from scratch.
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
"""Weight of the past in the running averages of fastai and Lightning."""

FINDER_SMOOTHING = 0.95
"""The same in torch-lr-finder."""

SKIPPED_RATES = 10
"""First rates, which none of them suggests."""

Curve = npt.NDArray[np.float64]
"""Rates or losses, one for each step."""


def range_test(problem: Problem, optimizer: Optimizer) -> dict[str, float | None]:
    """Return the rate that each test suggests, by its name; ``None`` for no suggestion.

    Random states of a training in progress are not touched.

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
    """Return a rule's suggestion, ``None`` if it needs more losses."""
    try:
        return float(rule(lrs, losses))
    except (IndexError, ValueError):
        return None


def valley(lrs: Curve, losses: Curve) -> float:
    """Return the rate in the middle of the longest decreasing subsequence.

    As in fastai, it is assumed to span as many steps as it has members.
    """
    lengths = np.ones(len(losses), dtype=int)
    for i in range(1, len(losses)):
        higher = lengths[:i][losses[:i] > losses[i]]
        lengths[i] += higher.max(initial=0)
    end = int(lengths.argmax())
    length = int(lengths[end]) if lengths[end] > 1 else 0
    return float(lrs[end - length + int(length / 3) + int(length / 6)])


def slide(lrs: Curve, losses: Curve) -> float:
    """Return the rate 15 steps before the last place where slopes 15 steps apart agree."""
    apart, threshold = 15, 0.005
    slopes = np.gradient(losses)
    right, left = -1, -1 - apart
    rate = lrs[left]
    while left >= -len(losses) and abs(slopes[right] - slopes[left]) > threshold:
        rate = lrs[left]
        right, left = right - 1, left - 1
    return float(rate)


def tenth_of_minimum(lrs: Curve, losses: Curve) -> float:
    """Return a tenth of the rate with the lowest loss."""
    return float(lrs[losses.argmin()] / 10)


def steep(lrs: Curve, losses: Curve) -> float:
    """Return the rate of the steepest fall over the logarithm of the rate."""
    return float(lrs[(np.diff(losses) / np.diff(np.log(lrs))).argmin()])


def lightning(problem: Problem, optimizer: Optimizer) -> float | None:
    """Return Lightning's suggestion: the rate of the steepest fall over the rate itself.

    Like Lightning, it corrects the bias of the average for one step too many.
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
    """Return torch-lr-finder's suggestion: the rate of the steepest fall per step."""
    lrs = [1e-7 * 1e8 ** (i / (STEPS - 1)) for i in range(STEPS)]
    losses: list[float] = []
    for loss in mock_training(problem, optimizer, lrs):
        losses.append(
            loss if not losses else FINDER_SMOOTHING * losses[-1] + (1 - FINDER_SMOOTHING) * loss
        )
        if losses[-1] > 5 * min(losses):
            break
    curve = np.array(losses[SKIPPED_RATES:-5])
    return float(lrs[SKIPPED_RATES + int(np.gradient(curve).argmin())]) if len(curve) > 1 else None


def mock_training(problem: Problem, optimizer: Optimizer, lrs: Sequence[float]) -> Iterator[float]:
    """Train one step at each rate, and yield the loss before it."""
    training = Training(problem, lrs[0], optimizer)
    for lr in lrs:
        yield training.loss
        training.lr = lr
        training.step()
