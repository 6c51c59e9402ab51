"""What can be trained: a model, a loss and data."""

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
"""What a loss is computed from: the built-in problems have a pair of inputs and targets."""

Batches = Callable[[], Iterator[Batch]]
"""Returns the batches of a run, one a step: the same ones in the same order every time."""


class ProblemError(Exception):
    """The problem cannot be trained; the text is a sentence for the person who wrote it."""


class Objective(nn.Module):
    """A model together with its loss, so that ``torch.func.functional_call`` serves for both.

    Attributes:
        model: the model.
    """

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], Tensor]) -> None:
        """Join the two.

        Args:
            model: the model.
            loss: takes the model and a batch, returns a scalar.
        """
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        return self._loss(self.model, batch)


@dataclass(kw_only=True)
class Problem:
    """Something that can be trained again and again from the same start.

    Attributes:
        facts: its name, size and target.
        seed: set before each model is made.
        make_model: returns the model at its initial weights.
        loss: takes the model and a batch, returns a scalar.
        batches: returns the batches of a run.
        probe: a batch that is the same at every step, on which the curvature is measured: all of
            the data, or some of it.
        scene: what a picture of the data needs, if there is such a picture.
        picture: returns what the model makes of the grid of the scene, as in ``Picture``.
        quadratic: closed form of the loss, if there is one and every step sees all the data.
        own_optimizer: returns the problem's own optimizer for parameters and a rate, if it has one.
        device: where the model is moved to.
        file: the person's file that it comes from, ``None`` for a built-in one.
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
        """Return the model at its initial weights: the same ones every time."""
        seed_everything(self.seed)
        return self.make_model().to(self.device)

    def explain(self, error: BaseException) -> str:
        """Return what went wrong in a sentence, with the line of the person's file where it did."""
        return explained(error, self.file)


def seed_everything(seed: int) -> None:
    """Seed all generators of random numbers that people's code draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def explained(error: BaseException, file: Path | None) -> str:
    """Return what went wrong in a sentence.

    Args:
        error: what was raised.
        file: the person's file; the sentence names its line, the innermost one.
    """
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else ""
    if isinstance(error, SystemExit):
        said = "it ends the program (sys.exit)"
    elif not isinstance(error, ProblemError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if file is None:
        return said
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file.name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    at = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f"{file.name}, line {at[-1]}: {said}" if at else f"{file.name}: {said}"


def pair_batches(x: Any, y: Tensor, size: int | None, seed: int) -> Batches:  # noqa: ANN401
    """Return the batches of inputs and targets: all of them each step, or shuffled parts.

    The last part of an epoch is left out where it is smaller than the others, as one that small
    would be a step of more noise.

    Args:
        x: inputs: a tensor, or a tuple of tensors, of n rows each.
        y: targets, n rows.
        size: rows of a batch, ``None`` for all.
        seed: of the generator that shuffles.
    """
    if size is None or size >= len(y):
        return lambda: repeat((x, y))

    def parts() -> Iterator[tuple[Any, Tensor]]:
        rng = torch.Generator().manual_seed(seed)
        while True:
            order = torch.randperm(len(y), generator=rng)
            for first in range(0, len(y) - size + 1, size):
                rows = order[first : first + size].to(y.device)
                yield pick(x, rows), y[rows]

    return parts


def pick(x: Any, rows: Tensor | slice) -> Any:  # noqa: ANN401
    """Return the rows of a tensor, or of each of a tuple of tensors."""
    return x[rows] if isinstance(x, Tensor) else tuple(part[rows] for part in x)


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are trained: frozen ones are not."""
    return [p for p in model.parameters() if p.requires_grad]


def count(parameters: Sequence[Tensor]) -> int:
    """Return how many weights parameters have."""
    return sum(p.numel() for p in parameters)
