"""Losses of two weights, shown as a map: a long valley and a curved one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat

import torch
from torch import Tensor, nn

from lrtui.messages import PlaneScene, ProblemFacts, Quadratic
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.problem import Batch, Problem

TARGET = 0.01
"""Loss at which a run counts as settled; both minima are zero."""

CELLS = (61, 41)
"""Points of the map, horizontally and vertically."""

STEEP = 25.0
"""Curvature of the bowl along its second weight; along the first it is 1."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss of two weights, elementwise."""


class Plane(nn.Module):
    """A model of two weights and nothing else."""

    def __init__(self, start: tuple[float, float]) -> None:
        """Start at these weights."""
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start))

    def forward(self) -> Tensor:
        """Return the weights."""
        return self.w


def bowl(settings: ProblemSettings) -> Problem:
    """Return ½(w₁² + 25 w₂²), a valley of condition number 25, from (−4, 1.5)."""
    start = (-4.0, 1.5)
    quadratic = Quadratic(
        eigenvalues=[1.0, STEEP],
        eigenvectors=[[1.0, 0.0], [0.0, 1.0]],
        minimum=[0.0, 0.0],
        min_loss=0.0,
        start=list(start),
        target=TARGET,
    )

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return 0.5 * (first**2 + STEEP * second**2)

    return plane(settings, loss, start, (0.0, 0.0), (-5.0, 5.0), (-2.0, 2.0), quadratic)


def rosenbrock(settings: ProblemSettings) -> Problem:
    """Return Rosenbrock's valley (1 − w₁)² + 100 (w₂ − w₁²)² from (−1.2, 1)."""

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return (1 - first) ** 2 + 100 * (second - first**2) ** 2

    return plane(settings, loss, (-1.2, 1.0), (1.0, 1.0), (-2.0, 2.0), (-1.0, 3.0), None)


def plane(
    settings: ProblemSettings,
    loss: Loss,
    start: tuple[float, float],
    minimum: tuple[float, float],
    across: tuple[float, float],
    up: tuple[float, float],
    quadratic: Quadratic | None,
) -> Problem:
    """Return the problem of a loss of two weights.

    ``across`` and ``up`` are the ranges of the weights on the map.
    """

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        first, second = model().unbind()
        return loss(first, second)

    columns = torch.linspace(*across, CELLS[0])
    rows = torch.linspace(*up, CELLS[1])
    grid = loss(columns[None, :], rows[:, None])
    scene = PlaneScene(
        across=columns.tolist(),
        up=rows.tolist(),
        losses=grid.tolist(),
        minimum=minimum,
        start=start,
    )
    return Problem(
        facts=ProblemFacts(name=settings.name, weights=2, target=TARGET),
        seed=settings.seed,
        make_model=lambda: Plane(start),
        loss=objective,
        batches=lambda: repeat(()),
        probe=(),
        scene=scene,
        quadratic=quadratic,
        device=settings.device,
    )
