"""A saved session, read message by message: from its beginning, or from the start of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lrtui import messages as msg
from lrtui.sources.merge import pieces
from lrtui.sources.protocol1 import Reader
from lrtui.text.ascii_fallback import printable

LONGEST_LINE = 2**25
"""Largest length of a line in bytes: several times that of a hundred thousand points."""

OF_THE_PROBLEM = (
    msg.Greeting | msg.ProblemFacts | msg.Quadratic | msg.SweepResult | msg.GridResult
    | msg.LineScene | msg.CurveScene | msg.ClassesScene | msg.PlaneScene
)  # fmt: skip
"""What a session has to be told before a run, whenever it is shown from its start."""


class Record:
    """Reads a file, and knows where each run in it begins.

    Attributes:
        name: of the file, as it may be shown.
        chapters: where each run begins, as far as was read; of runs in step, the first.
        chapter_of: which of these a run belongs to, by its number.
        trouble: what is wrong with the file, in a sentence; empty if nothing is.
        is_over: whether there is nothing more to read.
    """

    def __init__(self, path: Path, follow: bool) -> None:
        """Open the file.

        Args:
            path: the file.
            follow: whether to wait at its end for more.

        Raises:
            OSError: it cannot be read.
        """
        self.name = printable(str(path))
        self.chapters: list[Chapter] = []
        self.chapter_of: dict[int, int] = {}
        self.trouble = ""
        self.is_over = False
        self._follow = follow
        self._file = path.open("rb")
        self.can_seek = self._file.seekable()
        self._messages = self._read(Chapter(0, 0, SequenceCheck(), None, []))

    def next(self) -> msg.AnyMessage | None:
        """Return the next message, ``None`` if there is none now."""
        message = next(self._messages, None)
        self.is_over = message is None and (not self._follow or bool(self.trouble))
        return message

    def back_to(self, chapter: Chapter) -> None:
        """Read on from the start of a run."""
        self._file.seek(chapter.offset)
        self.trouble, self.is_over = "", False
        self._messages = self._read(chapter)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, at: Chapter) -> Iterator[msg.AnyMessage | None]:
        """Yield the messages of the file as far as it can be read, then why it ends there.

        ``None`` is yielded where a file that is followed has no more yet.
        """
        order, reader, known = copy.deepcopy(at.order), copy.copy(at.reader), [*at.known]
        number, offset, line = at.number, at.offset, b""
        while True:
            try:
                line += self._file.readline(LONGEST_LINE - len(line))
                if not line.endswith(b"\n") and self._follow and len(line) < LONGEST_LINE:
                    yield None
                    continue
                if not line:
                    break
                number += 1
                if not order.greeted and b'"ready"' in line[:20]:
                    reader = Reader()
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
                messages = decode(line, reader)
                for message in messages:
                    if isinstance(message, msg.Started):
                        self._note(Chapter(offset, number - 1, order, reader, known), message)
                    order.check(message)
            except (OSError, ValueError) as error:
                said = error.strerror if isinstance(error, OSError) else str(error)
                self.trouble = f"{self.name}, line {number or 1}: {printable(said or '')}"
                break
            offset += len(line)
            line = b""
            for message in messages:
                if isinstance(message, msg.Greeting):
                    known = []
                if isinstance(message, OF_THE_PROBLEM):
                    known.append(message)
                if isinstance(message, msg.Progress):
                    yield from pieces(message, order.on[message.run].seconds_before)
                else:
                    yield message
        for run, track in order.on.items():
            step = max(track.step, 0)
            reason = f"the file ends at step {step:,}"
            yield msg.Ended(run=run, outcome="stopped", step=step, loss=track.loss, reason=reason)
        if self.trouble and order.greeted:
            yield msg.Printed(text=f"{self.trouble}; what comes before it is shown")

    def _note(self, here: Chapter, started: msg.Started) -> None:
        """Note where a run begins, unless it is known or runs in step with one that is."""
        if started.run in self.chapter_of:
            return
        if not any(run in self.chapter_of for run in started.race):
            self.chapters.append(
                Chapter(
                    here.offset,
                    here.number,
                    copy.deepcopy(here.order),
                    copy.copy(here.reader),
                    [*here.known],
                )
            )
        self.chapter_of[started.run] = len(self.chapters) - 1


@dataclass(frozen=True)
class Chapter:
    """Where a run begins, and what is known before it.

    Attributes:
        offset: bytes before its line.
        number: lines before it.
        order: what was checked so far.
        reader: of the older protocol, where the file is in that.
        known: the messages about the problem.
    """

    offset: int
    number: int
    order: SequenceCheck
    reader: Reader | None
    known: list[msg.AnyMessage]


def decode(line: bytes, reader: Reader | None) -> list[msg.AnyMessage]:
    """Return the messages of a line; ``reader`` is of the older protocol, where it is in that.

    Raises:
        ValueError: it is not a message; says why.
    """
    try:
        if reader is not None:
            return reader.read(line)
        message = msg.decode_message(line)
        return [] if message is None else [message]
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise ValueError("cut short") from error
        raise ValueError(f"not an lrtui message ({error})") from error


@dataclass
class Track:
    """A run that is on.

    Attributes:
        started: what began it.
        step: its last step, -1 before the first.
        loss: its last finite loss, ``None`` if it has none.
        seconds: its time.
        seconds_before: its time before the last progress.
    """

    started: msg.Started
    step: int = -1
    loss: float | None = None
    seconds: float = 0.0
    seconds_before: float = 0.0


@dataclass
class SequenceCheck:
    """Checks that the messages of a session come in an order that makes sense.

    Attributes:
        greeted: whether a greeting came.
        on: the runs that are on, by their number; several where they go in step.
    """

    greeted: bool = False
    on: dict[int, Track] = field(default_factory=dict)
    _last_number: int = 0
    _dimension: int | None = None  # weights of the loss, where that is known

    def check(self, message: msg.AnyMessage) -> None:
        """Apply the next message.

        Raises:
            ValueError: it cannot come here; says why.
        """
        if isinstance(message, msg.Greeting):
            self.on, self.greeted, self._dimension = {}, True, None
            return
        if not self.greeted and not isinstance(message, msg.Printed):
            raise ValueError("a session begins with a greeting")
        match message:
            case msg.LineScene() | msg.Quadratic():
                dimension = len(message.minimum) if isinstance(message, msg.Quadratic) else 2
                if self._dimension not in (None, dimension):
                    raise ValueError(f"a loss of {dimension} weights, not of {self._dimension}")
                self._dimension = dimension
            case msg.Started():
                if message.run <= self._last_number:
                    raise ValueError(f"run {message.run} comes after run {self._last_number}")
                self.on = {run: track for run, track in self.on.items() if run in message.race}
                self.on[message.run] = Track(message)
                self._last_number = message.run
            case msg.Progress() | msg.Ended() | msg.State() if message.run not in self.on:
                raise ValueError(f"run {message.run} is not on")
            case msg.Progress():
                self._follow(message, self.on[message.run])
            case msg.Ended():
                del self.on[message.run]

    def _follow(self, progress: msg.Progress, track: Track) -> None:
        """Apply a report of a run that is on."""
        count, steps = len(progress.weights), track.started.steps
        if self._dimension is not None and count not in (0, self._dimension):
            raise ValueError(f"{count} weights of a loss of {self._dimension}")
        if progress.first <= track.step or (steps is not None and progress.last > steps):
            told = progress.first if progress.first <= track.step else progress.last
            end = "an open number" if steps is None else f"{steps:,}"
            raise ValueError(f"step {told:,} of {end} comes after step {track.step:,}")
        track.step = progress.last
        track.loss = next((v for v in reversed(progress.losses) if v is not None), track.loss)
        track.seconds_before, track.seconds = track.seconds, progress.seconds
