"""Sweeps and heat maps printed as text, JSON or CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from typing import IO, Literal

from lrtui import messages as msg
from lrtui.commands.options import HeatOptions, SweepOptions
from lrtui.commands.plain_text import ENDED_EARLY, stream
from lrtui.session import heat_grid as heat_map
from lrtui.session.rate_axis import ADAPTIVE, ends, spaced, table
from lrtui.session.reports import HeatTable, SweepTable
from lrtui.session.session import Session
from lrtui.sources.source import Source
from lrtui.text.ascii_fallback import printable
from lrtui.text.rates import rate_text

NAMES = {"sweep": "sweep", "heat": "heat map"}
"""What can be asked for, in words."""

GRADES = "█▓▒"
"""How cells that settled are printed, quick to slow: up to 1.5 and 4 times the fewest steps."""


def print_table(source: Source, options: SweepOptions | HeatOptions, out: IO[str]) -> str:
    """Run many rates from one start and print what became of each; return why not, if it failed.

    Raises:
        ValueError: the problem cannot be trained, or no rate is between the ends; says why.
    """
    session = Session()
    # What is known depends on these.
    session.begin(1.0, None, options.optimizer, options.schedule)
    work: Literal["sweep", "heat"] = "sweep" if isinstance(options, SweepOptions) else "heat"
    for message in stream(source):
        session.apply(message)
        if isinstance(message, msg.Failed):
            return "\n".join([message.reason, *message.details])
        if session.unusable:
            raise ValueError(session.unusable)
        if isinstance(message, msg.NoResult) and message.work == work:
            raise ValueError(message.reason)
        if not session.offers(work):
            return f"this source cannot be asked for a {NAMES[work]}"
        if isinstance(message, msg.ProblemFacts):
            source.send(asked(session, message, options))
        if session.swept is not None or session.heated is not None:
            break
    if session.heated is not None:
        write(heat_map.table(session.heated, session), options, out)
    elif session.swept is not None:
        write(table(session.swept, session), options, out)
    else:
        return ENDED_EARLY
    return ""


def asked(
    session: Session, facts: msg.ProblemFacts, options: SweepOptions | HeatOptions
) -> msg.Sweep | msg.Heat:
    """Return the command that asks for what the options ask for.

    Raises:
        ValueError: no rate is between the ends.
    """
    steps, optimizer = options.steps_of_a_run, options.optimizer
    if isinstance(options, HeatOptions):
        plain = session.theory_of(heat_map.kind(optimizer))
        return heat_map.heat(optimizer, plain, facts, steps, options.schedule)
    theory = session.theory_of(optimizer)
    known = ends(theory, optimizer, facts.sharpness) or ADAPTIVE
    first = known[0] if options.low is None else options.low
    last = known[1] if options.high is None else options.high
    if first > last:
        raise ValueError(f"no rate is between {first:.3g} and {last:.3g}")
    return msg.Sweep(
        lrs=spaced(first, last, options.count),
        steps=steps,
        optimizer=optimizer,
        schedule=options.schedule,
        range_test=options.range_test,
    )


def write(
    result: SweepTable | HeatTable, options: SweepOptions | HeatOptions, out: IO[str]
) -> None:
    """Print a result in the form that was asked for."""
    if options.json:
        print(msg.encode(result).decode(), file=out)
    elif options.csv:
        rows = sweep_rows(result) if isinstance(result, SweepTable) else heat_rows(result)
        csv.writer(out, lineterminator="\n").writerows(rows)
    else:
        lines = sweep_lines(result) if isinstance(result, SweepTable) else heat_lines(result)
        for line in lines:
            print(printable(line), file=out)


def sweep_rows(result: SweepTable) -> Iterator[Sequence[object]]:
    """Yield a sweep as rows of CSV; empty cells where it never settled or is not finite."""
    yield "rate", "verdict", "settled_at", "loss"
    yield from zip(result.rates, result.verdicts, result.settled_at, result.losses, strict=True)


def heat_rows(result: HeatTable) -> Iterator[Sequence[object]]:
    """Yield a heat map as rows of CSV, one for each cell; empty as in a sweep."""
    yield "momentum", "rate", "settled_at", "loss"
    table = zip(result.momenta, result.settled_at, result.losses, strict=True)
    for momentum, settled, losses in table:
        for rate, at, loss in zip(result.rates, settled, losses, strict=True):
            yield momentum, rate, at, loss


def heat_lines(result: HeatTable) -> list[str]:
    """Return a heat map as lines of text: a row for each momentum, a sign for each rate."""
    known = [at for row in result.settled_at for at in row if at is not None]
    fewest = max(min(known, default=1), 1)
    first = math.inf if result.first_loss is None else result.first_loss
    lines = []
    rows = zip(result.momenta, result.settled_at, result.losses, strict=True)
    for momentum, settled, losses in reversed([*rows]):
        cells = ""
        for at, loss in zip(settled, losses, strict=True):
            if at is not None:
                cells += GRADES[(at > 1.5 * fewest) + (at > 4 * fewest)]
            else:
                cells += "╳" if loss is None or loss > first else "░"
        lines.append(f"{momentum:>8.2f}  {cells}")
    low, high = (rate_text(rate) for rate in (result.rates[0], result.rates[-1]))
    lines.append(f"momentum  rate {low}{high:>{len(result.rates) - 5 - len(low)}}")
    said = "█▓▒ settles, ever later, " if known else ""
    lines += ["", f"{said}░ not in {result.steps:,} steps, ╳ above its start, or not finite"]
    by = result.optimizer
    if result.schedule != "constant":
        by += f", {result.schedule}"
    best = "none ended below its start"
    if result.best is not None:
        best = f"best {rate_text(result.best.rate)} at momentum {result.best.momentum:g}: "
        at = result.best.steps
        best += f"settles at step {at:,}" if at is not None else f"loss {result.best.loss:.4g}"
    lines.append(f"{best} ({by}, {result.steps:,} steps; {result.how})")
    return lines


def sweep_lines(result: SweepTable) -> list[str]:
    """Return a sweep as lines of text."""
    lines = [f"{'rate':>10}  {'verdict':<15}  {'settled at':>10}  {'final loss':>12}"]
    columns = zip(result.rates, result.verdicts, result.settled_at, result.losses, strict=True)
    for lr, verdict, settled, loss in columns:
        at = "–" if settled is None else f"{settled:,}"
        end = "not finite" if loss is None else f"{loss:.6g}"
        lines.append(f"{lr:>10.4g}  {verdict:<15}  {at:>10}  {end:>12}")
    best = "none ended below its start" if result.best is None else f"best {result.best:.4g}"
    limit = f"limit {result.limit:.4g}, " if result.limit is not None else ""
    by = result.optimizer
    if result.schedule != "constant":
        by += f", {result.schedule}"
    lines.append(f"{limit}{best} ({by}, {result.steps:,} steps; {result.how})")
    if result.range_test:
        lines += ["", "what range tests suggest, and what became of the rate nearest to it:"]
    for name, suggested in result.range_test.items():
        if suggested is None:
            lines.append(f"{name:<20} nothing")
            continue
        away = [abs(math.log(lr / suggested)) for lr in result.rates]
        near = away.index(min(away))
        loss = result.losses[near]
        end = "" if loss is None else f", loss {loss:.4g}"
        became = f"{result.rates[near]:.3g}: {result.verdicts[near]}{end}"
        lines.append(f"{name:<20} {suggested:<10.3g} {became}")
    return lines
