"""Creates torch's optimizers from the settings in a message."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from lrtui.messages import Optimizer


def make(
    optimizer: Optimizer, parameters: Iterable[nn.Parameter], lr: float
) -> torch.optim.Optimizer:
    """Return torch's optimizer for settings other than ``own``."""
    decay = optimizer.weight_decay
    match optimizer.name:
        case "adam":
            return torch.optim.Adam(parameters, lr, betas=optimizer.betas, weight_decay=decay)
        case "adamw":
            return torch.optim.AdamW(parameters, lr, betas=optimizer.betas, weight_decay=decay)
    return torch.optim.SGD(
        parameters,
        lr,
        momentum=optimizer.momentum,
        weight_decay=decay,
        nesterov=optimizer.name == "nesterov" and optimizer.momentum > 0,
    )
