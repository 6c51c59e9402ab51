"""The two protocols the trainer works with: a problem, and one training of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from lrtui.messages import Message, Quadratic, Swept


class Training(Protocol):
    """One run: a model, its optimizer, and the loss where they are now.

    Attributes:
        lr: learning rate; may be changed between two steps.
        loss: at the current weights.
    """

    lr: float
    loss: float

    def step(self) -> float:
        """Take one step and return the loss at the new weights."""

    def weights(self) -> list[float]:
        """Return the weights where they are few enough to be shown, else an empty list."""


class Problem(Protocol):
    """Something that can be trained again and again from the same start."""

    def scene(self) -> Message | None:
        """Return what a picture of the data needs, if there is such a picture."""

    def quadratic(self) -> Quadratic | None:
        """Return the closed form of the loss, if it has one."""

    def training(self, lr: float) -> Training:
        """Return a new run at the initial weights."""

    def sweep(self, lrs: Sequence[float], steps: int) -> Iterator[Swept | None]:
        """Train one run at each learning rate.

        Yields:
            ``None`` after each piece of work, so that it can be interleaved; then the result.
        """
