"""Work done in the gaps of a run: a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from lrtui.messages import Message


class SideWork:
    """One piece of work at a time, advanced while there is time for it."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        """Start without work.

        Args:
            send: takes the results.
        """
        self._send = send
        self._work: Iterator[Message | None] = iter(())

    def begin(self, work: Iterator[Message | None]) -> None:
        """Take up new work in place of what was going on.

        Args:
            work: yields results, and ``None`` often enough that it never takes long.
        """
        self._work = work

    def advance(self, until: float, interrupted: Callable[[], bool]) -> None:
        """Work until a time on ``perf_counter``'s clock, the end of the work or an interruption."""
        while perf_counter() < until and not interrupted():
            try:
                result = next(self._work)
            except StopIteration:
                return
            if result is not None:
                self._send(result)
