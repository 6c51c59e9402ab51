"""Messages about a training that is not ours."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.quantities import (
    Factor,
    Number,
    RateInForce,
    RunNumber,
    Seconds,
    StepNumber,
    Steps,
)

MOST_NAMES = 64
"""Most parameter tensors of an ``Updates``."""


class Steered(Message, tag="steered", frozen=True, kw_only=True):
    """A command took effect or was refused: sent to all viewers.

    Attributes:
        step: taken by then.
        command: its type.
        text: what it did, or why it was refused.
        done: whether it took effect.
        lr: rate in force from here on.
        asked_by: who sent it.
        at: when, in seconds since 1970.
        answers: ``id`` of the command to its sender, 0 to all others.
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

    @property
    def changed_course(self) -> bool:
        """Whether it changed the rate or the weights."""
        return self.done and self.command in ("hold", "scale", "release", "rewind", "adopt")


class Ranks(Message, tag="ranks", frozen=True, kw_only=True):
    """Progress of the ranks, at most once a second.

    Attributes:
        steps: taken, by rank.
        paces: recent steps a second, by rank.
        ended: ranks that have left.
        stalled: seconds for which no step was taken, 0 while the pace is usual.
        blocker: while it stalls, the rank for which all others wait, ``None`` if unknown.
        doing: while it stalls, what that rank does, or rank 0 if unknown.
    """

    run: RunNumber
    steps: Annotated[list[StepNumber], Meta(min_length=1, max_length=100_000)]
    paces: list[Annotated[float, Meta(ge=0)]]
    ended: list[int] = []
    stalled: Seconds = 0.0
    blocker: int | None = None
    doing: str = ""

    def __post_init__(self) -> None:
        check_equal_lengths(self.steps, self.paces)


class Snapshots(Message, tag="snapshots", frozen=True, kw_only=True):
    """Snapshots to rewind to.

    Attributes:
        steps: of the snapshots, ascending.
        before: where a rewind without a step goes back to.
    """

    run: RunNumber
    steps: list[StepNumber]
    before: StepNumber


class Vitals(Message, tag="vitals", frozen=True, kw_only=True):
    """State of a training besides its scalars, at most once a second.

    Attributes:
        total: steps that it will take, ``None`` if unknown.
        total_by: where that number is from.
        epoch: current one, from 1 up; ``None`` without a data loader.
        epochs: in all, ``None`` if unknown.
        data_wait: share of the time of the last steps spent waiting for data loaders.
        clip_limit: norm that gradients are clipped to, ``None`` if they are not.
        clipped: share of the last 1,000 steps whose gradient norm was above that.
        memory: resident bytes of the process.
        device_memory: bytes allocated on its device, ``None`` without one.
        settings: momentum or betas and weight decay in force, in words.
    """

    run: RunNumber
    total: Steps | None = None
    total_by: str = ""
    epoch: int | None = None
    epochs: int | None = None
    data_wait: Annotated[float, Meta(ge=0, le=1)] | None = None
    clip_limit: Number | None = None
    clipped: Annotated[float, Meta(ge=0, le=1)] | None = None
    memory: int | None = None
    device_memory: int | None = None
    settings: str = ""


class Gauge(Message, tag="gauge", frozen=True, kw_only=True):
    """How much of the slope is left after a step; see ``lrtui.monitor.headroom``.

    Attributes:
        step: of the last pair.
        left: share of the slope that fresh batches still have along the last steps.
        calm: median cosine of consecutive gradients; if its size is above 0.97, ``left`` says
            nothing.
        pairs: pairs of consecutive steps that it was measured on.
        own: how many times longer a step could be before it raised the loss of its own batch;
            ``None`` if unknown.
        word: what that means for the rate, see ``lrtui.analysis.headroom``; empty if nothing.
    """

    run: RunNumber
    step: StepNumber
    left: Number
    calm: Number
    pairs: Annotated[int, Meta(ge=1)]
    own: Number | None = None
    word: str = ""


class Updates(Message, tag="updates", frozen=True, kw_only=True):
    """Length of one optimizer step over that of the weights, by parameter tensor.

    Attributes:
        step: that it was measured on.
        names: of at most 64 tensors, the largest ratio first and the smallest last; of more, evenly
            spaced ones in between.
        ratios: of these.
        median: of all.
        tensors: number of all.
    """

    run: RunNumber
    step: StepNumber
    names: Annotated[list[str], Meta(min_length=1, max_length=MOST_NAMES)]
    ratios: list[Number]
    median: Number
    tensors: Annotated[int, Meta(ge=1)]

    def __post_init__(self) -> None:
        check_equal_lengths(self.names, self.ratios)


class Trying(Message, tag="trying", frozen=True, kw_only=True):
    """How far a try is; see ``Try``.

    Attributes:
        phase: the training waits while steps are replayed.
        factor: being replayed.
        share: of all steps that are recorded or replayed.
        seconds_left: as far as known.
    """

    run: RunNumber
    phase: Literal["recording", "replaying"]
    factor: Factor
    share: Annotated[float, Meta(ge=0, le=1)]
    seconds_left: Seconds | None = None


class Branch(Struct, frozen=True, kw_only=True):
    """The recorded steps at one rate.

    Attributes:
        factor: on the rate in force.
        losses: of each step.
        difference: of the losses from those at the rate in force, as a share of these; ``None`` if
            it is not finite or they cannot be compared.
        word: what that means, empty if nothing; see ``lrtui.analysis.comparison``.
    """

    factor: Factor
    losses: list[Number | None]
    difference: Number | None = None
    word: str = ""


class Tried(Message, tag="tried", frozen=True, kw_only=True):
    """The result of a try.

    Attributes:
        steps: recorded.
        from_step: taken before them.
        exact: whether the replay at the rate in force was what had happened, bit for bit.
        branches: by factor, the one in force among them.
        warning: what limits the meaning of the result, empty if nothing does.
        answers: ``id`` of the command to its sender, 0 to all others.
    """

    run: RunNumber
    steps: Steps
    from_step: StepNumber
    exact: bool
    branches: list[Branch]
    warning: str = ""
    answers: int = 0


LiveReport = Steered | Ranks | Snapshots | Vitals | Gauge | Updates | Trying | Tried
"""Reports that only a training that is not ours sends."""
