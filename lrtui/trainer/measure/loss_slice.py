"""The loss along the step that the optimizer takes: what each rate would have done.

f(t) = loss(w + t·u) with u = (weights after − weights before) / rate of the real step, whichever
optimizer took it; t is a learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from lrtui.messages import Slice
from lrtui.problems.line import LineTraining
from lrtui.problems.problem import Objective, Problem
from lrtui.trainer.many.stacked import Stack
from lrtui.trainer.many.together import SAME_LOSS
from lrtui.trainer.many.trials import is_told
from lrtui.trainer.rng import IsolatedRng
from lrtui.trainer.training import Training

POINTS = 25
"""Rates at which the loss is told."""

RATE_SPAN = 100.0
"""The largest of them is as many times the rate of the step; the smallest is the same below it."""

MAX_WEIGHTS_TOGETHER = 100_000
"""Weights of a model that is evaluated at all rates together, at most: it is copied for each."""

ROUNDING_ERRORS = 16
"""Rounding errors of a loss that no difference counts below."""

At = Callable[[Tensor, Stack], Tensor]
"""Returns the loss at a rate, from buffers of its own."""


class Slicer:
    """Takes steps of runs of a problem, and tells the loss along them."""

    def __init__(self, problem: Problem) -> None:
        """Start without knowing whether the rates can be evaluated together.

        Args:
            problem: whose loss is told.
        """
        self._problem = problem
        self._works_together: bool | None = None

    def step(
        self, training: Training | LineTraining, run: int, step: int
    ) -> tuple[float, Slice | None]:
        """Take the next step of a run, and evaluate the loss along it on the step's own batch.

        What is random is drawn once for all rates, so that they differ in nothing else.

        Args:
            training: the run.
            run: its number.
            step: steps that it has taken.

        Returns:
            The loss after the step, as the run itself returns it; and the loss along the step,
            ``None`` where it is lost in rounding errors.
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
        return after, told(run, step, lr, first, lrs, losses, noise)

    def _evaluate(self, at: At, ts: Tensor, buffers: Stack) -> Tensor:
        """Return the loss at each of some rates: together, where that is known to work."""
        device = self._problem.device
        if self._works_together:
            return evaluate_together(at, ts, buffers, device)
        losses = evaluate_one_by_one(at, ts, buffers, device)
        if self._works_together is None:
            try:
                same = evaluate_together(at, ts, buffers, device)
            except Exception:  # anything: a model sees tensors that it was not made for
                self._works_together = False
            else:
                self._works_together = (
                    self._problem.facts.weights <= MAX_WEIGHTS_TOGETHER
                    and torch.allclose(same, losses, rtol=SAME_LOSS, equal_nan=True)
                )
        return losses


def evaluate_together(at: At, ts: Tensor, buffers: Stack, device: str) -> Tensor:
    """Return the loss at each of k rates from one pass, shape [k].

    Args:
        at: the loss at a rate, from buffers of its own.
        ts: the rates, shape [k].
        buffers: what a model keeps besides its weights.
        device: where they are.
    """
    copies = {name: b.expand(len(ts), *b.shape).clone() for name, b in buffers.items()}
    with IsolatedRng(device):
        losses: Tensor = vmap(at, randomness="same")(ts, copies)
    return losses


def evaluate_one_by_one(at: At, ts: Tensor, buffers: Stack, device: str) -> Tensor:
    """Return the loss at each of k rates; see ``evaluate_together``."""
    losses = []
    for t in ts:
        with IsolatedRng(device):
            losses.append(at(t, {name: b.clone() for name, b in buffers.items()}))
    return torch.stack(losses)


def told(
    run: int,
    step: int,
    lr: float,
    before: float,
    lrs: list[float],
    losses: list[float],
    noise: float,
) -> Slice | None:
    """Return the loss along a step as a message.

    Args:
        run: number of the run.
        step: steps taken before it.
        lr: learning rate that it was taken with.
        before: loss before it.
        lrs: learning rates, ascending, the middle one ``lr``.
        losses: the loss at each.
        noise: difference of two losses that rounding alone can make.

    Returns:
        The message; ``None`` where the step itself changes the loss by no more than the noise, and
        no other rate lowers it by more.
    """
    if not is_told(before):
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
        losses=[loss if is_told(loss) else None for loss in losses],
        downhill=beyond < 0,
    )
