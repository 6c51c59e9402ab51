"""Detects that a training has stalled, from its step counter read now and then."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque

from lrtui.monitor.stack import processor_seconds, where

STALL_FACTOR, STALL_SECONDS = 10.0, 5.0
"""A training stalls if a step takes this many times its usual time, and this many seconds."""

COMPUTES = 0.1
"""Share of a processor from which on a thread computes, and does not wait."""


class Stalls:
    """Follows the steps of the training in one thread of this process."""

    def __init__(self) -> None:
        """Follow those of the thread that calls this."""
        self._thread, self._native = threading.get_ident(), threading.get_native_id()
        self._step = -1
        self._moved_at = time.monotonic()
        self._still: tuple[float, float | None] | None = None  # seconds by both clocks, since then
        self._times: deque[float] = deque(maxlen=60)  # seconds a step

    def track(self, step: int, *, moves: bool) -> None:
        """Update the number of steps; ``moves``: whether it is neither paused nor over."""
        now = time.monotonic()
        taken = step - self._step
        if taken > 0 and self._step >= 0 and moves:
            self._times.append((now - self._moved_at) / taken)
        if taken or not moves:
            self._step, self._moved_at, self._still = step, now, None
        elif self._still is None:
            self._still = now, processor_seconds(self._native)

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
        computes = True
        if self._still is not None:
            since, before = self._still
            passed, used = time.monotonic() - since, processor_seconds(self._native)
            if before is not None and used is not None:
                computes = used - before >= COMPUTES * passed
        return where(self._thread, computes=computes)
