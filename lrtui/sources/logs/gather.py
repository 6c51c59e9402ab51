"""Gathers the entries of a log into reports: the loss with its rate, and the other scalars."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from lrtui.analysis.history import MAX_SCALARS, Row, extremes, progress
from lrtui.messages import Progress
from lrtui.messages.quantities import LARGEST, finite_or_none
from lrtui.sources.logs.names import (
    Rank,
    is_gradient_norm,
    is_worth_seeing,
    loss_rank,
    rate_rank,
)
from lrtui.text.ascii_fallback import printable

WHOLE_ROWS = 20_000
"""Losses that are all reported; of what comes later at once, only the extremes."""

MAX_BUCKETS = 250
"""Buckets of such a report."""

MAX_RATES = 20_000
"""Last rates kept, for losses that are read after them."""

RESERVED = 8
"""Places among the scalars for those that are worth seeing."""

MAX_NAMES = 100_000
"""Names of a log that are distinguished."""

MAX_NAME = 80
"""Characters of a name."""


class Gatherer:
    """Collects entries; ``flush`` turns them into reports.

    Attributes:
        loss: name of the scalar that is the loss, ``None`` until one is known.
        peak: the largest rate so far, 0 until one is known.
        last: step of the last loss, -1 before the first.
        step: the last step of all.
        last_loss: the last finite one.
        seconds: of training.
        left_out: names for which there is no room.
        hears_better: whether a scalar came that is more likely the loss than the one taken for it.
    """

    def __init__(self, loss: str | None = None) -> None:
        """Start with nothing; the loss may be known from an earlier reading."""
        self.loss = loss
        self.peak = 0.0
        self.last = self.step = -1
        self.last_loss: float | None = None
        self.seconds = 0.0
        self.left_out: set[str] = set()
        self.hears_better = False
        self._rank: Rank = (loss_rank(loss) if loss is not None else None) or (99,)
        self._rate: str | None = None
        self._rate_rank: Rank = (99,)
        self._norm: str | None = None
        self._shown: dict[str, str] = {}  # names of the other scalars, as they are shown
        self._last_of: dict[str, int] = {}  # step of the last value of each, once reported
        self._seen: set[str] = set()
        self._pending: dict[int, dict[str, float]] = {}
        self._rates: list[tuple[int, float]] = []
        self._reported = -1
        self._count = 0
        self._began: float | None = None
        self._has_reported = False

    def add(self, step: int, values: Mapping[str, float], wall: float) -> None:
        """Add an entry."""
        if not values.keys() <= self._seen:
            for name in values.keys() - self._seen:
                self._meet(name)
        if wall:
            if self._began is None:
                self._began = wall
            self.seconds = max(self.seconds, wall - self._began)
        self.step = max(self.step, step)
        if self.loss is not None and (loss := values.get(self.loss)) is not None:
            self.last, self.last_loss = step, loss if abs(loss) <= LARGEST else self.last_loss
        there = self._pending.get(step)
        if there is None:
            self._pending[step] = {**values}
        else:
            there.update(values)

    def _meet(self, name: str) -> None:
        """Classify a new scalar by its name."""
        if len(self._seen) < MAX_NAMES:
            self._seen.add(name)
        rank = loss_rank(name)
        if rank is not None and rank < self._rank:
            self.hears_better = self._has_reported and self.loss is not None
            self.loss, self._rank = name, rank
        rank = rate_rank(name)
        if rank is not None and rank < self._rate_rank and not self._rates:
            self._rate, self._rate_rank = name, rank
        if self._norm is None and is_gradient_norm(name):
            self._norm = name

    def steps_held(self) -> int:
        """Return how many steps wait to be reported."""
        return len(self._pending)

    def flush(self, run: int, *, whole: bool) -> Iterator[Progress]:
        """Yield the gathered steps as reports, the newest only if it is ``whole``."""
        steps = sorted(self._pending)
        newest = steps[-1:] if not whole else []
        found = {step: self._pending[step] for step in steps[: len(steps) - len(newest)]}
        self._pending = {step: self._pending[step] for step in newest}
        if not found:
            return
        self._has_reported = True
        for step, values in found.items():
            rate = values.pop(self._rate, None) if self._rate is not None else None
            if rate is not None and 0 <= rate <= LARGEST:
                self._rates.append((step, rate))
                self.peak = max(self.peak, rate)
        self._rates = self._rates[-MAX_RATES:] if len(self._rates) > 2 * MAX_RATES else self._rates
        losses = [*self._losses(found)]
        if losses:
            self._count += len(losses)
            if self._count > WHOLE_ROWS:
                losses = extremes(losses, MAX_BUCKETS)
            yield progress(run, losses, self.seconds, no_loss=False)
            self._reported = losses[-1].step
        others = self._others(found)
        if others:
            yield self._report(run, others)

    def _losses(self, found: Mapping[int, dict[str, float]]) -> Iterator[Row]:
        """Yield the steps with a loss, each with the rate in force and the gradient norm."""
        at = 0
        for step, values in found.items():
            loss = values.pop(self.loss, None) if self.loss is not None else None
            if loss is None or step <= self._reported:
                continue
            norm = values.pop(self._norm, None) if self._norm is not None else None
            at = bisect_right(self._rates, (step, math.inf), at)
            lr = self._rates[at - 1][1] if at else None
            others = {} if norm is None else {"grad_norm": finite_or_none(norm)}
            yield Row(step, loss, lr, lr, others)

    def _others(self, found: Mapping[int, dict[str, float]]) -> dict[int, dict[str, float]]:
        """Return the scalars besides the loss by step, under the names by which they are shown."""
        others: dict[int, dict[str, float]] = {}
        for step, values in found.items():
            row: dict[str, float] = {}
            for name, value in values.items():
                shown = self._shown.get(name) or self._place(name)
                if shown and step > self._last_of.get(shown, -1) and abs(value) <= LARGEST:
                    row[shown] = value
                    self._last_of[shown] = step
            if row or self.loss is None:
                others[step] = row
        return others

    def _place(self, name: str) -> str:
        """Return the name by which a scalar is shown, empty if there is no room for it."""
        room = MAX_SCALARS - 1 - (0 if is_worth_seeing(name) else RESERVED)
        if len(self._shown) >= room:
            if len(self.left_out) < MAX_NAMES:
                self.left_out.add(name)
            return ""
        shown = printable(name)[:MAX_NAME] or "?"
        while shown in ("loss", "lr", "scheduled") or shown in self._shown.values():
            shown += "'"
        self._shown[name] = shown
        return shown

    def _report(self, run: int, others: Mapping[int, dict[str, float]]) -> Progress:
        """Return scalars without the loss as a report."""
        names = dict.fromkeys(name for row in others.values() for name in row)
        steps = [*others]
        scalars: dict[str, list[float | None]] = {"loss": [None] * len(steps)}
        if self.loss is None and self._rates:
            rates = dict(self._rates)
            scalars["lr"] = [rates.get(step) for step in steps]
        for name in sorted(names, key=lambda name: not is_worth_seeing(name)):
            scalars[name] = [row.get(name) for row in others.values()]
        return Progress(run=run, steps=steps, scalars=scalars, seconds=self.seconds, no_loss=True)
