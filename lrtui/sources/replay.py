"""A source that replays a saved session, at a pace of its own, and from any place."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.pace import Pace
from lrtui.sources.merge import cut, joined
from lrtui.sources.record import Record
from lrtui.sources.source import Source

BETWEEN_RUNS = 1.0
"""Seconds between the end of a run and the start of the next one in the file."""

READ_SECONDS = 0.02
"""Seconds that reading may take at a time, so that a large file never holds up a frame."""

SEEKING = 0.4
"""The same on the way to another place, which a person waits for."""

REPORTS = 4096
"""Reports that can be gone back one by one."""

CAPABILITIES = ["pause", "step", "speed"]


class Goal(NamedTuple):
    """A place that is gone to without waiting.

    Attributes:
        chapter: which run, or runs in step.
        step: of the run.
        whole: whether the report that has this step is shown to its end.
        answers: id of the command that asked for it.
    """

    chapter: int
    step: float
    whole: bool
    answers: int


class Replay(Source):
    """Replays a file, one step at a time where it has the weights of each, else report by report.

    A trainer reports 20 times a second: at that speed a run takes as long as it once did.
    ``trouble`` says what is wrong with the file.
    """

    def __init__(self, path: Path, speed: float | None, follow: bool = False) -> None:
        """Open the file.

        Args:
            path: the file.
            speed: steps or reports a second, ``None`` for as fast as possible.
            follow: whether to wait at its end for more, as of a session that is still recorded.

        Raises:
            OSError: it cannot be read.
            ValueError: nothing in it is a saved run; says what is wrong with which line.
        """
        self._pace = Pace(speed, monotonic())
        self._wait_until = 0.0
        self._run: msg.Started | None = None  # what is shown, and its step and rate
        self._step, self._lr = 0, 0.0
        self._reports: deque[int] = deque(maxlen=REPORTS)  # last step of each
        self._goal: Goal | None = None
        self._there: set[int] = set()  # runs that are at the goal
        self._held: list[msg.AnyMessage] = []  # what comes after it
        self._pending: deque[msg.AnyMessage] = deque()  # to be shown before more is read
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
        """Change the pace, or go to another place; other commands are ignored."""
        if isinstance(command, msg.Seek):
            self._seek(command)
        elif self._pace.apply(command, monotonic()) and self._run:  # type: ignore[arg-type]
            self._answers.append(self._state(self._run.run, command.id))

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages that are due.

        Args:
            timeout: seconds to wait for one; ``None`` waits until one is due or all were shown.
        """
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
        """Take up a goal; what is behind is shown again from the start of its run."""
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
        self._wait_until, self._there = 0.0, set()
        if chapter < here or (chapter == here and step < self._step):
            start = self._record.chapters[chapter]
            first = min(run for run, at in self._record.chapter_of.items() if at == chapter)
            known = (
                replace(m, capabilities=self._capabilities()) if isinstance(m, msg.Greeting) else m
                for m in start.known
            )
            self._answers = [msg.Rewound(run=first), *known]
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
        until = now + (SEEKING if seeking else READ_SECONDS)
        if self._next is None:
            self._next = self._following()
        while (message := self._next) is not None and monotonic() < until:
            if self._goal is not None:
                message = self._towards(self._goal, message)
            elif self._waits_with(message, now):
                break
            if message is not None:
                due += self._shown(message, now)
            if seeking and self._goal is None:
                break
        if self._goal is not None and self._is_over():
            self._reached(self._goal)
        due, self._answers = [*due, *self._answers], []
        return joined(due) if seeking else due

    def _towards(self, goal: Goal, message: msg.AnyMessage) -> msg.AnyMessage | None:
        """Return what of the next message lies before a goal; note when that is reached.

        Of runs in step, one may be there first: what comes of it is held until the others are.
        """
        if isinstance(message, msg.Started) and self._chapter_of(message) > goal.chapter:
            self._reached(goal)
            return None
        shown: msg.AnyMessage | None = message
        if (
            isinstance(message, msg.Progress | msg.Ended)
            and self._chapter_of(self._run) == goal.chapter
        ):
            rest: msg.AnyMessage | None = None
            if message.run in self._there:
                shown, rest = None, message
            elif isinstance(message, msg.Ended):
                self._there.add(message.run)
            else:
                if not goal.whole and message.last > goal.step:
                    message, rest = cut(message, max(int(goal.step), message.first))
                    shown = message
                if message.last >= goal.step:
                    self._there.add(message.run)
            if rest is not None:
                self._held.append(rest)
        self._next = self._following()
        runs = {self._run.run, *self._run.race} if self._run else set()
        if isinstance(message, msg.Progress | msg.Ended) and runs <= self._there:
            if isinstance(message, msg.Progress):
                self._step = message.last
            self._reached(goal)
        return shown

    def _chapter_of(self, started: msg.Started | None) -> int:
        """Return which of the runs of the file that is, -1 for none."""
        return self._record.chapter_of[started.run] if started else -1

    def _following(self) -> msg.AnyMessage | None:
        """Return the next message, ``None`` if there is none now."""
        return self._pending.popleft() if self._pending else self._record.next()

    def _reached(self, goal: Goal) -> None:
        """Go on from here: first with what was held on the way."""
        self._goal = None
        if self._held:
            if self._next is not None:
                self._held.append(self._next)
            self._pending.extendleft(reversed(self._held))
            self._held = []
            self._next = self._pending.popleft()
        if self._run is not None:
            self._answers.append(self._state(self._run.run, goal.answers))

    def _waits_with(self, message: msg.AnyMessage, now: float) -> bool:
        """Return whether it is too early for a message; take it to be shown if not."""
        match message:
            case msg.Progress() if self._pace.due() > now:
                return True
            case msg.Progress():
                self._pace.took_step(now)
            case msg.Started() if now < self._wait_until or self._holds_before(message):
                return True
            case msg.Ended() if self._pace.speed is not None:
                self._wait_until = now + BETWEEN_RUNS
        self._next = self._following()
        return False

    def _holds_before(self, message: msg.Started) -> bool:
        """Return whether the next run is not to begin: paused at the end of the one before."""
        if self._run is None or self._chapter_of(message) == self._chapter_of(self._run):
            return False
        return self._pace.paused and math.isinf(self._pace.due())

    def _shown(self, message: msg.AnyMessage, now: float) -> list[msg.AnyMessage]:
        """Return what is shown of a message, and keep what is to be known of it."""
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
                # The rate is that of the file; the pace is our own.
                self._lr = message.lr
                paused, speed = self._pace.paused, self._pace.speed
                return [replace(message, paused=paused, speed=speed, answers=0)]
            case msg.Greeting():
                return [replace(message, capabilities=self._capabilities())]
        return [message]
