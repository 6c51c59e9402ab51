"""Rows of named values, as tables and JSON have them, as entries of a log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from lrtui.sources.logs.names import is_training_loss
from lrtui.sources.logs.reader import Entry

STEP_NAMES = (
    *("trainer/global_step", "train/global_step", "global_step", "globalstep"),
    *("step", "steps", "iteration", "iter", "it", "update", "num_updates", "_step", "batch"),
    *("epoch",),
)
"""Names of the step, the most certain first."""

WALL_NAMES = ("_timestamp", "timestamp", "wall_time", "walltime", "created_at", "time", "date")
IGNORED = {"_runtime", "_wandb", "_index"}

MAX_STEP = 10**12
MAX_NUMBER = 400
"""Characters of a number."""

MAX_DEPTH = 4
"""Deepest nesting of objects that is followed."""


def number(value: object) -> float | None:
    """Convert a value to a number, infinite beyond floats; ``None`` if it is not one."""
    if isinstance(value, bool) or not isinstance(value, (float, int, str)):
        return None
    if isinstance(value, str) and (len(value) > MAX_NUMBER or "_" in value):
        return None  # float would read 1_000
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """Convert a value to a step; ``None`` if it is not one."""
    found = number(value)
    return int(found) if found is not None and 0 <= found <= MAX_STEP else None


def moment(value: object) -> float:
    """Convert a value to seconds since 1970; 0 if it is not a plausible time."""
    found = number(value)
    if found is None and isinstance(value, str) and len(value) < 40:
        try:
            found = datetime.fromisoformat(value.strip()).timestamp()
        except (ValueError, OverflowError):
            return 0.0
    if found is None or not found > 1e9:
        return 0.0
    return found if found < 1e11 else found / 1000 if found < 1e14 else 0.0


def flat(
    row: Mapping[str, object], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, object]]:
    """Yield names and values, those of objects in objects as ``outer/inner``."""
    for name, value in row.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from flat(value, f"{prefix}{name}/", depth + 1)
        else:
            yield f"{prefix}{name}", value


class Columns(NamedTuple):
    """What the names in a row are.

    Attributes:
        steps: those of a step, the most certain first.
        epoch: that of the epoch, ``None`` if there is none.
        walls: those of a time.
        scalars: all others, and the epoch's.
    """

    steps: list[str]
    epoch: str | None
    walls: list[str]
    scalars: list[str]


@lru_cache(16)
def columns_of(names: tuple[str, ...]) -> Columns:
    """Tell the names in a row apart; the rows of a log have few sets of names."""
    lower = {name.lower(): name for name in names}
    steps = [lower[name] for name in STEP_NAMES if name in lower]
    walls = [lower[name] for name in WALL_NAMES if name in lower]
    epoch = lower.get("epoch")
    skipped = {*steps, *walls, *IGNORED} - {epoch}
    return Columns(steps, epoch, walls, [name for name in names if name not in skipped])


class Rows:
    """Turns rows into entries: finds the step, counts rows without one.

    A step that restarts in each epoch continues from the previous epoch.
    """

    def __init__(self) -> None:
        """Start before the first row."""
        self._last = 0
        self._first: int | None = None
        self._offset = 0
        self._epoch = -math.inf
        self._epochs_are_whole = True
        self._trains = False  # whether a row had a loss of training, or a step

    def entry(self, row: Mapping[str, object]) -> Entry | None:
        """Return a row as an entry; ``None`` if its step is invalid or it has no values."""
        nested = any(isinstance(value, dict) for value in row.values())
        found = dict(flat(row)) if nested else row
        columns = columns_of(tuple(found))
        step: int | None = None
        at = ""
        for name in columns.steps:
            if (value := number(found[name])) is not None:
                if name == columns.epoch and not self.is_step(value):
                    break
                if (step := whole(found[name])) is None:
                    return None  # not a valid step
                at = name
                break
        wall = next((when for name in columns.walls if (when := moment(found[name]))), 0.0)
        values = {
            name: value
            for name in columns.scalars
            if name != at and (value := number(found[name])) is not None
        }
        if not values:
            return None
        name_of_epoch = columns.epoch if columns.epoch != at else None
        epoch = number(found[name_of_epoch]) if name_of_epoch is not None else None
        return self.counted(step, epoch, values), values, wall

    def is_step(self, epoch: float) -> bool:
        """Return whether an epoch counts as a step: not once one was a fraction.

        Transformers prints 0.5, 1, 1.5.
        """
        self._epochs_are_whole &= epoch.is_integer() or not math.isfinite(epoch)
        return self._epochs_are_whole

    def counted(
        self, step: int | None, epoch: float | None, names: Iterable[str], each: int | None = None
    ) -> int:
        """Return the step of the next row, counted if it has none.

        A row without a loss of training, such as one of an evaluation, counts for the step before
        it if there are rows with one. ``each`` is the last step of an epoch, if known: after it the
        next begins, whether epochs have names or not.
        """
        if step is None:
            trains = any(map(is_training_loss, names))
            self._last += trains or not self._trains
            self._trains |= trains
            return self._last
        self._trains = True
        if self._first is None:
            self._first = step
        taken = self._last - self._offset  # in the last epoch
        is_over = taken == each
        if epoch is not None:
            is_over = epoch > self._epoch and (step <= self._first or step < taken / 2)
            self._epoch = epoch
        if is_over and step < taken:
            self._offset += each or taken + 1 - self._first
        self._last = step + self._offset
        return self._last
