"""``lrtui sweep``: print what every rate would do."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.commands.arguments import TableOptions, add_form, add_setup, argument
from lrtui.commands.parser import BadInput, Parser
from lrtui.commands.ranks import choose_device, gathered, rank_and_count, share_of
from lrtui.commands.showing import start_trainer
from lrtui.session.reports import SweepTable
from lrtui.session.session import Session
from lrtui.session.setup import Setup
from lrtui.sources.source import Source
from lrtui.text.rates import parse_rate
from lrtui.text.readers import whole


@dataclass(frozen=True, kw_only=True)
class SweepOptions(TableOptions):
    """Options of ``lrtui sweep``."""

    low: float | None
    high: float | None
    count: int
    range_test: bool

    def __post_init__(self) -> None:
        if (self.low or 0) > (self.high or math.inf):
            raise BadInput("--from is larger than --to")
        if self.range_test and rank_and_count()[1] > 1:
            raise BadInput("--range-test needs one process, not the ranks of torchrun")
        super().__post_init__()


OPTIONS = SweepOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Train many rates from the same start, in one batch where that can be, and print what "
        "became of each: verdict, the step at which it settled, final loss; then limit and best."
    )
    add, rate = parser.add_argument, argument(parse_rate)
    add("--from", dest="low", type=rate, metavar="RATE", help="the smallest rate (limit/1000)")
    add("--to", dest="high", type=rate, metavar="RATE", help="the largest rate (4 x limit)")
    ranges = "print beside it what the usual learning rate range tests would have suggested"
    many = argument(whole(1, 4096))
    add("--count", type=many, default=25, metavar="K", help="how many rates (25)")
    add("--range-test", action="store_true", help=ranges)
    add_setup(parser, leave_out=("factor",))
    add_form(parser, "json", "csv")


def run(options: SweepOptions) -> int:
    """Sweep, and print the table.

    Raises:
        BadInput: the problem cannot be trained, or no rate is between the ends.
    """
    from lrtui.commands.tables import run_table

    if rank_and_count()[1] > 1:
        choose_device()
    source = start_trainer(options.setup.settings, None)
    return run_table(source, lambda: print_table(source, options, sys.stdout))


def print_table(source: Source, options: SweepOptions, out: IO[str]) -> str:
    """Try many rates from one start and print the table; return why not, if that failed.

    Raises:
        BadInput: the problem cannot be trained, or no rate is between the ends.
    """
    from lrtui.commands.tables import ask, write
    from lrtui.session.rate_axis import table

    rank, count = rank_and_count()
    if options.count < count:
        raise BadInput(f"{count} ranks need at least as many rates; --count is {options.count}")

    def share(session: Session, facts: msg.ProblemFacts, setup: Setup) -> msg.Sweep:
        whole = command(session, facts, setup, options)
        return replace(whole, lrs=share_of(whole.lrs, rank, count))

    session = ask(source, options.setup, "sweep", share)
    if count > 1:
        found = session if isinstance(session, str) else session.swept
        assert found is not None
        merged = gathered(found, rank, count)
        if merged is None or isinstance(merged, str):
            return merged or ""
        assert isinstance(session, Session)
        session.apply(merged)
    if isinstance(session, str):
        return session
    assert session.swept is not None
    result = table(session.swept, session)
    write(result, lambda: rows(result), lambda: lines(result), options, out)
    return ""


def command(
    session: Session, facts: msg.ProblemFacts, setup: Setup, options: SweepOptions
) -> msg.Sweep:
    """Return the command for a sweep.

    Raises:
        BadInput: no rate is between the ends.
    """
    from lrtui.session.rate_axis import ADAPTIVE, ends, spaced

    theory = session.theory_of(setup.optimizer)
    known = ends(theory, setup.optimizer, facts.sharpness) or ADAPTIVE
    first = known[0] if options.low is None else options.low
    last = known[1] if options.high is None else options.high
    if first > last:
        raise BadInput(f"no rate is between {first:.3g} and {last:.3g}")
    return msg.Sweep(
        lrs=spaced(first, last, options.count),
        steps=setup.steps,
        optimizer=setup.optimizer,
        schedule=setup.schedule,
        range_test=options.range_test,
    )


def rows(result: SweepTable) -> Iterator[Sequence[object]]:
    """Yield a sweep as rows of CSV; empty cells if it never settled or is not finite."""
    yield "rate", "verdict", "settled_at", "loss"
    yield from zip(result.rates, result.verdicts, result.settled_at, result.losses, strict=True)


def lines(result: SweepTable) -> list[str]:
    """Return a sweep as lines of text."""
    found = [f"{'rate':>10}  {'verdict':<15}  {'settled at':>10}  {'final loss':>12}"]
    columns = zip(result.rates, result.verdicts, result.settled_at, result.losses, strict=True)
    for lr, verdict, settled, loss in columns:
        at = "–" if settled is None else f"{settled:,}"
        end = "not finite" if loss is None else f"{loss:.6g}"
        found.append(f"{lr:>10.4g}  {verdict:<15}  {at:>10}  {end:>12}")
    best = "none ended below its start" if result.best is None else f"best {result.best:.4g}"
    limit = f"limit {result.limit:.4g}, " if result.limit is not None else ""
    by = result.optimizer
    if result.schedule != "constant":
        by += f", {result.schedule}"
    found.append(f"{limit}{best} ({by}, {result.steps:,} steps; {result.how})")
    if result.range_test:
        found += ["", "what range tests suggest, and what became of the rate nearest to it:"]
    for name, suggested in result.range_test.items():
        if suggested is None:
            found.append(f"{name:<20} nothing")
            continue
        away = [abs(math.log(lr / suggested)) for lr in result.rates]
        near = away.index(min(away))
        loss = result.losses[near]
        end = "" if loss is None else f", loss {loss:.4g}"
        became = f"{result.rates[near]:.3g}: {result.verdicts[near]}{end}"
        found.append(f"{name:<20} {suggested:<10.3g} {became}")
    return found
