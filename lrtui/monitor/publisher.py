"""Turns rows and events of a training into messages, and keeps them for viewers that join later.

Everything here runs in the server's thread.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.analysis.headroom import MOST_CALM, word
from lrtui.analysis.history import (
    UPDATE,
    History,
    Row,
    by_step,
    extremes,
    is_validated,
    progress,
)
from lrtui.analysis.series import OPENING
from lrtui.messages.quantities import LARGEST
from lrtui.monitor.alarms import Alarms
from lrtui.monitor.device import Batch, Raw
from lrtui.monitor.recent_steps import RecentSteps
from lrtui.text.version import __version__

MAX_BUCKETS = 100
"""Buckets of a report; if it has more than twice as many steps, only their extremes are sent."""

ROWS_PER_MESSAGE = 2000
"""Rows per message of the history."""

MAX_EVENTS = 1000
"""Events kept for viewers that join later."""

MAX_GAUGES = 12
"""Measurements of the headroom kept for viewers that join later."""

MAX_SHARPNESSES = 200
"""Measurements of the sharpness kept for them."""

SLOPE = ("slope left", "slope calm", "slope growth", "slope pairs")
"""Scalars of a measurement of the slope left."""

SHARPNESS = ("slope sharpness", "slope error", "slope threshold")
"""Scalars of a measurement of the sharpness."""

LEVEL_WINDOW = 20
"""Losses whose median is the level of the loss."""

MAX_EARLIER_RUNS, EARLIER_BUCKETS = 50, 100
"""Earlier runs of the process that are kept, and buckets of each."""

MOST_KEPT: dict[type, int] = {
    msg.Snapshots: 1,
    msg.Updates: 1,
    msg.Gauge: MAX_GAUGES,
    msg.Sharpness: MAX_SHARPNESSES,
}
"""Messages of each kind of measurement kept for viewers that join later."""

STEPS_WITHOUT_LOSS = 20
"""Steps without any loss after which they are sent without one."""

RISE_WINDOW = 3
"""Losses whose median shows that a rise has begun."""

PACE_SECONDS = 1.0
"""Seconds between two reports of the pace."""


class Addressed(NamedTuple):
    """A message, with another version for the viewer whose command it answers.

    Attributes:
        message: for all viewers but that one.
        answered: for that one.
        viewer: its number, 0 for none.
    """

    message: msg.AnyMessage
    answered: msg.AnyMessage
    viewer: int


def to_all(message: msg.AnyMessage) -> Addressed:
    """Return a message that is the same for all viewers."""
    return Addressed(message, message, 0)


class Began(NamedTuple):
    """A training begins; for the fields see ``Monitor``."""

    name: str
    optimizer: str
    full_batch: bool
    on_spike: str | None = None


class Finished(NamedTuple):
    """The training is over, but its process continues."""

    outcome: msg.Outcome
    reason: str


Outbox = deque[Raw | Addressed | Began | Finished | Batch]
"""Rows and events from the training thread, in order."""


class Publisher:
    """Turns rows and events into messages.

    Attributes:
        outbox: filled by the training thread.
        run: number of the run last published.
        scheduled: the schedule's rate at the last step.
        losses: the last finite losses.
        pace: recent steps a second.
        ranks: number of processes that train together.
        alone: whether one optimizer takes all steps.
        alarms: finds spikes; ``None`` to find none.
    """

    def __init__(self, began: Began) -> None:
        """Start with nothing to publish."""
        self.outbox: Outbox = deque(maxlen=1 << 17)
        self.run = 0
        self.pace = 0.0
        self.ranks = 1
        self.alone = True
        self.alarms: Alarms | None = None
        self._since = time.time()
        self._folder = os.path.abspath(os.curdir) if os.path.exists(os.curdir) else "?"
        self._earlier: deque[list[msg.AnyMessage]] = deque(maxlen=MAX_EARLIER_RUNS)
        self._last = self._counted_at = time.monotonic()
        self._recent = RecentSteps()
        self._norms: deque[float | None] = deque(maxlen=1000)
        self._begin(began)

    def _begin(self, began: Began) -> None:
        """Switch to another run."""
        self.run += 1
        self._name, self._optimizer, self._full_batch, self._on_spike = began
        if self.alarms is not None:
            self.watch_spikes(self.alarms)
        self.losses: deque[float] = deque(maxlen=LEVEL_WINDOW)
        self._opening: list[float] = []  # the first ``OPENING`` finite losses
        self.scheduled = math.nan
        self._history = History()
        self._validated = History()  # rows with a validation loss
        self._late: list[msg.Progress] = []  # yet to be sent
        self._events: deque[msg.AnyMessage] = deque(maxlen=MAX_EVENTS)
        self._started: msg.Started | None = None
        self._seconds = 0.0
        self._step = 0
        self._ended: msg.Ended | None = None
        self._has_loss = False
        self._gauge: msg.Gauge | None = None
        self._slope: Any = None  # the last numbers of SLOPE
        self._own: float | None = None
        self._calms: deque[float] = deque([0.0], maxlen=MAX_GAUGES)  # of the last measurements
        self._is_full = self._full_batch  # whether each step is known to see all data
        self._without_loss: list[Row] = []
        self._updates: msg.Updates | None = None  # yet to be sent

    def watch_spikes(self, alarms: Alarms) -> None:
        """Look for spikes in the current run and those that follow."""
        self.alarms = alarms
        alarms.begin(self.run, self._name, self._on_spike)

    @property
    def level(self) -> float | None:
        """Median of the last losses, ``None`` without any.

        The median of the last ``RISE_WINDOW`` if that is higher: a rise has begun, and a snapshot
        taken now must not count as one from before it.
        """
        if not self.losses:
            return None
        return max(statistics.median(self.losses), statistics.median([*self.losses][-RISE_WINDOW:]))

    def greeting(self, step: int, capabilities: Sequence[str]) -> msg.Greeting:
        """Return the greeting."""
        command = [sys.argv[0] or "python", *sys.argv[1:]]
        title = [self._name, f"pid {os.getpid()}", platform.node(), self._optimizer]
        if self.ranks > 1:
            title.insert(2, f"{self.ranks} ranks, loss of rank 0")
        return msg.Greeting(
            program=f"lrtui {__version__}, torch {version('torch')}",
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

    def history(self, state: msg.State) -> list[msg.AnyMessage]:
        """Return the messages so far, for a viewer that joins now."""
        self._started = self._started or self._start(state.lr)
        messages: list[msg.AnyMessage] = [message for run in self._earlier for message in run]
        messages += [self._started, replace(state, run=self.run)]
        rows = deque(by_step(self._history.rows(), self._validated.rows()))
        for event in [*self._events, None]:
            until = event.step if isinstance(event, msg.Steered) else 0 if event else math.inf
            piece: list[Row] = []
            while rows and rows[0].step <= until:
                piece.append(rows.popleft())
            messages += [
                self._progress(piece[i : i + ROWS_PER_MESSAGE])
                for i in range(0, len(piece), ROWS_PER_MESSAGE)
            ]
            if event is not None:
                messages.append(event)
        return [*messages, self._ended] if self._ended else messages

    def _progress(self, rows: Sequence[Row]) -> msg.Progress:
        return progress(self.run, rows, self._seconds, no_loss=not self._has_loss)

    def _start(self, lr: float) -> msg.Started:
        return msg.Started(
            run=self.run,
            lr=wire_rate(lr),
            steps=None,
            optimizer=self._optimizer,
            full_batch=self._full_batch,
        )

    def collect(self, paused: bool, watched: bool) -> list[Addressed]:
        """Return messages about everything in the outbox, its steps only if ``watched``.

        Time while ``paused`` is not counted as time of training.
        """
        now = time.monotonic()
        if not paused:
            self._seconds += now - self._last
        self._last = now
        rows: list[Row] = []
        messages: list[Addressed] = []
        for _ in range(len(self.outbox)):
            item = self.outbox[0]
            if type(item) is tuple:  # nearly always
                self._add(rows, item)
            elif isinstance(item, Addressed):
                self._flush(rows, messages, watched)
                self._keep_event(item.message)
                messages.append(item)
                messages += map(to_all, self._withdraw_word(item.message))
            elif isinstance(item, Began):
                self._flush(rows, messages, watched)
                messages += map(to_all, self._end_run(item))
            elif isinstance(item, Finished):
                self._flush(rows, messages, watched)
                self._ended = self.ended(self._step, *item)
                messages.append(to_all(self._ended))
            elif (arrived := cast(Batch, item)()) is not None:
                for row in arrived:
                    self._add(rows, row)
            else:
                break  # later items wait, to stay in order
            self.outbox.popleft()
        self._flush(rows, messages, watched)
        return messages

    def _end_run(self, began: Began) -> list[msg.Ended]:
        """Switch to another run, and thin the history of this one."""
        why = f"ended after {self._step:,} steps; another began"
        ended = self._ended or self.ended(self._step, "done", why)
        rows = extremes(by_step(self._history.rows(), self._validated.rows()), EARLIER_BUCKETS)
        if self._started is not None and rows:
            self._earlier.append([self._started, self._progress(rows), ended])
        messages = [] if self._ended else [ended]
        self._begin(began)
        return messages

    def _add(self, rows: list[Row], raw: Raw) -> None:
        """Add a row to those to send; one without a loss only if no row has one."""
        row = Row._make(raw)
        before, self._step = self._step, row.step
        if "slope pairs" in row.others:
            row = self._without_updates(row)
        if row.step == before:
            self._add_late(rows, row.others)
            return
        if row.loss is None:
            if self._has_loss:
                return
            self._without_loss.append(row._replace(loss=math.nan))
            if row.step >= STEPS_WITHOUT_LOSS:
                rows += self._without_loss
                self._without_loss = []
            return
        if not self._has_loss:
            self._has_loss, self._history, self._without_loss = True, History(), []
            rows.clear()
        rows.append(row)

    def _add_late(self, rows: list[Row], scalars: Mapping[str, float | None]) -> None:
        """Add scalars to the last row, which may have been sent already."""
        last = rows[-1] if rows else self._history.last
        if last is None or last.step != self._step:
            return  # it has no loss
        row = last._replace(others={**last.others, **scalars})
        if rows:
            rows[-1] = row
            return
        self._validated.add([row])
        alone = Row(row.step, row.loss, None, None, scalars)
        self._late.append(self._progress([alone]))

    def _without_updates(self, row: Row) -> Row:
        """Make a message of a row's update-to-weight ratios; return the row without them."""
        found = [
            (value, name.removeprefix(UPDATE))
            for name, value in row.others.items()
            if name.startswith(UPDATE) and value is not None and math.isfinite(value)
        ]
        if found:
            found.sort(key=lambda ratio: -ratio[0])
            last, most = len(found) - 1, min(len(found), msg.MOST_NAMES) - 1
            kept = [found[i * last // max(most, 1)] for i in range(most + 1)]
            self._updates = msg.Updates(
                run=self.run,
                step=row.step,
                names=[name for _, name in kept],
                ratios=[ratio for ratio, _ in kept],
                median=statistics.median(ratio for ratio, _ in found),
                tensors=len(found),
            )
        return row._replace(
            others={n: v for n, v in row.others.items() if not n.startswith(UPDATE)}
        )

    def _flush(self, rows: list[Row], messages: list[Addressed], watched: bool) -> None:
        """Move rows to the history, and add a message about them if ``watched``."""
        if watched:
            messages += map(to_all, self._late)
        self._late.clear()
        if not rows:
            return
        if self._started is None:
            self._started = self._start(rows[0].lr if rows[0].lr is not None else math.nan)
            if watched:
                messages.append(to_all(self._started))
        if len(self._opening) < OPENING:
            finite = (row.loss for row in rows if abs(row.loss) < float("inf"))
            self._opening = [*self._opening, *finite][:OPENING]
        self.losses += [row.loss for row in rows[-LEVEL_WINDOW:] if abs(row.loss) < float("inf")]
        self._history.add(rows)
        if self.alarms is not None and not self._full_batch:
            self.alarms.add(rows)
        rich = [row for row in rows if row.others and (*row.others,) != ("grad_norm",)]  # few
        self._validated.add([row for row in rich if is_validated(row)])
        messages += map(to_all, self._gauges(rich))
        messages += map(to_all, self._sharpnesses(rich))
        if self._updates is not None:
            self._keep_event(self._updates)
            messages.append(to_all(self._updates))
            self._updates = None
        self._norms += [row.others["grad_norm"] for row in rows if "grad_norm" in row.others]
        self.scheduled = rows[-1].scheduled if rows[-1].scheduled is not None else math.nan
        if watched:
            messages.append(to_all(self._progress(extremes(rows, MAX_BUCKETS))))
        rows.clear()

    def _keep_event(self, message: msg.AnyMessage) -> None:
        """Keep an event for viewers that join later; of measurements, only the latest."""
        if (most := MOST_KEPT.get(type(message))) is not None:
            for old in [e for e in self._events if type(e) is type(message)][: 1 - most or None]:
                self._events.remove(old)
        if most is not None or isinstance(message, msg.Steered | msg.Printed):
            self._events.append(message)

    def _gauges(self, rows: Sequence[Row]) -> Iterator[msg.Gauge]:
        """Yield the headroom measured in some rows, with the word for it."""
        for row in rows:
            slope, own = [*map(row.others.get, SLOPE)], row.others.get("slope own")
            if own is not None:
                self._own = own
            if None not in slope and math.isfinite(sum(slope)):  # type: ignore[arg-type]
                self._slope = slope
                self._calms.append(abs(slope[1]))  # type: ignore[arg-type]
            elif own is None:
                continue
            if self._slope is None:
                continue
            left, calm, growth, pairs = self._slope
            before = self._gauge.word if self._gauge is not None else ""
            said = word(
                *(left, max(self._calms), growth, int(pairs)),
                before=before,
                full_batch=self._is_full,
                alone=self.alone,
                risen=self.level is not None and self.level > max(self._opening),
            )
            self._gauge = msg.Gauge(
                run=self.run,
                step=row.step,
                left=left,
                calm=calm,
                own=self._own,
                pairs=int(pairs),
                word=said,
            )
            self._keep_event(self._gauge)
            yield self._gauge

    def _sharpnesses(self, rows: Sequence[Row]) -> Iterator[msg.Sharpness | msg.Gauge]:
        """Yield the sharpness measured in some rows."""
        for row in rows:
            if "slope full" in row.others:
                self._is_full = True
                yield from self._without_word()
            value, error, threshold = map(row.others.get, SHARPNESS)
            if value is not None and error is not None:
                found = msg.Sharpness(
                    run=self.run, step=row.step, value=value, error=error, threshold=threshold
                )
                self._keep_event(found)
                yield found

    @property
    def sees_all(self) -> bool:
        """Whether each step seems to see all data, so that this is to be checked."""
        return self._is_full or max(self._calms) > MOST_CALM

    def _withdraw_word(self, message: msg.AnyMessage) -> Iterator[msg.Gauge]:
        """Yield the last headroom without its word if a command has changed rate or weights."""
        if not isinstance(message, msg.Steered) or not message.changed_course:
            return
        self._slope = self._own = None
        yield from self._without_word()

    def _without_word(self) -> Iterator[msg.Gauge]:
        """Yield the last headroom without its word, if it has one."""
        if self._gauge is not None and self._gauge.word:
            self._gauge = replace(self._gauge, word="", own=None)
            self._keep_event(self._gauge)
            yield self._gauge

    def pop_norms(self) -> list[float | None]:
        """Return the gradient norms since the last call."""
        norms = [*self._norms]
        self._norms.clear()
        return norms

    def count_pace(self, step: int, *, paused: bool, replays: bool) -> bool:
        """Measure the pace; return whether to report it, which is once a second.

        A training that ``replays`` says nothing about its pace.
        """
        now = time.monotonic()
        if paused or replays:
            self._recent.clear()
        self._recent.add(now, step)
        if replays or now < self._counted_at + PACE_SECONDS:
            return False
        self.pace, self._counted_at = self._recent.pace(now), now
        return True

    def final_messages(self, step: int, outcome: msg.Outcome, reason: str) -> list[msg.AnyMessage]:
        """Return the message that ends the run, unless it was sent already."""
        return [] if self._ended else [self.ended(step, outcome, reason)]

    def ended(self, step: int, outcome: msg.Outcome, reason: str) -> msg.Ended:
        """Return the message that ends the run."""
        loss = self.losses[-1] if self.losses else None
        return msg.Ended(run=self.run, outcome=outcome, step=step, loss=loss, reason=reason)


def wire_rate(lr: float) -> float:
    """Return a rate for a message: 0 if unknown or invalid."""
    return min(lr, LARGEST) if lr >= 0 else 0.0
