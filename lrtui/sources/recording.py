"""Runs in a file: every message as it came, one JSON object a line, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import msgspec

from lrtui.ascii_fallback import printable
from lrtui.messages import (
    AnyMessage,
    Command,
    Curvature,
    Ended,
    Pause,
    Printed,
    Progress,
    Ready,
    Resume,
    SetSpeed,
    Started,
    Step,
    decode_message,
    encode,
)
from lrtui.sources.process import Source

LONGEST = 2**25
"""Bytes of a line: several times those of a hundred thousand points."""

BETWEEN_RUNS = 1.0
"""Seconds that a run that is over stays before the next one of the file begins."""

BUDGET = 0.02
"""Seconds that diagnosis may take at a time, so that a large file never holds up a frame."""


class Recorder:
    """A source whose messages are written to a file as they come.

    Attributes:
        trouble: why the file does not have them all, empty if it has.
    """

    def __init__(self, source: Source, path: Path) -> None:
        """Creates the file.

        Raises:
            OSError: it cannot be created, or is there already.
        """
        self.trains = source.trains
        self.trouble = ""
        self._source = source
        self._path = path
        self._file = path.open("xb", buffering=0)

    def send(self, command: Command) -> None:
        """Passes a command on."""
        self._source.send(command)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Returns the messages since the last call, see ``Source.poll``, and writes them down."""
        messages = self._source.poll(timeout)
        if messages and not self.trouble:
            try:
                self._file.write(b"".join(encode(message) + b"\n" for message in messages))
            except OSError as error:
                self.trouble = f"{name(self._path)} is not complete: {error.strerror}"
                messages.append(Printed(self.trouble))
        return messages

    def close(self) -> None:
        """Ends the source and closes the file."""
        self._source.close()
        self._file.close()


class Replay:
    """A source that tells again what was saved, at a pace of its own.

    One report of the trainer is told at a time, or one step where a report has the weights of
    each. At 20 a second, as the trainer reports, a run takes as long as it once did.

    Attributes:
        trouble: what is wrong with the file, empty if nothing is.
        over: whether all that could be read has been told.
    """

    trains = False

    def __init__(self, path: Path, speed: float | None) -> None:
        """Opens the file.

        Args:
            path: the file.
            speed: reports a second, ``None`` for as fast as it goes.

        Raises:
            OSError: it cannot be read.
            ValueError: nothing in it is a saved run; says what is wrong with which line.
        """
        self.trouble = ""
        self.over = False
        self._path = path
        self._speed = speed
        self._paused = False
        self._room = 1.0  # reports that may be told now
        self._looked_at = self._wait_until = monotonic()
        self._file = path.open("rb")
        self._pieces = self._read()
        self._ahead: AnyMessage | None = None
        if not self._look_ahead():
            self._file.close()
            raise ValueError(self.trouble or f"{name(path)} is empty")

    def send(self, command: Command) -> None:
        """Holds, goes on or changes the pace; there is nothing to train with."""
        match command:
            case Pause():
                self._paused, self._room = True, 0.0
            case Resume():
                self._paused = False
            case SetSpeed(speed=speed):
                self._speed = speed
            case Step():
                self._room = self._room + 1.0 if self._paused else 1.0
                self._paused = True

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Returns the messages that are due.

        Args:
            timeout: ``None`` waits until one is, or all has been told.
        """
        told = self._due()
        while timeout is None and not told and not self.over:
            sleep(BUDGET)
            told = self._due()
        return told

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _due(self) -> list[AnyMessage]:
        now = monotonic()
        if not self._paused and self._speed is None:
            self._room = float("inf")
        elif not self._paused and self._speed is not None:
            earned = self._speed * (now - self._looked_at)
            self._room = min(self._room + earned, max(1.0, self._speed / 4))
        self._looked_at = now
        told: list[AnyMessage] = []
        while self._look_ahead() and monotonic() < now + BUDGET:
            message = self._ahead
            assert message is not None
            if isinstance(message, Progress):
                if self._room < 1:
                    break
                self._room -= 1
            elif isinstance(message, Started) and now < self._wait_until:
                break
            told.append(message)
            self._ahead = None
            if isinstance(message, Ended) and self._speed is not None:
                self._wait_until = now + BETWEEN_RUNS
        return told

    def _look_ahead(self) -> bool:
        """Reads on until there is a message to tell; returns whether there is one."""
        if self._ahead is None:
            self._ahead = next(self._pieces, None)
            self.over = self._ahead is None
        return not self.over

    def _read(self) -> Iterator[AnyMessage]:
        """Yields what is in the file as far as it can be read, then why it ends there."""
        run: Started | None = None
        step, loss, seconds = -1, None, 0.0
        known = False
        number = last = 0
        while line := self._file.readline(LONGEST):
            number += 1
            try:
                message = checked(line, known, run, step, last)
            except ValueError as error:
                self.trouble = f"{name(self._path)}, line {number}: {printable(str(error))}"
                break
            match message:
                case Ready():
                    run, known = None, True
                case Started():
                    run, step, loss, seconds = message, -1, None, 0.0
                    last = run.run
                case Ended():
                    run = None
                case Progress():
                    yield from pieces(message, seconds)
                    step, seconds = message.step + len(message.losses) - 1, message.seconds
                    loss = next((v for v in reversed(message.losses) if v is not None), loss)
                    continue
            yield message
        if run is not None:
            yield Ended(
                run=run.run,
                outcome="stopped",
                step=max(step, 0),
                loss=loss,
                reason=f"the file ends at step {max(step, 0):,}",
            )
        if self.trouble and number > 1:
            yield Printed(f"{self.trouble}; what stands before it is shown")


def checked(line: bytes, known: bool, run: Started | None, step: int, last: int) -> AnyMessage:
    """Reads a line of a saved session.

    Args:
        line: the line.
        known: whether the data was told of before it.
        run: the run that is on.
        step: its last step.
        last: the number of the last run.

    Raises:
        ValueError: it is no message, or not one that can come here; says why.
    """
    if len(line) == LONGEST:
        raise ValueError(f"longer than {LONGEST:,} bytes")
    try:
        message = decode_message(line)
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise ValueError("cut short") from error
        raise ValueError(f"no message of lrtui ({error})") from error
    match message:
        case Started() | Progress() | Ended() | Curvature() if not known:
            raise ValueError("tells of a run before its data")
        case Started() if message.run <= last:
            raise ValueError(f"run {message.run} comes after run {last}")
        case Progress() | Ended() if run is None or message.run != run.run:
            raise ValueError(f"tells of run {message.run}, which is not on")
        case Progress() if run:
            if step < 0 and message.rate != run.rate:
                raise ValueError(f"run {run.run} starts at another rate than it was told to")
            end = message.step + len(message.losses) - 1
            if message.step != step + 1 or end > run.steps:
                told = f"step {message.step:,}" if step + 1 != message.step else f"step {end:,}"
                raise ValueError(f"tells of {told} after step {step:,}, where {run.steps:,} end")
    return message


def pieces(progress: Progress, since: float) -> Iterator[Progress]:
    """Yields a report step by step as far as it has the weights of each, then the rest of it.

    Args:
        progress: the report.
        since: the seconds of the last report of this run.
    """
    count = len(progress.losses)
    per_step = (progress.seconds - since) / count
    for i, weights in enumerate(progress.path):
        yield msgspec.structs.replace(
            progress,
            step=progress.step + i,
            losses=progress.losses[i : i + 1],
            weights=weights,
            path=[weights],
            seconds=since + per_step * (i + 1),
        )
    rest = len(progress.path)
    if rest < count:
        yield msgspec.structs.replace(
            progress, step=progress.step + rest, losses=progress.losses[rest:], path=[]
        )


def name(path: Path) -> str:
    """Returns a path as it can be shown."""
    return printable(str(path))
