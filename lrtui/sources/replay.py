"""A source that replays a saved session, at a pace of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from time import monotonic, sleep

from msgspec.structs import replace

from lrtui.ascii_fallback import printable
from lrtui.messages import (
    AnyMessage,
    Command,
    Ended,
    Greeting,
    LineScene,
    Printed,
    Progress,
    Quadratic,
    Started,
    State,
    decode_message,
)
from lrtui.pace import Pace
from lrtui.sources.protocol1 import Reader
from lrtui.sources.source import Source

LONGEST_LINE = 2**25
"""Largest length of a line in bytes: several times that of a hundred thousand points."""

BETWEEN_RUNS = 1.0
"""Seconds between the end of a run and the start of the next one in the file."""

BUDGET = 0.02
"""Seconds that reading may take at a time, so that a large file never holds up a frame."""

CAPABILITIES = ["pause", "step", "speed"]


class Replay(Source):
    """Replays a file, one step at a time where it has the weights of each, else report by report.

    A trainer reports 20 times a second: at that speed a run takes as long as it once did.
    ``trouble`` says what is wrong with the file.
    """

    def __init__(self, path: Path, speed: float | None) -> None:
        """Open the file.

        Args:
            path: the file.
            speed: steps or reports a second, ``None`` for as fast as possible.

        Raises:
            OSError: it cannot be read.
            ValueError: nothing in it is a saved run; says what is wrong with which line.
        """
        self._name = printable(str(path))
        self._pace = Pace(speed, monotonic())
        self._wait_until = 0.0
        self._run: Started | None = None  # what is shown, and its step and rate
        self._step, self._lr = 0, 0.0
        self._answers: list[AnyMessage] = []
        self._file = path.open("rb")
        self._messages = self._read()
        self._next = next(self._messages, None)
        if self._next is None:
            self._file.close()
            raise ValueError(self.trouble or f"{self._name} is not a saved session")

    def send(self, command: Command) -> None:
        """Change the pace; other commands are ignored."""
        if self._pace.apply(command, monotonic()) and self._run:  # type: ignore[arg-type]
            self._answers.append(self._state(self._run.run, command.id))

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages that are due.

        Args:
            timeout: seconds to wait for one; ``None`` waits until one is due or all were shown.
        """
        until = math.inf if timeout is None else monotonic() + timeout
        while not (due := self._due()) and self._next is not None and monotonic() < until:
            sleep(BUDGET)
        return due

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _state(self, run: int, answers: int = 0) -> State:
        paused, speed = self._pace.paused, self._pace.speed
        return State(
            run=run, step=self._step, lr=self._lr, paused=paused, speed=speed, answers=answers
        )

    def _due(self) -> list[AnyMessage]:
        now, pace = monotonic(), self._pace
        due, self._answers = self._answers, []
        while (message := self._next) is not None and monotonic() < now + BUDGET:
            match message:
                case Progress() if pace.due() > now:
                    break
                case Progress():
                    pace.took_step(now)
                    self._step = message.last
                case Started() if now < self._wait_until:
                    break
                case Started():
                    self._run, self._step, self._lr = message, 0, message.lr
                case State():
                    # The rate is that of the file; the pace is our own.
                    self._lr = message.lr
                    message = replace(message, paused=pace.paused, speed=pace.speed, answers=0)
                case Greeting():
                    message = replace(message, capabilities=CAPABILITIES)
                case Ended() if pace.speed is not None:
                    self._wait_until = now + BETWEEN_RUNS
            due.append(message)
            if isinstance(message, Started):
                due.append(self._state(message.run))
            self._next = next(self._messages, None)
        return due

    def _read(self) -> Iterator[AnyMessage]:
        """Yield the messages of the file as far as it can be read, then why it ends there."""
        order = Order()
        reader: Reader | None = None
        for number in count(1):
            try:
                if not (line := self._file.readline(LONGEST_LINE)):
                    break
                if not order.greeted and b'"ready"' in line[:20]:
                    reader = Reader()
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
                messages = decode(line, reader)
                for message in messages:
                    order.check(message)
            except (OSError, ValueError) as error:
                said = error.strerror if isinstance(error, OSError) else str(error)
                self.trouble = f"{self._name}, line {number}: {printable(said or '')}"
                break
            for message in messages:
                if isinstance(message, Progress):
                    yield from pieces(message, order.seconds_before)
                else:
                    yield message
        if order.run is not None:
            run, step = order.run.run, max(order.step, 0)
            reason = f"the file ends at step {step:,}"
            yield Ended(run=run, outcome="stopped", step=step, loss=order.loss, reason=reason)
        if self.trouble and order.greeted:
            yield Printed(text=f"{self.trouble}; what comes before it is shown")


def decode(line: bytes, reader: Reader | None) -> list[AnyMessage]:
    """Return the messages of a line; ``reader`` is of the older protocol, where it is in that.

    Raises:
        ValueError: it is not a message; says why.
    """
    try:
        if reader is not None:
            return reader.read(line)
        message = decode_message(line)
        return [] if message is None else [message]
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise ValueError("cut short") from error
        raise ValueError(f"not an lrtui message ({error})") from error


class Order:
    """Checks that the messages of a session come in an order that makes sense.

    Attributes:
        greeted: whether a greeting came.
        run: the run that is on, ``None`` where none is.
        step: its last step, -1 before the first.
        loss: its last finite loss, ``None`` where it has none.
        seconds_before: its time before the last progress.
    """

    def __init__(self) -> None:
        """Expect a greeting."""
        self.greeted = False
        self.run: Started | None = None
        self.step = -1
        self.loss: float | None = None
        self.seconds_before = 0.0
        self._seconds = 0.0
        self._last_number = 0
        self._dimension: int | None = None  # weights of the loss, where that is known

    def check(self, message: AnyMessage) -> None:
        """Take in the next message.

        Raises:
            ValueError: it cannot come here; says why.
        """
        run, step = self.run, self.step
        if isinstance(message, Greeting):
            self.run, self.greeted, self._dimension = None, True, None
            return
        if not self.greeted and not isinstance(message, Printed):
            raise ValueError("a session begins with a greeting")
        match message:
            case LineScene() | Quadratic():
                dimension = len(message.minimum) if isinstance(message, Quadratic) else 2
                if self._dimension not in (None, dimension):
                    raise ValueError(f"a loss of {dimension} weights, not of {self._dimension}")
                self._dimension = dimension
            case Started():
                if message.run <= self._last_number:
                    raise ValueError(f"run {message.run} comes after run {self._last_number}")
                self.run, self.step, self.loss, self._seconds = message, -1, None, 0.0
                self._last_number = message.run
            case Progress() | Ended() | State() if run is None or message.run != run.run:
                raise ValueError(f"run {message.run} is not on")
            case Progress() if run:
                count = len(message.weights)
                if self._dimension is not None and count not in (0, self._dimension):
                    raise ValueError(f"{count} weights of a loss of {self._dimension}")
                if message.first <= step or (run.steps is not None and message.last > run.steps):
                    told = message.first if message.first <= step else message.last
                    end = "an open number" if run.steps is None else f"{run.steps:,}"
                    raise ValueError(f"step {told:,} of {end} comes after step {step:,}")
                self.step = message.last
                self.loss = next((v for v in reversed(message.losses) if v is not None), self.loss)
                self.seconds_before, self._seconds = self._seconds, message.seconds
            case Ended():
                self.run = None


def pieces(progress: Progress, seconds_before: float) -> Iterator[Progress]:
    """Split a report: one step each as far as it has the weights of each, then the rest.

    Args:
        progress: the report.
        seconds_before: the seconds of the last report of this run.
    """
    steps, alone = progress.numbered(), len(progress.trajectory)
    per_step = (progress.seconds - seconds_before) / len(steps)
    for first, end in pairwise(sorted({*range(alone + 1), len(steps)})):
        told = progress.trajectory[first:end]
        yield replace(
            progress,
            steps=[*steps[first:end]] if isinstance(progress.steps, list) else steps[first],
            scalars={name: column[first:end] for name, column in progress.scalars.items()},
            weights=told[-1] if told else progress.weights,
            trajectory=told,
            seconds=seconds_before + per_step * end if end < len(steps) else progress.seconds,
        )
