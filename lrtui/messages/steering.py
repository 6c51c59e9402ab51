"""What is told only about a training that is watched."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.quantities import RateInForce, RunNumber, Seconds, StepNumber


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
