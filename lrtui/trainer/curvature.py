"""How curved the loss is: what limits the learning rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lrtui.messages import Curvature


def least_squares(x: Tensor, y: Tensor) -> Curvature:
    """Returns the curvature of the mean squared error: H = (2/n) XᵀX, the same at every weight.

    Args:
        x: design matrix, shape [n, d].
        y: target, shape [n].

    Returns:
        The eigenvalues of H, ascending, with their eigenvectors, and the minimum, in float64.
    """
    x, y = x.double(), y.double()
    values, vectors = torch.linalg.eigh(2 / len(y) * x.T @ x)
    minimum = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    return Curvature(
        eigenvalues=values.tolist(),
        directions=vectors.T.tolist(),
        minimum=minimum.tolist(),
        floor=((x @ minimum - y) ** 2).mean().item(),
    )


def sharpness(
    loss: Callable[[Tensor], Tensor], weights: Tensor, tolerance: float = 1e-3, products: int = 100
) -> float:
    """Returns the largest eigenvalue of any loss's Hessian, by power iteration.

    Each product of the Hessian with a vector is a double backward; the Hessian itself is never
    formed (as PyHessian does it).

    Args:
        loss: takes the weights to a scalar, twice differentiable.
        weights: where, shape [d].
        tolerance: relative change at which it stops.
        products: how many products it may take.
    """
    weights = weights.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(weights), weights, create_graph=True)
    generator = torch.Generator().manual_seed(0)  # the same answer every time
    vector = torch.randn(weights.shape, generator=generator, dtype=weights.dtype)
    vector = vector / vector.norm()
    value = 0.0
    for _ in range(products):
        (product,) = torch.autograd.grad(gradient @ vector, weights, retain_graph=True)
        before, value = value, float(vector @ product)
        norm = product.norm()
        if norm == 0 or abs(value - before) <= tolerance * abs(value):
            break
        vector = product / norm
    return value
