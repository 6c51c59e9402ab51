"""Reader of files saved by lrtui 0.1: translates protocol 1 into the messages of today."""

from __future__ import annotations

from typing import Any

import msgspec

from lrtui.messages import AnyMessage, Greeting, Started, State
from lrtui.messages.problem_settings import ProblemSettings

FIELDS = {
    "ready": {"problem", "x", "y", "truth", "weights", "torch"},
    "curvature": {"eigenvalues", "directions", "minimum", "floor"},
    "swept": {"rates", "steps", "losses", "settled_at"},
    "started": {"run", "rate", "steps"},
    "progress": {"run", "rate", "step", "losses", "weights", "path", "seconds"},
    "ended": {"run", "outcome", "step", "loss", "reason"},
    "printed": {"text"},
    "failed": {"reason", "details"},
}
"""Fields of each type of message."""

RENAMED = {
    "directions": "eigenvectors",
    "floor": "min_loss",
    "path": "trajectory",
    "rate": "lr",
    "rates": "lrs",
    "truth": "true_weights",
}
"""Fields that have another name today."""

REPORTS = ("summary", "sweep")
"""Types of the reports that ``--json`` added to the messages."""


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
            told = msgspec.json.decode(line, type=dict[str, Any])
            kind = str(told.pop("type", None))
            return [] if kind in REPORTS else self._translate(kind, told)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    def _translate(self, kind: str, told: dict[str, Any]) -> list[AnyMessage]:
        if kind not in FIELDS:
            raise ValueError(f"messages of lrtui 0.1 are not of type {kind!r}")
        if kind == "progress":
            told.setdefault("path", [])
        for name in sorted(FIELDS[kind] ^ told.keys()):
            raise ValueError(f"{kind!r} {'has no' if name in told else 'needs a'} field {name!r}")
        told = {RENAMED.get(name, name): value for name, value in told.items()}
        match kind:
            case "ready":
                return self._ready(told)
            case "curvature" if not self._start:
                raise ValueError("the curvature comes before the data")
            case "curvature":
                return [_message("quadratic", told, start=self._start)]
            case "progress":
                return self._progress(told)
        message = _message(kind, told)
        if isinstance(message, Started):
            self._lr = message.lr
        return [message]

    def _ready(self, told: dict[str, Any]) -> list[AnyMessage]:
        self._start = [*msgspec.convert(told["weights"], tuple[float, float])]
        program = f"lrtui 0.1, torch {msgspec.convert(told['torch'], str)}"
        title = msgspec.convert(told["problem"], ProblemSettings).title
        greeting = Greeting(
            protocol=1, program=program, pid=0, folder="", title=title, capabilities=[]
        )
        return [greeting, _message("line_scene", told)]

    def _progress(self, told: dict[str, Any]) -> list[AnyMessage]:
        """Return a report, after a change where its rate is not that of the steps before."""
        losses = {"loss": told["losses"]}
        progress = _message("progress", told, steps=told["step"], scalars=losses)
        change = _message("state", told, paused=False, speed=20.0, asked_by="viewer")
        assert isinstance(change, State)
        if change.lr == self._lr:
            return [progress]
        if change.step == 0:
            raise ValueError(f"run {change.run} starts at a rate that it was not given")
        self._lr = change.lr
        return [msgspec.structs.replace(change, step=change.step - 1), progress]


def _message(kind: str, told: dict[str, Any], **more: object) -> AnyMessage:
    message: AnyMessage = msgspec.convert({**told, **more, "type": kind}, AnyMessage)
    return message
