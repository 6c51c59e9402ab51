"""A source that takes as many steps as a frame is told to show: the same at every showing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from lrtui.messages import (
    Ahead,
    AnyMessage,
    Command,
    Ended,
    Failed,
    Progress,
    Quadratic,
    Resume,
    SetSpeed,
    Start,
    Started,
    State,
    Step,
)
from lrtui.pace import Pace
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
        self._heard: list[AnyMessage] = []
        self._run: Started | None = None
        self._number = 0  # of the run that was asked for last
        self._fresh = False
        self._step = 0

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
        if self._run:
            self._heard.append(self._state())

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """What went wrong beside the runs themselves."""
        return self._source.trouble

    def send(self, command: Command) -> None:
        """Pass a command on; while the trainer is held, the pace is our own."""
        if not self._held:
            self._source.send(command)
        elif isinstance(command, Start):
            self._fresh, self._number, self._run = True, command.run, None
            self._source.send(replace(command, paused=True))
        elif not self._pace.apply(command, 0.0):  # type: ignore[arg-type]
            self._source.send(command)
        elif self._run:
            self._heard.append(self._state(command.id))

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
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
        self._source.send(SetSpeed(speed=speed))
        self._source.send(Resume())

    async def gather(self, awaited: Callable[[AnyMessage], bool]) -> None:
        """Wait for a message, or for what makes it pointless to wait."""
        while self._held and not self.failed:
            ends = [self._take(message, awaited) for message in self._source.poll()]
            if any(ends):
                return
            await asyncio.sleep(0.002)

    async def advance(self, steps: int) -> None:
        """Take steps and wait until they are told; before the first, until it was run ahead."""
        if self._fresh:
            self._fresh, self._step = False, 0
            await self.gather(lambda message: isinstance(message, Progress))
            if not self.has_quadratic:
                await self.gather(
                    lambda message: isinstance(message, Ahead) and bool(message.reason)
                )
        if steps and self._run and self._held:
            until = self._step + steps
            self._source.send(Step(count=steps))
            await self.gather(
                lambda message: isinstance(message, Progress) and message.last >= until
            )

    def _take(self, message: AnyMessage, awaited: Callable[[AnyMessage], bool]) -> bool:
        """Take in a message of the trainer; return whether it is the one that is awaited."""
        if isinstance(message, State):
            return False  # it tells how the trainer is held
        if isinstance(message, Progress):
            # How long a step took has no place in frames that are the same every time.
            message = replace(message, seconds=0.0)
            self._step = message.last
        self.has_quadratic |= isinstance(message, Quadratic)
        self._heard.append(message)
        if getattr(message, "run", self._number) != self._number:
            return False  # of the run before, which this one has cut short
        if isinstance(message, Started):
            self._run = message
            self._heard.append(self._state())
        over = isinstance(message, Ended | Failed)
        if over:
            self._run = None
        self.failed |= isinstance(message, Failed)
        return over or awaited(message)

    def _state(self, answers: int = 0) -> State:
        assert self._run is not None
        return State(
            run=self._run.run,
            step=0,
            paused=self._pace.paused,
            speed=self._pace.speed,
            lr=self._run.lr,
            answers=answers,
        )
