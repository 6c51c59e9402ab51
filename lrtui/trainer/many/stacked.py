"""Steps of many runs at once, on stacked copies of a model's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from lrtui.problems.problem import Objective
from lrtui.trainer.many.trials import Trials

ADAM_EPSILON = 1e-8
"""Torch's default epsilon of Adam."""

Stack = dict[str, Tensor]
"""Tensors of a model by name, stacked for r rates: shapes [r, ...]."""

Each = Callable[[Stack, Stack], Tensor]
"""Returns the loss of one rate from its weights and buffers."""

Gradient = Callable[[Each, Stack, Stack], tuple[Tensor, Sequence[Tensor | None]]]
"""Returns the loss of each rate, shape [r], and its gradient with respect to its weights."""

Update = Callable[[Tensor, float], None]
"""Takes a step along a gradient at the rates times a schedule's factor."""


def update_settled(since: Tensor, under: Tensor, first: int) -> None:
    """Update the step since which each rate has been under the target.

    Args:
        since: that step, -1 if the rate is above it; changed in place. Shape [r].
        under: whether it was under it at each step, shape [steps, r].
        first: step of the first row.
    """
    # The last row above the target, -1 without any.
    rows = torch.arange(len(under), dtype=torch.int32)[:, None]
    last = torch.where(under, -1, rows).amax(dim=0)
    begun = torch.where(last == len(under) - 1, -1, first + last + 1)
    since[:] = torch.where((last < 0) & (since >= 0), since, begun)


def stacked_weights(objective: Objective, trials: Trials) -> tuple[Stack, Update]:
    """Return a copy of the trainable weights for each rate, and a function that updates them all.

    The copies are views of one vector, so that an update takes few operations.

    Raises:
        TypeError: the weights differ in type or device.
    """
    named = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    if len({(p.dtype, p.device) for p in named.values()}) > 1:
        raise TypeError("weights of different types")
    copies = [p.detach().expand(len(trials.lrs), *p.shape) for p in named.values()]
    flat = torch.cat([copy.reshape(-1) for copy in copies])

    def each(numbers: list[float]) -> Tensor:
        column = torch.tensor(numbers, dtype=flat.dtype, device=flat.device)
        return torch.cat([column.repeat_interleave(p.numel()) for p in named.values()])

    views = torch.split(flat.detach(), [copy.numel() for copy in copies])
    return (
        {name: v.view(c.shape) for name, v, c in zip(named, views, copies, strict=True)},
        stacked_update(trials, flat, each),
    )


def stacked_buffers(objective: Objective, count: int) -> Stack:
    """Return copies of a model's buffers, such as running averages."""
    return {
        name: b.detach().expand(count, *b.shape).clone() for name, b in objective.named_buffers()
    }


def flatten(parts: Sequence[Tensor | None], weights: Iterable[Tensor]) -> Tensor:
    """Return a gradient as one vector, zero for weights that the loss does not depend on."""
    return torch.cat(
        [
            (torch.zeros_like(w) if part is None else part).detach().reshape(-1)
            for part, w in zip(parts, weights, strict=True)
        ]
    )


def gradient_of_sum(
    each: Each, weights: Stack, buffers: Stack
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return losses and gradients from one backward pass of the sum of the losses."""
    # Detached views: leaves of a new graph at each step.
    leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
    losses: Tensor = vmap(each, randomness="same")(leaves, buffers)
    parts = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
    return losses.detach(), parts


def gradient_of_each(
    each: Each, weights: Stack, buffers: Stack
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return losses and gradients from a batched backward pass: slower, for recurrent layers."""
    parts, losses = vmap(grad_and_value(each), randomness="same")(weights, buffers)
    return losses, list(parts.values())


def stacked_update(
    trials: Trials, weights: Tensor, each: Callable[[list[float]], Tensor]
) -> Update:
    """Return an elementwise step of torch's optimizers.

    Sources: the formulas in the documentation of torch.optim.SGD, Adam and AdamW.

    Args:
        trials: rates and optimizers; ``own`` is SGD, as in a run.
        weights: changed in place.
        each: turns one number for each rate into a tensor that broadcasts to the weights.
    """
    optimizer, lr = trials.optimizers[0], each(trials.lrs)
    decay, momentum = optimizer.weight_decay, optimizer.momentum
    momenta: Tensor | float = momentum
    if any(by.momentum != momentum for by in trials.optimizers):
        momenta = each([by.momentum for by in trials.optimizers])
    first_beta, second_beta = optimizer.betas
    mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
    k = 0

    def sgd(gradient: Tensor, factor: float) -> None:
        if decay:
            gradient = gradient.add(weights, alpha=decay)
        if isinstance(momenta, Tensor) or momenta:
            mean.mul_(momenta).add_(gradient)
            nesterov = optimizer.name == "nesterov"
            gradient = gradient + momenta * mean if nesterov else mean
        weights.addcmul_(lr, gradient, value=-factor)

    def adam(gradient: Tensor, factor: float) -> None:
        nonlocal k
        k += 1
        if optimizer.name == "adamw":
            weights.mul_(1 - factor * decay * lr)
        elif decay:
            gradient = gradient.add(weights, alpha=decay)
        mean.lerp_(gradient, 1 - first_beta)
        square.mul_(second_beta).addcmul_(gradient, gradient, value=1 - second_beta)
        root = square.sqrt().div_(math.sqrt(1 - second_beta**k)).add_(ADAM_EPSILON)
        weights.addcmul_(lr, mean / root, value=-factor / (1 - first_beta**k))

    return adam if optimizer.is_adaptive else sgd
