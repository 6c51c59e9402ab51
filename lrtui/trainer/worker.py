"""Carries out commands: runs gradient descent and tells of it as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from time import perf_counter

import torch

from lrtui.messages import (
    AnyCommand,
    Ended,
    Message,
    Outcome,
    Pause,
    Problem,
    Progress,
    Reached,
    Ready,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Started,
    Step,
    Stop,
    Sweep,
    Swept,
)
from lrtui.problems.line import FIRST_WEIGHTS, TRUTH, first_weights, sample
from lrtui.run.theory import Theory
from lrtui.trainer.curvature import least_squares
from lrtui.trainer.descent import mse, update
from lrtui.trainer.sweep import sweep

Inbox = SimpleQueue[AnyCommand]
Send = Callable[[Message], None]

REPORT_EVERY = 0.05
"""Seconds between two progress messages."""

CATCH_UP = 0.25
"""Seconds that a paced run may be behind and still make up for."""

PATH = 256
"""Steps of a run whose weights are told one by one."""

SLACK = 0.01
"""Seconds before the next step of a paced run in which no other work is begun."""

SHARE = 0.004
"""Seconds that other work gets of a run that is flat out, each time it is reported."""


class Worker:
    """Has the data, and carries out commands on it."""

    def __init__(self, problem: Problem, inbox: Inbox, send: Send) -> None:
        """Draws the data and tells of it.

        Args:
            problem: what to learn.
            inbox: where commands come from.
            send: where messages go.
        """
        # One thread is fastest for a problem this small, and leaves the other core to the screen.
        torch.set_num_threads(1)
        self._inbox = inbox
        self._send = send
        self._x, self._y = sample(problem)
        self._aside: Iterator[Swept | None] = iter(())  # work for the gaps: a sweep
        send(
            Ready(
                problem=problem,
                x=self._x[:, 0].tolist(),
                y=self._y.tolist(),
                truth=TRUTH,
                weights=FIRST_WEIGHTS,
                torch=str(torch.__version__),
            )
        )
        curvature = least_squares(self._x, self._y)
        self._target = Theory.of(curvature).target
        send(curvature)

    def serve(self) -> None:
        """Carries out commands for ever."""
        command: AnyCommand | None = None
        while True:
            command = command or self._receive(math.inf)
            command = self.train(command) if isinstance(command, Start) else None

    def train(self, start: Start) -> Start | None:
        """Carries out one run, and the commands that come meanwhile.

        Returns:
            The command that cut it short to start another run, if one did.
        """
        self._send(Started(run=start.run, rate=start.rate, steps=start.steps))
        x, y, inbox = self._x, self._y, self._inbox
        a = first_weights()
        loss = mse(x @ a, y)
        first = value = last_finite = loss.item()
        step = 0
        rate = start.rate
        untold: list[float | None] = [value]
        path: list[Reached] = [reached(a)]
        seconds = 0.0
        paused = False
        single = 0  # steps that were asked for one by one and are still to be taken
        wait = 1 / start.speed if start.speed else 0.0
        since = due = perf_counter()
        report_at = since  # the first loss is told at once

        def tell() -> None:
            """Sends the losses not yet told."""
            nonlocal untold, path, seconds, since, report_at
            if not untold:
                return
            now = perf_counter()
            seconds += now - since
            since = now
            report_at = now + REPORT_EVERY
            self._send(
                Progress(
                    run=start.run,
                    rate=rate,
                    step=step - len(untold) + 1,
                    losses=untold,
                    weights=reached(a),
                    path=path,
                    seconds=seconds,
                )
            )
            untold, path = [], []

        def end(outcome: Outcome, reason: str) -> None:
            tell()
            self._send(
                Ended(run=start.run, outcome=outcome, step=step, loss=last_finite, reason=reason)
            )

        while step < start.steps and math.isfinite(value):
            now = perf_counter()
            if untold and now >= report_at:
                tell()
                self._go_on_aside(perf_counter() + SHARE)
            if now < due or not inbox.empty():
                command = self._receive(min(due, report_at if untold else math.inf) - now)
                match command:
                    case Start() | Stop():
                        end("stopped", f"stopped after {step:,} steps")
                        return command if isinstance(command, Start) else None
                    case SetRate(rate=new):
                        tell()  # so that every progress has one rate
                        rate = new
                    case Pause():
                        tell()
                        paused, due, single = True, math.inf, 0
                    case Step():
                        paused, since, due = True, perf_counter(), 0.0
                        single += 1
                    case Resume() if paused:
                        paused, since, due = False, perf_counter(), 0.0
                        single = 0
                    case SetSpeed(speed=speed):
                        wait = 1 / speed if speed else 0.0
                        due = due if paused else perf_counter()
                continue

            loss = update(x, y, a, loss, rate)
            value = loss.item()
            step += 1
            untold.append(value)
            if step < PATH:
                path.append(reached(a))
            if math.isfinite(value):
                last_finite = value
            if paused:
                tell()
                single -= 1
                due = 0.0 if single > 0 else math.inf
            elif wait:
                due = max(due + wait, now - CATCH_UP)

        if not math.isfinite(value):
            end(
                "diverged",
                f"at rate {rate:g} the loss was "
                f"{'infinite' if math.isinf(value) else 'not a number'} at step {step:,}; "
                f"the last finite one was {last_finite:.4g}",
            )
        elif value > first:
            end(
                "diverged",
                f"at rate {rate:g} the loss is {value:.4g} after {step:,} steps, "
                f"{value / first:.3g} × the first",
            )
        else:
            end(
                "done",
                f"all {step:,} steps taken, the loss went from {first:.4g} to {value:.4g}",
            )
        return None

    def _receive(self, seconds: float) -> AnyCommand | None:
        """Waits for a command, at most so many seconds, and gets on with other work meanwhile."""
        until = perf_counter() + seconds
        try:
            self._go_on_aside(until - SLACK)
            left = until - perf_counter()
            command = self._inbox.get(timeout=None if math.isinf(left) else max(left, 0.0))
        except Empty:
            return None
        if isinstance(command, Sweep):
            self._aside = sweep(self._x, self._y, command.rates, command.steps, self._target)
            return None
        return command

    def _go_on_aside(self, until: float) -> None:
        """Gets on with other work until a time, or until a command comes."""
        while perf_counter() < until and self._inbox.empty():
            try:
                swept = next(self._aside)
            except StopIteration:
                return
            if swept is not None:
                self._send(swept)


def reached(a: torch.Tensor) -> Reached:
    """Returns weights, shape [2], as a message has them."""
    slope, bias = a.tolist()
    return slope, bias
