"""Carries out commands: runs gradient descent and tells of it as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import perf_counter

import torch
from torch import Tensor

from lrtui.messages import (
    AnyCommand,
    Ended,
    Message,
    Outcome,
    Pause,
    Problem,
    Progress,
    Ready,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Started,
    Step,
    Stop,
)
from lrtui.trainer.descent import mse, update
from lrtui.trainer.problem import TRUTH, first_weights, sample

Inbox = SimpleQueue[AnyCommand]
Send = Callable[[Message], None]

REPORT_EVERY = 0.05
"""Seconds between two progress messages."""

CATCH_UP = 0.25
"""Seconds that a paced run may be behind and still make up for."""


def serve(problem: Problem, inbox: Inbox, send: Send) -> None:
    """Draws the data, then carries out commands for ever."""
    # One thread is fastest for a problem this small, and leaves the other core to the screen.
    torch.set_num_threads(1)
    x, y = sample(problem)
    send(
        Ready(
            problem=problem,
            x=x[:, 0].tolist(),
            y=y.tolist(),
            truth=list(TRUTH),
            torch=str(torch.__version__),
        )
    )
    command: AnyCommand | None = None
    while True:
        command = command or inbox.get()
        command = train(command, x, y, inbox, send) if isinstance(command, Start) else None


def train(start: Start, x: Tensor, y: Tensor, inbox: Inbox, send: Send) -> Start | None:
    """Carries out one run, and the commands that come meanwhile.

    Returns:
        The command that cut it short to start another run, if one did.
    """
    send(Started(run=start.run, rate=start.rate, steps=start.steps))
    a = first_weights()
    loss = mse(x @ a, y)
    first = value = last_finite = loss.item()
    step = 0
    rate = start.rate
    untold: list[float | None] = [value]
    seconds = 0.0
    paused = False
    wait = 1 / start.speed if start.speed else 0.0
    since = due = perf_counter()
    report_at = since  # the first loss is told at once

    def tell() -> None:
        """Sends the losses not yet told."""
        nonlocal untold, seconds, since, report_at
        if not untold:
            return
        now = perf_counter()
        seconds += now - since
        since = now
        report_at = now + REPORT_EVERY
        send(
            Progress(
                run=start.run,
                rate=rate,
                step=step - len(untold) + 1,
                losses=untold,
                weights=a.tolist(),
                seconds=seconds,
            )
        )
        untold = []

    def end(outcome: Outcome, reason: str) -> None:
        tell()
        known = last_finite if math.isfinite(last_finite) else None
        send(Ended(run=start.run, outcome=outcome, step=step, loss=known, reason=reason))

    while step < start.steps and math.isfinite(value):
        now = perf_counter()
        if untold and now >= report_at:
            tell()
        if now < due or not inbox.empty():
            command = receive(inbox, min(due, report_at if untold else math.inf) - now)
            match command:
                case Start() | Stop():
                    end("stopped", f"stopped after {step:,} steps")
                    return command if isinstance(command, Start) else None
                case SetRate(rate=new):
                    tell()  # so that every progress has one rate
                    rate = new
                case Pause():
                    tell()
                    paused, due = True, math.inf
                case Step():
                    paused, since, due = True, perf_counter(), 0.0
                case Resume() if paused:
                    paused, since, due = False, perf_counter(), 0.0
                case SetSpeed(speed=speed):
                    wait = 1 / speed if speed else 0.0
                    due = due if paused else perf_counter()
            continue

        loss = update(x, y, a, loss, rate)
        value = loss.item()
        step += 1
        untold.append(value)
        if math.isfinite(value):
            last_finite = value
        if paused:
            tell()
            due = math.inf
        elif wait:
            due = max(due + wait, now - CATCH_UP)

    if not math.isfinite(value):
        end(
            "diverged",
            f"at rate {rate:g} the loss was {'infinite' if math.isinf(value) else 'not a number'} "
            f"at step {step:,}; the last finite one was {last_finite:.4g}",
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


def receive(inbox: Inbox, seconds: float) -> AnyCommand | None:
    """Waits for a command, at most so many seconds (infinity: until one comes)."""
    try:
        return inbox.get(timeout=None if math.isinf(seconds) else max(seconds, 0.0))
    except Empty:
        return None
