"""The post's problem: a line through scattered points, fitted by gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lrtui.messages import LineScene, Quadratic, Swept
from lrtui.problems.settings import LineSettings
from lrtui.run.theory import Theory

TRUE_WEIGHTS = (3.0, 2.0)
"""Slope and bias behind the target."""

INITIAL_WEIGHTS = (-1.0, 1.0)
"""Slope and bias that every run starts from."""

BATCHED_STEPS = 256
"""Steps of a sweep whose losses are compared with the target together, which is quicker."""


class LineFit:
    """The line fit as the trainer wants it.

    Attributes:
        x: design matrix, shape [points, 2], second column all ones.
        y: target, shape [points].
    """

    def __init__(self, settings: LineSettings) -> None:
        """Draw the data: the same for the same settings."""
        torch.manual_seed(settings.seed)
        self.x = torch.ones(settings.points, 2)
        self.x[:, 0].uniform_(-1.0 if settings.spread == "symmetric" else 0.0, 1.0)
        noise = torch.rand if settings.noise == "uniform" else torch.randn
        self.y = self.x @ torch.tensor(TRUE_WEIGHTS) + noise(settings.points)

    def scene(self) -> LineScene:
        """Return the points and the weights behind them."""
        return LineScene(x=self.x[:, 0].tolist(), y=self.y.tolist(), true_weights=TRUE_WEIGHTS)

    def quadratic(self) -> Quadratic:
        """Return the closed form of the mean squared error: H = (2/n) XᵀX at every weight.

        Computed in float64.
        """
        x, y = self.x.double(), self.y.double()
        values, vectors = torch.linalg.eigh(2 / len(y) * x.T @ x)
        minimum = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
        return Quadratic(
            eigenvalues=values.tolist(),
            eigenvectors=vectors.T.tolist(),
            minimum=minimum.tolist(),
            min_loss=mse(x @ minimum, y).item(),
            start=list(INITIAL_WEIGHTS),
        )

    def training(self, lr: float) -> LineTraining:
        """Return a new run at the initial weights."""
        return LineTraining(self.x, self.y, lr)

    def sweep(self, lrs: Sequence[float], steps: int) -> Iterator[Swept | None]:
        """Train one run at each learning rate, all in one batch.

        The gradient of the sum of the losses with respect to one row of weights is the gradient
        of that row's own loss, so each row takes exactly the steps that a run alone would take.

        Args:
            lrs: k learning rates.
            steps: steps of each run.

        Yields:
            ``None`` after each step, then the result.
        """
        target = Theory.of(self.quadratic()).settled_loss
        lr = torch.tensor(lrs)[:, None]
        a = nn.Parameter(torch.tensor(INITIAL_WEIGHTS).repeat(len(lrs), 1))
        transposed = self.x.T.contiguous()
        settled_at = torch.full((len(lrs),), -1)
        recent: list[Tensor] = []

        for step in range(steps + 1):
            losses = ((a @ transposed - self.y) ** 2).mean(dim=1)
            recent.append(losses.detach())
            if len(recent) == BATCHED_STEPS or step == steps:
                note_settled(settled_at, torch.stack(recent) <= target, step - len(recent) + 1)
                last = recent.pop()
                recent.clear()
            if step < steps:
                # Not backward(ones): given a gradient, torch first imports sympy (0.3 s).
                losses.sum().backward()  # type: ignore[no-untyped-call]
                assert a.grad is not None
                with torch.no_grad():
                    a.sub_(lr * a.grad)
                    a.grad.zero_()
                yield None
        yield Swept(
            lrs=list(lrs),
            steps=steps,
            losses=last.double().tolist(),
            settled_at=[k if k >= 0 else None for k in settled_at.tolist()],
        )


class LineTraining:
    """One run, as one would write it in a notebook: the post's own update.

    Attributes:
        lr: learning rate.
        loss: mean squared error at the current weights.
    """

    def __init__(self, x: Tensor, y: Tensor, lr: float) -> None:
        """Start at the initial weights.

        Args:
            x: design matrix, shape [n, 2].
            y: target, shape [n].
            lr: learning rate.
        """
        self.lr = lr
        self._x, self._y = x, y
        self._a = nn.Parameter(torch.tensor(INITIAL_WEIGHTS))
        # The graph of the loss that was just measured serves the next step, too.
        self._graph = mse(x @ self._a, y)
        self.loss = self._graph.item()

    def step(self) -> float:
        """Take one step against the gradient and return the loss at the new weights."""
        a = self._a
        self._graph.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            a.sub_(self.lr * a.grad)  # type: ignore[operator]
            a.grad.zero_()  # type: ignore[union-attr]
        self._graph = mse(self._x @ a, self._y)
        self.loss = self._graph.item()
        return self.loss

    def weights(self) -> list[float]:
        """Return slope and bias."""
        weights: list[float] = self._a.tolist()
        return weights


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error, a scalar."""
    return ((prediction - target) ** 2).mean()


def note_settled(settled_at: Tensor, settled: Tensor, first: int) -> None:
    """Record the step at which each run first settled.

    Args:
        settled_at: step of each run, -1 where it has not settled; changed in place. Shape [k].
        settled: whether the loss is below the target, shape [steps, k].
        first: step of the first row.
    """
    new = (settled_at < 0) & settled.any(dim=0)
    settled_at[new] = first + settled.int().argmax(dim=0)[new]
