"""The log of another tool as a source, growing or not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from lrtui import messages as msg
from lrtui.sources.following import ENTRIES, READ_SECONDS, Following, Growth, modified
from lrtui.sources.logs.gather import MAX_NAME, Gatherer
from lrtui.sources.logs.reader import Entry, Event, Mark, Purge, Reader
from lrtui.sources.settings import beside
from lrtui.sources.source import greeting_of
from lrtui.text.ascii_fallback import printable
from lrtui.text.errors import in_words

SETTLE_SECONDS = 0.25
"""Seconds without an addition after which the newest step is taken to be complete."""

MAX_REPORT = 5_000
"""Steps of a report."""

UNKNOWN_STALL = 60.0
"""Seconds without an addition that count as a stall where the usual pace is unknown."""

MAX_TROUBLES = 20
"""Most problems of a log that are reported."""

MAX_PURGES = 100
"""Most times that a training may have gone back; beyond, its steps are in no order."""

LATEST = 10**12

RUN = 1


class LogSource(Following):
    """Follows a log."""

    def __init__(
        self, reader: Reader, remarks: list[str], *, once: bool = False, name: str = ""
    ) -> None:
        """Start at the beginning.

        Args:
            reader: of the log.
            remarks: sentences to print first.
            once: whether to end where the log ends now, instead of waiting for more.
            name: of the training, empty to use that of its file.
        """
        super().__init__()
        self._reader, self._once = reader, once
        self._messages += [self._greeting(name), *(msg.Printed(text=text) for text in remarks)]
        self._beside = beside(reader.path)
        self._said = 0  # troubles
        self._added_at = -SETTLE_SECONDS
        self._growth = Growth(unknown=UNKNOWN_STALL)
        self._stalled, self._ranks_at = 0.0, 0.0
        self._has_started = False
        self._grows = False  # whether what comes now was added since the log was opened
        self._total: int | None = None
        self._purges: list[tuple[int, int]] = []  # index of an entry, and the step it goes back to
        self._is_disordered = False
        self._why = ""  # the log is read again
        self._begin_reading(None)

    def _greeting(self, name: str) -> msg.Greeting:
        path, title = Path(os.path.abspath(self._reader.path)), self._reader.title
        of_file = path.name if path.is_dir() else f"{path.parent.name}/{path.name}"
        name = printable(name or of_file)
        folder, since = printable(str(path.parent)), max(modified(self._reader.path), 1.0)
        return greeting_of(f"{name} · {title}", folder=folder, name=name, since=since)

    def _begin_reading(self, loss: str | None) -> None:
        """Read from the beginning, knowing the name of the loss and where the log goes back."""
        self._entries = self._guarded()
        self._index = 0
        self._gathered = Gatherer(loss)
        self._growth.clear()
        self._grows = False
        self._must_start, self._scans = True, False
        self._is_anew = False  # whether the file was replaced, and no loss was read of it
        self._limits: list[tuple[int, int]] = []
        lowest = LATEST
        for index, step in sorted(self._purges, reverse=True):
            lowest = min(lowest, step)
            self._limits.append((index, lowest))  # the next one last

    def _guarded(self) -> Iterator[Event]:
        """Yield the events of the reader; if it fails, report that and end."""
        try:
            yield from self._reader.entries()
        except Exception as error:
            self._reader.complain(self._reader.path, f" cannot be read further: {in_words(error)}")
        while True:
            yield Mark.END

    @property
    def settings(self) -> Mapping[str, str]:  # type: ignore[override]
        """The configuration, from files beside the log and from the log itself."""
        return {**self._beside, **self._reader.settings}

    def _read_on(self) -> None:
        now = time.monotonic()
        before = self._index
        for count, event in enumerate(self._entries, 1):
            if event is Mark.END:
                self._caught_up = self._grows = True
                break
            if event is Mark.AGAIN:
                self._entries, self._index = self._guarded(), 0
                self._purges, self._limits = [], []
                self._is_anew, self._is_disordered = True, False
                break
            if not isinstance(event, Mark):
                self._take(event)
            if count % ENTRIES == 0 or event is Mark.BUSY:
                late = time.monotonic() > now + READ_SECONDS
                if late or self._gathered.steps_held() >= MAX_REPORT:
                    break
        if self._index > before:
            self._added_at = now
        if self._scans or self._gathered.hears_better:
            if self._gathered.hears_better and not self._scans:
                self._why = f"{printable(self._gathered.loss or '')[:MAX_NAME]} is the loss"
            if self._caught_up or not self._scans:
                self._begin_reading(self._gathered.loss)
                self._caught_up = False
        else:
            self._report(whole=self._caught_up and now > self._added_at + SETTLE_SECONDS)
        self._say_troubles()
        self._watch_growth()
        if self._caught_up and (self._once or self._reader.ending is not None):
            self._end()

    def _take(self, event: Entry | Purge) -> None:
        """Apply the next entry or purge."""
        index, self._index = self._index, self._index + 1
        while self._limits and self._limits[-1][0] <= index:
            self._limits.pop()
        gathered = self._gathered
        if isinstance(event, Purge):
            if gathered.last >= event.step:
                self._purge(index, event.step)
            return
        step, values, wall = event
        if self._limits and step >= self._limits[-1][1]:
            return  # void: the training later went back to before it
        is_loss = gathered.loss in values
        if is_loss and step < gathered.last + self._is_anew:
            if self._is_disordered:
                return
            self._purge(index, step)
        self._is_anew = self._is_anew and not is_loss
        if self._scans:
            gathered.last = step if is_loss else gathered.last
            return
        gathered.add(step, values, wall)
        at = wall or (time.time() if self._grows else 0.0)
        if at and (gathered.loss in values or gathered.loss is None):
            self._growth.add(at, step)

    def _purge(self, index: int, step: int) -> None:
        """Record that the earlier entries are void from a step on."""
        self._purges.append((index, step))
        if len(self._purges) > MAX_PURGES:
            self._purges, self._is_disordered = [], True
            self._reader.complain(
                self._reader.path, " has steps in no order; those that go back are left out"
            )
        self._why = f"the log goes back to step {step:,}: what it had from there on is void"
        # Scan the rest of the log for further returns before reading it again.
        self._scans = True
        self._gathered.last = step - 1

    def _report(self, *, whole: bool) -> None:
        ends = self._caught_up and (self._once or self._reader.ending is not None)
        reports = [*self._gathered.flush(RUN, whole=whole or ends)]
        if not reports:
            return
        lr = self._gathered.peak
        if self._must_start:
            if self._has_started:
                self._messages.append(msg.Printed(text=self._why))
            self._must_start, self._has_started = False, True
            self._messages.append(msg.Started(run=RUN, lr=lr, steps=None, optimizer="unknown"))
            self._total = None
        self._messages += reports
        if self._reader.total != self._total:
            self._total = self._reader.total
            by = "the log" if self._total else ""
            self._messages.append(msg.Vitals(run=RUN, total=self._total, total_by=by))

    def _say_troubles(self) -> None:
        if (more := len(self._gathered.left_out)) and self._caught_up:
            shown = f"{more:,} more scalars are left out: there is room for 32"
            self._gathered.left_out.clear()
            self._messages.append(msg.Printed(text=shown))
        for text in self._reader.troubles[self._said : MAX_TROUBLES]:
            self._messages.append(msg.Printed(text=text))
        self._said = len(self._reader.troubles)

    def _watch_growth(self) -> None:
        """Report the pace, or how long the log has not grown if that is unusual."""
        if not self._has_started or not self._caught_up or self._once:
            return
        now = time.time()
        if now - self._ranks_at < 1:
            return
        stalled = self._growth.stalled(modified(self._reader.path))
        pace = 0.0 if stalled else self._growth.pace()
        if (stalled > 0) != (self._stalled > 0) or not stalled or stalled > 1.02 * self._stalled:
            self._ranks_at, self._stalled = now, stalled
            doing = "nothing was added to the log; waiting"
            step = max(self._gathered.step, 0)
            ranks = msg.Ranks(run=RUN, steps=[step], paces=[pace], stalled=stalled, doing=doing)
            self._messages.append(ranks)

    def _end(self) -> None:
        self._is_over = True
        step = max(self._gathered.step, 0)
        if not self._has_started:
            self.trouble = f"{printable(str(self._reader.path))} has nothing to show yet"
            return
        outcome, loss = self._reader.ending or "stopped", self._gathered.last_loss
        how = "the training failed" if outcome == "failed" else "the log ends"
        reason = f"{how} at step {step:,}"
        self._messages.append(
            msg.Ended(run=RUN, outcome=outcome, step=step, loss=loss, reason=reason)
        )
