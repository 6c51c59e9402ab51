"""Work done in the gaps of a run: running ahead, sweeps, and looks at where the weights are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from lrtui.messages import Message, NoResult
from lrtui.trainer.aside import Aside

ORDER = ("sharpness", "ahead", "sweep")
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
        self._works: dict[str, Work] = {}
        self._aside = Aside(device)

    def begin(self, name: str, work: Work) -> None:
        """Take up new work in place of what was going on under the same name."""
        self._works[name] = work

    def finish(self, name: str, work: Work) -> None:
        """Do all of a piece of work at once, in place of what was going on under the same name."""
        self._works[name] = work
        with self._aside:
            while name in self._works:
                self._go_on(name, work)

    def _go_on(self, name: str, work: Work) -> None:
        """Do a piece of work; what a person's code raises in it ends the work, not the run."""
        try:
            result = next(work)
        except StopIteration:
            del self._works[name]
        except (Exception, SystemExit) as error:
            del self._works[name]
            self._send(NoResult(work=name, reason=self._explain(error)))
        else:
            if result is not None:
                self._send(result)

    def drop(self, name: str) -> None:
        """Give up the work of a name, if there is any."""
        self._works.pop(name, None)

    def advance(self, until: float, interrupted: Callable[[], bool]) -> None:
        """Work until a time on ``perf_counter``'s clock, the end of the work or an interruption."""
        if not self._works or perf_counter() >= until:
            return
        with self._aside:
            while self._works and perf_counter() < until and not interrupted():
                name = next(name for name in ORDER if name in self._works)
                self._go_on(name, self._works[name])
