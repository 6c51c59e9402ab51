"""When the next step of a run is due: paused, one by one, at a speed, or as fast as possible.

The trainer takes its steps by it, and a replay shows recorded steps by it.
"""

from __future__ import annotations

import math

from lrtui.messages import AnyCommand, Pause, Resume, SetSpeed, Step

CATCH_UP = 0.25
"""Seconds of lag behind its speed that a run may catch up."""


class Pace:
    """The pace of one run.

    Attributes:
        speed: steps a second, ``None`` for as fast as possible.
        paused: whether only steps that are asked for are taken.
    """

    def __init__(self, speed: float | None, now: float, paused: bool = False) -> None:
        """Make the first step due ``now``, in seconds on the clock used for all methods."""
        self.speed = speed
        self.paused = paused
        self._single_steps = 0  # asked for one by one, still to be taken
        self._due = now

    def apply(self, command: AnyCommand, now: float) -> bool:
        """Change the pace as a command asks; return whether the command was about the pace."""
        match command:
            case Pause():
                self.paused, self._single_steps = True, 0
            case Resume():
                self.paused, self._single_steps = False, 0
                self._due = now
            case Step(count=count):
                self.paused = True
                self._single_steps += count
            case SetSpeed(speed=speed):
                self.speed = speed
                self._due = now
            case _:
                return False
        return True

    @property
    def steps_left(self) -> int:
        """Steps that were asked for and are yet to be taken."""
        return self._single_steps

    def due(self) -> float:
        """Return the time of the next step: infinite while paused, minus infinite for at once."""
        if self.paused:
            return -math.inf if self._single_steps else math.inf
        return self._due if self.speed else -math.inf

    def took_step(self, now: float) -> None:
        """Count a step, and schedule the next one."""
        if self.paused:
            self._single_steps -= 1
        elif self.speed:
            self._due = max(self._due + 1 / self.speed, now - CATCH_UP)
