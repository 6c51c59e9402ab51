"""Work done in the gaps of a run: running ahead, sweeps, and looks at where the weights are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from lrtui.messages import Message, NoResult
from lrtui.trainer.rng import IsolatedRng

PRIORITY = ("sharpness", "ahead", "sweep", "heat")
"""What is done first: the sharpness keeps to a small share of the time by itself."""

Work = Iterator[Message | None]
"""Yields results, and ``None`` often enough that a piece never takes long."""


class SideWork:
    """Pieces of work, advanced one after another while there is time for them.

    The run that goes on meanwhile notices nothing of it.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        device: str,
        explain: Callable[[BaseException], str],
    ) -> None:
        """Start without work.

        Args:
            send: takes the results.
            device: where the problem is trained.
            explain: says in a sentence what was raised.
        """
        self._explain = explain
        self._send = send
        self._works: dict[tuple[str, int], Work] = {}  # by their kind and the run they belong to
        self._aside = IsolatedRng(device)

    def begin(self, kind: str, work: Work, run: int = 0) -> None:
        """Take up new work in place of what was going on of the same kind for the same run.

        Args:
            kind: one of ``PRIORITY``.
            work: pieces of it are done one after another.
            run: number of the run that it belongs to, 0 where it belongs to none.
        """
        self._works[kind, run] = work

    def finish(self, kind: str, work: Work, run: int) -> None:
        """Do all of a piece of work at once, in place of what was going on; see ``begin``."""
        self._works[kind, run] = work
        with self._aside:
            while (kind, run) in self._works:
                self._go_on((kind, run), work)

    def _go_on(self, key: tuple[str, int], work: Work) -> None:
        """Do a piece of work; what a person's code raises in it ends the work, not the run."""
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

    def drop(self, kind: str) -> None:
        """Give up all work of a kind."""
        self._works = {key: work for key, work in self._works.items() if key[0] != kind}

    def advance(self, until: float, interrupted: Callable[[], bool]) -> None:
        """Work until a time on ``perf_counter``'s clock, the end of the work or an interruption."""
        if not self._works or perf_counter() >= until:
            return
        with self._aside:
            while self._works and perf_counter() < until and not interrupted():
                key = min(self._works, key=lambda key: PRIORITY.index(key[0]))
                self._go_on(key, self._works[key])
