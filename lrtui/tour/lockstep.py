"""A source that takes as many steps as a frame is told to show: the same at every showing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.pace import Pace
from lrtui.sources.source import Source

SPEED = 20.0
"""Steps a second of the story's own time, until its script says another."""


class Lockstep(Source):
    """Passes on what a trainer does, one step at a time, until it is released.

    What a frame shows then depends on nothing but the frames before it: not on the machine. While
    it is held, the trainer is paused, and the pace that is told is the story's.

    Attributes:
        failed: whether the trainer is gone.
        has_quadratic: whether the loss has a closed form: then nothing is run ahead.
    """

    def __init__(self, source: Source) -> None:
        """Hold a trainer from now on.

        Args:
            source: the trainer.
        """
        self.failed = False
        self.has_quadratic = False
        self._pace = Pace(SPEED, 0.0)  # of the story, which goes by frames and not by a clock
        self._source = source
        self._held = True
        self._heard: list[msg.AnyMessage] = []
        self._runs: dict[int, msg.Started] = {}  # those that are on
        self._numbers: set[int] = set()  # of those that were asked for last
        self._steps: dict[int, int] = {}  # the last one reported, by run
        self._ending: set[int] = set()  # those whose last step was told
        self._fresh = False

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
        self._heard += self._states()

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """What went wrong beside the runs themselves."""
        return self._source.trouble

    def send(self, command: msg.Command) -> None:
        """Pass a command on; while the trainer is held, the pace is our own."""
        if not self._held:
            self._source.send(command)
        elif isinstance(command, msg.Start | msg.Race):
            told = [command] if isinstance(command, msg.Start) else command.starts()
            self._numbers = {start.run for start in told}
            self._fresh, self._runs, self._steps, self._ending = True, {}, {}, set()
            self._source.send(replace(command, paused=True))
        elif not self._pace.apply(command, 0.0):  # type: ignore[arg-type]
            self._source.send(command)
        else:
            self._heard += self._states(command.id)

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return what was gathered, or what is new once the trainer is released."""
        heard, self._heard = self._heard, []
        return heard if self._held else heard + self._source.poll(timeout)

    def close(self) -> None:
        """End the trainer."""
        self._source.close()

    def release(self, speed: float | None) -> None:
        """Let the trainer continue by itself.

        Args:
            speed: steps a second, ``None`` for as fast as possible.
        """
        self._held = False
        self._source.send(msg.SetSpeed(speed=speed))
        self._source.send(msg.Resume())

    async def gather(self, awaited: Callable[[msg.AnyMessage], bool]) -> None:
        """Wait for a message, or for what makes it pointless to wait."""
        while self._held and not self.failed:
            ends = [self._take(message, awaited) for message in self._source.poll()]
            if any(ends):
                return
            await asyncio.sleep(0.002)

    async def advance(self, steps: int) -> None:
        """Take steps and wait until they are told; before the first, until it was run ahead."""
        if self._fresh:
            self._fresh = False
            await self.gather(lambda _: self._steps.keys() >= self._numbers)
            if not self.has_quadratic and len(self._numbers) == 1:
                await self.gather(
                    lambda message: isinstance(message, msg.Ahead) and bool(message.reason)
                )
        if steps and self._runs and self._held:
            until = max(self._steps.values()) + steps
            self._source.send(msg.Step(count=steps))
            await self.gather(lambda _: all(self._is_at(run, until) for run in self._runs))

    def _is_at(self, run: int, step: int) -> bool:
        """Return whether a run has come to a step, and will be told to be on there."""
        return self._steps[run] >= step and run not in self._ending

    def _take(self, message: msg.AnyMessage, awaited: Callable[[msg.AnyMessage], bool]) -> bool:
        """Apply a message of the trainer; return whether it is the one that is awaited."""
        if isinstance(message, msg.State):
            return False  # it tells how the trainer is held
        if isinstance(message, msg.Progress):
            # How long a step took has no place in frames that are the same every time.
            message = replace(message, seconds=0.0)
        self.has_quadratic |= isinstance(message, msg.Quadratic)
        self._heard.append(message)
        number = getattr(message, "run", None)
        if number is not None and number not in self._numbers:
            return False  # of a run before, which this one has cut short
        match message:
            case msg.Progress(run=run):
                self._steps[run] = message.last
                is_last = run in self._runs and message.last == self._runs[run].steps
                if is_last or message.losses[-1] is None:
                    self._ending.add(run)  # that it has ended comes next
            case msg.Started(run=run):
                self._runs[run] = message
                self._heard.append(self._state(message))
            case msg.Ended(run=run):
                self._runs.pop(run, None)
            case msg.Failed():
                self._runs, self.failed = {}, True
        over = isinstance(message, msg.Ended | msg.Failed) and not self._runs
        return over or awaited(message)

    def _states(self, answers: int = 0) -> list[msg.State]:
        """Return how the runs that are on are driven, as far as the story tells."""
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
