"""What a message changed in a session, for the screen and the plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrtui.messages import AnyMessage
from lrtui.session.run import Run

Kind = Literal[
    "source",  # a new trainer or training answers
    "problem",  # the facts of the problem arrived; the text is its remarks
    "printed",
    "no result",
    "started",
    "restarted",  # the history of the same run is sent again
    "state",
    "headroom",  # its word has changed; the text is the evidence
    "total",  # the number of steps is known; the text has its source
    "rate",  # somebody changed the rate of a run
    "answer",  # a command took effect
    "refusal",  # a command could not take effect
    "progress",
    "settled",
    "spike",
    "recovery",
    "ranks",  # a rank lags or has caught up, or the training stalls; see the text
    "ended",
    "failed",  # the source is gone
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
        run: the run concerned, if any.
        step: at which it happened, if not the step of the message.
        text: in words, without the number of the run; empty if the message has only numbers.
    """

    kind: Kind
    message: AnyMessage
    run: Run | None = None
    step: int | None = None
    text: str = ""
