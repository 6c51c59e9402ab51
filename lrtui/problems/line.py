"""The post's problem: a line fitted to scattered points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lrtui.messages import LineScene, Optimizer, ProblemFacts, Quadratic
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.problem import Batch, Problem, pair_batches

TRUE_WEIGHTS = (3.0, 2.0)
"""Slope and bias behind the target."""

INITIAL_WEIGHTS = (-1.0, 1.0)
"""Slope and bias at the start of every run."""


class Affine(nn.Module):
    """A linear function of the columns of a design matrix.

    Attributes:
        a: weights, one for each column.
    """

    def __init__(self, start: Tensor) -> None:
        """Start at these weights."""
        super().__init__()
        self.a = nn.Parameter(start.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction for a design matrix of shape [n, d]: shape [n]."""
        return x @ self.a


def squared(model: nn.Module, batch: Batch) -> Tensor:
    """Return the mean squared error of a model on a batch of inputs and targets."""
    x, y = batch
    return mse(model(x), y)


class LineFit(Problem):
    """The line fit, with a faster path for gradient descent on all points.

    Attributes:
        x: design matrix, shape [points, 2], second column all ones.
        y: target, shape [points].
    """

    def __init__(self, settings: ProblemSettings) -> None:
        """Draw the data, reproducibly."""
        generator = torch.Generator().manual_seed(settings.seed)
        x = torch.ones(settings.points, 2)
        low = -1.0 if settings.spread == "symmetric" else 0.0
        x[:, 0].uniform_(low, 1.0, generator=generator)
        noise = torch.rand if settings.noise == "uniform" else torch.randn
        y = x @ torch.tensor(TRUE_WEIGHTS) + noise(settings.points, generator=generator)
        start = torch.tensor(INITIAL_WEIGHTS)
        scene = LineScene(x=x[:, 0].tolist(), y=y.tolist(), true_weights=TRUE_WEIGHTS)
        self.x, self.y = x.to(settings.device), y.to(settings.device)
        whole = settings.batch is None or settings.batch >= settings.points
        facts = ProblemFacts(
            name="line", weights=2, samples=settings.points, batch=None if whole else settings.batch
        )
        super().__init__(
            facts=facts,
            seed=settings.seed,
            make_model=lambda: Affine(start),
            loss=squared,
            batches=pair_batches(self.x, self.y, settings.batch, settings.seed),
            probe=(self.x, self.y),
            scene=scene,
            quadratic=closed_form(x, y, start) if whole else None,
            device=settings.device,
        )

    def is_exact(self, optimizer: Optimizer) -> bool:
        """Return whether a run takes the faster path."""
        return self.quadratic is not None and optimizer.is_plain and self.device == "cpu"

    @property
    def takes_batches_of_rates(self) -> bool:
        """Whether many rates are trained in one batch on a faster path, with any optimizer."""
        return self.quadratic is not None and self.device == "cpu"

    def start_loss(self) -> float:
        """Return the loss at the start of every run."""
        return mse(self.x @ torch.tensor(INITIAL_WEIGHTS), self.y).item()


class LineTraining:
    """One run by the post's own update, as one would write it in a notebook.

    For the attributes see ``Training``.
    """

    steps_per_sync = 1

    def __init__(self, problem: LineFit, lr: float, factors: Iterator[float] | None = None) -> None:
        """Start at the initial weights; for the arguments see ``Training``."""
        self.lr = lr
        self._factors = factors
        self.factor = next(factors) if factors else 1.0
        self.model = problem.model()
        self.batch = self._x, self._y = problem.x, problem.y
        (self._a,) = self.model.parameters()
        # The same memory outside any graph, as entering torch.no_grad() takes 7 % of a step.
        self._memory = self._a.detach()
        # The graph of a reported loss serves the next step.
        self._graph = mse(self._x @ self._a, self._y)
        self.loss = self._graph.item()

    def step(self) -> float:
        """Take one step and return the loss at the new weights."""
        a = self._a
        self._graph.backward()  # type: ignore[no-untyped-call]
        self._memory.sub_(self.lr * self.factor * a.grad)  # type: ignore[operator]
        a.grad.zero_()  # type: ignore[union-attr]
        if self._factors is not None:
            self.factor = next(self._factors)
        self._graph = mse(self._x @ a, self._y)
        self.loss = self._graph.item()
        return self.loss

    def steps(self, count: int) -> list[float]:
        """Take steps and return the loss after each, up to the first non-finite one."""
        losses: list[float] = []
        while len(losses) < count and math.isfinite(self.loss):
            losses.append(self.step())
        return losses

    def weights(self) -> list[float]:
        """Return slope and bias."""
        weights: list[float] = self._a.tolist()
        return weights


def closed_form(x: Tensor, y: Tensor, start: Tensor, target: float | None = None) -> Quadratic:
    """Return the closed form of the mean squared error: H = (2/n) XᵀX at every weight.

    Computed in float64.

    Args:
        x: design matrix, shape [n, d], whose columns are linearly independent.
        y: target, shape [n].
        start: initial weights, shape [d].
        target: see ``Quadratic``.
    """
    x, y = x.cpu().double(), y.cpu().double()  # not every device has float64
    values, vectors = torch.linalg.eigh(2 / len(y) * x.T @ x)
    minimum = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    return Quadratic(
        eigenvalues=values.tolist(),
        eigenvectors=vectors.T.tolist(),
        minimum=minimum.tolist(),
        min_loss=mse(x @ minimum, y).item(),
        start=start.tolist(),
        target=target,
    )


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error, a scalar."""
    return ((prediction - target) ** 2).mean()
