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
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

from lrtui.messages import (
    AnyMessage,
    Ended,
    Greeting,
    Outcome,
    Printed,
    Ranks,
    Snapshots,
    Started,
    State,
    Steered,
)
from lrtui.monitor.device import Raw
from lrtui.monitor.history import History, Row, extremes, progress

RUN = 1
"""Number of the run: a training is one."""

MOST = 100
"""Stretches of the steps between two reports; of more steps than twice that, only extremes."""

PIECE = 2000
"""Rows of one message about the past."""

EVENTS = 1000
"""Commands that are kept for those who come late."""

LEVEL = 20
"""Losses whose median is the level of the loss."""

SECOND = 1.0
"""Seconds between two reports of how far each rank is."""


class Addressed(NamedTuple):
    """A message about a command.

    Attributes:
        message: what is told to all.
        answered: the same for the viewer who sent the command.
        viewer: its number, 0 for none.
    """

    message: AnyMessage
    answered: AnyMessage
    viewer: int


def to_all(message: AnyMessage) -> Addressed:
    """Return a message that answers nobody."""
    return Addressed(message, message, 0)


Arriving = Callable[[], list[Raw] | None]
"""Rows that come from a device: ``None`` as long as they have not arrived."""

Out = deque[Raw | Addressed | Arriving]
"""What the thread that trains leaves to be told, in order."""


class Teller:
    """Turns what training leaves behind into messages.

    Attributes:
        out: what training has left.
        losses: the last finite losses.
        pace: steps a second, of late.
        ranks: how many processes train together.
    """

    def __init__(self, name: str, optimizer: str) -> None:
        """Tell nothing yet.

        Args:
            name: what a person calls the training.
            optimizer: in words.
        """
        self.out: Out = deque(maxlen=1 << 17)
        self.losses: deque[float] = deque(maxlen=LEVEL)
        self.pace = 0.0
        self.ranks = 1
        self._name, self._optimizer = name, optimizer
        self._since = time.time()
        self._folder = os.path.abspath(os.curdir) if os.path.exists(os.curdir) else "?"
        self._history = History()
        self._events: deque[AnyMessage] = deque(maxlen=EVENTS)
        self._started: Started | None = None
        self._seconds = 0.0
        self._last = self._counted_at = time.monotonic()
        self._counted = 0

    @property
    def level(self) -> float | None:
        """Median of the last losses, ``None`` where there were none."""
        return statistics.median(self.losses) if self.losses else None

    def greeting(self, step: int, capabilities: Sequence[str]) -> Greeting:
        """Return who this is."""
        command = [sys.argv[0] or "python", *sys.argv[1:]]
        title = [self._name, f"pid {os.getpid()}", platform.node(), self._optimizer]
        if self.ranks > 1:
            title.insert(2, f"{self.ranks} ranks")
        return Greeting(
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

    def so_far(self, state: State) -> list[AnyMessage]:
        """Return what was so far, for a viewer who comes late."""
        started = self._started or Started(run=RUN, lr=state.lr, steps=None)
        told: list[AnyMessage] = [started, state]
        rows = deque(self._history.rows())
        for event in [*self._events, None]:
            until = event.step if isinstance(event, Steered) else 0 if event else math.inf
            piece: list[Row] = []
            while rows and rows[0].step <= until:
                piece.append(rows.popleft())
            told += [
                progress(RUN, piece[i : i + PIECE], self._seconds)
                for i in range(0, len(piece), PIECE)
            ]
            if event is not None:
                told.append(event)
        return told

    def take(self, paused: bool, watched: bool) -> list[Addressed]:
        """Take in what training has left since the last call.

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
            elif isinstance(item, tuple):
                if item[1] is not None:
                    rows.append(Row._make(item))
            elif (arrived := item()) is not None:
                rows += [Row._make(row) for row in arrived if row[1] is not None]
            else:
                break  # what comes after it waits as well, to stay in order
            self.out.popleft()
        self._tell(rows, told, watched)
        return told

    def _tell(self, rows: list[Row], told: list[Addressed], watched: bool) -> None:
        """Keep rows, and add a message about them where somebody watches."""
        if not rows:
            return
        if self._started is None:
            lr = rows[0].lr
            self._started = Started(run=RUN, lr=max(lr, 0.0), steps=None, optimizer=self._optimizer)
        self._history.add(rows)
        self.losses += [row.loss for row in rows[-LEVEL:] if abs(row.loss) < float("inf")]
        if watched:
            told.append(to_all(progress(RUN, extremes(rows, MOST), self._seconds)))
        rows.clear()

    def _keep(self, message: AnyMessage) -> None:
        """Keep an event for those who come late; of what replaces itself, the last one."""
        if isinstance(message, Ranks | Snapshots):
            for old in [e for e in self._events if type(e) is type(message)]:
                self._events.remove(old)
        if isinstance(message, Steered | Ranks | Snapshots | Printed):
            self._events.append(message)

    def paced(self, step: int) -> bool:
        """Count steps a second; return whether a second is over since that was done last."""
        now = time.monotonic()
        passed = now - self._counted_at
        if passed < SECOND:
            return False
        self.pace = max(step - self._counted, 0) / passed
        self._counted, self._counted_at = step, now
        return True

    def ended(self, step: int, outcome: Outcome, reason: str) -> Ended:
        """Return how the run is over."""
        loss = self.losses[-1] if self.losses else None
        return Ended(run=RUN, outcome=outcome, step=step, loss=loss, reason=reason)
