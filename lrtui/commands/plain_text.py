"""A session as lines of text or JSON, for users without a terminal and for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from lrtui import messages as msg
from lrtui.session.change import Change
from lrtui.session.reports import Event
from lrtui.session.run import Run
from lrtui.session.sentences import advice_text, format_losses
from lrtui.session.session import Session
from lrtui.session.setup import Setup
from lrtui.sources.source import Source
from lrtui.text.amounts import pace_text
from lrtui.text.ascii_fallback import printable
from lrtui.text.rates import rate_text

ENDED_EARLY = "the source ended before its answer"


EVENTS = ("spike", "recovery", "ranks")
"""Changes that are printed as events of a run."""

SHOWN = 8
"""Weights that are printed after a run, at most."""


@dataclass
class Printer:
    """Prints messages as they come, as text or as JSON.

    Attributes:
        every: steps between two lines of a run.
        as_json: print the messages themselves, with a summary after each run.
        out: where to print.
        session: built from the messages.
    """

    every: int
    as_json: bool
    out: IO[str]
    session: Session = field(default_factory=Session, init=False)
    _printed: dict[int, dict[bool, int]] = field(default_factory=dict, init=False)

    def take(self, message: msg.AnyMessage) -> None:
        """Print a message."""
        changes = self.session.apply(message)
        if isinstance(message, msg.Started):
            self._printed[message.run] = {}
        if not self.as_json:
            # What is printed may come from a file, or from whatever training code printed.
            lines = [printable(line) for change in changes for line in self._lines(change)]
        else:
            lines = [msg.encode(message).decode()]
            for change in changes:
                if change.kind in EVENTS and change.run is not None:
                    of = change.run.number
                    event = Event(run=of, step=change.step, kind=change.kind, text=change.text)
                    lines.append(msg.encode(event).decode())
                if change.kind == "ended" and change.run is not None:
                    lines.append(msg.encode(self.session.summary(change.run)).decode())
        for line in lines:
            print(line, file=self.out, flush=True)

    def _lines(self, change: Change) -> list[str]:
        """Return a change in words, one line for each step that is reported."""
        run, message = change.run, change.message
        which = f"run {run.number}  " if run is not None and run.joined is not None else ""
        match change.kind:
            case "started" if run and which:
                rate = f", rate {run.began_at}" if run.began_at else ""
                return [f"{which}is {run.label}{rate}"]
            case "source" | "problem" | "printed" | "no result" | "rate":
                return change.text.splitlines()
            case "answer" | "refusal":
                assert isinstance(message, msg.Steered)
                by = f" ({message.asked_by})" if message.asked_by else ""
                done = "" if message.done else "refused: "
                return [f"{which}step {message.step:>6}  {done}{change.text}{by}"]
            case "headroom" | "spike" | "recovery" | "ranks":
                return [f"{which}step {change.step:>6}  {change.text}"]
            case "progress" if run:
                assert isinstance(message, msg.Progress)
                if run.live is not None:
                    return [which + line for line in self._live_lines(message)]
                return [*loss_lines(message, run, self.every)]
            case "ended" if run:
                return [f"run {run.number}  {line}" for line in self._end_lines(run, change.text)]
        if isinstance(message, msg.SweepResult) and (message.taken or message.failures):
            return [f"sweep: {message.how}"]
        return []

    def _live_lines(self, progress: msg.Progress) -> Iterator[str]:
        """Yield loss, rate or scalars of a training that is not ours, every ``every`` steps.

        Logs rarely have a step that is a multiple of it: the first one after that is printed.
        """
        printed = self._printed.setdefault(progress.run, {})
        columns = {k: v for k, v in progress.scalars.items() if k not in ("loss", "lr")}
        last = printed.get(progress.no_loss, -1)
        for i, (step, loss) in enumerate(format_losses(progress, 1)):
            scalars = [(k, v[i]) for k, v in columns.items() if v[i] is not None]
            if step // self.every == last // self.every and last >= 0:
                continue
            last = step
            line = f"step {step:>6}"
            if not progress.no_loss:
                line += f"  loss {loss}"
            elif not scalars:
                line += "  loss not known"
            if (rate := progress.scalars.get("lr")) is not None and rate[i] is not None:
                line += f"  rate {rate[i]:.6g}"
            if progress.no_loss:
                line += "".join(f"  {name} {value:.6g}" for name, value in scalars)
            yield line
        printed[progress.no_loss] = last

    def _end_lines(self, run: Run, reason: str) -> Iterator[str]:
        """Yield how a run ended, its verdict, and the advice after it."""
        verdict, evidence, basis = run.reading()
        facts = []
        if 0 < len(run.weights) <= SHOWN:
            facts.append("weights " + ", ".join(f"{w:.4g}" for w in run.weights))
        if pace := run.steps_per_second:
            facts.append(pace_text(pace))
        yield f"{run.outcome}: {reason}{in_brackets(', '.join(facts))}"
        yield f"{verdict}{in_brackets('' if basis == 'exact' else basis)}: {evidence}"
        if advice := self.session.advice_after(run):
            yield f"{advice_text(advice)}: {advice.reason}"


def loss_lines(progress: msg.Progress, run: Run, every: int) -> Iterator[str]:
    """Yield the losses of a report, one line for each step that is a multiple of ``every``."""
    if not progress.first:
        yield f"run {run.number}  rate {rate_text(run.lr)}" + (
            "" if run.by == "sgd" else f"  {run.by}"
        )
    which = f"run {run.number}  " if run.race else ""
    for step, loss in format_losses(progress, every):
        yield f"{which}step {step:>6}  loss {loss}"


def in_brackets(text: str) -> str:
    """Return a text in brackets after a blank, nothing for nothing."""
    return f" ({text})" if text else ""


def play(
    source: Source,
    races: Sequence[Sequence[float]],
    setup: Setup,
    speed: float | None,
    printer: Printer,
    seconds: float = 0.0,
) -> str:
    """Train at rates in turn and print the messages; return why that failed, if it did.

    Args:
        source: the trainer.
        races: learning rates, those that are trained in step in one list.
        setup: what is trained.
        speed: steps a second, ``None`` for as fast as possible.
        printer: prints the messages.
        seconds: time limit of the sweep after a run whose advice needs one; 0 for no sweep.
    """
    messages = stream(source)
    for lrs in races:
        start = printer.session.start([(lr, setup.optimizer) for lr in lrs], setup, speed)
        source.send(start)
        begun = printer.session.current_group
        while any(run.is_on for run in begun):
            if (message := next(messages, None)) is None:
                return ENDED_EARLY
            if isinstance(message, msg.Ended) and seconds > 0:
                sweep_for_advice(source, message, messages, printer, seconds)
            printer.take(message)
            if isinstance(message, msg.Failed):
                return "\n".join([message.reason, *message.details])
            if isinstance(message, msg.Unusable):
                return message.reason
        if failed := [run for run in begun if run.outcome == "failed"]:
            return failed[0].reason
    return ""


def sweep_for_advice(
    source: Source,
    ended: msg.Ended,
    messages: Iterator[msg.AnyMessage],
    printer: Printer,
    seconds: float,
) -> None:
    """Sweep the rates that the advice after a run needs, if it needs a sweep.

    The runs of a race that are still on are held meanwhile.
    """
    from lrtui.session.rate_axis import advice_sweep

    session = printer.session
    run = session.of(ended)
    if run is None or ended.outcome == "failed" or not session.offers("sweep"):
        return
    if (sweep := advice_sweep(session, run, seconds)) is None:
        return
    source.send(sweep)
    for message in messages:
        printer.take(message)
        is_answer = isinstance(message, msg.SweepResult) or (
            isinstance(message, msg.NoResult) and message.work == "sweep"
        )
        if is_answer or isinstance(message, msg.Failed | msg.Unusable):
            return


def replay(source: Source, printer: Printer) -> str:
    """Print a record, or the reports of a training; return no failure.

    In a record the sweep for the advice after a run follows the run's end. It is applied before
    that end, as when the run was first printed.
    """
    held: list[msg.Ended] = []
    for message in stream(source):
        if isinstance(message, msg.Ended) and printer.session.offers("seek"):
            held.append(message)
            continue
        if isinstance(message, msg.Started | msg.Greeting | msg.Rewound | msg.Printed):
            take_all(printer, held)
        printer.take(message)
        if isinstance(message, msg.SweepResult):
            take_all(printer, held)
    take_all(printer, held)
    return ""


def take_all(printer: Printer, held: list[msg.Ended]) -> None:
    """Print the messages that were held back."""
    while held:
        printer.take(held.pop(0))


def stream(source: Source) -> Iterator[msg.AnyMessage]:
    """Yield messages as they come, until the source ends."""
    while messages := source.poll(None):
        yield from messages
