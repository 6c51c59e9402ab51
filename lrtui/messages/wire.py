"""Messages and commands as lines of JSON."""

from __future__ import annotations

from functools import cache
from typing import TypeVar, get_args

import msgspec
from msgspec import Struct

from lrtui.messages import greeting, problem, runs, steering, sweeps
from lrtui.messages.commands import AnyCommand

AnyMessage = (
    greeting.Greeting | greeting.Joined | greeting.Printed | greeting.NoResult
    | greeting.Unusable | greeting.Failed
    | problem.ProblemFacts | problem.Scene | problem.Quadratic
    | sweeps.SweepResult | sweeps.GridResult
    | runs.Rewound | runs.Started | runs.State | runs.Progress | runs.Ahead | runs.Sharpness
    | runs.Slice | runs.Picture | runs.Ended | runs.Marked
    | steering.LiveReport
)  # fmt: skip
T = TypeVar("T")


class _Tagged(Struct):
    type: str


_encoder = msgspec.json.Encoder()
_tagged = msgspec.json.Decoder(_Tagged)


# Made when they are first used, as a training may never be watched.
@cache
def _commands() -> msgspec.json.Decoder[AnyCommand]:
    return msgspec.json.Decoder(AnyCommand)


@cache
def _messages() -> msgspec.json.Decoder[AnyMessage]:
    return msgspec.json.Decoder(AnyMessage)


def encode(message: Struct) -> bytes:
    """Return a message as one line of JSON, without the line feed."""
    return _encoder.encode(message)


def decode_command(line: bytes) -> AnyCommand | None:
    """Decode a command, ``None`` if only a newer peer knows its type.

    Raises:
        ValueError: the line is not a command; says why.
    """
    return _decode(_commands(), line)


def decode_message(line: bytes) -> AnyMessage | None:
    """Decode a message, ``None`` if only a newer peer knows its type.

    Raises:
        ValueError: the line is not a message; says why.
    """
    return _decode(_messages(), line)


def _decode(decoder: msgspec.json.Decoder[T], line: bytes) -> T | None:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        types = {kind.__struct_config__.tag for kind in get_args(decoder.type)}
        try:
            if _tagged.decode(line).type not in types:
                return None
        except (msgspec.DecodeError, RecursionError):
            pass  # the first error says more
        raise ValueError(str(error)) from error
