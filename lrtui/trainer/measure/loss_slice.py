"""Measures the loss along an optimizer's step: what other rates would have done.

f(t) = loss(w + t·u) with u = (weights after − weights before) / rate of the real step, for any
optimizer; t is a learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from lrtui.messages import Slice
from lrtui.messages.quantities import finite_or_none
from lrtui.problems.line import LineTraining
from lrtui.problems.problem import Objective, Problem
from lrtui.trainer.many.stacked import Stack
from lrtui.trainer.many.together import SAME_LOSS
from lrtui.trainer.rng import IsolatedRng
from lrtui.trainer.training import Training

POINTS = 25
"""Number of rates."""

RATE_SPAN = 100.0
"""Ratio of the largest to the rate of the step, and of that to the smallest."""

MAX_WEIGHTS_TOGETHER = 100_000
"""Most weights of a model that is copied to evaluate all rates together."""

ROUNDING_ERRORS = 16
"""Rounding errors of a loss below which a difference does not count."""

At = Callable[[Tensor, Stack], Tensor]
"""Returns the loss at a rate, given its own buffers."""


class Slicer:
    """Takes steps of a problem's runs, and measures the loss along them."""

    def __init__(self, problem: Problem) -> None:
        """Start without knowing whether rates can be evaluated together."""
        self._problem = problem
        self._works_together: bool | None = None

    def step(
        self, training: Training | LineTraining, run: int, step: int
    ) -> tuple[float, Slice | None]:
        """Take the next step of a run, and evaluate the loss along it on the step's own batch.

        All rates use the same random numbers, so that nothing else differs.

        Returns:
            The run's own loss after the step; and the loss along the step, ``None`` if lost in
            rounding errors.
        """
        objective = Objective(training.model, self._problem.loss)
        named = {name: p for name, p in objective.named_parameters() if p.requires_grad}
        before = {name: p.detach().clone() for name, p in named.items()}
        buffers = {name: b.detach().clone() for name, b in objective.named_buffers()}
        batch, lr = training.batch, training.lr * training.factor
        after = training.step()
        direction = {name: (p.detach() - before[name]) / lr for name, p in named.items()}
        lrs = [lr * RATE_SPAN ** (2 * i / (POINTS - 1) - 1) for i in range(POINTS)]
        some = next(iter(before.values()))
        ts = torch.tensor([0.0, *lrs], dtype=some.dtype, device=some.device)

        def at(t: Tensor, buffers: Stack) -> Tensor:
            weights = {name: w + t * direction[name] for name, w in before.items()}
            loss: Tensor = functional_call(objective, (weights, buffers), (batch,))
            return loss.reshape(())

        with torch.no_grad():
            first, *losses = self._evaluate(at, ts, buffers).tolist()
        noise = ROUNDING_ERRORS * torch.finfo(ts.dtype).eps * abs(first)
        return after, slice_message(run, step, lr, first, lrs, losses, noise)

    def _evaluate(self, at: At, ts: Tensor, buffers: Stack) -> Tensor:
        """Return the loss at some rates, evaluated together if that is known to work."""
        device = self._problem.device
        if self._works_together:
            return evaluate_together(at, ts, buffers, device)
        losses = evaluate_one_by_one(at, ts, buffers, device)
        if self._works_together is None:
            try:
                same = evaluate_together(at, ts, buffers, device)
            except Exception:  # a person's model sees tensors that it does not expect
                self._works_together = False
            else:
                self._works_together = (
                    self._problem.facts.weights <= MAX_WEIGHTS_TOGETHER
                    and torch.allclose(same, losses, rtol=SAME_LOSS, equal_nan=True)
                )
        return losses


def evaluate_together(at: At, ts: Tensor, buffers: Stack, device: str) -> Tensor:
    """Return the loss at k rates ``ts`` from one pass, shape [k]."""
    copies = {name: b.expand(len(ts), *b.shape).clone() for name, b in buffers.items()}
    with IsolatedRng(device):
        losses: Tensor = vmap(at, randomness="same")(ts, copies)
    return losses


def evaluate_one_by_one(at: At, ts: Tensor, buffers: Stack, device: str) -> Tensor:
    """Return the loss at k rates; see ``evaluate_together``."""
    losses = []
    for t in ts:
        with IsolatedRng(device):
            losses.append(at(t, {name: b.clone() for name, b in buffers.items()}))
    return torch.stack(losses)


def slice_message(
    run: int,
    step: int,
    lr: float,
    before: float,
    lrs: list[float],
    losses: list[float],
    noise: float,
) -> Slice | None:
    """Return the loss along a step as a message; for the other arguments see ``Slice``.

    ``None`` if neither the step changes the loss by more than ``noise``, the possible effect of
    rounding, nor any other rate lowers it by more.
    """
    if finite_or_none(before) is None:
        return None
    changes = [loss - before for loss in losses]
    own = changes[len(changes) // 2]
    if not min(filter(math.isfinite, changes), default=0.0) < -noise and abs(own) <= noise:
        return None
    beyond = next((change for change in changes if not abs(change) <= noise), own)
    return Slice(
        run=run,
        step=step,
        lr=lr,
        before=before,
        lrs=lrs,
        losses=[*map(finite_or_none, losses)],
        downhill=beyond < 0,
    )
