"""Reads a saved session, message by message, from its beginning or the start of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lrtui import messages as msg
from lrtui.sources.merge import split_steps
from lrtui.sources.protocol1 import Reader
from lrtui.text.ascii_fallback import printable

LONGEST_LINE = 2**25
"""Most bytes of a line: several times as many as a hundred thousand points need."""

PREAMBLE_TYPES = (
    msg.Greeting | msg.ProblemFacts | msg.Quadratic | msg.SweepResult | msg.GridResult
    | msg.LineScene | msg.CurveScene | msg.ClassesScene | msg.PlaneScene
)  # fmt: skip
"""Messages needed before a run is shown from its start."""


class Record:
    """Reads a file, and remembers where each run in it begins.

    Attributes:
        name: of the file, printable.
        chapters: beginnings of the runs read so far; runs in step share one.
        chapter_of: index of a run's chapter, by its number.
        trouble: what is wrong with the file, in a sentence; empty if nothing is.
        is_over: whether everything is read.
    """

    def __init__(self, path: Path, follow: bool) -> None:
        """Open the file; with ``follow``, wait for more at its end.

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
        """Return the next message, ``None`` if there is none yet."""
        message = next(self._messages, None)
        self.is_over = message is None and (not self._follow or bool(self.trouble))
        return message

    def back_to(self, chapter: Chapter) -> None:
        """Continue from the start of a chapter."""
        self._file.seek(chapter.offset)
        self.trouble, self.is_over = "", False
        self._messages = self._read(chapter)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, at: Chapter) -> Iterator[msg.AnyMessage | None]:
        """Yield the readable messages of the file, then the ends of the runs cut short.

        ``None`` if a followed file has no more yet.
        """
        at = at.copy()
        sequence, reader, preamble = at.sequence, at.reader, at.preamble
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
                if not sequence.greeted and b'"ready"' in line[:20]:
                    reader = Reader()
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
                messages = decode(line, reader)
                for message in messages:
                    if isinstance(message, msg.Started):
                        here = Chapter(offset, number - 1, sequence, reader, preamble)
                        self._add_chapter(here, message)
                    sequence.check(message)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                self.trouble = f"{self.name}, line {number or 1}: {printable(reason or '')}"
                break
            offset += len(line)
            line = b""
            for message in messages:
                if isinstance(message, msg.Greeting):
                    preamble = []
                if isinstance(message, PREAMBLE_TYPES):
                    preamble.append(message)
                if isinstance(message, msg.Progress):
                    yield from split_steps(message, sequence.active[message.run].seconds_before)
                else:
                    yield message
        for run, track in sequence.active.items():
            step = max(track.step, 0)
            reason = f"the file ends at step {step:,}"
            yield msg.Ended(run=run, outcome="stopped", step=step, loss=track.loss, reason=reason)
        if self.trouble and sequence.greeted:
            yield msg.Printed(text=f"{self.trouble}; what comes before it is shown")

    def _add_chapter(self, here: Chapter, started: msg.Started) -> None:
        """Add a chapter, unless the run is known or runs in step with a known one."""
        if started.run in self.chapter_of:
            return
        if not any(run in self.chapter_of for run in started.race):
            self.chapters.append(here.copy())
        self.chapter_of[started.run] = len(self.chapters) - 1


@dataclass(frozen=True)
class Chapter:
    """The beginning of a run, and the state of reading before it.

    Attributes:
        offset: bytes before its line.
        number: lines before it.
        sequence: state of the check.
        reader: of protocol 1, ``None`` for today's.
        preamble: messages of ``PREAMBLE_TYPES``.
    """

    offset: int
    number: int
    sequence: SequenceCheck
    reader: Reader | None
    preamble: list[msg.AnyMessage]

    def copy(self) -> Chapter:
        """Return a copy whose state does not change with reading."""
        sequence, reader = copy.deepcopy(self.sequence), copy.copy(self.reader)
        return Chapter(self.offset, self.number, sequence, reader, [*self.preamble])


def decode(line: bytes, reader: Reader | None) -> list[msg.AnyMessage]:
    """Return the messages of a line; ``reader`` is needed for protocol 1.

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
    """An active run.

    Attributes:
        started: its first message.
        step: the last one, -1 before the first.
        loss: the last finite one, ``None`` without any.
        seconds: of training.
        seconds_before: the same before the last report.
    """

    started: msg.Started
    step: int = -1
    loss: float | None = None
    seconds: float = 0.0
    seconds_before: float = 0.0


@dataclass
class SequenceCheck:
    """Checks that the messages of a session come in a sensible order.

    Attributes:
        greeted: whether there was a greeting.
        active: runs that have not ended, by number; several if they run in step.
    """

    greeted: bool = False
    active: dict[int, Track] = field(default_factory=dict)
    _last_number: int = 0
    _who: tuple[int, float] | None = None  # process and start of the training
    _dimension: int | None = None  # number of weights, ``None`` if unknown

    def check(self, message: msg.AnyMessage) -> None:
        """Apply the next message.

        Raises:
            ValueError: it is out of place; says why.
        """
        if isinstance(message, msg.Greeting):
            who = (message.pid, message.since)
            if who != self._who or not message.since:  # else only its capabilities have changed
                self.active, self._dimension = {}, None
            self._who, self.greeted = who, True
            return
        if not self.greeted and not isinstance(message, msg.Printed):
            raise ValueError("a session begins with a greeting")
        match message:
            case msg.LineScene() | msg.Quadratic():
                dimension = len(message.minimum) if isinstance(message, msg.Quadratic) else 2
                if self._dimension not in (None, dimension):
                    raise ValueError(f"a loss of {dimension} weights, not of {self._dimension}")
                self._dimension = dimension
            case msg.Started() if message.run in self.active and message.steps is None:
                self.active[message.run] = Track(message)  # its messages are sent again
            case msg.Started():
                if message.run <= self._last_number:
                    raise ValueError(f"run {message.run} comes after run {self._last_number}")
                self.active = {
                    run: track for run, track in self.active.items() if run in message.race
                }
                self.active[message.run] = Track(message)
                self._last_number = message.run
            case msg.Progress() | msg.Ended() | msg.State() if message.run not in self.active:
                raise ValueError(f"run {message.run} is not on")
            case msg.Progress():
                self._follow(message, self.active[message.run])
            case msg.Ended():
                del self.active[message.run]

    def _follow(self, progress: msg.Progress, track: Track) -> None:
        """Apply a report of an active run."""
        steps = track.started.steps
        if progress.no_loss or (steps is None and progress.last <= track.step):
            # Scalars may lag behind the losses, alone or with a loss that was reported.
            track.step = max(track.step, progress.last)
            track.seconds_before, track.seconds = track.seconds, progress.seconds
            return
        count = len(progress.weights)
        if self._dimension is not None and count not in (0, self._dimension):
            raise ValueError(f"{count} weights of a loss of {self._dimension}")
        if progress.first <= track.step or (steps is not None and progress.last > steps):
            step = progress.first if progress.first <= track.step else progress.last
            end = "an open number" if steps is None else f"{steps:,}"
            raise ValueError(f"step {step:,} of {end} comes after step {track.step:,}")
        track.step = progress.last
        track.loss = next((v for v in reversed(progress.losses) if v is not None), track.loss)
        track.seconds_before, track.seconds = track.seconds, progress.seconds
