"""What a message changed in a session: for all who report it, on the screen or as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrtui.messages import AnyMessage
from lrtui.session.run import Run

Kind = Literal[
    "source",  # another trainer or training answers from now on
    "problem",  # the facts of the problem are known; the text is its remarks
    "printed",
    "no result",
    "started",
    "restarted",  # the history of the same run is sent again
    "state",
    "headroom",  # there is another word on it, with its evidence in the text
    "total",  # the number of steps is known; the text says by whom
    "rate",  # somebody changed the rate of a run
    "answer",  # a command took effect
    "refusal",  # or could not
    "progress",
    "settled",
    "spike",
    "recovery",
    "ranks",  # a rank lags or has caught up, or no step is taken; the text says which
    "ended",
    "failed",  # the source cannot go on
    "unusable",  # the problem cannot be trained
    "rewound",  # a record goes back to before a run
    "other",
]


@dataclass(frozen=True)
class Change:
    """One thing that a message changed.

    Attributes:
        kind: what happened.
        message: reported it.
        run: that it happened to, if any.
        step: at which it happened, where that is not the step of the message.
        text: in words, without the number of the run; empty if numbers say it.
    """

    kind: Kind
    message: AnyMessage
    run: Run | None = None
    step: int | None = None
    text: str = ""
