"""Reader of files saved by lrtui 0.1: translates protocol 1 into the messages of today."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from lrtui.messages import (
    AnyMessage,
    Column,
    Eigenvalue,
    Ended,
    Failed,
    Greeting,
    LearningRate,
    LineScene,
    Number,
    Outcome,
    Printed,
    Progress,
    Quadratic,
    RunNumber,
    Seconds,
    Started,
    State,
    StepNumber,
    Steps,
    Swept,
)
from lrtui.problems.settings import LineSettings

Loss = Annotated[float, Meta(ge=0, le=3.5e38)]
Pair = tuple[Number, Number]
NullablePair = tuple[Number | None, Number | None]


class Message1(Struct, tag_field="type", kw_only=True, forbid_unknown_fields=True):
    """A message of protocol 1."""


class Ready1(Message1, tag="ready"):
    """Today's greeting and scene."""

    problem: LineSettings
    x: Column
    y: Column
    truth: Pair
    weights: Pair
    torch: str


class Curvature1(Message1, tag="curvature"):
    """Today's quadratic, less the start."""

    eigenvalues: tuple[Eigenvalue, Eigenvalue]
    directions: tuple[Pair, Pair]
    minimum: Pair
    floor: Loss


class Swept1(Message1, tag="swept"):
    """Today's swept."""

    rates: Annotated[list[LearningRate], Meta(min_length=1)]
    steps: Steps
    losses: list[Loss | None]
    settled_at: list[StepNumber | None]


class Started1(Message1, tag="started"):
    """Today's started."""

    run: RunNumber
    rate: LearningRate
    steps: Steps


class Progress1(Message1, tag="progress", kw_only=True):
    """Today's progress; a rate that differs from the last one's was changed before its steps."""

    run: RunNumber
    rate: LearningRate
    step: StepNumber
    losses: Annotated[list[Loss | None], Meta(min_length=1)]
    weights: NullablePair
    path: list[NullablePair] = []
    seconds: Seconds


class Ended1(Message1, tag="ended"):
    """Today's ended."""

    run: RunNumber
    outcome: Literal["done", "diverged", "stopped", "failed"]
    step: StepNumber
    loss: Loss | None
    reason: str


class Printed1(Message1, tag="printed"):
    """Today's printed."""

    text: str


class Failed1(Message1, tag="failed"):
    """Today's failed."""

    reason: str
    details: list[str]


class Summary1(Struct, tag_field="type", tag="summary"):
    """A report among the messages (``--json``)."""


class Sweep1(Struct, tag_field="type", tag="sweep"):
    """A report among the messages (``lrtui sweep --json``)."""


AnyMessage1 = (
    Ready1
    | Curvature1
    | Swept1
    | Started1
    | Progress1
    | Ended1
    | Printed1
    | Failed1
    | Summary1
    | Sweep1
)

_decoder: msgspec.json.Decoder[AnyMessage1] = msgspec.json.Decoder(AnyMessage1)


class Reader:
    """Translates the lines of one file, in their order."""

    def __init__(self) -> None:
        """Start at the top of a file."""
        self._start: list[float] = []
        self._lr = 0.0

    def read(self, line: bytes) -> list[AnyMessage]:
        """Return a line's message as those of today.

        Raises:
            ValueError: the line is not a message of protocol 1; says in which way.
        """
        try:
            message = _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
        match message:
            case Ready1(problem=problem, weights=weights):
                self._start = [*weights]
                return [
                    Greeting(
                        protocol=1,
                        program=f"lrtui 0.1, torch {message.torch}",
                        pid=0,
                        folder="",
                        title=problem.title,
                        capabilities=[],
                    ),
                    LineScene(x=message.x, y=message.y, true_weights=message.truth),
                ]
            case Curvature1():
                if not self._start:
                    raise ValueError("the curvature comes before the data")
                return [
                    Quadratic(
                        eigenvalues=[*message.eigenvalues],
                        eigenvectors=[[*vector] for vector in message.directions],
                        minimum=[*message.minimum],
                        min_loss=message.floor,
                        start=self._start,
                    )
                ]
            case Swept1(rates=rates, steps=steps, losses=losses):
                return [
                    Swept(lrs=rates, steps=steps, losses=[*losses], settled_at=message.settled_at)
                ]
            case Started1(run=run, rate=rate, steps=steps):
                self._lr = rate
                return [Started(run=run, lr=rate, steps=steps)]
            case Progress1():
                return [*self._change(message), self._progress(message)]
            case Ended1(run=run, step=step, loss=loss, reason=reason):
                outcome: Outcome = message.outcome
                return [Ended(run=run, outcome=outcome, step=step, loss=loss, reason=reason)]
            case Printed1(text=text):
                return [Printed(text=text)]
            case Failed1(reason=reason, details=details):
                return [Failed(reason=reason, details=details)]
        return []

    def _change(self, message: Progress1) -> list[AnyMessage]:
        if message.rate == self._lr:
            return []
        if message.step == 0:
            raise ValueError(f"run {message.run} starts at a rate that it was not given")
        self._lr = message.rate
        return [
            State(
                run=message.run,
                step=message.step - 1,
                paused=False,
                speed=20.0,
                lr=message.rate,
                asked_by="viewer",
            )
        ]

    def _progress(self, message: Progress1) -> Progress:
        return Progress(
            run=message.run,
            steps=message.step,
            scalars={"loss": [*message.losses]},
            seconds=message.seconds,
            weights=[*message.weights],
            trajectory=[[*weights] for weights in message.path],
        )
