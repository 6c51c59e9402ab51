"""Rows of named values, as tables and JSON have them, as entries of a log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

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
MAX_DEPTH = 4
"""Deepest nesting of objects that is followed."""


def number(value: object) -> float | None:
    """Convert a value to a number, infinite beyond floats; ``None`` if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            return float(text) if text and len(text) < 400 and "_" not in text else None
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
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from flat(value, f"{prefix}{name}/", depth + 1)
        else:
            yield f"{prefix}{name}", value


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
        self._trains = False  # whether a row without a step had a loss of training

    def entry(self, row: Mapping[str, object]) -> Entry | None:
        """Return a row as an entry; ``None`` if its step is invalid or it has no values."""
        found = dict(flat(row))
        lower = {name.lower(): name for name in found}
        step: int | None = None
        at = ""
        for known in STEP_NAMES:
            at = lower.get(known, "")
            if at and number(found[at]) is not None:
                if (step := whole(found[at])) is None:
                    return None  # not a valid step
                break
        walls = (moment(found[lower[name]]) for name in WALL_NAMES if name in lower)
        wall = next((found for found in walls if found), 0.0)
        skipped = {lower.get(name) for name in (*STEP_NAMES[:-1], *WALL_NAMES)} | IGNORED | {at}
        values = {
            name: v
            for name, value in found.items()
            if name not in skipped and (v := number(value)) is not None
        }
        if not values:
            return None
        epoch = number(found[lower["epoch"]]) if "epoch" in lower and at != lower["epoch"] else None
        return self.counted(step, epoch, values), values, wall

    def counted(self, step: int | None, epoch: float | None, names: Iterable[str]) -> int:
        """Return the step of the next row, counted if it has none.

        A row without a loss of training, such as one of an evaluation, counts for the step before
        it if there are rows with one.
        """
        if step is None:
            if trains := any(map(is_training_loss, names)):
                self._trains = True
            self._last += trains or not self._trains
            return self._last
        if self._first is None:
            self._first = step
        if epoch is not None:
            if epoch > self._epoch and step <= self._first and step + self._offset < self._last:
                self._offset = self._last + 1 - self._first
            self._epoch = epoch
        self._last = step + self._offset
        return self._last
