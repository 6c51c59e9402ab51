"""Rows of a training of any length, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lrtui.messages import Progress
from lrtui.messages.quantities import finite_or_none
from lrtui.text.validation import validation_kind

MAX_BUCKETS = 4096
"""Most buckets of a history."""

MAX_SCALARS = 32
"""Most scalars of a message besides the loss and the rates."""

UPDATE = "update of "
"""Begins the names of scalars sent in an ``Updates`` instead of a column."""

IN_GAUGE = (
    *("slope calm", "slope growth", "slope pairs", "slope own"),
    *("slope full", "slope sharpness", "slope error", "slope threshold"),
)
"""Scalars sent in a ``Gauge`` or a ``Sharpness`` instead of a column."""


class Row(NamedTuple):
    """One step.

    Attributes:
        step: steps taken.
        loss: NaN where it was not finite.
        lr: rate in force, ``None`` if unknown.
        scheduled: rate that the schedule asked for, ``None`` if unknown.
        others: further scalars by name.
    """

    step: int
    loss: float
    lr: float | None
    scheduled: float | None
    others: Mapping[str, float | None]


class History:
    """Rows of all steps, thinned to the extremes of ``MAX_BUCKETS`` buckets.

    Full buckets are merged in pairs. Each keeps the rows of its smallest and its largest loss, so
    no spike is lost; a non-finite loss counts as the largest. The last row is always kept.

    Attributes:
        last: the last row, ``None`` before the first.
    """

    def __init__(self, stride: int = 1) -> None:
        """Start empty, with buckets of ``stride`` rows."""
        self._buckets: list[tuple[Row, Row]] = []
        self._stride = stride
        self._filled = 0  # rows in the last bucket
        self.last: Row | None = None

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows."""
        buckets = self._buckets
        for row in rows:
            if self._filled % self._stride == 0:
                if len(buckets) == MAX_BUCKETS:
                    self._merge()
                    buckets = self._buckets
                buckets.append((row, row))
                self._filled = 1
                continue
            low, high = buckets[-1]
            self._filled += 1
            # min and max by height, inlined for speed.
            if row.loss < low.loss or low.loss != low.loss:
                buckets[-1] = (row, high)
            elif not row.loss <= high.loss and high.loss == high.loss:
                buckets[-1] = (low, row)
        self.last = rows[-1] if rows else self.last

    def _merge(self) -> None:
        pairs = zip(self._buckets[::2], self._buckets[1::2], strict=True)
        self._buckets = [
            (min(a[0], b[0], key=height), max(a[1], b[1], key=height)) for a, b in pairs
        ]
        self._stride *= 2
        self._filled = 0

    def rows(self) -> list[Row]:
        """Return the rows kept, in order of steps."""
        found: list[Row] = []
        for low, high in self._buckets:
            if low.step == high.step:
                found.append(low)
            else:
                found += (low, high) if low.step < high.step else (high, low)
        if self.last is not None and self.last.step > found[-1].step:
            found.append(self.last)
        return found


def height(row: Row) -> float:
    """Return the loss of a row, infinite where it is not a number."""
    return row.loss if row.loss == row.loss else math.inf


def extremes(rows: Sequence[Row], most: int) -> list[Row]:
    """Return the rows, thinned to the extremes of ``most`` equal buckets if there are more.

    Those with a validation loss, which may be few, are thinned apart from the others.
    """
    if len(rows) <= 2 * most:
        return [*rows]
    kept = History(stride=-(-len(rows) // most))
    kept.add(rows)
    validated = [row for row in rows if is_validated(row)]
    if len(validated) == len(rows):
        return kept.rows()
    return by_step(kept.rows(), extremes(validated, most))


def is_validated(row: Row) -> bool:
    """Return whether a row has a validation loss."""
    return any(map(validation_kind, row.others))


def by_step(*parts: Sequence[Row]) -> list[Row]:
    """Return rows in order of steps; of two of the same step, the last."""
    found = {row.step: row for rows in parts for row in rows}
    return [found[step] for step in sorted(found)]


def progress(run: int, rows: Sequence[Row], seconds: float, *, no_loss: bool) -> Progress:
    """Return rows, at least one, as a message; for the other arguments see ``Progress``."""
    columns = {"loss": [finite_or_none(row.loss) for row in rows]}
    lrs = [finite_or_none(row.lr) for row in rows]
    scheduled = [finite_or_none(row.scheduled) for row in rows]
    if any(lr is not None for lr in lrs):
        columns["lr"] = lrs
    if scheduled != lrs:
        columns["scheduled"] = scheduled
    names = dict.fromkeys(name for row in rows for name in row.others if name not in IN_GAUGE)
    for name in [*names][:MAX_SCALARS]:
        columns[name] = [finite_or_none(row.others.get(name)) for row in rows]
    first, last = rows[0].step, rows[-1].step
    consecutive = last - first == len(rows) - 1
    steps = first if consecutive else [row.step for row in rows]
    return Progress(run=run, steps=steps, scalars=columns, seconds=seconds, no_loss=no_loss)
