"""Measures the sharpness of any model: the largest eigenvalue of its loss's Hessian.

By Lanczos' method on Hessian-vector products, from the last eigenvector, as weights and Hessian
change little between two measurements. Sources: Pearlmutter, "Fast Exact Multiplication by the
Hessian", 1994; Golub and Van Loan, "Matrix Computations", chapter 10; for Adam: Cohen et al.,
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
from lrtui.trainer.many.stacked import flatten
from lrtui.trainer.rng import IsolatedRng

TOLERANCE = 0.01
"""Relative error of the eigenvalue at which a measurement ends."""

MAX_WARM_PRODUCTS = 6
"""Most products of a measurement that starts from the last eigenvector."""

MAX_COLD_PRODUCTS = 20
"""Most products of the first measurement."""

FRESH_NOISE = 0.05
"""Length of the random vector added to the last eigenvector, of length 1.

Without it, a measurement could get stuck at an eigenvector that is no longer the leading one.
"""

MAX_ASYMMETRY = 0.01
"""Largest relative difference of two products that agree for a symmetric matrix."""

DIFFERENCE_STEP = 1e-3
"""Step of a central difference, as a share of the weights' length."""

TIME_SHARE = 0.03
"""Largest share of the time that measurements may take."""

Loss = Callable[[Sequence[Tensor]], Tensor]
"""Returns the loss at some weights, a scalar; deterministic."""

Product = Callable[[Tensor], Tensor]
"""Returns the product of the Hessian and a vector, both of shape [n]."""


class Curvature:
    """Measures the sharpness of one run of a problem repeatedly."""

    def __init__(self, problem: Problem) -> None:
        """Start without an eigenvector; the loss is that on the problem's probe."""
        self._problem = problem
        self._generator = torch.Generator().manual_seed(0)
        self._methods = [double_backward, double_backward_of_plain_attention, central_differences]
        self._is_chosen = False
        self._vector: Tensor | None = None

    def restart(self) -> None:
        """Forget the eigenvector, as another run begins."""
        self._vector = None

    def measure(
        self, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> Iterator[tuple[float, float] | None]:
        """Measure the sharpness at the current weights of a model.

        The training may continue meanwhile; neither the model nor random states change.

        Args:
            model: in any mode.
            optimizer: if Adam or AdamW, its step sizes precondition the Hessian.

        Yields:
            ``None`` after each product, then the largest eigenvalue and its error: an eigenvalue
            lies within this distance of it. No eigenvalue before the first step of Adam or at
            non-finite weights.
        """
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        scale = preconditioner(optimizer, list(named.values()))
        if scale is None:
            return
        loss = self._loss(model, list(named))
        weights = [p.detach().clone().requires_grad_() for p in named.values()]
        start, max_products = self._start(scale)
        hessian = self._hessian(loss, weights, start)
        yield None

        def product(v: Tensor) -> Tensor:
            return scale * hessian(scale * v)

        value, error, vector = yield from leading_eigenpair(product, start, max_products)
        if math.isfinite(value) and math.isfinite(error):
            self._vector = vector
            yield value, error
        else:
            self._vector = None

    def _loss(self, model: nn.Module, names: Sequence[str]) -> Loss:
        """Return the loss of a model on the probe as a function of its weights of some names."""
        objective = Objective(model, self._problem.loss)
        buffers = {name: b.detach().clone() for name, b in objective.named_buffers()}

        def loss(weights: Sequence[Tensor]) -> Tensor:
            state = {f"model.{name}": w for name, w in zip(names, weights, strict=True)}
            # Each call starts from the same running averages and draws the same dropout masks.
            state.update((name, b.clone()) for name, b in buffers.items())
            with IsolatedRng(self._problem.device):
                value: Tensor = functional_call(objective, state, (self._problem.probe,))
            return value.reshape(())

        return loss

    def _start(self, scale: Tensor) -> tuple[Tensor, int]:
        """Return the vector to start from, and the limit of products."""
        noise = torch.randn(len(scale), generator=self._generator).to(scale)
        noise /= noise.norm()
        if self._vector is None or len(self._vector) != len(scale):
            return noise, MAX_COLD_PRODUCTS
        return self._vector + FRESH_NOISE * noise, MAX_WARM_PRODUCTS

    def _hessian(self, loss: Loss, weights: Sequence[Tensor], start: Tensor) -> Product:
        """Return the Hessian by the first method that works for this problem."""
        while not self._is_chosen and len(self._methods) > 1:
            try:
                product = self._methods[0](loss, weights)
                symmetric = is_symmetric(product, start)
            except (RuntimeError, ImportError):
                symmetric = False
            if symmetric is None:  # non-finite weights are not the method's fault
                return product
            if symmetric:
                self._is_chosen = True
                return product
            self._methods.pop(0)
        self._is_chosen = True
        return self._methods[0](loss, weights)


class Allowance:
    """Schedules measurements so that they stay within a share of the time.

    Attributes:
        due: when the next one is due, in seconds on the caller's clock.
    """

    def __init__(self, share: float = TIME_SHARE) -> None:
        """Start with a measurement due at once."""
        self._share = share
        self.due = -math.inf

    def charge(self, seconds: float, now: float) -> None:
        """Set ``due`` after a measurement that took some seconds of work and ended now."""
        self.due = now + seconds * (1 / self._share - 1)


def leading_eigenpair(
    product: Product, start: Tensor, max_products: int
) -> Generator[None, None, tuple[float, float, Tensor]]:
    """Find the largest eigenvalue of a symmetric matrix by Lanczos' method.

    Args:
        product: of the matrix and a vector.
        start: a vector not orthogonal to the eigenvector, shape [n].
        max_products: limit of products.

    Yields:
        ``None`` after each product.

    Returns:
        The largest Ritz value; the length of its residual, which bounds the distance to an
        eigenvalue; and the Ritz vector, of length 1.
    """
    basis = [start / start.norm()]
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    while True:
        rest = product(basis[-1])
        diagonal.append(float(rest @ basis[-1]))
        span = torch.stack(basis)
        for _ in range(2):  # twice, because of rounding
            rest = rest - span.T @ (span @ rest)
        length = float(rest.norm())
        if not math.isfinite(diagonal[-1] + length):
            return math.nan, math.nan, start
        matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        for i, element in enumerate(off_diagonal):
            matrix[i, i + 1] = matrix[i + 1, i] = element
        values, vectors = torch.linalg.eigh(matrix)
        value, error = values[-1].item(), length * abs(vectors[-1, -1].item())
        enough = error <= TOLERANCE * abs(value) or len(basis) == min(max_products, len(start))
        if enough:
            vector = vectors[:, -1].to(start) @ span
            return value, error, vector / vector.norm()
        yield
        off_diagonal.append(length)
        basis.append(rest / length)


def is_symmetric(product: Product, v: Tensor) -> bool | None:
    """Return whether vᵀHHv = |Hv|², as for a symmetric H; ``None`` if the products are not finite.

    Torch may silently take a second derivative that it lacks for zero, and what is left of the
    Hessian is then not symmetric.
    """
    once = product(v)
    expected, found = float(once @ once), float(v @ product(once))
    if not math.isfinite(expected + found):
        return None
    return abs(found - expected) <= MAX_ASYMMETRY * expected


def preconditioner(
    optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]
) -> Tensor | None:
    """Return the diagonal of P^-½ that preconditions a Hessian H to P^-½ H P^-½, shape [n].

    P is √v̂ + ε for Adam and AdamW, 1 for others. ``None`` before Adam's first step.
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
    """Return products with the Hessian, as the gradient of the gradient.

    Raises:
        RuntimeError: torch has no derivative of the gradient of this loss.
    """
    return _double_backward(loss, weights, nullcontext())


def double_backward_of_plain_attention(loss: Loss, weights: Sequence[Tensor]) -> Product:
    """Return products with the Hessian, without fused attention, which has no second derivative.

    Raises:
        RuntimeError: torch has no derivative of the gradient of this loss.
        ImportError: this torch has no ``sdpa_kernel``.
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
        return flatten(found, weights)

    return product


def central_differences(loss: Loss, weights: Sequence[Tensor]) -> Product:
    """Return products with the Hessian, as a difference of two gradients."""
    distance = DIFFERENCE_STEP * math.sqrt(sum(float(w.detach().square().sum()) for w in weights))

    def gradient(v: Tensor, step: float) -> Tensor:
        moved = [
            (w.detach() + step * part).requires_grad_()
            for w, part in zip(weights, split(v, weights), strict=True)
        ]
        return flatten(torch.autograd.grad(loss(moved), moved, allow_unused=True), weights)

    def product(v: Tensor) -> Tensor:
        step = (distance or DIFFERENCE_STEP) / float(v.norm())
        return (gradient(v, step) - gradient(v, -step)) / (2 * step)

    return product


def split(v: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return a vector split into the shapes of the weights."""
    parts = torch.split(v, [w.numel() for w in weights])
    return [part.view(w.shape).to(w.dtype) for part, w in zip(parts, weights, strict=True)]
