"""Work in the gaps of a run: running ahead, sweeps, measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from lrtui.messages import Message, NoResult
from lrtui.trainer.rng import IsolatedRng

PRIORITY = ("sharpness", "ahead", "sweep", "heat")
"""Kinds of work, the most urgent first; sharpness limits its own share of the time."""

Work = Iterator[Message | None]
"""Yields results, and ``None`` in between so that no piece takes long."""


class SideWork:
    """Advances work piece by piece while time remains, isolated from the run."""

    def __init__(
        self,
        send: Callable[[Message], None],
        device: str,
        explain: Callable[[BaseException], str],
    ) -> None:
        """Start without work.

        Args:
            send: called with the results.
            device: of the problem.
            explain: describes an error in a sentence.
        """
        self._explain = explain
        self._send = send
        self._works: dict[tuple[str, int], Work] = {}  # by name and run
        self._isolated = IsolatedRng(device)

    def begin(self, name: str, work: Work, run: int = 0) -> None:
        """Begin work, replacing any of the same name and run.

        Args:
            name: one of ``PRIORITY``.
            work: to advance.
            run: number of its run, 0 for none.
        """
        self._works[name, run] = work

    def run_now(self, name: str, work: Work, run: int) -> None:
        """Begin work and do all of it at once; see ``begin``."""
        self._works[name, run] = work
        with self._isolated:
            while (name, run) in self._works:
                self._do_piece((name, run), work)

    def _do_piece(self, key: tuple[str, int], work: Work) -> None:
        """Do a piece of work; an error of a person's code ends the work, not the run."""
        try:
            result = next(work)
        except StopIteration:
            del self._works[key]
        except (Exception, SystemExit) as error:
            del self._works[key]
            self._send(NoResult(work=key[0], reason=self._explain(error)))
        else:
            if result is not None:
                self._send(result)

    def drop(self, name: str) -> None:
        """Drop all work of a name."""
        self._works = {key: work for key, work in self._works.items() if key[0] != name}

    def advance(self, until: float, interrupted: Callable[[], bool]) -> None:
        """Work until a ``perf_counter`` time, the end of all work or an interruption."""
        if not self._works or perf_counter() >= until:
            return
        with self._isolated:
            while self._works and perf_counter() < until and not interrupted():
                key = min(self._works, key=lambda key: PRIORITY.index(key[0]))
                self._do_piece(key, self._works[key])
