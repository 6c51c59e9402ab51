"""Messages about a run, from its start to its end."""

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
    """A record restarts at a run: its messages and later ones are sent again."""

    run: RunNumber


class Started(Message, tag="started", frozen=True, kw_only=True):
    """A run is at its initial weights.

    Attributes:
        run: its number, from 1 up.
        lr: learning rate; the peak of a schedule.
        steps: it will take, ``None`` if open.
        optimizer: in words if it is none of ours.
        schedule: its name.
        race: numbers of all runs of its race; empty for a run alone.
        full_batch: whether each step of a training that is not ours sees all the data; for ours see
            ``ProblemFacts``.
    """

    run: RunNumber
    lr: RateInForce
    steps: Steps | None
    optimizer: Optimizer | str = "sgd"
    schedule: str = "constant"
    race: list[RunNumber] = []
    full_batch: bool = False


class State(Message, tag="state", frozen=True, kw_only=True):
    """How the current run is driven: sent after ``Started`` and after each command.

    Attributes:
        step: taken when this took effect.
        speed: steps a second, ``None`` for as fast as possible.
        lr: rate in force from here on; the peak of a schedule.
        asked_by: who asked for it, empty for nobody.
        answers: ``id`` of the command that this answers, 0 for none.
        scheduled: rate that the schedule asks for, ``None`` if that is ``lr``.
        held: rate that a person holds, ``None`` for none.
        scale: a person's factor on the schedule's rate.
        stopping: whether it was asked to stop.
        groups: number of parameter groups with a rate; ``lr`` is the largest rate.
        lowest: the smallest rate, ``None`` if it is the same or unknown.
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
    """Scalars since the last report of a run; at most 20 reports a second.

    Attributes:
        steps: the first step if they are consecutive, else each step, ascending. Step 0 is at the
            initial weights.
        scalars: columns of one length by name: ``loss``, and ``lr``, the rate in force, if a
            schedule moves it; ``None`` where not finite.
        seconds: spent training so far, without pauses.
        weights: at the last step, if they are few.
        trajectory: weights at each step from the first on, as far as they are reported.
        no_loss: whether the loss is not known; its column is meaningless then.
    """

    run: RunNumber
    steps: StepNumber | list[StepNumber]
    scalars: dict[str, list[Number | None]]
    seconds: Seconds
    weights: list[Number | None] = []
    trajectory: list[list[Number | None]] = []
    no_loss: bool = False

    def __post_init__(self) -> None:
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
    """A piece of the look-ahead: the same run, run ahead of itself.

    Attributes:
        since: first step at ``lr``, 0 for the whole run; a later one replaces the look-ahead.
        first: step of the first loss.
        losses: of consecutive steps, ``None`` where not finite.
        outcome: how the run will end, ``None`` while unknown.
        reason: why it ends, or why there will be no more; empty before.
    """

    run: RunNumber
    since: StepNumber
    lr: LearningRate
    first: StepNumber
    losses: list[Number | None]
    outcome: Outcome | None = None
    reason: str = ""


class Sharpness(Message, tag="sharpness", frozen=True, kw_only=True):
    """The largest eigenvalue of the Hessian at the current weights; preconditioned for Adam.

    Attributes:
        value: the eigenvalue.
        error: an eigenvalue lies within this distance of it.
        threshold: the largest stable product of rate and value; ``None`` where it follows from the
            optimizer of the run.
    """

    run: RunNumber
    step: StepNumber
    value: Number
    error: Annotated[float, Meta(ge=0, le=LARGEST)]
    threshold: Number | None = None


class Slice(Message, tag="slice", frozen=True, kw_only=True):
    """The loss along the step that the optimizer took, at other rates.

    Attributes:
        step: taken before it.
        lr: rate that it was taken at.
        before: loss before it.
        lrs: other rates, ascending.
        losses: after the same step at each of them, ``None`` where not finite.
        downhill: whether the loss falls at the beginning of the step.
    """

    run: RunNumber
    step: StepNumber
    lr: LearningRate
    before: Number
    lrs: list[LearningRate]
    losses: list[Number | None]
    downhill: bool

    def __post_init__(self) -> None:
        check_equal_lengths(self.lrs, self.losses)


class Picture(Message, tag="picture", frozen=True, kw_only=True):
    """The model's output on the grid of its scene, at the current weights.

    Attributes:
        values: predictions along the grid of a curve; or the class of each cell of a grid of
            classes, row by row from the lowest.
    """

    run: RunNumber
    step: StepNumber
    values: list[Number | None]


class Ended(Message, tag="ended", frozen=True, kw_only=True):
    """A run is over.

    Attributes:
        step: taken.
        loss: last finite one, ``None`` if there was none.
        reason: why it ended, in a sentence.
    """

    run: RunNumber
    outcome: Outcome
    step: StepNumber
    loss: Number | None
    reason: str


class Marked(Message, tag="marked", frozen=True, kw_only=True):
    """A person's mark on a run, kept with a saved session.

    Attributes:
        name: given to it, empty for none.
        pinned: it stays on the charts, whatever is run after it.
        hidden: it is left out of the charts.
        removed: it is gone from the table.
    """

    run: RunNumber
    name: str = ""
    pinned: bool = False
    hidden: bool = False
    removed: bool = False
