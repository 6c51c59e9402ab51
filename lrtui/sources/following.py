"""The base of sources that follow a file, and whether the file has stopped growing."""

from __future__ import annotations

import statistics
import time
from abc import abstractmethod
from collections import deque
from itertools import pairwise
from pathlib import Path

from lrtui import messages as msg
from lrtui.sources.source import Source

READ_SECONDS = 0.02
"""Seconds of reading at a time, so that a large file never delays a frame."""

LOOK_SECONDS = 0.1
"""Seconds between two looks for more."""

ENTRIES = 32
"""Entries between two looks at the clock."""

USUAL = 32
"""Additions whose median interval is the usual one."""

STALLED, MIN_STALL = 10.0, 5.0
"""A file stalls if nothing was added for this many usual intervals, and this many seconds."""


class Following(Source):
    """Follows what others write; obeys no commands."""

    def __init__(self) -> None:
        """Start at the beginning."""
        self._messages: list[msg.AnyMessage] = []
        self._is_over = False
        self._caught_up = False
        self._looked_at = -LOOK_SECONDS

    @abstractmethod
    def _read_on(self) -> None:
        """Read for a moment, add messages, and note whether the end was reached."""

    @property
    def is_over(self) -> bool:
        """Whether there will be no more."""
        return self._is_over

    @property
    def is_busy(self) -> bool:
        """Whether there is more to read at once."""
        return not (self._caught_up or self._is_over)

    def send(self, command: msg.Command) -> None:
        """Ignore a command."""

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """See ``Source.poll``."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if not (self._is_over or (self._caught_up and now < self._looked_at + LOOK_SECONDS)):
                self._looked_at, self._caught_up = now, False
                self._read_on()
            if self._messages or self._is_over:
                messages, self._messages = self._messages, []
                return messages
            now = time.monotonic()
            if until is not None and now >= until:
                return []
            if self._caught_up:
                time.sleep(LOOK_SECONDS if until is None else min(LOOK_SECONDS, until - now))

    def close(self) -> None:
        """Do nothing: no file is kept open."""


class Growth:
    """The pace at which something is added, and for how long nothing was."""

    def __init__(self, unknown: float) -> None:
        """Count ``unknown`` seconds as a stall while the usual pace is unknown."""
        self._times: deque[tuple[float, int]] = deque(maxlen=USUAL)  # and the step
        self._unknown = unknown

    def add(self, at: float, step: int) -> None:
        """Note that a step was added at a time, in seconds since 1970."""
        if self._times and self._times[-1][0] == at:
            self._times.pop()  # a tool that writes many steps at once gives them one time
        self._times.append((at, step))

    def clear(self) -> None:
        """Forget all additions."""
        self._times.clear()

    def stalled(self, modified: float) -> float:
        """Return for how many seconds nothing was added, 0 if that is usual.

        ``modified`` is when the file was last written, in seconds since 1970.
        """
        times = self._times
        gaps = [b[0] - a[0] for a, b in pairwise(times) if b[0] > a[0]]
        passed = max(time.time() - (times[-1][0] if times else modified), 0.0)
        limit = max(STALLED * statistics.median(gaps), MIN_STALL) if gaps else self._unknown
        return passed if passed > limit else 0.0

    def pace(self) -> float:
        """Return the recent steps a second, 0 if unknown."""
        times = self._times
        if len(times) < 2 or times[-1][0] <= times[0][0]:
            return 0.0
        return max(times[-1][1] - times[0][1], 0) / (times[-1][0] - times[0][0])


def modified(path: Path) -> float:
    """Return when a file was last written, in seconds since 1970; now if unknown."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
