"""Measures the pace of a training from its step counter, read now and then."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS, WINDOW_STEPS = 10.0, 10
"""The pace is that of the last seconds, and of as many steps at least."""

MARKS = 256
"""Moments kept, at most."""


class StepPace:
    """The recent steps a second of a training whose steps may take a millisecond or a minute."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)  # when a step was seen

    def add(self, now: float, step: int) -> None:
        """Note the step at a time in seconds; one that went back begins anew."""
        marks = self._marks
        if marks and step < marks[-1][1]:
            marks.clear()
        if not marks or step > marks[-1][1]:
            marks.append((now, step))
        while len(marks) > 2:
            at, of = marks[1]
            if now - at < WINDOW_SECONDS or marks[-1][1] - of < WINDOW_STEPS:
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
        (began, first), (at, last) = self._marks[0], self._marks[-1]
        steps = last - first
        seconds = max(at - began, (now - began) * steps / (steps + 1))
        return steps / seconds if steps >= least and seconds > 0 else 0.0
