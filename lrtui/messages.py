"""All that the trainer and whoever started it say to each other.

One JSON object a line, told apart by its ``type``. A number that is not finite is ``null`` on
the wire, and the message that ends the run says in words what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MOST = 3.5e38
"""A little more than the largest float32: what no loss and no weight exceeds."""

RunNumber = Annotated[int, Meta(ge=1, le=10**9)]
Steps = Annotated[int, Meta(ge=1, le=10**12)]
StepNumber = Annotated[int, Meta(ge=0, le=10**12)]
Rate = Annotated[float, Meta(gt=0)]
Loss = Annotated[float, Meta(ge=0, le=MOST)]
Weight = Annotated[float, Meta(ge=-MOST, le=MOST)]
Weights = tuple[Weight, Weight]
"""Slope and bias."""
Reached = tuple[Weight | None, Weight | None]
"""Slope and bias, ``None`` where not finite."""
Eigenvalue = Annotated[float, Meta(ge=1e-38, le=MOST)]
Column = Annotated[list[Weight], Meta(min_length=2, max_length=100_000)]
StepsPerSecond = Annotated[float, Meta(gt=0)]
Noise = Literal["uniform", "gaussian"]
Spread = Literal["symmetric", "unit"]
Outcome = Literal["done", "diverged", "stopped", "failed"]


class Problem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every run of a session has in common, so that only the learning rate differs.

    Attributes:
        points: how many samples the line is fitted to.
        noise: what is added to the target: uniform on [0, 1), or Gaussian (mean 0, deviation 1).
        spread: what the first column is drawn from: ``symmetric`` is uniform on [-1, 1), ``unit``
            on [0, 1), where the two eigenvalues lie further apart.
        seed: seeds torch's generator before the data is drawn.
    """

    points: Annotated[int, Meta(ge=2)] = 100
    noise: Noise = "uniform"
    spread: Spread = "symmetric"
    seed: Annotated[int, Meta(ge=0)] = 0


# --- commands: to the trainer -------------------------------------------------------------


class Command(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """What can be asked of the trainer."""


class Start(Command, tag="start", kw_only=True, frozen=True):
    """Ends the run that is on, if any, and starts run ``run`` from the first weights.

    Attributes:
        run: the new run's number.
        rate: the learning rate.
        steps: how many steps to take.
        speed: steps a second, or ``None`` for flat out.
    """

    run: RunNumber
    rate: Rate
    steps: Steps
    speed: StepsPerSecond | None


class SetRate(Command, tag="set_rate", frozen=True):
    """Goes on with the running run at another learning rate."""

    rate: Rate


class Pause(Command, tag="pause", frozen=True):
    """Holds the running run where it is."""


class Resume(Command, tag="resume", frozen=True):
    """Lets a paused run go on."""


class Step(Command, tag="step", frozen=True):
    """Takes one step and holds."""


class SetSpeed(Command, tag="speed", frozen=True):
    """Changes the pace: steps a second, or ``None`` for flat out."""

    speed: StepsPerSecond | None


class Stop(Command, tag="stop", frozen=True):
    """Ends the running run."""


class Sweep(Command, tag="sweep", kw_only=True, frozen=True):
    """Trains one run for each rate, from the same start, in the gaps of what else is going on.

    Attributes:
        rates: the learning rates.
        steps: steps each.
    """

    rates: list[Rate]
    steps: Steps


AnyCommand = Start | SetRate | Pause | Resume | Step | SetSpeed | Stop | Sweep


# --- messages: from the trainer -----------------------------------------------------------


class Message(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """What is told of a run, or of the trainer itself."""


def alike(*columns: Sequence[object]) -> None:
    """Holds columns of a table against each other.

    Raises:
        ValueError: they are not of one length.
    """
    if len(set(map(len, columns))) > 1:
        raise ValueError("columns of different lengths")


class Ready(Message, tag="ready", kw_only=True, frozen=True):
    """torch is loaded and the data drawn: runs can start.

    Attributes:
        problem: the settings that the data was drawn with.
        x: the first column of the design matrix; the second is all ones.
        y: the target, as long as ``x``.
        truth: slope and bias behind the target, before the noise.
        weights: slope and bias that every run starts from.
        torch: torch's version.
    """

    problem: Problem
    x: Column
    y: Column
    truth: Weights
    weights: Weights
    torch: str

    def __post_init__(self) -> None:
        """Holds the columns against each other."""
        alike(self.x, self.y)


class Curvature(Message, tag="curvature", kw_only=True, frozen=True):
    """How curved the loss is, which for least squares is the same everywhere.

    Attributes:
        eigenvalues: of the Hessian, ascending.
        directions: its eigenvectors, one for each eigenvalue.
        minimum: the weights at the minimum.
        floor: the loss there.
    """

    eigenvalues: tuple[Eigenvalue, Eigenvalue]
    directions: tuple[Weights, Weights]
    minimum: Weights
    floor: Loss


class Swept(Message, tag="swept", kw_only=True, frozen=True):
    """What came of a sweep.

    Attributes:
        rates: as they were asked for.
        steps: steps each.
        losses: the last loss of each, ``None`` where not finite.
        settled_at: the first step at which each was near the floor, ``None`` if none was.
    """

    rates: Annotated[list[Rate], Meta(min_length=1)]
    steps: Steps
    losses: list[Loss | None]
    settled_at: list[StepNumber | None]

    def __post_init__(self) -> None:
        """Holds the columns against each other."""
        alike(self.rates, self.losses, self.settled_at)


class Started(Message, tag="started", kw_only=True, frozen=True):
    """Run ``run`` is at its first weights."""

    run: RunNumber
    rate: Rate
    steps: Steps


class Progress(Message, tag="progress", kw_only=True, frozen=True):
    """Every loss since the last progress of this run; at most 20 of these a second.

    Attributes:
        run: the run's number.
        rate: the learning rate of the steps told of here; where it differs from the last
            progress, it was changed at ``step``.
        step: the step of the first loss; step 0 is the loss at the first weights.
        losses: the loss after each step, from ``step`` on; ``None`` where it is not finite.
        weights: slope and bias at the last of these losses.
        path: slope and bias at each of these losses, through the first 256 steps of a run.
        seconds: time spent stepping so far, pauses left out.
    """

    run: RunNumber
    rate: Rate
    step: StepNumber
    losses: Annotated[list[Loss | None], Meta(min_length=1)]
    weights: Reached
    path: list[Reached] = []
    seconds: Annotated[float, Meta(ge=0)]

    def __post_init__(self) -> None:
        """Holds the path against the losses."""
        if len(self.path) > len(self.losses):
            raise ValueError("a path is longer than its losses")


class Ended(Message, tag="ended", kw_only=True, frozen=True):
    """Run ``run`` is over.

    Attributes:
        run: the run's number.
        outcome: how it ended.
        step: the steps taken.
        loss: the last finite loss, ``None`` if there was none.
        reason: why it ended, in a sentence.
    """

    run: RunNumber
    outcome: Outcome
    step: StepNumber
    loss: Loss | None
    reason: str


class Printed(Message, tag="printed", frozen=True):
    """A line that the training code printed."""

    text: str


class Failed(Message, tag="failed", frozen=True):
    """The trainer is gone, with the run it had.

    Attributes:
        reason: what happened, in a sentence.
        details: the last lines that it printed, oldest first.
    """

    reason: str
    details: list[str]


class Summary(Message, tag="summary", kw_only=True, frozen=True):
    """A run in one line, printed after it (``--json``).

    Attributes:
        run: the run's number.
        rate: the learning rate that it ended with.
        steps: the steps taken.
        loss: the last finite loss.
        weights: slope and bias at the end; ``None`` where not finite.
        reason: how it ended.
        steps_per_second: steps over the time spent stepping; ``None`` before the first step.
        verdict: what the curve means.
        settled_at: the step at which the loss came within 0.5 % of its floor, ``None`` if never.
        evidence: for the verdict, in a sentence.
        limit: the rate from which on it diverges.
        best: the rate whose slowest direction shrinks fastest.
        forecast: the step at which it was to settle, foreseen at step 0; ``None`` if never.
    """

    run: RunNumber
    rate: Rate
    steps: int
    loss: float | None
    weights: list[float | None]
    reason: Outcome
    steps_per_second: float | None
    verdict: str
    settled_at: int | None
    evidence: str
    limit: float | None
    best: float | None
    forecast: int | None


class SweepTable(Message, tag="sweep", kw_only=True, frozen=True):
    """What every rate would do (``lrtui sweep --json``).

    Attributes:
        rates: the learning rates, ascending.
        losses: the last loss of each, ``None`` where not finite.
        settled_at: the step at which each settled, ``None`` if it did not.
        verdicts: what became of each.
        limit: the rate from which on it diverges.
        best: the rate whose slowest direction shrinks fastest.
    """

    rates: list[float]
    losses: list[float | None]
    settled_at: list[int | None]
    verdicts: list[str]
    limit: float
    best: float


AnyMessage = (
    Ready | Curvature | Swept | Started | Progress | Ended | Printed | Failed | Summary | SweepTable
)

_encoder = msgspec.json.Encoder()
_commands: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_messages: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def encode(message: Command | Message | Problem) -> bytes:
    """Writes a message as one line of JSON, without the line's end."""
    return _encoder.encode(message)


def decode_command(line: bytes) -> AnyCommand:
    """Reads a command.

    Raises:
        ValueError: the line is no command; says in which way.
    """
    try:
        return _commands.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def decode_message(line: bytes) -> AnyMessage:
    """Reads a message.

    Raises:
        ValueError: the line is no message; says in which way.
    """
    try:
        return _messages.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
