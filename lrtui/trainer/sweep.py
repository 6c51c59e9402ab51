"""What every rate would do: many runs from the same start, trained in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lrtui.messages import Swept
from lrtui.problems.line import FIRST_WEIGHTS

TOGETHER = 256
"""Steps whose losses are looked at together."""


def sweep(
    x: Tensor, y: Tensor, rates: Sequence[float], steps: int, target: float
) -> Iterator[Swept | None]:
    """Trains one run a rate, all in one batch.

    The gradient of the sum of the losses with respect to one row of weights is the gradient of
    that row's own loss, so each row takes the steps that a run by itself would take.

    Args:
        x: design matrix, shape [n, d].
        y: target, shape [n].
        rates: k learning rates.
        steps: steps each.
        target: the loss at which a run counts as settled.

    Yields:
        ``None`` after each step, so that it can be done in the gaps of other work; then the result.
    """
    lr = torch.tensor(rates)[:, None]
    a = nn.Parameter(torch.tensor(FIRST_WEIGHTS).repeat(len(rates), 1))
    transposed = x.T.contiguous()
    settled_at = torch.full((len(rates),), -1)
    recent: list[Tensor] = []  # losses not yet looked at, for that is quicker in one go

    for step in range(steps + 1):
        losses = ((a @ transposed - y) ** 2).mean(dim=1)
        recent.append(losses.detach())
        if len(recent) == TOGETHER or step == steps:
            note_settled(settled_at, torch.stack(recent) <= target, step - len(recent) + 1)
            last = recent.pop()
            recent.clear()
        if step < steps:
            # Not backward(ones): given a gradient, torch imports sympy first, a third of a second.
            losses.sum().backward()  # type: ignore[no-untyped-call]
            assert a.grad is not None
            with torch.no_grad():
                a.sub_(lr * a.grad)
                a.grad.zero_()
            yield None
    yield Swept(
        rates=list(rates),
        steps=steps,
        losses=last.double().tolist(),
        settled_at=[k if k >= 0 else None for k in settled_at.tolist()],
    )


def note_settled(settled_at: Tensor, near: Tensor, first: int) -> None:
    """Writes down which runs have settled, and when.

    Args:
        settled_at: the step for each run, -1 where it has not; changed in place. Shape [k].
        near: whether the loss is under the target, shape [steps, k].
        first: the step of the first row.
    """
    new = (settled_at < 0) & near.any(dim=0)
    settled_at[new] = first + near.int().argmax(dim=0)[new]
