"""What is told about a run, from its start to its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.optimizer import Optimizer
from lrtui.messages.quantities import (
    LARGEST,
    LearningRate,
    Number,
    Outcome,
    RateInForce,
    RunNumber,
    Seconds,
    StepNumber,
    Steps,
    StepsPerSecond,
)


class Rewound(Message, tag="rewound", frozen=True, kw_only=True):
    """A record is shown again from the start of a run: its messages and the later ones come again.

    Attributes:
        run: number of the run.
    """

    run: RunNumber


class Started(Message, tag="started", frozen=True, kw_only=True):
    """A run is at its initial weights.

    Attributes:
        run: its number.
        lr: learning rate; the peak, where it has a schedule.
        steps: steps it will take, ``None`` where that is open.
        optimizer: what takes the steps; in words where it is none of ours.
        schedule: how the rate moves, in a word.
        race: numbers of the runs that are trained in step, its own among them; empty where it is
            trained alone.
        full_batch: whether each step of a training that is not ours sees all the data, so that its
            loss has no noise; of ours ``ProblemFacts`` tells it.
    """

    run: RunNumber
    lr: RateInForce
    steps: Steps | None
    optimizer: Optimizer | str = "sgd"
    schedule: str = "constant"
    race: list[RunNumber] = []
    full_batch: bool = False


class State(Message, tag="state", frozen=True, kw_only=True):
    """How the current run is being driven: sent after ``Started`` and after each command.

    Attributes:
        run: its number.
        step: steps taken when this took effect.
        paused: whether it is held.
        speed: steps a second, ``None`` for as fast as possible.
        lr: learning rate in force from here on; the peak, where the run has a schedule.
        asked_by: who asked for it, empty where nobody did.
        answers: ``id`` of the command that this answers, 0 if none.
        scheduled: rate that the schedule asks for, ``None`` where there is none but ``lr``.
        held: rate that a person holds it at, ``None`` for no such rate.
        scale: what a person multiplies the schedule's rate by.
        stopping: whether it was asked to end.
        groups: groups of parameters that have a rate; ``lr`` is the largest of them.
        lowest: the smallest of them, ``None`` where it is the same or not known.
    """

    run: RunNumber
    step: StepNumber
    paused: bool
    speed: StepsPerSecond | None
    lr: RateInForce
    asked_by: str = ""
    answers: int = 0
    scheduled: RateInForce | None = None
    held: LearningRate | None = None
    scale: Annotated[float, Meta(gt=0)] = 1.0
    stopping: bool = False
    groups: Annotated[int, Meta(ge=0)] = 1
    lowest: RateInForce | None = None


class Progress(Message, tag="progress", frozen=True, kw_only=True):
    """Scalars since the last progress of a run; batched, at most 20 of these a second.

    Attributes:
        run: number of the run.
        steps: step of the first value where the steps are consecutive, else the step of each,
            ascending. Step 0 is at the initial weights.
        scalars: columns of one length by name, ``loss`` among them, and ``lr``, the rate that is in
            force at each step, where a schedule moves it; ``None`` where not finite.
        seconds: time spent training so far, pauses excluded.
        weights: at the last of these steps, where they are few.
        trajectory: weights at each of these steps, from the first on, as far as they are reported.
        no_loss: whether nobody knows the loss of these steps; its column says nothing then.
    """

    run: RunNumber
    steps: StepNumber | list[StepNumber]
    scalars: dict[str, list[Number | None]]
    seconds: Seconds
    weights: list[Number | None] = []
    trajectory: list[list[Number | None]] = []
    no_loss: bool = False

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        losses = self.scalars.get("loss", [])
        if not losses:
            raise ValueError("a progress without a loss")
        check_equal_lengths(*self.scalars.values())
        if isinstance(self.steps, list):
            check_equal_lengths(self.steps, losses)
            if any(a >= b for a, b in zip(self.steps, self.steps[1:], strict=False)):
                raise ValueError("steps that do not ascend")
        if len(self.trajectory) > len(losses):
            raise ValueError("a trajectory longer than its losses")
        if any(len(row) != len(self.weights) for row in self.trajectory):
            raise ValueError("a trajectory of other weights")

    @property
    def losses(self) -> list[float | None]:
        """The column of losses."""
        return self.scalars["loss"]

    @property
    def first(self) -> int:
        """Step of the first value."""
        return self.steps[0] if isinstance(self.steps, list) else self.steps

    @property
    def last(self) -> int:
        """Step of the last value."""
        return self.steps[-1] if isinstance(self.steps, list) else self.steps + len(self.losses) - 1

    def numbered(self) -> Sequence[int]:
        """Return the step of each value."""
        return self.steps if isinstance(self.steps, list) else range(self.first, self.last + 1)


class Ahead(Message, tag="ahead", frozen=True, kw_only=True):
    """A piece of the same run, run ahead.

    Attributes:
        run: its number.
        since: step from which on the rate is the one that this assumes, 0 for the whole run. A
            larger one than before replaces what was ahead of it.
        lr: learning rate from there on.
        first: step of the first loss.
        losses: of consecutive steps, ``None`` where not finite.
        outcome: how the run will end, ``None`` while that is not known.
        reason: why it ends, or why nothing more will come, in a sentence; empty before.
    """

    run: RunNumber
    since: StepNumber
    lr: LearningRate
    first: StepNumber
    losses: list[Number | None]
    outcome: Outcome | None = None
    reason: str = ""


class Sharpness(Message, tag="sharpness", frozen=True, kw_only=True):
    """The largest eigenvalue of the Hessian of the loss, where the weights are now.

    For an optimizer with step sizes of its own, that of the preconditioned Hessian.

    Attributes:
        run: number of the run.
        step: steps taken.
        value: the eigenvalue.
        error: an eigenvalue lies within this distance of it.
    """

    run: RunNumber
    step: StepNumber
    value: Number
    error: Annotated[float, Meta(ge=0, le=LARGEST)]


class Slice(Message, tag="slice", frozen=True, kw_only=True):
    """The loss along the step that the optimizer took, by how long it would have been.

    Attributes:
        run: number of the run.
        step: steps taken before it.
        lr: learning rate that it was taken with.
        before: loss before it.
        lrs: learning rates, ascending.
        losses: loss after the same step at each of these rates, ``None`` where not finite.
        downhill: whether the loss falls along its very beginning.
    """

    run: RunNumber
    step: StepNumber
    lr: LearningRate
    before: Number
    lrs: list[LearningRate]
    losses: list[Number | None]
    downhill: bool

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.lrs, self.losses)


class Picture(Message, tag="picture", frozen=True, kw_only=True):
    """What the model makes of the grid of its scene, where the weights are now.

    Attributes:
        run: number of the run.
        step: steps taken.
        values: predictions along a curve's grid; or, row by row from the lowest, the class at each
            cell of a grid of classes.
    """

    run: RunNumber
    step: StepNumber
    values: list[Number | None]


class Ended(Message, tag="ended", frozen=True, kw_only=True):
    """A run is over.

    Attributes:
        run: its number.
        outcome: how it ended.
        step: steps taken.
        loss: last finite loss, ``None`` if there was none.
        reason: why it ended, in a sentence.
    """

    run: RunNumber
    outcome: Outcome
    step: StepNumber
    loss: Number | None
    reason: str


class Marked(Message, tag="marked", frozen=True, kw_only=True):
    """What a person has done with a run in the table, for the next time it is opened.

    Attributes:
        run: its number.
        name: what it is called, empty for nothing.
        pinned: whether it stays on the charts.
        hidden: whether it is left out of them.
        removed: whether it is gone from the table.
    """

    run: RunNumber
    name: str = ""
    pinned: bool = False
    hidden: bool = False
    removed: bool = False
