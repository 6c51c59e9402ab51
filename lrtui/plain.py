"""A session as lines of text or JSON, for a person without a terminal and for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from msgspec.structs import replace

from lrtui.ascii_fallback import printable
from lrtui.messages import (
    AnyMessage,
    Ended,
    Entrant,
    Failed,
    Greeting,
    NoResult,
    Printed,
    ProblemFacts,
    Progress,
    Race,
    Start,
    State,
    Sweep,
    Unusable,
    encode,
)
from lrtui.options import LabOptions, SweepOptions
from lrtui.reports import SweepTable
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ADAPTIVE, ends, spaced, table
from lrtui.run.session import Session
from lrtui.run.words import advice_text, change_text, told_losses
from lrtui.sources.source import Source

ENDED_EARLY = "the source ended before its answer"


SHOWN = 8
"""Weights that are printed after a run, at most."""


@dataclass
class Printer:
    """Prints messages as they come, as text or as JSON.

    Attributes:
        every: steps between two lines of a run.
        as_json: print the messages themselves, with a summary after each run.
        out: where to print.
        session: what the messages add up to.
    """

    every: int
    as_json: bool
    out: IO[str]
    session: Session = field(default_factory=Session, init=False)

    def take(self, message: AnyMessage) -> None:
        """Print a message."""
        known = self.session.of(message)
        lr = known.lr if known else None
        changed = self.session.apply(message)
        run = self.session.of(message)
        if not self.as_json:
            # What is printed may come from a file, or from whatever training code printed.
            lines = [*map(printable, self._lines(message, changed, lr))]
        else:
            lines = [encode(message).decode()]
            if isinstance(message, Ended) and changed and run:
                lines.append(encode(self.session.summary(run)).decode())
        for line in lines:
            print(line, file=self.out, flush=True)

    def _lines(self, message: AnyMessage, changed: bool, lr: float | None) -> list[str]:
        """Return a message in words, one line for each step that is reported."""
        run = self.session.of(message)
        match message:
            case Greeting():
                return [f"{message.title.replace(' · ', ', ')} ({message.program})"]
            case ProblemFacts(remarks=remarks):
                return remarks
            case State() if run and changed and message.asked_by and run.lr != lr:
                return [change_text(message)]
            case Printed(text=text):
                return [text]
            case NoResult(work=work, reason=reason):
                return [f"no {work}: {reason}"]
            case Progress() if run and changed:
                by = "" if run.title == "sgd" else f"  {run.title}"
                said = (
                    [f"run {run.number}  rate {rate_text(run.lr)}{by}"] if not message.first else []
                )
                which = f"run {run.number}  " if run.race else ""
                losses = told_losses(message, self.every)
                return said + [f"{which}step {step:>6}  loss {loss}" for step, loss in losses]
            case Ended() if run and changed:
                verdict, evidence, ground = run.reading()
                facts = []
                if 0 < len(run.weights) <= SHOWN:
                    facts.append("weights " + ", ".join(f"{w:.4g}" for w in run.weights))
                if pace := run.steps_per_second:
                    facts.append(f"{pace:,.0f} steps/s")
                said = [f"{run.outcome}: {message.reason}{in_brackets(', '.join(facts))}"]
                said.append(
                    f"{verdict}{in_brackets('' if ground == 'exact' else ground)}: {evidence}"
                )
                if advice := self.session.advice_after(run):
                    said.append(f"{advice_text(advice)}: {advice.reason}")
                return [f"run {run.number}  {text}" for text in said]
        return []


def in_brackets(text: str) -> str:
    """Return a text in brackets after a blank, nothing for nothing."""
    return f" ({text})" if text else ""


def started(options: LabOptions, speed: float | None) -> list[Start | Race]:
    """Return what starts each of the runs that were asked for, or several in step."""
    steps, by = options.steps_of_a_run, options.optimizer
    if options.race:
        entrants = [Entrant(run=1, lr=lr, optimizer=by) for lr in options.lrs]
        return [Race(entrants=entrants, steps=steps, speed=speed)]
    return [Start(run=1, lr=lr, steps=steps, speed=speed, optimizer=by) for lr in options.lrs]


def play(source: Source, runs: Sequence[Start | Race], printer: Printer) -> str:
    """Carry out runs in turn and print what comes of them; return why that failed, if it did.

    Args:
        source: the trainer.
        runs: what starts each, or several in step; their numbers are given here.
        printer: prints the messages.
    """
    messages, session = stream(source), printer.session
    for start in runs:
        if isinstance(start, Race):
            begun = session.begin_race([(e.lr, e.optimizer) for e in start.entrants], start.steps)
            source.send(
                replace(
                    start,
                    entrants=[
                        replace(entrant, run=run.number)
                        for entrant, run in zip(start.entrants, begun, strict=True)
                    ],
                )
            )
        else:
            begun = [session.begin(start.lr, start.steps, start.optimizer)]
            source.send(replace(start, run=begun[0].number))
        while any(run.is_on for run in begun):
            if (message := next(messages, None)) is None:
                return ENDED_EARLY
            printer.take(message)
            if isinstance(message, Failed):
                return "\n".join([message.reason, *message.details])
            if isinstance(message, Unusable):
                return message.reason
        if failed := [run for run in begun if run.outcome == "failed"]:
            return failed[0].reason
    return ""


def replay(source: Source, printer: Printer) -> None:
    """Print what was saved."""
    for message in stream(source):
        printer.take(message)


def stream(source: Source) -> Iterator[AnyMessage]:
    """Yield messages as they come, until there will be none any more."""
    while messages := source.poll(None):
        yield from messages


def sweep(source: Source, options: SweepOptions, out: IO[str]) -> str:
    """Run many rates from one start and print what became of each; return why not, if it failed.

    Raises:
        ValueError: the problem cannot be trained, or no rate is between the ends; says why.
    """
    session = Session()
    session.begin(1.0, None, options.optimizer)  # what is known depends on the optimizer
    steps = options.steps_of_a_run
    for message in stream(source):
        session.apply(message)
        if isinstance(message, Failed):
            return "\n".join([message.reason, *message.details])
        if session.unusable:
            raise ValueError(session.unusable)
        if isinstance(message, NoResult) and message.work == "sweep":
            raise ValueError(message.reason)
        if not session.offers("sweep"):
            return "this source cannot sweep"
        if isinstance(message, ProblemFacts):
            known = ends(session.theory, options.optimizer, message.sharpness) or ADAPTIVE
            first = known[0] if options.low is None else options.low
            last = known[1] if options.high is None else options.high
            if first > last:
                raise ValueError(f"no rate is between {first:.3g} and {last:.3g}")
            source.send(
                Sweep(
                    lrs=spaced(first, last, options.count),
                    steps=steps,
                    optimizer=options.optimizer,
                    range_test=options.range_test,
                )
            )
        if session.swept is not None:
            break
    if session.swept is None:
        return ENDED_EARLY
    result = table(session.swept, session)
    if options.json:
        print(encode(result).decode(), file=out)
    else:
        for line in sweep_lines(result):
            print(printable(line), file=out)
    return ""


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
    lines.append(f"{limit}{best} ({result.optimizer}, {result.steps:,} steps; {result.how})")
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
