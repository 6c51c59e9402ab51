"""What can be asked of a source."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from lrtui.messages.optimizer import PLAIN, Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.messages.quantities import (
    LARGEST,
    LearningRate,
    Number,
    RunNumber,
    ScheduleName,
    Share,
    StepNumber,
    Steps,
    StepsPerSecond,
)

MOST_ENTRANTS = 8
"""Runs of a race, at most: as many as can be told apart on a chart."""


class Command(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A request to a source.

    Attributes:
        id: number of the command; the ``State`` that answers it carries the same.
    """

    id: Annotated[int, Meta(ge=0)] = 0


class Start(Command, tag="start", frozen=True, kw_only=True):
    """End the current run, if there is one, and start another from the initial weights.

    Attributes:
        run: number of the new run.
        lr: learning rate.
        steps: how many steps to take.
        speed: steps a second, ``None`` for as fast as possible.
        paused: wait at step 0 until told otherwise.
        optimizer: what takes the steps.
        schedule: how the rate moves; ``lr`` is its peak.
    """

    run: RunNumber
    lr: LearningRate
    steps: Steps
    speed: StepsPerSecond | None
    paused: bool = False
    optimizer: Optimizer = Optimizer()
    schedule: ScheduleName = "constant"


class Entrant(Struct, frozen=True, kw_only=True):
    """One of the runs of a race: what it does not share with the others.

    Attributes:
        run: number of the run.
        lr: learning rate.
        optimizer: what takes the steps.
    """

    run: RunNumber
    lr: LearningRate
    optimizer: Optimizer = PLAIN


class Race(Command, tag="race", frozen=True, kw_only=True):
    """End the current run, if there is one, and start several that are trained in step.

    Attributes:
        entrants: the runs, their numbers ascending.
        steps: how many steps each is to take.
        schedule: how the rate of each moves from its peak.
        speed: steps a second of each, ``None`` for as fast as possible.
        paused: wait at step 0 until told otherwise.
    """

    entrants: Annotated[list[Entrant], Meta(min_length=1, max_length=MOST_ENTRANTS)]
    steps: Steps
    speed: StepsPerSecond | None
    paused: bool = False
    schedule: ScheduleName = "constant"

    def starts(self) -> list[Start]:
        """Return what would start each of the runs alone."""
        return [
            Start(
                id=self.id,
                run=entrant.run,
                lr=entrant.lr,
                optimizer=entrant.optimizer,
                steps=self.steps,
                speed=self.speed,
                paused=self.paused,
                schedule=self.schedule,
            )
            for entrant in self.entrants
        ]


class Alone(Command, tag="alone", frozen=True, kw_only=True):
    """Go on with one run of a race, and end the others.

    Attributes:
        run: its number.
    """

    run: RunNumber


class SetLr(Command, tag="set_lr", frozen=True, kw_only=True):
    """Continue the current run at another learning rate; of several in step, none is changed.

    It is the peak where the run has a schedule, which goes on in proportion.
    """

    lr: LearningRate


class Pause(Command, tag="pause", frozen=True, kw_only=True):
    """Hold the current run."""


class Resume(Command, tag="resume", frozen=True, kw_only=True):
    """Continue a run that is paused."""


class Step(Command, tag="step", frozen=True, kw_only=True):
    """Take one step, or some, then hold.

    Attributes:
        count: how many.
    """

    count: Steps = 1


class SetSpeed(Command, tag="speed", frozen=True, kw_only=True):
    """Change the pace: steps a second, ``None`` for as fast as possible."""

    speed: StepsPerSecond | None


class Sweep(Command, tag="sweep", frozen=True, kw_only=True):
    """Train one run at each learning rate, from the same start, beside the current run.

    Attributes:
        lrs: learning rates.
        steps: steps of each run.
        optimizer: what takes the steps.
        schedule: how each rate moves from its peak.
        seconds: of work that it may take; ``None`` for as much as it needs.
        range_test: whether to say as well what the usual range tests suggest.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    steps: Steps
    optimizer: Optimizer = Optimizer()
    schedule: ScheduleName = "constant"
    seconds: Annotated[float, Meta(gt=0)] | None = None
    range_test: bool = False


class Heat(Command, tag="heat", frozen=True, kw_only=True):
    """Train one run at each rate and each momentum, from the same start, beside the current run.

    Attributes:
        lrs: learning rates, ascending.
        momenta: of the optimizer, ascending.
        steps: steps of each run.
        optimizer: ``sgd`` or ``nesterov``; its own momentum means nothing.
        schedule: how each rate moves from its peak.
        seconds: as in ``Sweep``.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    momenta: Annotated[list[Share], Meta(min_length=1)]
    steps: Steps
    optimizer: Optimizer = Optimizer()
    schedule: ScheduleName = "constant"
    seconds: Annotated[float, Meta(gt=0)] | None = None


class Seek(Command, tag="seek", frozen=True, kw_only=True):
    """Show another place of a record.

    Attributes:
        chapters: runs to go on by, back where negative.
        reports: reports to go on by within the run, back where negative.
        step: of the run; ``None`` for where the others lead to.
        end: go to the end of the run.
    """

    chapters: int = 0
    reports: int = 0
    step: StepNumber | None = None
    end: bool = False


class Load(Command, tag="load", frozen=True, kw_only=True):
    """End the current run, if there is one, and take up another problem.

    Attributes:
        problem: which, and its settings.
    """

    problem: ProblemSettings


class Watch(Command, tag="watch", frozen=True, kw_only=True):
    """Tell what was so far, then what comes; until this is sent, only commands are answered."""


class Hold(Command, tag="hold", frozen=True, kw_only=True):
    """Hold the rate, whatever the schedule asks for; groups of parameters keep their ratios."""

    lr: LearningRate


class Scale(Command, tag="scale", frozen=True, kw_only=True):
    """Multiply the rate in force; the schedule goes on, times all factors so far."""

    by: Annotated[float, Meta(gt=0, le=LARGEST)]


class Release(Command, tag="release", frozen=True, kw_only=True):
    """Give the rate back to the schedule."""


class Checkpoint(Command, tag="checkpoint", frozen=True, kw_only=True):
    """Write a checkpoint, the training's own way."""


class TakeSnapshot(Command, tag="take_snapshot", frozen=True, kw_only=True):
    """Take a snapshot to go back to.

    Attributes:
        level: median of the last losses, ``None`` where there were none; the same for all ranks.
    """

    level: Number | None = None


class Rewind(Command, tag="rewind", frozen=True, kw_only=True):
    """Go back to a snapshot, and on from there at the rate that was in force then, scaled.

    Attributes:
        step: of the snapshot; ``None`` for the last one before the loss rose.
        by: the factor.
    """

    step: StepNumber | None = None
    by: Annotated[float, Meta(gt=0, le=LARGEST)] = 0.5


class Follow(Command, tag="follow", frozen=True, kw_only=True):
    """Take another optimizer of the process for the training's: its steps, its loss, its rate.

    Attributes:
        optimizer: its name, empty for the next one.
    """

    optimizer: str = ""


class Stop(Command, tag="stop", frozen=True, kw_only=True):
    """End the training in good order."""


Steering = Hold | Scale | Release | Checkpoint | TakeSnapshot | Rewind | Follow | Stop
AnyCommand = (
    Start
    | Race
    | Alone
    | SetLr
    | Pause
    | Resume
    | Step
    | SetSpeed
    | Sweep
    | Heat
    | Seek
    | Load
    | Watch
    | Steering
)

LabCapability = Literal[
    "start", "race", "alone", "set_lr", "pause", "step", "speed", "sweep", "heat", "load"
]
"""What can be asked of our own trainer."""

Capability = Literal[
    LabCapability, "seek", "hold", "scale", "release", "checkpoint", "rewind", "follow", "stop"
]
"""What can be asked of a source: the ``type`` of the command that asks for it. A source that can
``pause`` can resume."""

ALL_CAPABILITIES: tuple[LabCapability, ...] = get_args(LabCapability)
