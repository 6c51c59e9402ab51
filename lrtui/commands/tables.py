"""What sweeps and heat maps share: asking the trainer, and printing the result."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Literal

from msgspec import Struct

from lrtui import messages as msg
from lrtui.commands.arguments import FormOptions
from lrtui.commands.parser import BadInput, complain
from lrtui.commands.plain_text import ENDED_EARLY, stream
from lrtui.commands.showing import carry_out
from lrtui.session.session import Session
from lrtui.session.setup import Setup
from lrtui.sources.source import Source
from lrtui.text.ascii_fallback import printable

NAMES = {"sweep": "sweep", "heat": "heat map"}
"""The tables, in words."""


def ask(
    source: Source,
    setup: Setup,
    work: Literal["sweep", "heat"],
    command: Callable[[Session, msg.ProblemFacts, Setup], msg.Command],
) -> Session | str:
    """Ask a trainer for a table; return the session once it has the table, or why that failed.

    Raises:
        BadInput: the problem cannot be trained, or not in this way; says why.
    """
    session = Session()
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
            setup = setup.resolved(message)
            # The sweep and theory of a session are those of this optimizer and schedule.
            session.begin(1.0, None, setup.optimizer, setup.schedule)
            source.send(command(session, message, setup))
        if isinstance(message, msg.SweepResult | msg.GridResult):
            return session
    return ENDED_EARLY


def write(
    result: Struct,
    rows: Callable[[], Iterable[Sequence[object]]],
    lines: Callable[[], Iterable[str]],
    options: FormOptions,
    out: IO[str],
) -> None:
    """Print a result as JSON, as rows of CSV, or as lines of text."""
    if options.json:
        print(msg.encode(result).decode(), file=out)
    elif options.csv:
        csv.writer(out, lineterminator="\n").writerows(rows())
    else:
        for line in lines():
            print(printable(line), file=out)


def run_table(source: Source, print_table: Callable[[], str]) -> int:
    """Print a table from a source, then close it; return the exit code."""

    def work() -> int:
        if failure := print_table():
            complain(failure)
        return bool(failure)

    return carry_out(source, work)
