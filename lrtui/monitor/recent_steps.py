"""Measures the pace of a training from its step counter, read now and then."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW_SECONDS, WINDOW_STEPS = 10.0, 10
"""What is recent: so many seconds, and so many steps at least."""

MARKS = 256
"""Moments kept, at most."""


class Mark(NamedTuple):
    """A step, when it was seen, and for how many seconds the training had waited by then."""

    at: float
    step: int
    waited: float


class RecentSteps:
    """The last steps of a training, which may take a millisecond or a minute each."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._marks: deque[Mark] = deque(maxlen=MARKS)

    def add(self, now: float, step: int, waited: float = 0.0) -> None:
        """Note the step at a time in seconds; one that went back begins anew."""
        marks = self._marks
        if marks and step < marks[-1].step:
            marks.clear()
        if not marks or step > marks[-1].step:
            marks.append(Mark(now, step, waited))
        while len(marks) > 2:
            oldest = marks[1]
            if now - oldest.at < WINDOW_SECONDS or marks[-1].step - oldest.step < WINDOW_STEPS:
                break
            marks.popleft()

    def clear(self) -> None:
        """Forget what was, as during a pause."""
        self._marks.clear()

    def pace(self, now: float, least: int = 1) -> float:
        """Return the steps a second, 0 while fewer than ``least`` steps were seen.

        It falls from when the next step is overdue.
        """
        if len(self._marks) < 2:
            return 0.0
        first, last = self._marks[0], self._marks[-1]
        steps = last.step - first.step
        seconds = max(last.at - first.at, (now - first.at) * steps / (steps + 1))
        return steps / seconds if steps >= least and seconds > 0 else 0.0

    @property
    def share_waited(self) -> float | None:
        """Share of the time that the training waited, ``None`` while it is unknown."""
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        return min((last.waited - first.waited) / max(last.at - first.at, 1e-9), 1.0)
