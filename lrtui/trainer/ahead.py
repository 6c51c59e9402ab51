"""Running ahead: the forecast of any run that can be repeated is the same run, run ahead."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from time import perf_counter

from lrtui.messages import LARGEST, Ahead, Message, Start
from lrtui.problems.problem import Problem
from lrtui.trainer.conclusion import conclusion
from lrtui.trainer.runs import begin

PIECE = 0.004
"""Seconds of work at a time."""

TELL_EVERY = 0.1
"""Seconds of work between two messages."""

BUDGET = 20.0
"""Seconds of work on one run, at most."""


def run_ahead(
    problem: Problem, start: Start, changes: Sequence[tuple[int, float]]
) -> Iterator[Message | None]:
    """Take the steps of a run from its start, and tell the losses after the last change.

    It begins anew rather than copy the run that it is ahead of: that way it needs to know nothing
    of how the person's model, optimizer and batches keep their state.

    Args:
        problem: what is trained.
        start: the run.
        changes: steps at which its rate was changed, and what to; ascending.

    Yields:
        ``None`` after each piece of work, and messages.
    """
    since, lr = changes[-1] if changes else (0, start.lr)
    due = dict(changes)
    spent = told_at = 0.0
    losses: list[float | None] = []
    step = first = 0

    def told(**more: object) -> Ahead:
        return Ahead(run=start.run, since=since, lr=lr, first=first, losses=losses, **more)  # type: ignore[arg-type]

    def note(loss: float) -> None:
        if step >= since:
            losses.append(loss if abs(loss) <= LARGEST else None)

    first = since
    # What the person's code prints it prints in the run that is watched.
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            training = begin(problem, start.lr, start.optimizer)
            start_loss = finite = training.loss
            note(training.loss)
            while step < start.steps and abs(training.loss) <= LARGEST:
                began = perf_counter()
                while step < start.steps and abs(training.loss) <= LARGEST:
                    if step in due:
                        training.lr = due[step]
                    count = 1 if training.burst == 1 else min(training.burst, start.steps - step)
                    if any(step < at < step + count for at in due):
                        count = 1
                    for loss in training.steps(count):
                        step += 1
                        note(loss)
                        finite = loss if abs(loss) <= LARGEST else finite
                    if perf_counter() - began > PIECE:
                        break
                printed.seek(0)
                printed.truncate()
                spent += perf_counter() - began
                if spent >= BUDGET:
                    seconds = f"{BUDGET:g} s of work"
                    yield told(reason=f"run ahead to step {step:,}, as far as {seconds} went")
                    return
                if spent - told_at >= TELL_EVERY and losses:
                    yield told()
                    told_at, losses, first = spent, [], step + 1
                else:
                    yield None
            outcome, reason = conclusion(training.loss, training.lr, step, start_loss, finite)
            yield told(outcome=outcome, reason=reason)
        except Exception as error:
            yield told(outcome="failed", reason=f"at step {step:,}: {problem.explain(error)}")
