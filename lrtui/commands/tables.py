"""What sweeps and heat maps share: asking the trainer, and the form that is printed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Literal

from msgspec import Struct

from lrtui import messages as msg
from lrtui.commands.parser import BadInput
from lrtui.commands.plain_text import ENDED_EARLY, stream
from lrtui.session.session import Session
from lrtui.session.setup import Setup
from lrtui.sources.source import Source
from lrtui.text.ascii_fallback import printable

NAMES = {"sweep": "sweep", "heat": "heat map"}
"""What can be asked for, in words."""


def ask(
    source: Source,
    setup: Setup,
    work: Literal["sweep", "heat"],
    command: Callable[[Session, msg.ProblemFacts], msg.Command],
) -> Session | str:
    """Ask a trainer for a table; return the session once it knows it, or why that failed.

    Raises:
        BadInput: the problem cannot be trained, or not in this way; says why.
    """
    session = Session()
    # What is known depends on these.
    session.begin(1.0, None, setup.optimizer, setup.schedule)
    for message in stream(source):
        session.apply(message)
        if isinstance(message, msg.Failed):
            return "\n".join([message.reason, *message.details])
        if session.unusable:
            raise BadInput(session.unusable)
        if isinstance(message, msg.NoResult) and message.work == work:
            raise BadInput(message.reason)
        if not session.offers(work):
            return f"this source cannot be asked for a {NAMES[work]}"
        if isinstance(message, msg.ProblemFacts):
            source.send(command(session, message))
        if session.swept is not None or session.heated is not None:
            return session
    return ENDED_EARLY


def write_json(result: Struct, out: IO[str]) -> None:
    """Print a result as one JSON object."""
    print(msg.encode(result).decode(), file=out)


def write_csv(rows: Iterable[Sequence[object]], out: IO[str]) -> None:
    """Print rows as comma-separated values."""
    csv.writer(out, lineterminator="\n").writerows(rows)


def write_lines(lines: Iterable[str], out: IO[str]) -> None:
    """Print lines of text."""
    for line in lines:
        print(printable(line), file=out)
