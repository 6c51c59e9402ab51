"""The commands that steer a live training."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from lrtui.messages import Checkpoint, Command, Follow, Hold, Release, Rewind, Scale, Stop
from lrtui.screen.control.view import View

CONFIRM_SECONDS = 5.0
"""Seconds within which the second press must follow."""


class Steering:
    """Sends commands; those that cannot be undone need a second press."""

    def __init__(
        self,
        view: View,
        send: Callable[[Command], None],
        is_on: Callable[[], bool],
        notify: Callable[[str, str], None],
    ) -> None:
        """Start without an open question.

        Args:
            view: the state of the screen.
            send: sends a command.
            is_on: returns whether a run is on; if not, tells the user.
            notify: shows a message in a tone.
        """
        self._view = view
        self._send, self._is_on, self._notify = send, is_on, notify
        self._asked, self._asked_at = "", 0.0

    def hold(self, lr: float) -> None:
        """Hold the rate."""
        if self._is_on():
            self._send(Hold(lr=lr))

    def scale(self, factor: float) -> None:
        """Multiply the rate in force, keeping schedule and ratios of groups."""
        if self._is_on():
            self._send(Scale(by=factor))

    def release(self) -> None:
        """Give the rate back to the schedule."""
        if self._is_on():
            self._send(Release())

    def follow(self) -> None:
        """Watch the next optimizer of the script."""
        if self._is_on():
            self._send(Follow())

    def checkpoint(self) -> None:
        """Ask for a checkpoint."""
        if self._is_on() and self._sure("k", "writes a checkpoint"):
            self._send(Checkpoint())

    def stop(self) -> None:
        """Ask the training to end cleanly."""
        if self._is_on() and self._sure("S", "stops the training cleanly"):
            self._send(Stop())

    def rewind(self) -> None:
        """Go back to the last snapshot before the loss rose: see ``Live.way_back``."""
        if not self._is_on():
            return
        run = self._view.session.current
        way = run.live.way_back if run and run.live else None
        if way is None:
            self._notify("no snapshot to go back to yet", "bad")
            return
        step, by = way
        rate = "the rate of then" if by == 1 else "half the rate of then"
        if self._sure("t", f"goes back to the weights of step {step:,}, on at {rate}"):
            self._send(Rewind(step=step, by=by))

    def _sure(self, key: str, does: str) -> bool:
        """Return whether this is the second press of a key; the first says what it does."""
        now = monotonic()
        if self._asked == key and now < self._asked_at + CONFIRM_SECONDS:
            self._asked = ""
            return True
        self._asked, self._asked_at = key, now
        self._notify(f"{key} again {does}", "strong")
        return False
