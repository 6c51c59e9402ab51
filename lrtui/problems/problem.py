"""A problem to train: a model, a loss and data."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrtui.messages import ProblemFacts, Quadratic, Scene

Batch = Any
"""Input of a loss; for the built-in problems a pair of inputs and targets."""

Batches = Callable[[], Iterator[Batch]]
"""Returns the batches of a run, one per step; the same every time."""


class ProblemError(Exception):
    """The problem cannot be trained; the text is a sentence for the person who wrote it."""


class Objective(nn.Module):
    """A model together with its loss, for ``torch.func.functional_call``."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], Tensor]) -> None:
        """Join the two; ``loss`` returns a scalar."""
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        return self._loss(self.model, batch)


@dataclass(kw_only=True)
class Problem:
    """Something to train repeatedly from the same start.

    Attributes:
        facts: name, size and target.
        seed: set before making a model.
        make_model: returns the model at its initial weights.
        loss: returns a scalar for a model and a batch.
        batches: returns the batches of a run.
        probe: batch of all or some data on which the curvature is measured.
        scene: the picture's background, ``None`` without a picture.
        picture: returns the model's output on the grid of the scene; see ``Picture``.
        quadratic: closed form of the loss, if every step sees all data.
        own_optimizer: returns a person's own optimizer for parameters and a rate.
        device: of the model.
        file: a person's, ``None`` for a built-in problem.
    """

    facts: ProblemFacts
    seed: int
    make_model: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Batch], Tensor]
    batches: Batches
    probe: Batch
    scene: Scene | None = None
    picture: Callable[[nn.Module], list[float]] | None = None
    quadratic: Quadratic | None = None
    own_optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer] | None = None
    device: str = "cpu"
    file: Path | None = None

    def model(self) -> nn.Module:
        """Return the model at its initial weights, always the same."""
        seed_everything(self.seed)
        return self.make_model().to(self.device)

    def explain(self, error: BaseException) -> str:
        """Describe an error; see ``explained``."""
        return explained(error, self.file)


def seed_everything(seed: int) -> None:
    """Seed all random generators that people's code uses."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def explained(error: BaseException, file: Path | None) -> str:
    """Describe an error in a sentence, with the innermost line of the person's file, if any."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    if isinstance(error, SystemExit):
        text = "it ends the program (sys.exit)"
    elif not isinstance(error, ProblemError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if file is None:
        return text
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file.name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    at = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f"{file.name}, line {at[-1]}: {text}" if at else f"{file.name}: {text}"


def pair_batches(x: Any, y: Tensor, size: int | None, seed: int) -> Batches:  # noqa: ANN401
    """Return batches of inputs and targets: all of them at each step, or shuffled parts.

    Drops the last short batch of an epoch, as ``drop_last`` does, because it would be noisier.

    Args:
        x: inputs, a tensor or a tuple of tensors of n rows each.
        y: targets, n rows.
        size: rows of a batch, ``None`` for all.
        seed: of the shuffling.
    """
    if size is None or size >= len(y):
        return lambda: repeat((x, y))

    def parts() -> Iterator[tuple[Any, Tensor]]:
        rng = torch.Generator().manual_seed(seed)
        while True:
            permutation = torch.randperm(len(y), generator=rng)
            for first in range(0, len(y) - size + 1, size):
                rows = permutation[first : first + size].to(y.device)
                yield pick(x, rows), y[rows]

    return parts


def pick(x: Any, rows: Tensor | slice) -> Any:  # noqa: ANN401
    """Return the rows of a tensor, or of each of a tuple of tensors."""
    return x[rows] if isinstance(x, Tensor) else tuple(part[rows] for part in x)


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are not frozen."""
    return [p for p in model.parameters() if p.requires_grad]


def count(parameters: Sequence[Tensor]) -> int:
    """Return the number of weights."""
    return sum(p.numel() for p in parameters)
