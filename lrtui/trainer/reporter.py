"""Reports of one run: every loss, batched by time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import perf_counter

from lrtui.messages import Message, Progress
from lrtui.messages.quantities import finite_or_none
from lrtui.trainer.beginnings import AnyTraining

REPORT_EVERY = 0.05
"""Seconds between two progress messages."""

MAX_TRAJECTORY = 256
"""Steps of a run whose weights are reported one by one."""


class Reporter:
    """Collects the losses of a run and sends them in batches.

    Attributes:
        step: last step recorded.
        first_loss: loss at step 0.
        last_finite: last finite loss, ``None`` if there was none.
        due: when to send the next batch, infinite if there is nothing to send.
    """

    def __init__(
        self,
        run: int,
        training: AnyTraining,
        send: Callable[[Message], None],
        factors: Iterator[float] | None = None,
    ) -> None:
        """Record the loss at the initial weights, due at once.

        ``factors`` are those of the schedule, ``None`` for a constant rate.
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
        """Whether the next step is reported with its weights."""
        return self.step + 1 < MAX_TRAJECTORY and bool(self._training.weights())

    def record(self, loss: float) -> None:
        """Record the loss after the next step."""
        self.step += 1
        finite = finite_or_none(loss)
        self._losses.append(finite)
        if self._factors is not None:
            self._rates.append(self._training.lr * next(self._factors))
        if self.step < MAX_TRAJECTORY and (weights := self._training.weights()):
            self._trajectory.append([*map(finite_or_none, weights)])
        if finite is not None:
            self.last_finite = finite
        self.due = self._sent_at + REPORT_EVERY

    def restart_clock(self) -> None:
        """Exclude the time since the last report, which was a pause."""
        self._since = perf_counter()

    def flush(self) -> None:
        """Send the losses recorded since the last report, if any."""
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
                weights=[*map(finite_or_none, self._training.weights())],
                trajectory=self._trajectory,
            )
        )
        self._losses, self._rates, self._trajectory = [], [], []
