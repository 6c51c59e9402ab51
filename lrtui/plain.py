"""A session as lines of text: where there is no terminal, and for other programs to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from lrtui.messages import Ended, Failed, Progress, Ready, Start, encode
from lrtui.run.rate import rate_text
from lrtui.run.session import Run, Session
from lrtui.source import Source


def play(
    source: Source,
    rates: Sequence[float],
    *,
    steps: int,
    speed: float | None,
    every: int,
    as_json: bool,
    out: IO[str],
) -> str | None:
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
        Why the runs could not be carried out, or ``None`` if they were.
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
    return None


def lines(message: object, run: Run, every: int) -> list[str]:
    """Says a message in plain words, one line for each step that is to be told of."""
    match message:
        case Ready():
            problem = message.problem
            return [
                f"line fit, {problem.points} points, {problem.noise} noise, seed {problem.seed}, "
                f"torch {message.torch}"
            ]
        case Progress():
            said = [f"run {run.number}  rate {rate_text(run.rate)}"] if message.step == 0 else []
            if run.changes and run.changes[-1][0] == message.step:
                said.append(f"rate {rate_text(run.rate)} from step {message.step}")
            first = -message.step % every
            for i in range(first, len(message.losses), every):
                said.append(step_line(message.step + i, message.losses[i]))
            return said
        case Ended():
            weights = ", ".join(f"{w:.4g}" for w in run.weights)
            pace = run.steps_per_second
            at = f", {pace:,.0f} steps/s" if pace else ""
            return [f"run {run.number}  {run.outcome}: {message.reason} (weights {weights}{at})"]
    return []


def step_line(step: int, loss: float | None) -> str:
    """Writes one step as the post prints it."""
    return f"step {step:>6}  loss {'not finite' if loss is None else f'{loss:.6g}'}"
