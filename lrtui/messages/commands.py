"""Commands of viewers to a source."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from lrtui.messages.optimizer import PLAIN, Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.messages.quantities import (
    Factor,
    Fraction,
    LearningRate,
    Number,
    RunNumber,
    ScheduleName,
    StepNumber,
    Steps,
    StepsPerSecond,
)

MOST_ENTRANTS = 8
"""Most runs of a race: as many as a chart can distinguish."""


class Command(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A request to a source.

    Attributes:
        id: of the command, repeated in the ``State`` that answers it.
        to: number of the run whose training it is for, if there are several.
    """

    id: Annotated[int, Meta(ge=0)] = 0
    to: RunNumber | None = None


USUAL_FACTORS = (0.5, 1.0, 2.0, 4.0)
"""Factors on the rate of a try."""


class Start(Command, tag="start", frozen=True, kw_only=True):
    """End the current run, if any, and start another from the initial weights.

    Attributes:
        run: number of the new run.
        lr: learning rate; the peak of the schedule.
        speed: steps a second, ``None`` for as fast as possible.
        paused: wait at step 0.
    """

    run: RunNumber
    lr: LearningRate
    steps: Steps
    speed: StepsPerSecond | None
    paused: bool = False
    optimizer: Optimizer = Optimizer()
    schedule: ScheduleName = "constant"


class Entrant(Struct, frozen=True, kw_only=True):
    """A run of a race, with the settings of its own."""

    run: RunNumber
    lr: LearningRate
    optimizer: Optimizer = PLAIN


class Race(Command, tag="race", frozen=True, kw_only=True):
    """End the current run, if any, and start several that are trained in step; see ``Start``."""

    entrants: Annotated[list[Entrant], Meta(min_length=1, max_length=MOST_ENTRANTS)]
    steps: Steps
    speed: StepsPerSecond | None
    paused: bool = False
    schedule: ScheduleName = "constant"

    def starts(self) -> list[Start]:
        """Return the commands that would start each run alone."""
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
    """Continue one run of a race, and end the others."""

    run: RunNumber


class SetLr(Command, tag="set_lr", frozen=True, kw_only=True):
    """Continue the current run at another rate, the peak of its schedule; a race ignores it."""

    lr: LearningRate


class Pause(Command, tag="pause", frozen=True, kw_only=True):
    """Pause the current run."""


class Resume(Command, tag="resume", frozen=True, kw_only=True):
    """Continue a run that is paused."""


class Step(Command, tag="step", frozen=True, kw_only=True):
    """Take some steps, then pause."""

    count: Steps = 1


class SetSpeed(Command, tag="speed", frozen=True, kw_only=True):
    """Change the pace: steps a second, ``None`` for as fast as possible."""

    speed: StepsPerSecond | None


class Sweep(Command, tag="sweep", frozen=True, kw_only=True):
    """Train one run at each learning rate, from the same start, beside the current run.

    Attributes:
        seconds: time limit of the work, ``None`` for none.
        range_test: whether to report the suggestions of the usual range tests as well.
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
        lrs, momenta: ascending.
        optimizer: ``sgd`` or ``nesterov``; its own momentum is not used.
        seconds: time limit of the work, ``None`` for none.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    momenta: Annotated[list[Fraction], Meta(min_length=1)]
    steps: Steps
    optimizer: Optimizer = Optimizer()
    schedule: ScheduleName = "constant"
    seconds: Annotated[float, Meta(gt=0)] | None = None


class Seek(Command, tag="seek", frozen=True, kw_only=True):
    """Go to another place of a record.

    Attributes:
        chapters: runs to skip, backwards if negative.
        reports: reports to skip within the run, backwards if negative.
        step: of the run to go to, ``None`` for none.
        end: go to the end of the run.
    """

    chapters: int = 0
    reports: int = 0
    step: StepNumber | None = None
    end: bool = False


class Load(Command, tag="load", frozen=True, kw_only=True):
    """End the current run, if any, and load another problem."""

    problem: ProblemSettings


class Watch(Command, tag="watch", frozen=True, kw_only=True):
    """Send the history, then live updates; before this, only commands are answered."""


class Hold(Command, tag="hold", frozen=True, kw_only=True):
    """Hold the rate against the schedule; parameter groups keep their ratios."""

    lr: LearningRate


class Scale(Command, tag="scale", frozen=True, kw_only=True):
    """Multiply the rate in force; the schedule continues, scaled."""

    by: Factor


class Release(Command, tag="release", frozen=True, kw_only=True):
    """Return the rate to the schedule."""


class Checkpoint(Command, tag="checkpoint", frozen=True, kw_only=True):
    """Write a checkpoint by the training's own function."""


class TakeSnapshot(Command, tag="take_snapshot", frozen=True, kw_only=True):
    """Take a snapshot to go back to.

    Attributes:
        level: median of the last losses, ``None`` without any; the same on all ranks.
    """

    level: Number | None = None


class Rewind(Command, tag="rewind", frozen=True, kw_only=True):
    """Go back to a snapshot, and continue at the rate of then, scaled.

    Attributes:
        step: of the snapshot, ``None`` for the last one before the loss rose.
        by: factor on the rate.
    """

    step: StepNumber | None = None
    by: Factor = 0.5


class Follow(Command, tag="follow", frozen=True, kw_only=True):
    """Follow another optimizer of the process.

    Attributes:
        optimizer: its name, empty for the next one.
    """

    optimizer: str = ""


class Try(Command, tag="try", frozen=True, kw_only=True):
    """Replay the next steps at other rates, on the same batches, then restore the training.

    Attributes:
        factors: on the rate in force.
        steps: to record and replay.
        only_ask: whether only to estimate its cost.
    """

    factors: Annotated[list[Factor], Meta(min_length=1, max_length=8)]
    steps: Annotated[int, Meta(ge=1, le=10_000)] = 100
    only_ask: bool = False


class Cancel(Command, tag="cancel", frozen=True, kw_only=True):
    """End a try, and restore the training."""


class Adopt(Command, tag="adopt", frozen=True, kw_only=True):
    """Go on from the end of a branch of the last try, at its rate.

    Attributes:
        factor: of the branch.
    """

    factor: Factor


class Add(Command, tag="add", frozen=True, kw_only=True):
    """Add a rate to a race of scripts, which starts it when there is room."""

    lr: LearningRate


class Stop(Command, tag="stop", frozen=True, kw_only=True):
    """Stop the training cleanly."""


AnyCommand = (
    Start | Race | Alone | SetLr | Pause | Resume | Step | SetSpeed | Sweep | Heat | Seek | Load
    | Watch | Add
    | Hold | Scale | Release | Checkpoint | TakeSnapshot | Rewind | Follow | Try | Cancel | Adopt
    | Stop
)  # fmt: skip

LabCapability = Literal[
    "start", "race", "alone", "set_lr", "pause", "step", "speed", "sweep", "heat", "load"
]
"""Capabilities of our own trainer."""

Capability = Literal[
    LabCapability,
    "seek",
    "add",
    "hold",
    "scale",
    "release",
    "checkpoint",
    "rewind",
    "follow",
    "try",
    "adopt",
    "stop",
]
"""Capabilities of a source: the ``type`` of the commands that it obeys; ``pause`` is resume too."""

ALL_CAPABILITIES: tuple[LabCapability, ...] = get_args(LabCapability)
