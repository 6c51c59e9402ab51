"""Reports of one run: every loss, batched by time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from lrtui.messages import LARGEST, Message, Progress
from lrtui.trainer.beginnings import AnyTraining

REPORT_EVERY = 0.05
"""Seconds between two progress messages."""

TRAJECTORY = 256
"""Steps of a run whose weights are reported one by one."""


class Reporter:
    """Collects what a run has done and sends it in batches.

    Attributes:
        step: last step recorded, -1 before the first.
        first_loss: loss at step 0.
        last_finite: last finite loss, ``None`` before there was one.
        due: time at which the next batch is to be sent, infinite where there is nothing to send.
    """

    def __init__(
        self,
        run: int,
        training: AnyTraining,
        send: Callable[[Message], None],
        factors: Iterator[float] | None = None,
    ) -> None:
        """Record the loss at the initial weights; it is due at once.

        Args:
            run: number of the run.
            training: asked for its weights.
            send: takes the messages.
            factors: what its rate is multiplied by at each step, ``None`` for nothing.
        """
        self.step = -1
        self.first_loss = training.loss
        self.last_finite: float | None = None
        self.due = math.inf
        self._run = run
        self._training = training
        self._send = send
        self._factors = factors
        self._losses: list[float | None] = []
        self._rates: list[float | None] = []
        self._trajectory: list[list[float | None]] = []
        self._seconds = 0.0
        self._since = self._sent_at = perf_counter()
        self.record(training.loss)
        self.due = self._since

    @property
    def wants_weights(self) -> bool:
        """Whether the weights after the next step are reported with its loss."""
        return self.step + 1 < TRAJECTORY and bool(self._training.weights())

    def record(self, loss: float) -> None:
        """Record the loss after the next step."""
        self.step += 1
        finite = abs(loss) <= LARGEST
        self._losses.append(loss if finite else None)
        if self._factors is not None:
            self._rates.append(self._training.lr * next(self._factors))
        if self.step < TRAJECTORY and (weights := self._training.weights()):
            self._trajectory.append(told(weights))
        if finite:
            self.last_finite = loss
        self.due = self._sent_at + REPORT_EVERY

    def restart_clock(self) -> None:
        """Count time from now on: what passed since the last report was a pause."""
        self._since = perf_counter()

    def flush(self) -> None:
        """Send what has not been sent yet."""
        if not self._losses:
            return
        now = perf_counter()
        self._seconds += now - self._since
        self._since = self._sent_at = now
        self.due = math.inf
        scalars = {"loss": self._losses}
        if self._rates:
            scalars["lr"] = self._rates
        self._send(
            Progress(
                run=self._run,
                steps=self.step - len(self._losses) + 1,
                scalars=scalars,
                seconds=self._seconds,
                weights=told(self._training.weights()),
                trajectory=self._trajectory,
            )
        )
        self._losses, self._rates, self._trajectory = [], [], []


def told(numbers: Sequence[float]) -> list[float | None]:
    """Return numbers as a message has them: ``None`` for one that is not finite."""
    return [number if abs(number) <= LARGEST else None for number in numbers]
