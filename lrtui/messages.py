"""Wire protocol between a trainer and its viewers: one JSON object a line.

The ``type`` of an object says what it is. A number that is not finite is ``null``, and the message
that ends a run says in words how it ended. A field or a message that a newer peer adds is ignored;
one that is known and malformed is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from lrtui.problems.settings import ProblemSettings

PROTOCOL = 2
"""Version of this vocabulary. lrtui 0.1 spoke 1, see ``lrtui.sources.protocol1``."""

MOST_ENTRANTS = 8
"""Runs of a race, at most: as many as can be told apart on a chart."""

LARGEST = 3.5e38
"""Slightly more than the largest float32: no loss and no weight exceeds it."""

RunNumber = Annotated[int, Meta(ge=1, le=10**9)]
Steps = Annotated[int, Meta(ge=1, le=10**12)]
StepNumber = Annotated[int, Meta(ge=0, le=10**12)]
LearningRate = Annotated[float, Meta(gt=0)]
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Eigenvalue = Annotated[float, Meta(ge=1e-38, le=LARGEST)]
Vector = Annotated[list[Number], Meta(min_length=1, max_length=1000)]
Column = Annotated[list[Number], Meta(min_length=2, max_length=100_000)]
StepsPerSecond = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]
Outcome = Literal["done", "diverged", "stopped", "failed", "disconnected"]
OptimizerName = Literal["sgd", "nesterov", "adam", "adamw", "own"]
Share = Annotated[float, Meta(ge=0, lt=1)]
RateInForce = Annotated[float, Meta(ge=0)]
"""A learning rate as a schedule has it: a warm-up begins at 0."""

SCHEDULES = ("constant", "cosine", "linear", "step", "onecycle", "warmup:N")
"""How the rate moves over the steps of a run; N is a number of steps."""

ScheduleName = Annotated[
    str, Meta(pattern=r"^(constant|cosine|linear|step|onecycle|warmup:[1-9][0-9]{0,8})\Z")
]


class Optimizer(Struct, frozen=True, kw_only=True):
    """How a gradient becomes a step; the names and their meaning are those of torch.optim.

    Attributes:
        name: ``own`` is the one that a person's file makes, of which no more is known.
        momentum: of ``sgd`` and ``nesterov``.
        weight_decay: share of the weights added to the gradient; ``adamw`` decays them itself.
        betas: of ``adam`` and ``adamw``.
    """

    name: OptimizerName = "sgd"
    momentum: Share = 0.0
    weight_decay: Annotated[float, Meta(ge=0, le=LARGEST)] = 0.0
    betas: tuple[Share, Share] = (0.9, 0.999)

    @property
    def is_adaptive(self) -> bool:
        """Whether each weight has a step size of its own: Adam and AdamW."""
        return self.name in ("adam", "adamw")

    @property
    def is_plain(self) -> bool:
        """Whether a step is the rate times the gradient and nothing else."""
        return self.name == "sgd" and not self.momentum and not self.weight_decay

    @property
    def threshold(self) -> float:
        """The largest stable product of rate and curvature.

        Gradient descent: 2. With momentum β: 2 + 2β, in torch's Nesterov (2 + 2β)/(1 + 2β). With
        Adam, on the Hessian that is divided by √v̂ + ε: (2 + 2β₁)/(1 − β₁). Source: Cohen et al.,
        "Adaptive Gradient Methods at the Edge of Stability", 2022.
        """
        if self.is_adaptive:
            return (2 + 2 * self.betas[0]) / (1 - self.betas[0])
        beta = self.momentum
        return (2 + 2 * beta) / (1 + 2 * beta if self.name == "nesterov" else 1)

    @property
    def title(self) -> str:
        """The optimizer in words, such as ``sgd .9`` or ``adamw, decay .01``."""
        parts = [str(self.name)]
        if self.momentum and not self.is_adaptive:
            parts[0] += f" {self.momentum:g}".replace("0.", ".")
        if self.is_adaptive and self.betas != (0.9, 0.999):
            parts[0] += " {:g}/{:g}".format(*self.betas).replace("0.", ".")
        if self.weight_decay:
            parts.append(f"decay {self.weight_decay:g}")
        return ", ".join(parts)


PLAIN = Optimizer()
"""Gradient descent: a step is the rate times the gradient."""

OWN = Optimizer(name="own")
"""Whatever optimizer a problem brings along; gradient descent where it brings none."""


# --- commands: to a source ----------------------------------------------------------------


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
        seconds: time that it may take where the rates cannot be trained together; ``None`` for
            as much as it needs.
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


# Of a training that is not ours:


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


class Stop(Command, tag="stop", frozen=True, kw_only=True):
    """End the training in good order."""


Steering = Hold | Scale | Release | Checkpoint | TakeSnapshot | Rewind | Stop
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
    LabCapability, "seek", "hold", "scale", "release", "checkpoint", "rewind", "stop"
]
"""What can be asked of a source: the ``type`` of the command that asks for it. A source that can
``pause`` can resume."""

ALL_CAPABILITIES: tuple[LabCapability, ...] = get_args(LabCapability)


# --- messages: from a source --------------------------------------------------------------


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a source reports about a run, or about itself."""


def check_equal_lengths(*columns: Sequence[object]) -> None:
    """Check that the columns of a table fit together.

    Raises:
        ValueError: their lengths differ.
    """
    if len(set(map(len, columns))) > 1:
        raise ValueError("columns of different lengths")


class Greeting(Message, tag="greeting", frozen=True, kw_only=True):
    """The first message of a source: who it is and what can be asked of it.

    Attributes:
        protocol: version of this vocabulary that it speaks.
        program: name and version.
        pid: its process.
        folder: its working directory.
        rank: its number among processes that train together.
        title: what is trained, in words; parts separated by `` · ``, the most important first.
        capabilities: see ``Capability``; those of a newer peer may be unknown.
        name: what a person calls it, empty where nobody gave it a name.
        command: its command line.
        since: when it started, in seconds since 1970; 0 where that does not matter.
        ranks: how many processes train together.
        step: steps taken when this was said.
        loss: the last loss then, ``None`` if there was none.
    """

    protocol: int = PROTOCOL
    program: str
    pid: int
    folder: str
    rank: int = 0
    title: str
    capabilities: list[str]
    name: str = ""
    command: list[str] = []
    since: Seconds = 0.0
    ranks: Annotated[int, Meta(ge=1)] = 1
    step: StepNumber = 0
    loss: Number | None = None


class LineScene(Message, tag="line_scene", frozen=True, kw_only=True):
    """What a picture of a line fit needs: the data is there.

    A message of its own, and not a field of the greeting, so that a scene of a newer peer is
    ignored like any other unknown message, and the greeting need not wait for the data.

    Attributes:
        x: first column of the design matrix; the second is all ones.
        y: target, as long as ``x``.
        true_weights: slope and bias behind the target, before the noise; ``None`` where nobody
            knows them.
    """

    x: Column
    y: Column
    true_weights: tuple[Number, Number] | None

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y)


class CurveScene(Message, tag="curve_scene", frozen=True, kw_only=True):
    """What a picture of a fit in one dimension needs.

    Attributes:
        x: inputs.
        y: targets, as many.
        grid: inputs at which a ``Picture`` tells the prediction, ascending.
    """

    x: Column
    y: Column
    grid: Column

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y)


class ClassesScene(Message, tag="classes_scene", frozen=True, kw_only=True):
    """What a picture of classes in two dimensions needs.

    Attributes:
        x: first input of each point.
        y: second input, as many.
        labels: class of each point, from 0 up.
        across: first inputs of the grid of a ``Picture``, ascending.
        up: second inputs of it, ascending.
    """

    x: Column
    y: Column
    labels: list[Annotated[int, Meta(ge=0, le=100)]]
    across: Column
    up: Column

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y, self.labels)


class PlaneScene(Message, tag="plane_scene", frozen=True, kw_only=True):
    """What a map of a loss over its two weights needs.

    Attributes:
        across: values of the first weight, ascending.
        up: values of the second weight, ascending.
        losses: the loss at each, one row for each value of ``up``.
        minimum: weights at the minimum, ``None`` where that is not known.
        start: weights that every run starts from.
    """

    across: Column
    up: Column
    losses: list[list[Number | None]]
    minimum: tuple[Number, Number] | None
    start: tuple[Number, Number]

    def __post_init__(self) -> None:
        """Check that the rows fit together."""
        check_equal_lengths(self.up, self.losses)
        check_equal_lengths(self.across, *self.losses)


Scene = LineScene | CurveScene | ClassesScene | PlaneScene


class ProblemFacts(Message, tag="problem", frozen=True, kw_only=True):
    """What is known of a problem besides its closed form and its picture.

    Attributes:
        name: of a built-in problem, or the path of a file.
        weights: how many are trained.
        samples: how many there are, ``None`` where that is not known.
        batch: samples of a step, ``None`` where every step sees all of them.
        target: loss at which a run counts as settled, ``None`` where there is no such loss.
        sharpness: largest eigenvalue of the Hessian where every run starts, ``None`` where it was
            not measured.
        own_optimizer: the optimizer that the problem brings along in words, empty for none.
        remarks: what a person should know of the data, in sentences.
        condition: condition number of its features as they are trained on, where it is linear.
        other_condition: the same with ``--standardise`` where it was not asked for, and without it
            where it was.
    """

    name: str
    weights: Annotated[int, Meta(ge=1)]
    samples: int | None = None
    batch: int | None = None
    target: Number | None = None
    sharpness: Number | None = None
    own_optimizer: str = ""
    remarks: list[str] = []
    condition: Annotated[float, Meta(ge=1)] | None = None
    other_condition: Annotated[float, Meta(ge=1)] | None = None


class Quadratic(Message, tag="quadratic", frozen=True, kw_only=True):
    """Closed form of a loss that is exactly quadratic in its d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending, d of them.
        eigenvectors: one row of length d for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: weights that every run starts from.
        target: loss at which a run counts as settled; ``None`` for 0.5% above the minimum.
    """

    target: Number | None = None
    eigenvalues: Annotated[list[Eigenvalue], Meta(min_length=1, max_length=1000)]
    eigenvectors: list[Vector]
    minimum: Vector
    min_loss: Annotated[float, Meta(ge=0, le=LARGEST)]
    start: Vector

    def __post_init__(self) -> None:
        """Check that all parts are of the same dimension, and the order of the eigenvalues."""
        check_equal_lengths(
            self.eigenvalues, self.eigenvectors, self.minimum, self.start, *self.eigenvectors
        )
        if self.eigenvalues != sorted(self.eigenvalues):
            raise ValueError("eigenvalues that do not ascend")


class Swept(Message, tag="swept", frozen=True, kw_only=True):
    """Result of a sweep.

    Attributes:
        lrs: learning rates, as they were asked for.
        steps: steps of each run.
        losses: last loss of each, ``None`` where it is not finite.
        settled_at: step from which on each was close to the minimum or under its target, ``None``
            if never.
        taken: steps that each took, fewer than ``steps`` where time was up; empty where all did.
        first_loss: loss at the start of them all, ``None`` where that is not told.
        optimizer: what took the steps.
        schedule: how each rate moved from its peak.
        how: how they were trained, in words.
        range_test: rates that the usual range tests suggest, by their name, ``None`` where one
            suggests nothing; empty where they were not asked for.
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

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.lrs, self.losses, self.settled_at, self.taken or self.lrs)

    def is_finished(self, i: int) -> bool:
        """Return whether a rate took all its steps, or diverged before."""
        return not self.taken or self.taken[i] >= self.steps or self.losses[i] is None


class Heated(Message, tag="heated", frozen=True, kw_only=True):
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


class Rewound(Message, tag="rewound", frozen=True, kw_only=True):
    """A record is shown again from the start of a run: it is told anew, and what came after it.

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
    """

    run: RunNumber
    lr: RateInForce
    steps: Steps | None
    optimizer: Optimizer | str = "sgd"
    schedule: str = "constant"
    race: list[RunNumber] = []


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


class Steered(Message, tag="steered", frozen=True, kw_only=True):
    """A command took effect on a training, or could not: told to all who watch it.

    Attributes:
        run: number of the run.
        step: steps taken when it did.
        command: its type.
        text: what it did, in words; where it could not, why not.
        done: whether it took effect.
        lr: rate in force from here on.
        asked_by: who asked for it.
        at: when, in seconds since 1970.
        answers: ``id`` of the command, for the one who sent it; 0 for all others.
    """

    run: RunNumber
    step: StepNumber
    command: str
    text: str
    done: bool = True
    lr: RateInForce
    asked_by: str
    at: Seconds
    answers: int = 0


class Ranks(Message, tag="ranks", frozen=True, kw_only=True):
    """How far the processes of a training are, at most once a second.

    Attributes:
        run: number of the run.
        steps: steps that each has taken, by rank.
        paces: steps a second of each, of late.
        ended: ranks that have left.
    """

    run: RunNumber
    steps: Annotated[list[StepNumber], Meta(min_length=1, max_length=100_000)]
    paces: list[Annotated[float, Meta(ge=0)]]
    ended: list[int] = []

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.steps, self.paces)


class Snapshots(Message, tag="snapshots", frozen=True, kw_only=True):
    """Which snapshots of a training there are to go back to.

    Attributes:
        run: number of the run.
        steps: at which they were taken, ascending.
        before: the one that a rewind without a step goes back to.
    """

    run: RunNumber
    steps: list[StepNumber]
    before: StepNumber


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
    """

    run: RunNumber
    steps: StepNumber | list[StepNumber]
    scalars: dict[str, list[Number | None]]
    seconds: Seconds
    weights: list[Number | None] = []
    trajectory: list[list[Number | None]] = []

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


class Printed(Message, tag="printed", frozen=True, kw_only=True):
    """A line that the training code printed, or a remark of the source itself."""

    text: str


class NoResult(Message, tag="no_result", frozen=True, kw_only=True):
    """Work beside a run could not be done; the run goes on.

    Attributes:
        work: ``sweep``, ``heat``, ``ahead`` or ``sharpness``.
        reason: why not, in a sentence.
    """

    work: str
    reason: str


class Unusable(Message, tag="unusable", frozen=True, kw_only=True):
    """The problem cannot be trained; the source waits for it to be mended.

    Attributes:
        reason: why not, in a sentence, with the file and the line where it has one.
    """

    reason: str


class Failed(Message, tag="failed", frozen=True, kw_only=True):
    """The source is gone, and its current run with it.

    Attributes:
        reason: what happened, in a sentence.
        details: last lines that it printed, oldest first.
    """

    reason: str
    details: list[str] = []


AnyMessage = (
    Greeting
    | ProblemFacts
    | LineScene
    | CurveScene
    | ClassesScene
    | PlaneScene
    | Quadratic
    | Swept
    | Heated
    | Rewound
    | Started
    | State
    | Steered
    | Ranks
    | Snapshots
    | Progress
    | Ahead
    | Sharpness
    | Slice
    | Picture
    | Ended
    | Marked
    | Printed
    | NoResult
    | Unusable
    | Failed
)


T = TypeVar("T")


class _Tagged(Struct):
    type: str


_encoder = msgspec.json.Encoder()
_commands: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_messages: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_tagged = msgspec.json.Decoder(_Tagged)
_command_types = {kind.__struct_config__.tag for kind in get_args(AnyCommand)}
_message_types = {kind.__struct_config__.tag for kind in get_args(AnyMessage)}


def encode(message: Struct) -> bytes:
    """Return a message as one line of JSON, without the line feed."""
    return _encoder.encode(message)


def decode_command(line: bytes) -> AnyCommand | None:
    """Decode a command.

    Returns:
        The command, ``None`` where only a newer peer knows its type.

    Raises:
        ValueError: the line is not a command; says why.
    """
    return _decode(_commands, _command_types, line)


def decode_message(line: bytes) -> AnyMessage | None:
    """Decode a message.

    Returns:
        The message, ``None`` where only a newer peer knows its type.

    Raises:
        ValueError: the line is not a message; says why.
    """
    return _decode(_messages, _message_types, line)


def _decode(
    decoder: msgspec.json.Decoder[T], types: set[str | int | None], line: bytes
) -> T | None:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        try:
            if _tagged.decode(line).type not in types:
                return None
        except (msgspec.DecodeError, RecursionError):
            pass  # the first error says more
        raise ValueError(str(error)) from error
