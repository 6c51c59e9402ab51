"""When the next step of a run is due: paused, one by one, at a speed, or as fast as possible.

The trainer takes its steps by it, and a replay shows recorded steps by it.
"""

from __future__ import annotations

import math

from lrtui.messages import AnyCommand, Pause, Resume, SetSpeed, Step

CATCH_UP = 0.25
"""Seconds by which a run may lag behind its speed and still make up for it."""


class Pace:
    """The pace of one run.

    Attributes:
        speed: steps a second, ``None`` for as fast as possible.
        paused: whether no step is taken unless it is asked for.
    """

    def __init__(self, speed: float | None, now: float, paused: bool = False) -> None:
        """Make the first step due now.

        Args:
            speed: steps a second, ``None`` for as fast as possible.
            now: time in seconds, on the clock that the other methods are given.
            paused: take no step until asked to.
        """
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
        """Steps that were asked for one by one and are still to be taken."""
        return self._single_steps

    def due(self) -> float:
        """Return the time of the next step: infinite while paused, minus infinite for at once."""
        if self.paused:
            return -math.inf if self._single_steps else math.inf
        return self._due if self.speed else -math.inf

    def took_step(self, now: float) -> None:
        """Note that a step was taken, and make the next one due."""
        if self.paused:
            self._single_steps -= 1
        elif self.speed:
            self._due = max(self._due + 1 / self.speed, now - CATCH_UP)
