"""Trains the line at many rates in one batch, faster than the general way."""

from __future__ import annotations

from collections.abc import Generator
from itertools import repeat

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from lrtui.problems.line import INITIAL_WEIGHTS, LineFit
from lrtui.trainer.many.stacked import stacked_update, update_settled
from lrtui.trainer.many.trials import TrialResult, Trials, target_of

STEPS_PER_BLOCK = 128
"""Steps whose losses are compared with the target at a time."""


def train_line(problem: LineFit, trials: Trials) -> Generator[None, None, list[TrialResult]]:
    """Train all rates.

    The gradient of the sum of the losses with respect to one row of weights is the gradient of
    that row's own loss, so each row takes exactly the steps of a run alone. Dividing by the number
    of points last saves work: once per rate, not per point.

    Yields:
        ``None`` after each step.
    """
    rates, points, steps = len(trials.lrs), len(problem.y), trials.steps
    a = torch.tensor(INITIAL_WEIGHTS).repeat(rates, 1).requires_grad_()
    columns, y = problem.x.T.contiguous(), problem.y.expand(rates, points)
    update = stacked_update(trials, a.detach(), lambda each: torch.tensor(each)[:, None])
    rate_factors = trials.factors() or repeat(1.0)
    target = target_of(problem)
    since = torch.full((rates,), -1)
    recent: list[Tensor] = []

    for step in range(steps + 1):
        sums = mse_loss(a @ columns, y, reduction="none").sum(dim=1)
        recent.append(sums.detach() / points)
        if len(recent) == STEPS_PER_BLOCK or step == steps:
            block = torch.stack(recent)
            update_settled(since, block <= target, step - len(recent) + 1)
            recent.clear()
        if step < steps:
            # Not backward(ones): with an explicit gradient, torch first imports sympy (0.3 s).
            sums.sum().backward()  # type: ignore[no-untyped-call]
            assert a.grad is not None
            update(a.grad / points, next(rate_factors))
            a.grad = None
        yield
    return [
        TrialResult(loss, k if k >= 0 else None, steps)
        for loss, k in zip(block[-1].double().tolist(), since.tolist(), strict=True)
    ]
