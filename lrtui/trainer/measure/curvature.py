"""How sharply the loss of any model curves where its weights are now: λmax of its Hessian.

By Lanczos' method on Hessian-vector products, from the vector that was found last, as weights and
Hessian change little between two measurements. Sources: Pearlmutter, "Fast Exact Multiplication by
the Hessian", 1994; Golub and Van Loan, "Matrix Computations", chapter 10; for Adam: Cohen et al.,
"Adaptive Gradient Methods at the Edge of Stability", 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lrtui.problems.problem import Objective, Problem
from lrtui.trainer.rng import IsolatedRng

TOLERANCE = 0.01
"""Error at which a measurement ends, as a share of the eigenvalue."""

MAX_WARM_PRODUCTS = 6
"""Products of a measurement that starts from the vector of another, at most."""

MAX_COLD_PRODUCTS = 20
"""Products of the first measurement, at most."""

FRESH_NOISE = 0.05
"""Length of the random vector added to the one found last, whose length is 1.

Without it an eigenvector that is no longer the leading one would never be left.
"""

MAX_ASYMMETRY = 0.01
"""Largest difference of two products, as a share, that are the same for a symmetric matrix."""

DIFFERENCE_STEP = 1e-3
"""Distance of the two gradients of a central difference, as a share of the weights' length."""

TIME_SHARE = 0.03
"""Share of the time that measurements may take."""

Loss = Callable[[Sequence[Tensor]], Tensor]
"""Returns the loss at some weights, a scalar: the same for the same weights."""

Product = Callable[[Tensor], Tensor]
"""Returns the product of the Hessian and a vector, both of shape [n]."""


class Curvature:
    """Measures the sharpness of one run of a problem, time and again."""

    def __init__(self, problem: Problem) -> None:
        """Start without a vector.

        Args:
            problem: whose loss on its probe is measured.
        """
        self._problem = problem
        self._generator = torch.Generator().manual_seed(0)
        self._ways = [double_backward, double_backward_of_plain_attention, central_differences]
        self._is_tried = False
        self._vector: Tensor | None = None

    def restart(self) -> None:
        """Forget the vector: another run begins, whose Hessian has nothing to do with it."""
        self._vector = None

    def measure(
        self, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> Iterator[tuple[float, float] | None]:
        """Measure the sharpness at the weights that a model has when this begins.

        The model may be trained on meanwhile; neither it nor anything random is changed.

        Args:
            model: the model, in whatever mode it is.
            optimizer: for Adam and AdamW it is the Hessian preconditioned by their step sizes.

        Yields:
            ``None`` after each product, then the largest eigenvalue and its error: an eigenvalue
            lies within this distance of it. Nothing where there is no such number: before the
            first step of Adam, and at weights that are not finite.
        """
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        scale = preconditioner(optimizer, list(named.values()))
        if scale is None:
            return
        loss = self._loss(model, list(named))
        weights = [p.detach().clone().requires_grad_() for p in named.values()]
        start, most = self._start(scale)
        hessian = self._hessian(loss, weights, start)
        yield None

        def product(v: Tensor) -> Tensor:
            return scale * hessian(scale * v)

        value, error, vector = yield from leading_eigenpair(product, start, most)
        if math.isfinite(value) and math.isfinite(error):
            self._vector = vector
            yield value, error
        else:
            self._vector = None

    def _loss(self, model: nn.Module, names: Sequence[str]) -> Loss:
        """Return the loss of a model on the probe as a function of some of its weights."""
        objective = Objective(model, self._problem.loss)
        buffers = {name: b.detach().clone() for name, b in objective.named_buffers()}

        def loss(weights: Sequence[Tensor]) -> Tensor:
            state = {f"model.{name}": w for name, w in zip(names, weights, strict=True)}
            # Running averages move at each call, and dropout draws the same mask at each.
            state.update((name, b.clone()) for name, b in buffers.items())
            with IsolatedRng(self._problem.device):
                value: Tensor = functional_call(objective, state, (self._problem.probe,))
            return value.reshape(())

        return loss

    def _start(self, scale: Tensor) -> tuple[Tensor, int]:
        """Return the vector to start from, and how many products may be taken."""
        noise = torch.randn(len(scale), generator=self._generator).to(scale)
        noise /= noise.norm()
        if self._vector is None or len(self._vector) != len(scale):
            return noise, MAX_COLD_PRODUCTS
        return self._vector + FRESH_NOISE * noise, MAX_WARM_PRODUCTS

    def _hessian(self, loss: Loss, weights: Sequence[Tensor], start: Tensor) -> Product:
        """Return the Hessian in the first way that works for this problem."""
        while not self._is_tried and len(self._ways) > 1:
            try:
                product = self._ways[0](loss, weights)
                symmetric = is_symmetric(product, start)
            except (RuntimeError, ImportError):
                symmetric = False
            if symmetric is None:  # the weights are not finite, which tells nothing of the way
                return product
            if symmetric:
                self._is_tried = True
                return product
            self._ways.pop(0)
        self._is_tried = True
        return self._ways[0](loss, weights)


class Allowance:
    """Says when the next measurement is due, so that all of them keep to a share of the time.

    Attributes:
        due: time from which on it is, in seconds on the caller's clock.
    """

    def __init__(self, share: float = TIME_SHARE) -> None:
        """Start with a measurement due at once.

        Args:
            share: of the time, between 0 and 1.
        """
        self._share = share
        self.due = -math.inf

    def charge(self, seconds: float, now: float) -> None:
        """Put the next measurement off after one.

        Args:
            seconds: work that it was, in all its pieces.
            now: when it ended.
        """
        self.due = now + seconds * (1 / self._share - 1)


def leading_eigenpair(
    product: Product, start: Tensor, most: int
) -> Generator[None, None, tuple[float, float, Tensor]]:
    """Find the largest eigenvalue of a symmetric matrix by Lanczos' method.

    Args:
        product: of the matrix and a vector.
        start: a vector that is not orthogonal to the eigenvector, shape [n].
        most: products, at most.

    Yields:
        ``None`` after each product.

    Returns:
        The largest Ritz value; the length of its residual, within which of it an eigenvalue lies;
        and the Ritz vector, of length 1.
    """
    basis = [start / start.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        rest = product(basis[-1])
        diagonal.append(float(rest @ basis[-1]))
        span = torch.stack(basis)
        for _ in range(2):  # once more, as rounding leaves something of the first
            rest = rest - span.T @ (span @ rest)
        length = float(rest.norm())
        if not math.isfinite(diagonal[-1] + length):
            return math.nan, math.nan, start
        matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        for i, element in enumerate(beside):
            matrix[i, i + 1] = matrix[i + 1, i] = element
        values, vectors = torch.linalg.eigh(matrix)
        value, error = values[-1].item(), length * abs(vectors[-1, -1].item())
        enough = error <= TOLERANCE * abs(value) or len(basis) == min(most, len(start))
        if enough:
            vector = vectors[:, -1].to(start) @ span
            return value, error, vector / vector.norm()
        yield
        beside.append(length)
        basis.append(rest / length)


def is_symmetric(product: Product, v: Tensor) -> bool | None:
    """Return whether a matrix H is symmetric as far as one vector shows: vᵀHHv = |Hv|².

    The second derivative of a function that has none is zero to torch, where it is not an error,
    and what is left of the Hessian then is not symmetric.

    Args:
        product: of the matrix and a vector.
        v: the vector, shape [n].

    Returns:
        Whether it is, ``None`` where the products are not finite.
    """
    once = product(v)
    expected, found = float(once @ once), float(v @ product(once))
    if not math.isfinite(expected + found):
        return None
    return abs(found - expected) <= MAX_ASYMMETRY * expected


def preconditioner(
    optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]
) -> Tensor | None:
    """Return the diagonal of P^-½, with which the Hessian H is seen as P^-½ H P^-½, shape [n].

    P = √v̂ + ε for Adam and AdamW, and 1 for others.

    Args:
        optimizer: the optimizer, whose state is read.
        parameters: n weights in all.

    Returns:
        The diagonal, ``None`` where the optimizer has not taken a step yet.
    """
    if not isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        return torch.cat([torch.ones_like(p).detach().reshape(-1) for p in parameters])
    group_of = {p: group for group in optimizer.param_groups for p in group["params"]}
    parts = []
    for p in parameters:
        state = optimizer.state.get(p)
        if not state:
            return None
        group = group_of[p]
        square = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
        unbiased = square / (1 - group["betas"][1] ** float(state["step"]))
        parts.append((unbiased.sqrt() + group["eps"]).rsqrt().reshape(-1))
    return torch.cat(parts)


def double_backward(loss: Loss, weights: Sequence[Tensor]) -> Product:
    """Return products with the Hessian, by the gradient of the gradient.

    Raises:
        RuntimeError: torch has no derivative of the gradient of this loss.
    """
    return _double_backward(loss, weights, nullcontext())


def double_backward_of_plain_attention(loss: Loss, weights: Sequence[Tensor]) -> Product:
    """Return products with the Hessian, attention computed step by step.

    The fused kernels have no second derivative.

    Raises:
        RuntimeError: torch has no derivative of the gradient of this loss.
        ImportError: this torch cannot be told how to compute attention.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return _double_backward(loss, weights, sdpa_kernel(SDPBackend.MATH))


def _double_backward(
    loss: Loss, weights: Sequence[Tensor], context: AbstractContextManager[object]
) -> Product:
    with context:
        value = loss(weights)
    parts = torch.autograd.grad(value, weights, create_graph=True, allow_unused=True)
    curved = [i for i, g in enumerate(parts) if g is not None and g.requires_grad]
    if not curved:
        raise RuntimeError("the gradient cannot be differentiated")
    gradient = [parts[i] for i in curved]

    def product(v: Tensor) -> Tensor:
        directions = split(v, weights)
        found = torch.autograd.grad(
            gradient,
            weights,
            [directions[i] for i in curved],
            retain_graph=True,
            allow_unused=True,
        )
        return joined(found, weights)

    return product


def central_differences(loss: Loss, weights: Sequence[Tensor]) -> Product:
    """Return products with the Hessian, by the difference of two gradients nearby."""
    distance = DIFFERENCE_STEP * math.sqrt(sum(float(w.detach().square().sum()) for w in weights))

    def gradient(v: Tensor, step: float) -> Tensor:
        moved = [
            (w.detach() + step * part).requires_grad_()
            for w, part in zip(weights, split(v, weights), strict=True)
        ]
        return joined(torch.autograd.grad(loss(moved), moved, allow_unused=True), weights)

    def product(v: Tensor) -> Tensor:
        step = (distance or DIFFERENCE_STEP) / float(v.norm())
        return (gradient(v, step) - gradient(v, -step)) / (2 * step)

    return product


def split(v: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the parts of a vector in the shapes of weights."""
    parts = torch.split(v, [w.numel() for w in weights])
    return [part.view(w.shape).to(w.dtype) for part, w in zip(parts, weights, strict=True)]


def joined(parts: Sequence[Tensor | None], weights: Sequence[Tensor]) -> Tensor:
    """Return parts in the shapes of weights as one vector, zero where there is none."""
    return torch.cat(
        [
            (torch.zeros_like(w) if part is None else part).detach().reshape(-1)
            for part, w in zip(parts, weights, strict=True)
        ]
    )
