"""A session as lines of text: where there is no terminal, and for other programs to read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

from lrtui.ascii_fallback import printable
from lrtui.messages import Curvature, Ended, Failed, Progress, Ready, Start, Sweep, encode
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ABOVE, BELOW, spaced, table
from lrtui.run.session import Run, Session
from lrtui.sources.process import Source


def play(
    source: Source,
    rates: Sequence[float],
    *,
    steps: int,
    speed: float | None,
    every: int,
    as_json: bool,
    out: IO[str],
) -> int | str:
    """Runs each rate in turn and prints what comes of it.

    Args:
        source: the trainer.
        rates: one run each.
        steps: steps a run.
        speed: steps a second, ``None`` for flat out.
        every: steps between two lines of a run.
        as_json: print the messages themselves, with a summary after each run.
        out: where to.

    Returns:
        0, or why the runs could not be carried out.
    """
    session = Session()
    for rate in rates:
        run = session.begin(rate, steps)
        source.send(Start(run=run.number, rate=rate, steps=steps, speed=speed))
        while run.outcome is None:
            for message in source.poll(None):
                session.apply(message)
                if as_json:
                    print(encode(message).decode(), file=out, flush=True)
                else:
                    for line in lines(message, run, every):
                        print(line, file=out, flush=True)
                if isinstance(message, Failed):
                    return "\n".join([message.reason, *message.details])
        if as_json:
            print(encode(run.summary()).decode(), file=out, flush=True)
    return 0


def replay(source: Source, *, every: int, as_json: bool, out: IO[str]) -> int:
    """Prints what was saved.

    Args:
        source: tells it.
        every: steps between two lines of a run.
        as_json: print the messages themselves.
        out: where to.

    Returns:
        0: what is wrong with the file, the source says.
    """
    session = Session()
    while messages := source.poll(None):
        for message in messages:
            session.apply(message)
            if as_json:
                print(encode(message).decode(), file=out, flush=True)
            else:
                for line in lines(message, session.current, every):
                    print(printable(line), file=out, flush=True)
    return 0


def lines(message: object, run: Run | None, every: int) -> list[str]:
    """Says a message in plain words, one line for each step that is to be told of."""
    match message:
        case Ready():
            problem = message.problem
            return [
                f"line fit, {problem.points} points, {problem.noise} noise, "
                f"{problem.spread} spread, seed {problem.seed}, "
                f"torch {message.torch}"
            ]
        case Progress() if run:
            said = [f"run {run.number}  rate {rate_text(run.rate)}"] if message.step == 0 else []
            if run.changes and run.changes[-1][0] == message.step:
                said.append(f"rate {rate_text(run.rate)} from step {message.step}")
            first = -message.step % every
            for i in range(first, len(message.losses), every):
                said.append(step_line(message.step + i, message.losses[i]))
            return said
        case Ended() if run:
            verdict, evidence = run.verdict()
            weights = ", ".join(f"{w:.4g}" for w in run.weights)
            pace = run.steps_per_second
            at = f", {pace:,.0f} steps/s" if pace else ""
            return [
                f"run {run.number}  {run.outcome}: {message.reason} (weights {weights}{at})",
                f"run {run.number}  {verdict}: {evidence}",
            ]
    return []


def step_line(step: int, loss: float | None) -> str:
    """Writes one step as the post prints it."""
    return f"step {step:>6}  loss {'not finite' if loss is None else f'{loss:.6g}'}"


def sweep(
    source: Source,
    low: float | None,
    high: float | None,
    *,
    count: int,
    steps: int,
    as_json: bool,
    out: IO[str],
) -> int | str:
    """Runs many rates in one batch and prints what became of each.

    Args:
        source: the trainer.
        low: the smallest rate; ``None`` for a thousandth of the limit.
        high: the largest rate; ``None`` for four times the limit.
        count: how many rates, equal factors apart.
        steps: steps each.
        as_json: print one object instead of a table.
        out: where to.

    Returns:
        0; 2 where no rate lies between the ends; or why it could not be carried out.
    """
    session = Session()
    while session.swept is None:
        for message in source.poll(None):
            session.apply(message)
            if isinstance(message, Failed):
                return "\n".join([message.reason, *message.details])
            if isinstance(message, Curvature) and session.bowl:
                first = BELOW * session.bowl.limit if low is None else low
                last = ABOVE * session.bowl.limit if high is None else high
                if first > last:
                    print(f"lrtui: no rate lies from {first:.3g} to {last:.3g}", file=sys.stderr)
                    return 2
                source.send(Sweep(rates=spaced(first, last, count), steps=steps))
    assert session.bowl is not None
    assert session.ready is not None
    told = table(session.swept, session.bowl, session.ready.weights)
    if as_json:
        print(encode(told).decode(), file=out)
        return 0
    print(f"{'rate':>10}  {'verdict':<12}  {'settled at':>10}  {'final loss':>12}", file=out)
    columns = zip(told.rates, told.verdicts, told.settled_at, told.losses, strict=True)
    for rate, verdict, settled, loss in columns:
        at = "–" if settled is None else f"{settled:,}"
        end = "not finite" if loss is None else f"{loss:.6g}"
        print(f"{rate:>10.4g}  {verdict:<12}  {at:>10}  {end:>12}", file=out)
    print(f"limit {told.limit:.4g}, best {told.best:.4g}", file=out)
    return 0
