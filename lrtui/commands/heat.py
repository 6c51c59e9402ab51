"""``lrtui heat``: print what every rate would do at every momentum."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from lrtui import messages as msg
from lrtui.commands.arguments import TableOptions, add_form, add_setup
from lrtui.commands.parser import BadInput, Parser
from lrtui.commands.showing import start_trainer
from lrtui.session.reports import HeatTable
from lrtui.session.session import Session
from lrtui.session.setup import Setup
from lrtui.sources.source import Source
from lrtui.text.rates import rate_text

SHADES = "█▓▒"
"""How cells that settled are printed, quick to slow: up to 1.5 and 4 times the fewest steps."""


@dataclass(frozen=True, kw_only=True)
class HeatOptions(TableOptions):
    """Options of ``lrtui heat``."""

    momentum: float | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (by := self.setup.optimizer).is_adaptive:
            raise BadInput(f"{by.name} has no momentum; heat is for sgd and nesterov")
        if self.momentum is not None:
            raise BadInput("--momentum is not for heat, which goes through 24 of them")


OPTIONS = HeatOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Train 48 rates at each of 24 momenta from the same start, in one batch where that can be, "
        "and print after how many steps each settled, or the loss it came to; then the best."
    )
    add_setup(parser, leave_out=("factor",))
    add_form(parser, "json", "csv")


def run(options: HeatOptions) -> int:
    """Compute the heat map, and print it.

    Raises:
        BadInput: the problem cannot be trained.
    """
    from lrtui.commands.tables import run_table

    source = start_trainer(options.setup.settings, None)
    return run_table(source, lambda: print_table(source, options, sys.stdout))


def print_table(source: Source, options: HeatOptions, out: IO[str]) -> str:
    """Try every rate at every momentum and print the map; return why not, if that failed.

    Raises:
        BadInput: the problem cannot be trained.
    """
    from lrtui.commands.tables import ask, write
    from lrtui.session.heat_grid import heat, kind, table

    def command(session: Session, facts: msg.ProblemFacts, setup: Setup) -> msg.Heat:
        plain = session.theory_of(kind(setup.optimizer))
        return heat(setup.optimizer, plain, facts, setup.steps, setup.schedule)

    session = ask(source, options.setup, "heat", command)
    if isinstance(session, str):
        return session
    assert session.heated is not None
    result = table(session.heated, session)
    write(result, lambda: rows(result), lambda: lines(result), options, out)
    return ""


def rows(result: HeatTable) -> Iterator[Sequence[object]]:
    """Yield a heat map as rows of CSV, one for each cell; empty as in a sweep."""
    yield "momentum", "rate", "settled_at", "loss"
    table = zip(result.momenta, result.settled_at, result.losses, strict=True)
    for momentum, settled, losses in table:
        for rate, at, loss in zip(result.rates, settled, losses, strict=True):
            yield momentum, rate, at, loss


def lines(result: HeatTable) -> list[str]:
    """Return a heat map as lines of text: a row for each momentum, a sign for each rate."""
    known = [at for row in result.settled_at for at in row if at is not None]
    fewest = max(min(known, default=1), 1)
    first = math.inf if result.first_loss is None else result.first_loss
    found = []
    rows = zip(result.momenta, result.settled_at, result.losses, strict=True)
    for momentum, settled, losses in reversed([*rows]):
        cells = ""
        for at, loss in zip(settled, losses, strict=True):
            if at is not None:
                cells += SHADES[(at > 1.5 * fewest) + (at > 4 * fewest)]
            else:
                cells += "╳" if loss is None or loss > first else "░"
        found.append(f"{momentum:>8.2f}  {cells}")
    low, high = (rate_text(rate) for rate in (result.rates[0], result.rates[-1]))
    found.append(f"momentum  rate {low}{high:>{len(result.rates) - 5 - len(low)}}")
    said = "█▓▒ settles, ever later, " if known else ""
    found += ["", f"{said}░ not in {result.steps:,} steps, ╳ above its start, or not finite"]
    by = result.optimizer
    if result.schedule != "constant":
        by += f", {result.schedule}"
    best = "none ended below its start"
    if result.best is not None:
        best = f"best {rate_text(result.best.rate)} at momentum {result.best.momentum:g}: "
        at = result.best.steps
        best += f"settles at step {at:,}" if at is not None else f"loss {result.best.loss:.4g}"
    found.append(f"{best} ({by}, {result.steps:,} steps; {result.how})")
    return found
