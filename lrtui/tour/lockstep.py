"""Takes the steps of each frame in lockstep, so that every showing is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.pace import Pace
from lrtui.sources.source import Source

SPEED = 20.0
"""Steps a second of the story's own time, unless its script sets another."""


class Lockstep(Source):
    """Holds a trainer and lets it take single steps, until it is released.

    A frame then depends only on the frames before it, not on the machine. While it is held, the
    trainer is paused, and the reported pace is the story's.

    Attributes:
        failed: whether the trainer is gone.
        has_quadratic: whether the loss has a closed form, so that nothing is run ahead.
    """

    def __init__(self, source: Source) -> None:
        """Hold a trainer."""
        self.failed = False
        self.has_quadratic = False
        self._pace = Pace(SPEED, 0.0)  # of the story, in frames, not in time
        self._source = source
        self._held = True
        self._messages: list[msg.AnyMessage] = []
        self._runs: dict[int, msg.Started] = {}  # active ones
        self._numbers: set[int] = set()  # of the runs started last
        self._steps: dict[int, int] = {}  # the last one reported, by run
        self._ending: set[int] = set()  # runs whose last step was reported
        self._is_new = False

    @property
    def paused(self) -> bool:
        """Whether the story is paused."""
        return self._pace.paused

    @property
    def speed(self) -> float:
        """Steps a second of the story's own time."""
        return self._pace.speed or SPEED

    @speed.setter
    def speed(self, speed: float) -> None:
        self._pace.speed = speed
        self._messages += self._states()

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """See ``Source``."""
        return self._source.trouble

    def send(self, command: msg.Command) -> None:
        """Forward a command; while the trainer is held, the pace is our own."""
        if not self._held:
            self._source.send(command)
        elif isinstance(command, msg.Start | msg.Race):
            starts = [command] if isinstance(command, msg.Start) else command.starts()
            self._numbers = {start.run for start in starts}
            self._is_new, self._runs, self._steps, self._ending = True, {}, {}, set()
            self._source.send(replace(command, paused=True))
        elif not self._pace.apply(command, 0.0):  # type: ignore[arg-type]
            self._source.send(command)
        else:
            self._messages += self._states(command.id)

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages gathered, and new ones once the trainer is released."""
        messages, self._messages = self._messages, []
        return messages if self._held else messages + self._source.poll(timeout)

    def close(self) -> None:
        """End the trainer."""
        self._source.close()

    def release(self, speed: float | None) -> None:
        """Let the trainer run at a speed; see ``Start``."""
        self._held = False
        self._source.send(msg.SetSpeed(speed=speed))
        self._source.send(msg.Resume())

    async def gather(self, awaited: Callable[[msg.AnyMessage], bool]) -> None:
        """Wait for a message, or for an end that makes waiting pointless."""
        while self._held and not self.failed:
            ends = [self._apply(message, awaited) for message in self._source.poll()]
            if any(ends):
                return
            await asyncio.sleep(0.002)

    async def advance(self, steps: int) -> None:
        """Take steps and wait for their report; before the first, wait for the run-ahead."""
        if self._is_new:
            self._is_new = False
            await self.gather(lambda _: self._steps.keys() >= self._numbers)
            if not self.has_quadratic and len(self._numbers) == 1:
                await self.gather(
                    lambda message: isinstance(message, msg.Ahead) and bool(message.reason)
                )
        if steps and self._runs and self._held:
            until = max(self._steps.values()) + steps
            self._source.send(msg.Step(count=steps))
            # Of a run that is about to end, wait for the end.
            await self.gather(
                lambda _: all(
                    self._steps[run] >= until and run not in self._ending for run in self._runs
                )
            )

    def _apply(self, message: msg.AnyMessage, awaited: Callable[[msg.AnyMessage], bool]) -> bool:
        """Apply a message of the trainer; return whether it is the awaited one."""
        if isinstance(message, msg.State):
            return False  # of the held trainer
        if isinstance(message, msg.Progress):
            # Times would differ between showings.
            message = replace(message, seconds=0.0)
        self.has_quadratic |= isinstance(message, msg.Quadratic)
        self._messages.append(message)
        number = getattr(message, "run", None)
        if number is not None and number not in self._numbers:
            return False  # of an earlier run
        match message:
            case msg.Progress(run=run):
                self._steps[run] = message.last
                is_last = run in self._runs and message.last == self._runs[run].steps
                if is_last or message.losses[-1] is None:
                    self._ending.add(run)  # its Ended comes next
            case msg.Started(run=run):
                self._runs[run] = message
                self._messages.append(self._state(message))
            case msg.Ended(run=run):
                self._runs.pop(run, None)
            case msg.Failed():
                self._runs, self.failed = {}, True
        over = isinstance(message, msg.Ended | msg.Failed) and not self._runs
        return over or awaited(message)

    def _states(self, answers: int = 0) -> list[msg.State]:
        """Return the states of the active runs, at the story's pace."""
        return [self._state(started, answers) for started in self._runs.values()]

    def _state(self, started: msg.Started, answers: int = 0) -> msg.State:
        return msg.State(
            run=started.run,
            step=0,
            paused=self._pace.paused,
            speed=self._pace.speed,
            lr=started.lr,
            answers=answers,
        )
