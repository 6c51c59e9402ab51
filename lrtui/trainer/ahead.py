"""Forecasts a run by training it again, ahead of the one on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

from lrtui.messages import LARGEST, Ahead, Message, Outcome, Start
from lrtui.messages.quantities import finite_or_none
from lrtui.problems.problem import Problem
from lrtui.trainer.beginnings import begin
from lrtui.trainer.conclusion import conclusion, divergence_threshold
from lrtui.trainer.schedules import factors

SLICE_SECONDS = 0.002
"""Seconds of work between two yields."""

SEND_SECONDS = 0.1
"""Seconds of work between two messages."""

MAX_SECONDS = 20.0
"""Most seconds of work on one run."""


def run_ahead(
    problem: Problem, start: Start, changes: Sequence[tuple[int, float]]
) -> Iterator[Message | None]:
    """Take the steps of a run from its start, and report the losses after the last change.

    Starting over needs no copy of the state of a person's model, optimizer and batches.

    Args:
        problem: trained here again.
        start: of the run.
        changes: steps at which its rate changed, ascending, with the new rates.

    Yields:
        ``None`` after each piece of work, and messages.
    """
    since, lr = changes[-1] if changes else (0, start.lr)
    due = dict(changes)
    losses: list[float | None] = []
    spent, sent_at, step, first = 0.0, 0.0, 0, since

    def message(outcome: Outcome | None = None, reason: str = "") -> Ahead:
        return Ahead(
            run=start.run,
            since=since,
            lr=lr,
            first=first,
            losses=losses,
            outcome=outcome,
            reason=reason,
        )

    def add(loss: float) -> None:
        if step >= since:
            losses.append(finite_or_none(loss))

    try:
        rate_factors = factors(start.schedule, start.steps)
        training = begin(problem, start.lr, start.optimizer, rate_factors)
        start_loss = finite = training.loss
        add(training.loss)
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
                    add(loss)
                    finite = loss if abs(loss) <= LARGEST else finite
                now = perf_counter()
            spent += now - began
            if spent >= MAX_SECONDS:
                how_far = f"run ahead to step {step:,}, as far as {MAX_SECONDS:g} s of work went"
                yield message(reason=how_far)
                return
            if spent - sent_at >= SEND_SECONDS and losses:
                yield message()
                sent_at, losses, first = spent, [], step + 1
            else:
                yield None
        threshold = divergence_threshold(problem, start.optimizer, start.schedule, start_loss)
        yield message(*conclusion(training.loss, training.lr, step, start_loss, finite, threshold))
    except (Exception, SystemExit) as error:
        yield message("failed", f"at step {step:,}: {problem.explain(error)}")
