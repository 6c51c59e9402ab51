"""A session as lines of text or JSON, for a person without a terminal and for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from lrtui.ascii_fallback import printable
from lrtui.messages import (
    AnyMessage,
    Ended,
    Failed,
    Greeting,
    Printed,
    Progress,
    Quadratic,
    Start,
    State,
    Sweep,
    encode,
)
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ABOVE, BELOW, spaced, table
from lrtui.run.session import Session
from lrtui.run.words import advice_text, change_text, told_losses
from lrtui.sources.source import Source

ENDED_EARLY = "the source ended before its answer"


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
        known = self.session.current
        lr = known.lr if known else None
        changed = self.session.apply(message)
        if not self.as_json:
            # What is printed may come from a file, or from whatever training code printed.
            lines = [*map(printable, self._lines(message, changed, lr))]
        else:
            lines = [encode(message).decode()]
            if isinstance(message, Ended) and changed and self.session.current:
                lines.append(encode(self.session.summary(self.session.current)).decode())
        for line in lines:
            print(line, file=self.out, flush=True)

    def _lines(self, message: AnyMessage, changed: bool, lr: float | None) -> list[str]:
        """Return a message in words, one line for each step that is reported."""
        run = self.session.current
        match message:
            case Greeting():
                return [f"{message.title.replace(' · ', ', ')} ({message.program})"]
            case State() if run and changed and message.asked_by and run.lr != lr:
                return [change_text(message)]
            case Printed(text=text):
                return [text]
            case Progress() if run and changed:
                said = [f"run {run.number}  rate {rate_text(run.lr)}"] if not message.first else []
                losses = told_losses(message, self.every)
                return said + [f"step {step:>6}  loss {loss}" for step, loss in losses]
            case Ended() if run and changed:
                verdict, evidence = run.verdict()
                weights = ", ".join(f"{w:.4g}" for w in run.weights)
                at = f", {pace:,.0f} steps/s" if (pace := run.steps_per_second) else ""
                said = [f"{run.outcome}: {message.reason} (weights {weights}{at})"]
                said.append(f"{verdict}: {evidence}")
                if advice := self.session.advice_after(run):
                    said.append(f"{advice_text(advice)}: {advice.reason}")
                return [f"run {run.number}  {text}" for text in said]
        return []


def play(
    source: Source, lrs: Sequence[float], steps: int, speed: float | None, printer: Printer
) -> str:
    """Run each rate in turn and print what comes of it; return why that failed, if it did.

    Args:
        source: the trainer.
        lrs: one run each.
        steps: steps of a run.
        speed: steps a second, ``None`` for as fast as possible.
        printer: prints the messages.
    """
    messages = stream(source)
    for lr in lrs:
        run = printer.session.begin(lr, steps)
        source.send(Start(run=run.number, lr=lr, steps=steps, speed=speed))
        while run.is_on:
            if (message := next(messages, None)) is None:
                return ENDED_EARLY
            printer.take(message)
            if isinstance(message, Failed):
                return "\n".join([message.reason, *message.details])
    return ""


def replay(source: Source, printer: Printer) -> None:
    """Print what was saved."""
    for message in stream(source):
        printer.take(message)


def stream(source: Source) -> Iterator[AnyMessage]:
    """Yield messages as they come, until there will be none any more."""
    while messages := source.poll(None):
        yield from messages


def sweep(
    source: Source,
    low: float | None,
    high: float | None,
    *,
    count: int,
    steps: int,
    as_json: bool,
    out: IO[str],
) -> str:
    """Run many rates in one batch and print what became of each; return why not, if it failed.

    Args:
        source: the trainer.
        low: the smallest rate; ``None`` for a thousandth of the limit.
        high: the largest rate; ``None`` for four times the limit.
        count: how many rates, equal factors apart.
        steps: steps of each run.
        as_json: print one object instead of a table.
        out: where to print.

    Raises:
        ValueError: no rate is between the ends.
    """
    session = Session()
    for message in stream(source):
        session.apply(message)
        if isinstance(message, Failed):
            return "\n".join([message.reason, *message.details])
        if not session.offers("sweep"):
            return "this source cannot sweep"
        if isinstance(message, Quadratic) and session.theory:
            limit = session.theory.max_stable_lr
            first = BELOW * limit if low is None else low
            last = ABOVE * limit if high is None else high
            if first > last:
                raise ValueError(f"no rate is between {first:.3g} and {last:.3g}")
            source.send(Sweep(lrs=spaced(first, last, count), steps=steps))
        if session.swept is not None:
            break
    if session.swept is None or session.theory is None:
        return ENDED_EARLY
    result = table(session.swept, session.theory)
    if as_json:
        print(encode(result).decode(), file=out)
        return ""
    print(f"{'rate':>10}  {'verdict':<13}  {'settled at':>10}  {'final loss':>12}", file=out)
    columns = zip(result.rates, result.verdicts, result.settled_at, result.losses, strict=True)
    for lr, verdict, settled, loss in columns:
        at = "–" if settled is None else f"{settled:,}"
        end = "not finite" if loss is None else f"{loss:.6g}"
        print(f"{lr:>10.4g}  {verdict:<13}  {at:>10}  {end:>12}", file=out)
    print(f"limit {result.limit:.4g}, best {result.best:.4g}", file=out)
    return ""
