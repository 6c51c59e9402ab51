"""Reads files saved by lrtui 0.1: translates protocol 1 to today's messages."""

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
"""Renamed fields, with their names of today."""

REPORTS = ("summary", "sweep")
"""Types of the reports that ``--json`` added, which are ignored."""


class Reader:
    """Translates the lines of one file, in their order."""

    def __init__(self) -> None:
        """Start at the top of a file."""
        self._start: list[float] = []
        self._lr = 0.0

    def read(self, line: bytes) -> list[AnyMessage]:
        """Return a line as messages of today.

        Raises:
            ValueError: the line is not a message of protocol 1; says why.
        """
        try:
            fields = msgspec.json.decode(line, type=dict[str, Any])
            tag = str(fields.pop("type", None))
            return [] if tag in REPORTS else self._translate(tag, fields)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    def _translate(self, tag: str, fields: dict[str, Any]) -> list[AnyMessage]:
        if tag not in FIELDS:
            raise ValueError(f"messages of lrtui 0.1 are not of type {tag!r}")
        if tag == "progress":
            fields.setdefault("path", [])
        for name in sorted(FIELDS[tag] ^ fields.keys()):
            raise ValueError(f"{tag!r} {'has no' if name in fields else 'needs a'} field {name!r}")
        fields = {RENAMED.get(name, name): value for name, value in fields.items()}
        match tag:
            case "ready":
                return self._ready(fields)
            case "curvature" if not self._start:
                raise ValueError("the curvature comes before the data")
            case "curvature":
                return [_message("quadratic", fields, start=self._start)]
            case "progress":
                return self._progress(fields)
        message = _message(tag, fields)
        if isinstance(message, Started):
            self._lr = message.lr
        return [message]

    def _ready(self, fields: dict[str, Any]) -> list[AnyMessage]:
        self._start = [*msgspec.convert(fields["weights"], tuple[float, float])]
        program = f"lrtui 0.1, torch {msgspec.convert(fields['torch'], str)}"
        title = msgspec.convert(fields["problem"], ProblemSettings).title
        greeting = Greeting(
            protocol=1, program=program, pid=0, folder="", title=title, capabilities=[]
        )
        return [greeting, _message("line_scene", fields)]

    def _progress(self, fields: dict[str, Any]) -> list[AnyMessage]:
        """Return a report, preceded by a state if its rate has changed."""
        losses = {"loss": fields["losses"]}
        progress = _message("progress", fields, steps=fields["step"], scalars=losses)
        change = _message("state", fields, paused=False, speed=20.0, asked_by="viewer")
        assert isinstance(change, State)
        if change.lr == self._lr:
            return [progress]
        if change.step == 0:
            raise ValueError(f"run {change.run} starts at a rate that it was not given")
        self._lr = change.lr
        return [msgspec.structs.replace(change, step=change.step - 1), progress]


def _message(tag: str, fields: dict[str, Any], **more: object) -> AnyMessage:
    message: AnyMessage = msgspec.convert({**fields, **more, "type": tag}, AnyMessage)
    return message
