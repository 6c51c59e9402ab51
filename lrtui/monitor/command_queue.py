"""Hands commands to the training thread.

A step costs the training one comparison and no lock unless a command is due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

from lrtui.messages import AnyCommand

NEVER = 1 << 62
"""A step that is never reached."""

MAX_WAITING = 100
"""Most commands of one viewer that may wait."""


@dataclass(frozen=True)
class PendingCommand:
    """A command to carry out.

    Attributes:
        asked_by: name of the sender, empty for ourselves.
        viewer: number of the sender, 0 for none of this process.
        at: step after which to carry it out; 0 for the next one.
    """

    command: AnyCommand
    asked_by: str = ""
    viewer: int = 0
    at: int = 0


class CommandQueue:
    """Commands for the training thread, which calls ``attend`` when one is due.

    Attributes:
        step: steps taken.
        attend_at: step from which on the training must call ``attend``.
        paused: whether the training is paused.
        pause_at: step after which to pause it.
        wake_at: step from which on it must call ``attend`` without a command.
    """

    def __init__(self, carry_out: Callable[[PendingCommand], None]) -> None:
        """Create an empty queue; ``carry_out`` is called in the training thread."""
        self.step = 0
        self.attend_at = NEVER
        self.paused = False
        self.pause_at = self.wake_at = NEVER
        self._carry_out = carry_out
        self._changed = Condition()
        self._pending: list[PendingCommand] = []
        self._promised = NEVER
        self._inside = self._busy = False

    # In the training thread:

    def attend(self) -> None:
        """Carry out the commands due after this step; block while paused or held by a promise."""
        try:
            while (pending := self._next()) is not None:
                self._carry_out(pending)
        except BaseException:
            with self._changed:
                self._inside = self._busy = False
            raise

    def _next(self) -> PendingCommand | None:
        """Return the next command due, ``None`` once the training may continue."""
        with self._changed:
            self._inside, self._busy = True, False
            while True:
                if self.step >= self.pause_at:
                    self.paused, self.pause_at = True, NEVER
                for pending in self._pending:
                    if pending.at <= self.step:
                        self._pending.remove(pending)
                        self._busy = True
                        return pending
                if not self.paused and self.step < self._promised:
                    break
                self._changed.wait()
            self._inside = False
            waiting = [pending.at for pending in self._pending]
            self.attend_at = min([self._promised, self.pause_at, self.wake_at, *waiting])
            return None

    # In any other thread:

    def post(self, pending: PendingCommand) -> None:
        """Add a command; ends a promise."""
        with self._changed:
            self._pending.append(pending)
            self._promised = NEVER
            self.attend_at = min(self.attend_at, pending.at)
            self._changed.notify()

    def promise(self, ahead: int) -> int:
        """Hold training at ``step + ahead`` until a command is posted; return that step."""
        with self._changed:
            if self._inside:
                self._promised = self.step
                return self.step
            while True:
                # A pause due earlier holds this rank there: no later step will come.
                self._promised = min(self.step + ahead, self.pause_at)
                self.attend_at = min(self._promised, self.wake_at)
                # If the training is there by now, it may have read attend_at before this write.
                if self.step < self._promised or self._promised == self.pause_at:
                    return self._promised

    @property
    def is_idle(self) -> bool:
        """Whether no command waits or is being carried out."""
        with self._changed:
            return not self._pending and not self._busy

    def is_full(self, viewer: int) -> bool:
        """Return whether this viewer has too many commands waiting; others are not affected."""
        with self._changed:
            return sum(pending.viewer == viewer for pending in self._pending) >= MAX_WAITING

    def release_all(self) -> None:
        """Cancel the promise and end the pause, because nobody is left to end them."""
        with self._changed:
            self._promised = self.pause_at = NEVER
            self.paused = False
            self._changed.notify()

    def cancel_promise(self) -> None:
        """Cancel the promise."""
        with self._changed:
            self._promised = NEVER
            self._changed.notify()

    def nudge(self) -> None:
        """Make the training call ``attend`` after its next step."""
        self.attend_at = 0
