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

PROTOCOL = 2
"""Version of this vocabulary. lrtui 0.1 spoke 1, see ``lrtui.sources.protocol1``."""

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
    """

    run: RunNumber
    lr: LearningRate
    steps: Steps
    speed: StepsPerSecond | None
    paused: bool = False


class SetLr(Command, tag="set_lr", frozen=True, kw_only=True):
    """Continue the current run at another learning rate."""

    lr: LearningRate


class Pause(Command, tag="pause", frozen=True, kw_only=True):
    """Hold the current run."""


class Resume(Command, tag="resume", frozen=True, kw_only=True):
    """Continue a run that is paused."""


class Step(Command, tag="step", frozen=True, kw_only=True):
    """Take one step, then hold."""


class SetSpeed(Command, tag="speed", frozen=True, kw_only=True):
    """Change the pace: steps a second, ``None`` for as fast as possible."""

    speed: StepsPerSecond | None


class Sweep(Command, tag="sweep", frozen=True, kw_only=True):
    """Train one run at each learning rate, from the same start, beside the current run.

    Attributes:
        lrs: learning rates.
        steps: steps of each run.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    steps: Steps


AnyCommand = Start | SetLr | Pause | Resume | Step | SetSpeed | Sweep

Capability = Literal["start", "set_lr", "pause", "step", "speed", "sweep"]
"""What can be asked of a source: the ``type`` of the command that asks for it. A source that can
``pause`` can resume."""

ALL_CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


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
    """

    protocol: int = PROTOCOL
    program: str
    pid: int
    folder: str
    rank: int = 0
    title: str
    capabilities: list[str]


class LineScene(Message, tag="line_scene", frozen=True, kw_only=True):
    """What a picture of a line fit needs: the data is there.

    A message of its own, and not a field of the greeting, so that a scene of a newer peer is
    ignored like any other unknown message, and the greeting need not wait for the data.

    Attributes:
        x: first column of the design matrix; the second is all ones.
        y: target, as long as ``x``.
        true_weights: slope and bias behind the target, before the noise.
    """

    x: Column
    y: Column
    true_weights: tuple[Number, Number]

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y)


class Quadratic(Message, tag="quadratic", frozen=True, kw_only=True):
    """Closed form of a loss that is exactly quadratic in its d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending, d of them.
        eigenvectors: one row of length d for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: weights that every run starts from.
    """

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
        settled_at: first step at which each was close to the minimum, ``None`` if never.
    """

    lrs: Annotated[list[LearningRate], Meta(min_length=1)]
    steps: Steps
    losses: list[Number | None]
    settled_at: list[StepNumber | None]

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.lrs, self.losses, self.settled_at)


class Started(Message, tag="started", frozen=True, kw_only=True):
    """A run is at its initial weights.

    Attributes:
        run: its number.
        lr: learning rate.
        steps: steps it will take, ``None`` where that is open.
        optimizer: in words.
    """

    run: RunNumber
    lr: LearningRate
    steps: Steps | None
    optimizer: str = "sgd"


class State(Message, tag="state", frozen=True, kw_only=True):
    """How the current run is being driven: sent after ``Started`` and after each command.

    Attributes:
        run: its number.
        step: steps taken when this took effect.
        paused: whether it is held.
        speed: steps a second, ``None`` for as fast as possible.
        lr: learning rate in force from here on.
        asked_by: who asked for it, empty where nobody did.
        answers: ``id`` of the command that this answers, 0 if none.
    """

    run: RunNumber
    step: StepNumber
    paused: bool
    speed: StepsPerSecond | None
    lr: LearningRate
    asked_by: str = ""
    answers: int = 0


class Progress(Message, tag="progress", frozen=True, kw_only=True):
    """Scalars since the last progress of a run; batched, at most 20 of these a second.

    Attributes:
        run: number of the run.
        steps: step of the first value where the steps are consecutive, else the step of each,
            ascending. Step 0 is at the initial weights.
        scalars: columns of one length by name, ``loss`` among them; ``None`` where not finite.
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


class Printed(Message, tag="printed", frozen=True, kw_only=True):
    """A line that the training code printed, or a remark of the source itself."""

    text: str


class Failed(Message, tag="failed", frozen=True, kw_only=True):
    """The source is gone, and its current run with it.

    Attributes:
        reason: what happened, in a sentence.
        details: last lines that it printed, oldest first.
    """

    reason: str
    details: list[str] = []


AnyMessage = (
    Greeting | LineScene | Quadratic | Swept | Started | State | Progress | Ended | Printed | Failed
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
