"""Replays a saved session at any pace and from any place."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.pace import Pace
from lrtui.sources.merge import merge_reports, split_at
from lrtui.sources.record import Record
from lrtui.sources.source import Source

RUN_GAP_SECONDS = 1.0
"""Seconds between the end of a run and the start of the next."""

READ_SECONDS = 0.02
"""Seconds of reading at a time, so that a large file never delays a frame."""

SEEK_SECONDS = 0.4
"""The same while seeking, which a person waits for."""

MAX_REPORTS = 4096
"""Reports that a person can step back through."""

CAPABILITIES = ["pause", "step", "speed"]


class Goal(NamedTuple):
    """A place to seek.

    Attributes:
        chapter: see ``Record``.
        step: of the run.
        whole: whether to show the report of this step to its end.
        answers: id of the command.
    """

    chapter: int
    step: float
    whole: bool
    answers: int


class Replay(Source):
    """Replays a file step by step if it has the weights of each, else report by report.

    A trainer reports 20 times a second: at that speed a run takes its original time.
    """

    def __init__(self, path: Path, speed: float | None, follow: bool = False) -> None:
        """Open the file; with ``follow``, wait for more at its end.

        ``speed`` is in steps or reports a second, ``None`` for as fast as possible.

        Raises:
            OSError: it cannot be read.
            ValueError: it has no saved run; says what is wrong in which line.
        """
        self._pace = Pace(speed, monotonic())
        self._wait_until = 0.0
        self._run: msg.Started | None = None  # the run shown, its step and rate
        self._step, self._lr = 0, 0.0
        self._reports: deque[int] = deque(maxlen=MAX_REPORTS)  # last step of each
        self._goal: Goal | None = None
        self._arrived: set[int] = set()  # runs that have reached the goal
        self._held: list[msg.AnyMessage] = []  # their messages beyond it
        self._pending: deque[msg.AnyMessage] = deque()  # to show before reading more
        self._answers: list[msg.AnyMessage] = []
        self._record = Record(path, follow)
        self._next = self._record.next()
        if self._record.is_over:
            self._record.close()
            raise ValueError(self.trouble or f"{self._record.name} is not a saved session")

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """What is wrong with the file."""
        return self._record.trouble

    def send(self, command: msg.Command) -> None:
        """Change the pace or the place; ignore other commands."""
        if isinstance(command, msg.Seek):
            self._seek(command)
        elif self._pace.apply(command, monotonic()) and self._run:  # type: ignore[arg-type]
            self._answers.append(self._state(self._run.run, command.id))

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages that are due; see ``Source.poll``."""
        until = math.inf if timeout is None else monotonic() + timeout
        while not (due := self._due()) and not self._is_over() and monotonic() < until:
            sleep(READ_SECONDS)
        return due

    def close(self) -> None:
        """Close the file."""
        self._record.close()

    def _is_over(self) -> bool:
        return self._next is None and self._record.is_over

    def _state(self, run: int, answers: int = 0) -> msg.State:
        paused, speed = self._pace.paused, self._pace.speed
        return msg.State(
            run=run, step=self._step, lr=self._lr, paused=paused, speed=speed, answers=answers
        )

    def _seek(self, command: msg.Seek) -> None:
        """Set a goal; to go back, start again from the beginning of its run."""
        if self._run is None or not self._record.can_seek:
            return
        here = self._chapter_of(self._run)
        chapter = max(here + command.chapters, 0)
        step: float = 0 if command.chapters else self._step
        if command.reports > 0:
            step = self._step + command.reports
        elif command.reports:
            before = [at for at in self._reports if at < self._step]
            step = before[command.reports] if len(before) >= -command.reports else 0
        if command.step is not None:
            step = command.step
        if command.end:
            step = math.inf
        if (chapter, step) == (here, self._step):
            self._answers.append(self._state(self._run.run, command.id))
            return
        self._goal = Goal(chapter, step, bool(command.reports), command.id)
        self._wait_until, self._arrived = 0.0, set()
        if chapter < here or (chapter == here and step < self._step):
            start = self._record.chapters[chapter]
            first = min(run for run, at in self._record.chapter_of.items() if at == chapter)
            preamble = (
                replace(m, capabilities=self._capabilities()) if isinstance(m, msg.Greeting) else m
                for m in start.preamble
            )
            self._answers = [msg.Rewound(run=first), *preamble]
            self._record.back_to(start)
            self._pending.clear()
            self._held = []
            self._next = self._record.next()

    def _capabilities(self) -> list[str]:
        return [*CAPABILITIES, *(["seek"] if self._record.can_seek else [])]

    def _due(self) -> list[msg.AnyMessage]:
        now = monotonic()
        due, self._answers = self._answers, []
        seeking = self._goal is not None
        until = now + (SEEK_SECONDS if seeking else READ_SECONDS)
        if self._next is None:
            self._next = self._read_next()
        while (message := self._next) is not None and monotonic() < until:
            if self._goal is not None:
                message = self._limit_to_goal(self._goal, message)
            elif self._must_wait(message, now):
                break
            if message is not None:
                due += self._apply(message)
            if seeking and self._goal is None:
                break
        if self._goal is not None and self._is_over():
            self._finish_seek(self._goal)
        due, self._answers = [*due, *self._answers], []
        return merge_reports(due) if seeking else due

    def _limit_to_goal(self, goal: Goal, message: msg.AnyMessage) -> msg.AnyMessage | None:
        """Return the part of the next message up to the goal, and detect that it is reached.

        Of runs in step, one may arrive first: its later messages are held until the others do.
        """
        if isinstance(message, msg.Started) and self._chapter_of(message) > goal.chapter:
            self._finish_seek(goal)
            return None
        shown: msg.AnyMessage | None = message
        if (
            isinstance(message, msg.Progress | msg.Ended)
            and self._chapter_of(self._run) == goal.chapter
        ):
            rest: msg.AnyMessage | None = None
            if message.run in self._arrived:
                shown, rest = None, message
            elif isinstance(message, msg.Ended):
                self._arrived.add(message.run)
            else:
                if not goal.whole and message.last > goal.step:
                    message, rest = split_at(message, max(int(goal.step), message.first))
                    shown = message
                if message.last >= goal.step:
                    self._arrived.add(message.run)
            if rest is not None:
                self._held.append(rest)
        self._next = self._read_next()
        runs = {self._run.run, *self._run.race} if self._run else set()
        if isinstance(message, msg.Progress | msg.Ended) and runs <= self._arrived:
            if isinstance(message, msg.Progress):
                self._step = message.last
            self._finish_seek(goal)
        return shown

    def _chapter_of(self, started: msg.Started | None) -> int:
        """Return the chapter of a run, -1 for none."""
        return self._record.chapter_of[started.run] if started else -1

    def _read_next(self) -> msg.AnyMessage | None:
        """Return the next message, ``None`` if there is none yet."""
        return self._pending.popleft() if self._pending else self._record.next()

    def _finish_seek(self, goal: Goal) -> None:
        """Continue from the goal, first with the messages held on the way."""
        self._goal = None
        if self._held:
            if self._next is not None:
                self._held.append(self._next)
            self._pending.extendleft(reversed(self._held))
            self._held = []
            self._next = self._pending.popleft()
        if self._run is not None:
            self._answers.append(self._state(self._run.run, goal.answers))

    def _must_wait(self, message: msg.AnyMessage, now: float) -> bool:
        """Return whether it is too early for a message; if not, advance to the next one."""
        match message:
            case msg.Progress() if self._pace.due() > now:
                return True
            case msg.Progress():
                self._pace.took_step(now)
            case msg.Started() if now < self._wait_until or self._pauses_before(message):
                return True
            case msg.Ended() if self._pace.speed is not None:
                self._wait_until = now + RUN_GAP_SECONDS
        self._next = self._read_next()
        return False

    def _pauses_before(self, message: msg.Started) -> bool:
        """Return whether a pause at the end of a run holds back the next one."""
        if self._run is None or self._chapter_of(message) == self._chapter_of(self._run):
            return False
        return self._pace.paused and math.isinf(self._pace.due())

    def _apply(self, message: msg.AnyMessage) -> list[msg.AnyMessage]:
        """Update the state by a message, and return the messages to show."""
        match message:
            case msg.Progress():
                self._step = message.last
                if not self._reports or self._reports[-1] < message.last:
                    self._reports.append(message.last)
            case msg.Started():
                self._run, self._step, self._lr = message, 0, message.lr
                self._reports.clear()
                return [message, self._state(message.run)]
            case msg.State():
                # The file's rate, our own pace.
                self._lr = message.lr
                paused, speed = self._pace.paused, self._pace.speed
                return [replace(message, paused=paused, speed=speed, answers=0)]
            case msg.Greeting():
                return [replace(message, capabilities=self._capabilities())]
        return [message]
