"""Looks at a run on the way: the picture, the sharpness, the loss along the next step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter

from lrtui.messages import Message, Picture, Start
from lrtui.problems.problem import Problem
from lrtui.trainer.runs import AnyTraining

PICTURE_EVERY = 0.25
"""Seconds between two pictures."""


class Looks:
    """What is measured of one run besides its losses, each kind within a share of the time."""

    def __init__(
        self,
        problem: Problem,
        start: Start,
        training: AnyTraining,
        send: Callable[[Message], None],
    ) -> None:
        """Begin with nothing seen.

        Args:
            problem: what is trained.
            start: the run.
            training: its model and optimizer.
            send: takes the messages.
        """
        self._problem = problem
        self._start = start
        self._training = training
        self._send = send
        self._pictured_at, self._pictured_step = -math.inf, -1

    def take(self, step: int, last: bool = False) -> None:
        """Look at where the weights are, as far as it is time to.

        Args:
            step: steps taken.
            last: whether no step follows.
        """
        now = perf_counter()
        if step != self._pictured_step and (last or now >= self._pictured_at + PICTURE_EVERY):
            self._pictured_at, self._pictured_step = now, step
            self._take_picture(step)

    def steps(self, count: int) -> Sequence[float]:
        """Take steps and return the loss after each."""
        return self._training.steps(count)

    def _take_picture(self, step: int) -> None:
        if self._problem.picture is not None:
            values = self._problem.picture(self._training.model)
            self._send(Picture(run=self._start.run, step=step, values=[*values]))
