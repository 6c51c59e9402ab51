"""Detects that a training has stalled, from its step counter read now and then."""

from __future__ import annotations

import statistics
import time
from collections import deque

from lrtui.monitor.stack import where

STALL_FACTOR, STALL_SECONDS = 10.0, 5.0
"""A training stalls if a step takes this many times its usual time, and this many seconds."""


class Stalls:
    """Follows the steps of the training in one thread of this process."""

    def __init__(self, thread: int) -> None:
        """Set the thread that trains, by its ``threading.get_ident()``."""
        self._thread = thread
        self._step = -1
        self._moved_at = time.monotonic()
        self._times: deque[float] = deque(maxlen=60)  # seconds a step

    def track(self, step: int, *, moves: bool) -> None:
        """Update the number of steps; ``moves``: whether it is neither paused nor over."""
        now = time.monotonic()
        taken = step - self._step
        if taken > 0 and self._step >= 0 and moves:
            self._times.append((now - self._moved_at) / taken)
        if taken or not moves:
            self._step, self._moved_at = step, now

    @property
    def seconds(self) -> float:
        """Seconds without a step if it stalls, else 0."""
        seconds = time.monotonic() - self._moved_at
        if not self._times:
            return 0.0
        usual = STALL_FACTOR * statistics.median(self._times)
        return seconds if seconds >= max(usual, STALL_SECONDS) else 0.0

    def doing(self) -> str:
        """Describe what the training does instead of a step."""
        return where(self._thread)
