"""The lab playing a script by itself, the same frames every time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

import msgspec
from textual import events

from lrtui.messages import (
    AnyMessage,
    Command,
    Curvature,
    Ended,
    Failed,
    Progress,
    Resume,
    SetSpeed,
    Start,
    Step,
    Swept,
)
from lrtui.run.rate import parse_rate, rate_text
from lrtui.screen.commands import COMMANDS
from lrtui.screen.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.rate_field import RateField
from lrtui.sources.process import Source
from lrtui.tour.script import Scene

SPEED = 20.0
"""Steps a second of the story's own time."""

KEY_SECONDS = 0.3
"""Between two typed digits, and before Enter."""

STEER = (
    "restart",
    "step",
    "smaller",
    "larger",
    "shrink",
    "grow",
    "advice",
    "post",
    "slower",
    "faster",
)
STEERING = {command.key for command in COMMANDS if command.action in STEER}
"""The keys about a run: a person who presses one takes over."""


class Lockstep:
    """A trainer that takes as many steps as it is told to for each frame.

    What a frame shows then depends on nothing but the frames before it: not on the machine.

    Attributes:
        failed: whether the trainer is gone.
    """

    trains = True

    def __init__(self, source: Source) -> None:
        """Holds the trainer from now on."""
        self._source = source
        self._held = True
        self._heard: list[AnyMessage] = []
        self._fresh = False
        self._on = False
        self._run = 0
        self.failed = False

    def send(self, command: Command) -> None:
        """Passes a command on; while the trainer is held, those of its pace are not for it."""
        if isinstance(command, Start) and self._held:
            self._fresh = self._on = True
            self._run = command.run
            command = msgspec.structs.replace(command, speed=1e-3)  # the first loss, and no more
        elif isinstance(command, Resume | SetSpeed) and self._held:
            return
        self._source.send(command)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Returns what was gathered, or what is new once the trainer is free."""
        heard, self._heard = self._heard, []
        return heard if self._held else heard + self._source.poll(timeout)

    def close(self) -> None:
        """Ends the source."""
        self._source.close()

    def release(self, speed: float | None) -> None:
        """Lets the trainer go on by itself."""
        self._held = False
        self._source.send(SetSpeed(speed))
        self._source.send(Resume())

    async def gather(self, kind: type[AnyMessage]) -> None:
        """Waits for a message of a kind, or for what makes it pointless to wait."""
        while self._held and not self.failed:
            found = False
            for message in self._source.poll():
                if isinstance(message, Progress):
                    # How long a step took has no place in frames that are the same every time.
                    message = msgspec.structs.replace(message, seconds=0.0)
                self._heard.append(message)
                if getattr(message, "run", self._run) != self._run:
                    continue  # of the run before, which this one has cut short
                over = isinstance(message, Ended | Failed)
                self._on = self._on and not over
                self.failed |= isinstance(message, Failed)
                found |= over or isinstance(message, kind)
            if found:
                return
            await asyncio.sleep(0.002)

    async def advance(self, steps: int) -> None:
        """Takes so many steps and waits until they are told."""
        if self._fresh:
            self._fresh = False
            await self.gather(Progress)
        for _ in range(steps):
            if self._on and self._held:
                self._source.send(Step())
                await self.gather(Progress)


class Tour(MainScreen):
    """The lab, with a script that it plays until a person takes over.

    Attributes:
        playing: whether it still does.
    """

    def __init__(
        self,
        controller: Controller,
        trainer: Lockstep,
        scenes: Sequence[Scene],
        *,
        fps: float,
        pace: float,
    ) -> None:
        """Makes the screen.

        Args:
            controller: on this trainer.
            trainer: told how many steps to take for each frame.
            scenes: the script.
            fps: frames a second.
            pace: how many times as fast as the script has it.
        """
        super().__init__(controller, fps)
        self.playing = True
        self._trainer = trainer
        self._scenes = scenes
        self._pace = pace
        self._room = 0.0  # steps that may be taken by now

    async def _frames(self) -> None:
        await self._play()
        if self.playing:
            self.app.exit()
        await super()._frames()

    async def _play(self) -> None:
        """Plays the script, a frame at a time."""
        await self.frame()
        for needed in (Curvature, Swept):
            await self._trainer.gather(needed)
            self.controller.hear()
        due = time.monotonic()
        for scene in self._scenes:
            for _ in self._performed(scene):
                while self.controller.paused and self.playing:
                    await asyncio.sleep(self._frame_time)
                    await self.frame()
                    due = time.monotonic()
                if not self.playing:
                    return
                self._room += SPEED * self._frame_time
                steps, self._room = int(self._room + 1e-9), self._room % 1
                await self._trainer.advance(steps)
                while self.line is not None and not self.line.is_free:
                    await asyncio.sleep(0.005)  # no frame is left out, however slow the line
                await self.frame()
                due = max(due + self._frame_time / self._pace, time.monotonic() - 1)
                await asyncio.sleep(max(due - time.monotonic(), 0))
                if self._trainer.failed:
                    self.take_over()
                if not self.playing:
                    return

    def _performed(self, scene: Scene) -> Iterator[None]:
        """Does what a line of the script says; yields where a frame is to be shown."""
        field = self.query_one(RateField)
        match scene.verb:
            case "say":
                self.say(scene.text)
            case "type":
                field.clear()
                for digit in scene.text:
                    field.insert_text_at_cursor(digit)
                    yield from self._watched(KEY_SECONDS)
                yield from self._watched(KEY_SECONDS)
                self.controller.run(parse_rate(scene.text))
                field.placeholder = rate_text(self.controller.aim)
                field.clear()
                yield
            case "press":
                getattr(self, f"action_{scene.text}")()
            case "wait":
                yield from self._watched(scene.number)
            case "until":
                run = self.controller.session.current
                while run and run.outcome is None and run.step < scene.number:
                    yield

    def _watched(self, seconds: float) -> Iterator[None]:
        for _ in range(max(round(seconds / self._frame_time), 1)):
            yield

    def say(self, text: str) -> None:
        """Tells something below the panes; an empty text takes the line away."""
        session = self.controller.session
        run, bowl = session.current, session.bowl
        forecast = run.forecast if run else None
        for name, value in (
            ("{forecast}", "never" if forecast is None else f"{forecast:,}"),
            ("{limit}", f"{bowl.limit:.3g}" if bowl else "?"),
            ("{best}", f"{bowl.best:.3g}" if bowl else "?"),
        ):
            text = text.replace(name, value)
        self.caption = text
        self._arrange()

    def action_pause(self) -> None:
        """Holds the tour, or lets it go on."""
        if self.playing:
            self.controller.paused = not self.controller.paused
            self.controller.changed = True
        else:
            super().action_pause()

    def pressed(self, event: events.Key) -> None:
        """Hands the screen over at the first key that is about a run."""
        super().pressed(event)
        digit = event.character is not None and event.character in "0123456789"
        if self.is_current and (digit or event.key in STEERING):
            self.take_over()

    def take_over(self) -> None:
        """Ends the tour and lets the current run go on."""
        if not self.playing:
            return
        self.playing = False
        self.controller.paused = False
        self.query_one(RateField).clear()
        self._trainer.release(self.controller.speed)
        self.say("")
