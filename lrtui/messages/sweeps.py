"""What other rates would do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.optimizer import Optimizer
from lrtui.messages.quantities import LearningRate, Number, Share, StepNumber, Steps


class SweepResult(Message, tag="swept", frozen=True, kw_only=True):
    """Result of a sweep.

    Attributes:
        lrs: learning rates, as they were asked for.
        steps: steps of each run.
        losses: last loss of each, ``None`` where it is not finite.
        settled_at: step from which on each was close to the minimum or under its target, ``None``
            if never.
        taken: steps that each took, fewer than ``steps`` where time was up; empty where all did.
        first_loss: loss at the start of them all, ``None`` where that is not told; of mini-batches
            on that of the last step, on which the last losses are.
        optimizer: what took the steps.
        schedule: how each rate moved from its peak.
        how: how they were trained, in words.
        range_test: rates that the usual range tests suggest, by their name, ``None`` where one
            suggests nothing; empty where they were not asked for.
        failures: why each could not be trained to its end, empty for one that could; no list
            where all could.
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
        """Check that the columns fit together."""
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
        lrs: learning rates, as they were asked for.
        momenta: one for each row.
        steps: steps of each run.
        losses: last loss of each, ``None`` where it is not finite.
        settled_at: step from which on each was close to the minimum or under its target, ``None``
            if never.
        finished: whether each took all its steps, or diverged before.
        first_loss: loss at the start of them all.
        optimizer: what took the steps, but for the momentum.
        schedule: how each rate moved from its peak.
        how: how they were trained, in words.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    momenta: Annotated[list[Share], Meta(min_length=1)]
    steps: Steps
    losses: list[list[Number | None]]
    settled_at: list[list[StepNumber | None]]
    finished: list[list[bool]]
    first_loss: Number | None = None
    optimizer: Optimizer = Optimizer()
    schedule: str = "constant"
    how: str = ""

    def __post_init__(self) -> None:
        """Check that the rows and cells fit together."""
        check_equal_lengths(self.momenta, self.losses, self.settled_at, self.finished)
        check_equal_lengths(self.lrs, *self.losses, *self.settled_at, *self.finished)
