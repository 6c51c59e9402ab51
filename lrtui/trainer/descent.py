"""Gradient descent, as one would write it in a notebook."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Returns the mean squared error, a scalar."""
    return ((prediction - target) ** 2).mean()


def update(x: Tensor, y: Tensor, a: nn.Parameter, loss: Tensor, lr: float) -> Tensor:
    """Takes one step down the gradient of ``loss`` and measures the loss where it lands.

    Args:
        x: design matrix, shape [n, d].
        y: target, shape [n].
        a: weights, shape [d], changed in place.
        loss: the loss at these weights, with its graph.
        lr: learning rate.

    Returns:
        The loss at the new weights, with its graph.
    """
    loss.backward()  # type: ignore[no-untyped-call]
    assert a.grad is not None
    with torch.no_grad():
        a.sub_(lr * a.grad)
        a.grad.zero_()
    return mse(x @ a, y)
