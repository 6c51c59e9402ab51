"""Small networks: a sine, the edge of stability, two moons and a spiral."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from lrtui.messages import ProblemFacts, Scene
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.problem import Batch, Problem, count, pair_batches, trained
from lrtui.problems.scenes import Picture, classes_scene, curve_scene


def network(*widths: int, activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    """Return a network of linear layers with activations in between.

    ``widths`` are the numbers of inputs, of units in each layer, and of outputs.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def sine(settings: ProblemSettings) -> Problem:
    """Return the fit of two periods of a noisy sine, 64 points, by a network 1-32-32-1."""
    rng = torch.Generator().manual_seed(settings.seed)
    x = torch.linspace(-2, 2, 64)[:, None]
    y = torch.sin(math.pi * x) + 0.1 * torch.randn(64, 1, generator=rng)
    return fit(settings, x, y, lambda: network(1, 32, 32, 1), target=0.02)


def edge(settings: ProblemSettings) -> Problem:
    """Return the fit of the Chebyshev polynomial T₄ at 20 points by a network 1-32-32-1.

    Full-batch gradient descent on it sharpens to 2/rate and stays there: Cohen et al., "Gradient
    Descent on Neural Networks Typically Occurs at the Edge of Stability", 2021.
    """
    x = torch.linspace(-1, 1, 20)[:, None]
    return fit(settings, x, torch.cos(4 * torch.acos(x)), lambda: network(1, 32, 32, 1), 1e-3)


def moons(settings: ProblemSettings) -> Problem:
    """Return two classes shaped as moons, 200 points, and a network 2-16-1."""
    rng = torch.Generator().manual_seed(settings.seed)
    half = torch.linspace(0, math.pi, 100)
    upper = torch.stack([half.cos(), half.sin()], dim=1)
    lower = torch.stack([1 - half.cos(), 0.5 - half.sin()], dim=1)
    x = torch.cat([upper, lower]) + 0.2 * torch.randn(200, 2, generator=rng)
    return two_classes(settings, x, lambda: network(2, 16, 1), target=0.12)


def spiral(settings: ProblemSettings) -> Problem:
    """Return two intertwined classes, 200 points, and a network 2-24-24-1."""
    rng = torch.Generator().manual_seed(settings.seed)
    radius = torch.linspace(0.15, 1, 100)
    angle = radius * 2 * math.pi * 1.25
    arm = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    x = torch.cat([arm, -arm]) + 0.03 * torch.randn(200, 2, generator=rng)

    def model() -> nn.Module:
        return network(2, 24, 24, 1, activation=nn.ReLU)

    return two_classes(settings, x, model, target=0.05)


def fit(
    settings: ProblemSettings,
    x: Tensor,
    y: Tensor,
    model: Callable[[], nn.Module],
    target: float,
) -> Problem:
    """Return a fit of targets by the mean squared error; x and y have shape [n, 1]."""
    scene, picture = curve_scene(x, y)
    return supervised(settings, x, y, model, nn.functional.mse_loss, target, scene, picture)


def two_classes(
    settings: ProblemSettings, x: Tensor, model: Callable[[], nn.Module], target: float
) -> Problem:
    """Return the separation of two classes, the first and the second half of the points.

    ``x`` has shape [n, 2]; the network has one output, positive for the second class.
    """
    y = (torch.arange(len(x)) >= len(x) // 2).float()[:, None]
    scene, picture = classes_scene(x, y)
    loss = nn.functional.binary_cross_entropy_with_logits
    return supervised(settings, x, y, model, loss, target, scene, picture)


def supervised(
    settings: ProblemSettings,
    x: Tensor,
    y: Tensor,
    model: Callable[[], nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    target: float,
    scene: Scene,
    picture: Picture,
) -> Problem:
    """Return a network that learns targets from inputs."""

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        inputs, targets = batch
        return loss(model(inputs), targets)

    x, y = x.to(settings.device), y.to(settings.device)
    size = settings.batch if settings.batch is not None and settings.batch < len(x) else None
    return Problem(
        facts=ProblemFacts(
            name=settings.name,
            weights=count(trained(model())),
            samples=len(x),
            batch=size,
            target=target,
        ),
        seed=settings.seed,
        make_model=model,
        loss=objective,
        batches=pair_batches(x, y, size, settings.seed),
        probe=(x, y),
        scene=scene,
        picture=picture,
        device=settings.device,
    )
