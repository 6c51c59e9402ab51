"""Running ahead: the forecast of any run that can be repeated is the same run, run ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

from lrtui.messages import LARGEST, Ahead, Message, Outcome, Start
from lrtui.problems.problem import Problem
from lrtui.trainer.beginnings import begin
from lrtui.trainer.conclusion import conclusion, divergence_threshold
from lrtui.trainer.schedules import factors

SLICE_SECONDS = 0.002
"""Seconds of work at a time."""

TELL_EVERY = 0.1
"""Seconds of work between two messages."""

MAX_SECONDS = 20.0
"""Seconds of work on one run, at most."""


def run_ahead(
    problem: Problem, start: Start, changes: Sequence[tuple[int, float]]
) -> Iterator[Message | None]:
    """Take the steps of a run from its start, and tell the losses after the last change.

    It starts over rather than copy the run that it is ahead of: that way it needs to know nothing
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
    losses: list[float | None] = []
    spent, told_at, step, first = 0.0, 0.0, 0, since

    def told(outcome: Outcome | None = None, reason: str = "") -> Ahead:
        return Ahead(
            run=start.run,
            since=since,
            lr=lr,
            first=first,
            losses=losses,
            outcome=outcome,
            reason=reason,
        )

    def note(loss: float) -> None:
        if step >= since:
            losses.append(loss if abs(loss) <= LARGEST else None)

    try:
        moving = factors(start.schedule, start.steps)
        training = begin(problem, start.lr, start.optimizer, moving)
        start_loss = finite = training.loss
        note(training.loss)
        while step < start.steps and abs(training.loss) <= LARGEST:
            began = now = perf_counter()
            while (
                step < start.steps and abs(training.loss) <= LARGEST and now < began + SLICE_SECONDS
            ):
                training.lr = due.get(step, training.lr)
                ends = [
                    start.steps,
                    step + training.steps_per_sync,
                    *(at for at in due if at > step),
                ]
                for loss in training.steps(min(ends) - step):
                    step += 1
                    note(loss)
                    finite = loss if abs(loss) <= LARGEST else finite
                now = perf_counter()
            spent += now - began
            if spent >= MAX_SECONDS:
                how_far = f"run ahead to step {step:,}, as far as {MAX_SECONDS:g} s of work went"
                yield told(reason=how_far)
                return
            if spent - told_at >= TELL_EVERY and losses:
                yield told()
                told_at, losses, first = spent, [], step + 1
            else:
                yield None
        most = divergence_threshold(problem, start.optimizer, start.schedule, start_loss)
        yield told(*conclusion(training.loss, training.lr, step, start_loss, finite, most))
    except (Exception, SystemExit) as error:
        yield told("failed", f"at step {step:,}: {problem.explain(error)}")
