"""The training loop, and the commands it obeys on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import perf_counter

from lrtui.messages import (
    AnyCommand,
    Ended,
    Message,
    Outcome,
    SetLr,
    Start,
    Started,
    State,
    Sweep,
)
from lrtui.pace import Pace
from lrtui.problems.problem import Problem
from lrtui.run.diagnosis import has_diverged
from lrtui.trainer.reporter import Reporter
from lrtui.trainer.side_work import SideWork

Inbox = SimpleQueue[AnyCommand]

SLACK = 0.01
"""Seconds before the next step of a paced run in which no side work is begun."""

SIDE_WORK_SHARE = 0.004
"""Seconds of side work at each report of a run that goes as fast as possible."""


class Trainer:
    """Trains one problem, run after run, as commands ask for."""

    def __init__(self, problem: Problem, inbox: Inbox, send: Callable[[Message], None]) -> None:
        """Send what there is to know of the problem before the first run.

        Args:
            problem: what is trained.
            inbox: where commands come from.
            send: takes the messages.
        """
        self._problem = problem
        self._inbox = inbox
        self._send = send
        self._side_work = SideWork(send)
        for message in (problem.scene(), problem.quadratic()):
            if message is not None:
                send(message)

    def serve(self) -> None:
        """Carry out commands forever."""
        command: AnyCommand | None = None
        while True:
            command = command or self._wait_for_command(math.inf)
            command = self.train(command) if isinstance(command, Start) else None

    def train(self, start: Start) -> Start | None:
        """Carry out one run, and the commands that come meanwhile.

        Returns:
            The command that ended it early to start another run, if one did.
        """
        training = self._problem.training(start.lr)
        pace = Pace(start.speed, perf_counter(), start.paused)
        reporter = Reporter(start.run, training, self._send)

        def send_state(command: AnyCommand, asked_by: str) -> None:
            self._send(
                State(
                    run=start.run,
                    step=reporter.step,
                    paused=pace.paused,
                    speed=pace.speed,
                    lr=training.lr,
                    asked_by=asked_by,
                    answers=command.id,
                )
            )

        self._send(Started(run=start.run, lr=start.lr, steps=start.steps))
        send_state(start, "")

        while reporter.step < start.steps and math.isfinite(training.loss):
            now = perf_counter()
            if now >= reporter.due:
                reporter.flush()
                self._side_work.advance(perf_counter() + SIDE_WORK_SHARE, self._has_command)
            due = pace.due()
            if now < due or self._has_command():
                command = self._wait_for_command(min(due, reporter.due) - now)
                if isinstance(command, Start):
                    self._end(reporter, start, "stopped", f"stopped after {reporter.step:,} steps")
                    return command
                if command is not None:
                    reporter.flush()
                    if pace.paused:
                        reporter.restart_clock()
                    if isinstance(command, SetLr):
                        training.lr = command.lr
                    else:
                        pace.apply(command, perf_counter())
                    send_state(command, "viewer")
                continue

            loss = training.step()
            reporter.record(loss)
            pace.took_step(now)
            if pace.paused:
                reporter.flush()

        outcome, reason = conclusion(reporter, training.loss, training.lr)
        self._end(reporter, start, outcome, reason)
        return None

    def _end(self, reporter: Reporter, start: Start, outcome: Outcome, reason: str) -> None:
        reporter.flush()
        self._send(
            Ended(
                run=start.run,
                outcome=outcome,
                step=reporter.step,
                loss=reporter.last_finite,
                reason=reason,
            )
        )

    def _has_command(self) -> bool:
        return not self._inbox.empty()

    def _wait_for_command(self, seconds: float) -> AnyCommand | None:
        """Wait for a command and do side work meanwhile; return ``None`` when time is up."""
        until = perf_counter() + seconds
        self._side_work.advance(until - SLACK, self._has_command)
        left = until - perf_counter()
        try:
            command = self._inbox.get(timeout=None if math.isinf(left) else max(left, 0.0))
        except Empty:
            return None
        if isinstance(command, Sweep):
            self._side_work.begin(self._problem.sweep(command.lrs, command.steps))
            return None
        return command


def conclusion(reporter: Reporter, loss: float, lr: float) -> tuple[Outcome, str]:
    """Return how a run that was not interrupted ended, and the sentence that says so."""
    first, last_finite, steps = reporter.first_loss, reporter.last_finite, reporter.step
    if not math.isfinite(loss):
        word = "infinite" if math.isinf(loss) else "not a number"
        reason = f"at rate {lr:g} the loss was {word} at step {steps:,}"
        if last_finite is not None:
            reason += f"; the last finite one was {last_finite:.4g}"
        return "diverged", reason
    if has_diverged(loss, first):
        times = f"{loss / first:.3g} × the first" if first > 0 else f"from {first:.4g}"
        return "diverged", f"at rate {lr:g} the loss is {loss:.4g} after {steps:,} steps, {times}"
    return "done", f"all {steps:,} steps taken, the loss went from {first:.4g} to {loss:.4g}"
