"""Results for many rates at once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.optimizer import Optimizer
from lrtui.messages.quantities import Fraction, LearningRate, Number, StepNumber, Steps


class SweepResult(Message, tag="swept", frozen=True, kw_only=True):
    """Result of a sweep.

    Attributes:
        losses: last loss of each rate, ``None`` where not finite.
        settled_at: step from which on each stayed at its minimum or target, ``None`` if never.
        taken: steps of each, fewer than ``steps`` if time was up; empty if all took them.
        first_loss: at the start of all runs, ``None`` if unknown; with mini-batches, on the batch
            of the last losses.
        how: how they were trained, in words.
        range_test: rates suggested by the usual range tests, by name; ``None`` where a test
            suggests nothing.
        failures: why each could not be trained, empty texts for those that could; no list if all
            could.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    steps: Steps
    losses: list[Number | None]
    settled_at: list[StepNumber | None]
    taken: list[StepNumber] = []
    first_loss: Number | None = None
    optimizer: Optimizer = Optimizer()
    schedule: str = "constant"
    how: str = ""
    range_test: dict[str, LearningRate | None] = {}
    failures: list[str] = []

    def __post_init__(self) -> None:
        check_equal_lengths(self.lrs, self.losses, self.settled_at, self.taken or self.lrs)
        check_equal_lengths(self.lrs, self.failures or self.lrs)

    def is_finished(self, i: int) -> bool:
        """Return whether a rate took all its steps, or diverged before."""
        if self.failures and self.failures[i]:
            return False
        return not self.taken or self.taken[i] >= self.steps or self.losses[i] is None


class GridResult(Message, tag="heated", frozen=True, kw_only=True):
    """Result of a heat map: a row for each momentum, and in it a cell for each rate.

    Attributes:
        losses, settled_at, first_loss, how: as in ``SweepResult``.
        finished: whether each took all its steps, or diverged before.
        optimizer: without its momentum.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    momenta: Annotated[list[Fraction], Meta(min_length=1)]
    steps: Steps
    losses: list[list[Number | None]]
    settled_at: list[list[StepNumber | None]]
    finished: list[list[bool]]
    first_loss: Number | None = None
    optimizer: Optimizer = Optimizer()
    schedule: str = "constant"
    how: str = ""

    def __post_init__(self) -> None:
        check_equal_lengths(self.momenta, self.losses, self.settled_at, self.finished)
        check_equal_lengths(self.lrs, *self.losses, *self.settled_at, *self.finished)
