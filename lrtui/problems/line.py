"""The post's problem: points scattered about a line, and weights that start far from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrtui.messages import Problem

TRUTH = (3.0, 2.0)
"""Slope and bias behind the target."""

FIRST_WEIGHTS = (-1.0, 1.0)
"""Slope and bias that every run starts from."""


def sample(problem: Problem) -> tuple[Tensor, Tensor]:
    """Draws the data, the same for the same settings.

    Returns:
        x of shape [points, 2], its second column all ones, and y of shape [points].
    """
    torch.manual_seed(problem.seed)
    x = torch.ones(problem.points, 2)
    x[:, 0].uniform_(-1.0 if problem.spread == "symmetric" else 0.0, 1.0)
    noise = torch.rand if problem.noise == "uniform" else torch.randn
    y = x @ torch.tensor(TRUTH) + noise(problem.points)
    return x, y


def first_weights() -> nn.Parameter:
    """Returns the weights that every run starts from, shape [2]."""
    return nn.Parameter(torch.tensor(FIRST_WEIGHTS))
