"""Plays a script on the main screen, with the same frames every time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from textual import events

from lrtui.messages import ProblemFacts, SweepResult
from lrtui.screen.actions import BY_KEY
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.session.setup import Setup
from lrtui.tour.lockstep import SPEED, Lockstep
from lrtui.tour.script import Scene

KEY_SECONDS = 0.3
"""Seconds between two typed digits, and before Enter."""


class Story(MainScreen):
    """The main screen, playing a script until the user takes over.

    Attributes:
        playing: false once the user has taken over.
    """

    def __init__(
        self, controller: Controller, scenes: Sequence[Scene], *, fps: float, pace: float
    ) -> None:
        """Create the screen; ``pace`` is a factor on the pace of the script."""
        super().__init__(controller, fps)
        self.playing = True
        self._scenes = scenes
        self._pace = pace

    def perform(self, scene: Scene) -> Iterator[None]:
        """Perform a line of any script; yield for each frame to show."""
        match scene.verb:
            case "say":
                self.say(scene.text)
            case "press" if scene.text == "escape":
                self.key_escape()
            case "press":
                BY_KEY[scene.text].do(self)
            case "wait":
                yield from self.frames_for(scene.number)

    def type(self, text: str) -> Iterator[None]:
        """Type a rate, digit by digit."""
        field = self.field
        field.clear()
        for digit in text:
            field.insert_text_at_cursor(digit)
            yield from self.frames_for(KEY_SECONDS)
        yield from self.frames_for(KEY_SECONDS)

    def frames_for(self, seconds: float) -> Iterator[None]:
        """Yield for each frame of some seconds."""
        for _ in range(max(round(seconds / self._frame_time), 1)):
            yield

    def say(self, text: str) -> None:
        """Show a caption below the panes; an empty text removes it."""
        run, theory = self.view.session.current, self.view.session.theory
        forecast = run.forecast if run else None
        for name, value in (
            ("{forecast}", "never" if forecast is None else f"{forecast:,}"),
            ("{limit}", f"{theory.max_stable_lr:.3g}" if theory else "?"),
            ("{best}", f"{theory.best_lr:g}" if theory else "?"),
        ):
            text = text.replace(name, value)
        self.view.caption = text
        self.view.dirty = True

    def pressed(self, event: events.Key) -> None:
        """Hand over at the first key that steers a run, except space."""
        super().pressed(event)
        digit = event.character is not None and event.character in "0123456789"
        action = BY_KEY.get(event.key)
        if self.is_in_front and (digit or (action is not None and action.steers)):
            self.take_over()

    def take_over(self) -> None:
        """End the story; the current run continues."""
        if not self.playing:
            return
        self.playing = False
        self.field.clear()
        self.say("")


class Tour(Story):
    """A story played by our own trainer, in lockstep with its frames."""

    def __init__(
        self, source: Lockstep, scenes: Sequence[Scene], setup: Setup, *, fps: float, pace: float
    ) -> None:
        """Create the screen of a trainer; ``pace`` as in ``Story``."""
        controller = Controller(source, [], setup=setup, speed=SPEED)
        super().__init__(controller, scenes, fps=fps, pace=pace)
        self._source = source
        self._budget = 0.0  # steps due
        self._waits = False  # whether the first run waits at step 0 until it is typed

    async def _frames(self) -> None:
        await self._play()
        if self.playing:
            self.app.exit()
        await super()._frames()

    async def _play(self) -> None:
        """Play the script, a frame at a time."""
        if self._scenes and self._scenes[0].verb == "say":
            self.say(self._scenes[0].text)  # shown while torch loads
        await self.frame()
        await self._source.gather(lambda message: isinstance(message, ProblemFacts))
        self.controller.hear()  # which requests the sweep
        await self._source.gather(lambda message: isinstance(message, SweepResult))
        self.controller.hear()
        first = next((scene.text for scene in self._scenes if scene.verb == "type"), None)
        if first is not None:  # to show a picture from the start
            self.submit(first)
            self._waits = True
        due = time.monotonic()
        for scene in self._scenes:
            for _ in self._perform(scene):
                while self._source.paused and self.playing:
                    await asyncio.sleep(self._frame_time)
                    await self.frame()
                    due = time.monotonic()
                if not self.playing:
                    return
                if not self._waits:
                    self._budget += self._source.speed * self._frame_time
                steps, self._budget = int(self._budget + 1e-9), self._budget % 1
                await self._source.advance(steps)
                while self.line is not None and not self.line.is_free:
                    await asyncio.sleep(0.005)  # skip no frame, however slow the line
                await self.frame()
                due = max(due + self._frame_time / self._pace, time.monotonic() - 1)
                await asyncio.sleep(max(due - time.monotonic(), 0))
                if self._source.failed:
                    self.take_over()
                if not self.playing:
                    return

    def _perform(self, scene: Scene) -> Iterator[None]:
        """Perform a line of the script; yield for each frame to show."""
        match scene.verb:
            case "type":
                yield from self.type(scene.text)
                if self._waits:
                    self.field.clear()
                else:
                    self.submit(scene.text)
                self._waits = False
                yield
            case "speed":
                self._source.speed = scene.number
            case "until":
                session = self.view.session
                while session.is_on and all(r.step < scene.number for r in session.current_group):
                    yield
            case _:
                self._waits = self._waits and scene.verb != "press"
                yield from self.perform(scene)

    def take_over(self) -> None:
        """End the tour and let the current run continue."""
        if self.playing:
            super().take_over()
            self._source.release(SPEED)
