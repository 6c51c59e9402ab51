"""What every rate would do: many runs from the same start, trained in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lrtui.messages import Swept
from lrtui.trainer.problem import FIRST_WEIGHTS


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
    settled_at = torch.full((len(rates),), -1)

    def measure() -> Tensor:
        return ((a @ x.T - y) ** 2).mean(dim=1)

    losses = measure()
    for step in range(steps + 1):
        now = losses.detach()
        settled_at[(settled_at < 0) & (now <= target)] = step
        if step == steps:
            break
        losses.sum().backward()  # type: ignore[no-untyped-call]
        assert a.grad is not None
        with torch.no_grad():
            a.sub_(lr * a.grad)
            a.grad.zero_()
        losses = measure()
        yield None
    yield Swept(
        rates=list(rates),
        steps=steps,
        losses=now.double().tolist(),
        settled_at=[k if k >= 0 else None for k in settled_at.tolist()],
    )
