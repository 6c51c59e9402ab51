"""What a training tells those who watch it: rows become messages, and are kept for who comes late.

Everything here is called by the thread of the server.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import NamedTuple

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.quantities import LARGEST
from lrtui.monitor.device import Batch, Raw
from lrtui.monitor.history import History, Row, extremes, progress

MAX_BUCKETS = 100
"""Stretches of the steps between two reports; of more steps than twice that, only extremes."""

ROWS_PER_MESSAGE = 2000
"""Rows of one message about the past."""

EVENTS = 1000
"""Commands that are kept for those who come late."""

LEVEL_WINDOW = 20
"""Losses whose median is the level of the loss."""

EARLIER, THIN = 50, 100
"""Earlier runs of the process that are kept, and stretches of each."""

STEPS_WITHOUT_LOSS = 20
"""Steps of which none has a loss, after which they are told without one."""

RISE_WINDOW = 3
"""Losses whose median shows that a rise has begun."""

RANKS_SECONDS = 1.0
"""Seconds between two reports of how far each rank is."""


class Addressed(NamedTuple):
    """A message about a command.

    Attributes:
        message: what is told to all.
        answered: the same for the viewer who sent the command.
        viewer: its number, 0 for none.
    """

    message: msg.AnyMessage
    answered: msg.AnyMessage
    viewer: int


def to_all(message: msg.AnyMessage) -> Addressed:
    """Return a message that answers nobody."""
    return Addressed(message, message, 0)


class Began(NamedTuple):
    """Another training goes on in place of the one before.

    Attributes:
        name: what a person calls it.
        optimizer: in words.
        full_batch: whether each of its steps sees all data.
    """

    name: str
    optimizer: str
    full_batch: bool


class Finished(NamedTuple):
    """The training is over, and its process is not.

    Attributes:
        outcome: how it ended.
        reason: why, in a sentence.
    """

    outcome: msg.Outcome
    reason: str


Out = deque[Raw | Addressed | Began | Finished | Batch]
"""What the thread that trains leaves to be told, in order."""


class Publisher:
    """Turns what training leaves behind into messages.

    Attributes:
        out: what training has left.
        run: number of the run that is told of.
        scheduled: the schedule's rate at the last step.
        losses: the last finite losses.
        pace: steps a second, recently.
        ranks: how many processes train together.
    """

    def __init__(self, began: Began) -> None:
        """Start with nothing to publish.

        Args:
            began: what trains.
        """
        self.out: Out = deque(maxlen=1 << 17)
        self.run = 0
        self.pace = 0.0
        self.ranks = 1
        self._since = time.time()
        self._folder = os.path.abspath(os.curdir) if os.path.exists(os.curdir) else "?"
        self._earlier: deque[list[msg.AnyMessage]] = deque(maxlen=EARLIER)
        self._last = self._counted_at = time.monotonic()
        self._counted = 0
        self._norms: deque[float | None] = deque(maxlen=1000)
        self._begin(began)

    def describe(self, began: Began) -> None:
        """Say of the training that has not taken a step what it is."""
        self._name, self._optimizer, self._full_batch = began

    def _begin(self, began: Began) -> None:
        """Switch to another run."""
        self.run += 1
        self.describe(began)
        self.losses: deque[float] = deque(maxlen=LEVEL_WINDOW)
        self.scheduled = math.nan
        self._history = History()
        self._events: deque[msg.AnyMessage] = deque(maxlen=EVENTS)
        self._started: msg.Started | None = None
        self._seconds = 0.0
        self._step = 0
        self._over: msg.Ended | None = None
        self._has_loss = False
        self._without: list[Row] = []

    @property
    def level(self) -> float | None:
        """Median of the last losses, ``None`` if there were none.

        Of the very last few, where that is higher: a rise has begun, and a snapshot that is taken
        now is none from before it.
        """
        if not self.losses:
            return None
        return max(statistics.median(self.losses), statistics.median([*self.losses][-RISE_WINDOW:]))

    def greeting(self, step: int, capabilities: Sequence[str]) -> msg.Greeting:
        """Return who this is."""
        command = [sys.argv[0] or "python", *sys.argv[1:]]
        title = [self._name, f"pid {os.getpid()}", platform.node(), self._optimizer]
        if self.ranks > 1:
            title.insert(2, f"{self.ranks} ranks, loss of rank 0")
        return msg.Greeting(
            program=f"lrtui {version('lrtui')}, torch {version('torch')}",
            pid=os.getpid(),
            folder=self._folder,
            title=" · ".join(title),
            capabilities=list(capabilities),
            name=self._name,
            command=command,
            since=self._since,
            ranks=self.ranks,
            step=step,
            loss=self.losses[-1] if self.losses else None,
        )

    def so_far(self, state: msg.State) -> list[msg.AnyMessage]:
        """Return what was so far, for a viewer who comes late."""
        self._started = self._started or self._start(state.lr)
        told: list[msg.AnyMessage] = [message for run in self._earlier for message in run]
        told += [self._started, replace(state, run=self.run)]
        rows = deque(self._history.rows())
        for event in [*self._events, None]:
            until = event.step if isinstance(event, msg.Steered) else 0 if event else math.inf
            piece: list[Row] = []
            while rows and rows[0].step <= until:
                piece.append(rows.popleft())
            told += [
                self._progress(piece[i : i + ROWS_PER_MESSAGE])
                for i in range(0, len(piece), ROWS_PER_MESSAGE)
            ]
            if event is not None:
                told.append(event)
        return [*told, self._over] if self._over else told

    def _progress(self, rows: Sequence[Row]) -> msg.Progress:
        return progress(self.run, rows, self._seconds, no_loss=not self._has_loss)

    def _start(self, lr: float) -> msg.Started:
        return msg.Started(
            run=self.run,
            lr=told_rate(lr),
            steps=None,
            optimizer=self._optimizer,
            full_batch=self._full_batch,
        )

    def take(self, paused: bool, watched: bool) -> list[Addressed]:
        """Collect what training has left since the last call.

        Args:
            paused: whether training waits; that time is not counted.
            watched: whether anybody is told of the steps.

        Returns:
            The messages about it.
        """
        now = time.monotonic()
        if not paused:
            self._seconds += now - self._last
        self._last = now
        rows: list[Row] = []
        told: list[Addressed] = []
        for _ in range(len(self.out)):
            item = self.out[0]
            if isinstance(item, Addressed):
                self._tell(rows, told, watched)
                self._keep(item.message)
                told.append(item)
            elif isinstance(item, Began):
                self._tell(rows, told, watched)
                told += map(to_all, self._end_run(item))
            elif isinstance(item, Finished):
                self._tell(rows, told, watched)
                self._over = self.ended(self._step, *item)
                told.append(to_all(self._over))
            elif isinstance(item, tuple):
                self._add(rows, item)
            elif (arrived := item()) is not None:
                for row in arrived:
                    self._add(rows, row)
            else:
                break  # what comes after it waits as well, to stay in order
            self.out.popleft()
        self._tell(rows, told, watched)
        return told

    def _end_run(self, began: Began) -> list[msg.Ended]:
        """Switch to another run; keep little of the one before."""
        why = f"ended after {self._step:,} steps; another began"
        ended = self._over or self.ended(self._step, "done", why)
        rows = extremes(self._history.rows(), THIN)
        if self._started is not None and rows:
            self._earlier.append([self._started, self._progress(rows), ended])
        told = [] if self._over else [ended]
        self._begin(began)
        return told

    def _add(self, rows: list[Row], raw: Raw) -> None:
        """Add a row to those that are told next; one without a loss only where none has one."""
        row = Row._make(raw)
        self._step = row.step
        if row.loss is None:
            if self._has_loss:
                return
            self._without.append(row._replace(loss=math.nan))
            if row.step >= STEPS_WITHOUT_LOSS:
                rows += self._without
                self._without = []
            return
        if not self._has_loss:
            self._has_loss, self._history, self._without = True, History(), []
            rows.clear()
        rows.append(row)

    def _tell(self, rows: list[Row], told: list[Addressed], watched: bool) -> None:
        """Keep rows, and add a message about them where somebody watches."""
        if not rows:
            return
        if self._started is None:
            self._started = self._start(rows[0].lr if rows[0].lr is not None else math.nan)
            if watched:
                told.append(to_all(self._started))
        self._history.add(rows)
        told += map(to_all, self._gauges(rows))
        self._norms += [row.others["grad_norm"] for row in rows if "grad_norm" in row.others]
        self.losses += [row.loss for row in rows[-LEVEL_WINDOW:] if abs(row.loss) < float("inf")]
        self.scheduled = rows[-1].scheduled if rows[-1].scheduled is not None else math.nan
        if watched:
            told.append(to_all(self._progress(extremes(rows, MAX_BUCKETS))))
        rows.clear()

    def _keep(self, message: msg.AnyMessage) -> None:
        """Keep an event for those who come late; of what replaces itself, the last one."""
        if isinstance(message, msg.Ranks | msg.Snapshots | msg.Vitals | msg.Gauge):
            for old in [e for e in self._events if type(e) is type(message)]:
                self._events.remove(old)
        kept = msg.Steered | msg.Ranks | msg.Snapshots | msg.Vitals | msg.Gauge | msg.Printed
        if isinstance(message, kept):
            self._events.append(message)

    def _gauges(self, rows: Sequence[Row]) -> Iterator[msg.Gauge]:
        """Yield the readings of the headroom in some rows."""
        for row in rows:
            left, calm = row.others.get("left"), row.others.get("calm")
            if left is not None and calm is not None and math.isfinite(left + calm):
                pairs = int(row.others["pairs"] or 1)
                gauge = msg.Gauge(run=self.run, step=row.step, left=left, calm=calm, pairs=pairs)
                self._keep(gauge)
                yield gauge

    def take_norms(self) -> list[float | None]:
        """Return the gradient norms since the last call."""
        norms = [*self._norms]
        self._norms.clear()
        return norms

    def paced(self, step: int) -> bool:
        """Count steps a second; return whether a second is over since that was done last."""
        now = time.monotonic()
        passed = now - self._counted_at
        if passed < RANKS_SECONDS:
            return False
        self.pace = max(step - self._counted, 0) / passed
        self._counted, self._counted_at = step, now
        return True

    def last_words(self, step: int, outcome: msg.Outcome, reason: str) -> list[msg.AnyMessage]:
        """Return how the run is over, nothing where that was told."""
        return [] if self._over else [self.ended(step, outcome, reason)]

    def ended(self, step: int, outcome: msg.Outcome, reason: str) -> msg.Ended:
        """Return how the run is over."""
        loss = self.losses[-1] if self.losses else None
        return msg.Ended(run=self.run, outcome=outcome, step=step, loss=loss, reason=reason)


def told_rate(lr: float) -> float:
    """Return a rate as a message has it: 0 for one that is not known, or not one."""
    return min(lr, LARGEST) if lr >= 0 else 0.0
