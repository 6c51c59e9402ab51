"""Where the thread that trains meets those that steer it.

Training compares two numbers a step, and takes no lock, unless somebody wants something of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from lrtui.messages import AnyCommand

NEVER = 1 << 62
"""A step that is never reached."""

MAX_WAITING = 100
"""Orders of one viewer that may wait."""


@dataclass(frozen=True)
class PendingCommand:
    """A command that is to be carried out.

    Attributes:
        command: what to do.
        asked_by: who asked for it.
        viewer: number of the viewer who did, 0 for none of this process.
        at: step after which to do it; 0 for the next one.
    """

    command: AnyCommand
    asked_by: str = ""
    viewer: int = 0
    at: int = 0


class CommandQueue:
    """Stops the thread that trains at a step where there is something to do.

    Attributes:
        step: steps taken.
        attend_at: step from which on training is to call ``attend``.
        paused: whether training is held.
        pause_at: step after which it is to be held.
    """

    def __init__(self, carry_out: Callable[[PendingCommand], None]) -> None:
        """Let training pass.

        Args:
            carry_out: carries out an order, in the thread that trains.
        """
        self.step = 0
        self.attend_at = NEVER
        self.paused = False
        self.pause_at = NEVER
        self._carry_out = carry_out
        self._turn = Condition()
        self._orders: list[PendingCommand] = []
        self._promised = NEVER
        self._inside = self._busy = False

    # In the thread that trains:

    def attend(self) -> None:
        """Carry out what is to be done after this step; wait while paused or bound by a promise."""
        try:
            while (order := self._next()) is not None:
                self._carry_out(order)
        except BaseException:
            with self._turn:
                self._inside = self._busy = False
            raise

    def _next(self) -> PendingCommand | None:
        """Return the order that is due, ``None`` once training may go on."""
        with self._turn:
            self._inside, self._busy = True, False
            while True:
                if self.step >= self.pause_at:
                    self.paused, self.pause_at = True, NEVER
                for order in self._orders:
                    if order.at <= self.step:
                        self._orders.remove(order)
                        self._busy = True
                        return order
                if not self.paused and self.step < self._promised:
                    break
                self._turn.wait()
            self._inside = False
            waiting = [order.at for order in self._orders]
            self.attend_at = min([self._promised, self.pause_at, *waiting])
            return None

    # In any other thread:

    def post(self, order: PendingCommand) -> None:
        """Have an order carried out; a promise is kept by it."""
        with self._turn:
            self._orders.append(order)
            self._promised = NEVER
            self.attend_at = min(self.attend_at, order.at)
            self._turn.notify()

    def promise(self, ahead: int) -> int:
        """Promise that no step beyond one will begin before the next order, and return that step.

        Args:
            ahead: how many steps there may be till then.
        """
        with self._turn:
            if self._inside:
                self._promised = self.step
                return self.step
            while True:
                # A pause that is due before holds this rank there: no later step will come.
                self._promised = self.attend_at = min(self.step + ahead, self.pause_at)
                # If it has got there meanwhile, it may have looked before that was written.
                if self.step < self._promised or self._promised == self.pause_at:
                    return self._promised

    @property
    def is_idle(self) -> bool:
        """Whether no order waits or is being carried out."""
        with self._turn:
            return not self._orders and not self._busy

    def is_full(self, viewer: int) -> bool:
        """Return whether too many orders of a viewer wait already; others are not held up by it."""
        with self._turn:
            return sum(order.viewer == viewer for order in self._orders) >= MAX_WAITING

    def let_go(self) -> None:
        """Take a promise back, and end a pause: nobody is there any more to end it."""
        with self._turn:
            self._promised = self.pause_at = NEVER
            self.paused = False
            self._turn.notify()

    def cancel_promise(self) -> None:
        """Take a promise back."""
        with self._turn:
            self._promised = NEVER
            self._turn.notify()

    def nudge(self) -> None:
        """Have training attend after its next step."""
        self.attend_at = 0
