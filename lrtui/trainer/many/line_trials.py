"""The line at many rates in one batch: quicker than what serves for any model."""

from __future__ import annotations

from collections.abc import Generator
from itertools import repeat

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from lrtui.problems.line import INITIAL_WEIGHTS, LineFit
from lrtui.trainer.many.stacked import note_settled, stacked_update
from lrtui.trainer.many.trials import TrialResult, Trials, target_of

STEPS_PER_BLOCK = 128
"""Steps whose losses are compared with the target together."""


def train_line(problem: LineFit, trials: Trials) -> Generator[None, None, list[TrialResult]]:
    """Train all rates.

    The gradient of the sum of the losses with respect to one row of weights is the gradient of
    that row's own loss, so each row takes exactly the steps that a run alone would take. Sums of
    squares become means where there is one of them for each rate, not one for each point.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate.
    """
    rates, points, steps = len(trials.lrs), len(problem.y), trials.steps
    a = torch.tensor(INITIAL_WEIGHTS).repeat(rates, 1).requires_grad_()
    columns, y = problem.x.T.contiguous(), problem.y.expand(rates, points)
    update = stacked_update(trials, a.detach(), lambda each: torch.tensor(each)[:, None])
    moving = trials.factors() or repeat(1.0)
    target = target_of(problem)
    since = torch.full((rates,), -1)
    recent: list[Tensor] = []

    for step in range(steps + 1):
        sums = mse_loss(a @ columns, y, reduction="none").sum(dim=1)
        recent.append(sums.detach() / points)
        if len(recent) == STEPS_PER_BLOCK or step == steps:
            block = torch.stack(recent)
            note_settled(since, block <= target, step - len(recent) + 1)
            recent.clear()
        if step < steps:
            # Not backward(ones): given a gradient, torch first imports sympy (0.3 s).
            sums.sum().backward()  # type: ignore[no-untyped-call]
            assert a.grad is not None
            update(a.grad / points, next(moving))
            a.grad = None
        yield
    return [
        TrialResult(loss, k if k >= 0 else None, steps)
        for loss, k in zip(block[-1].double().tolist(), since.tolist(), strict=True)
    ]
