"""The commands that steer a live training."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from lrtui.messages import (
    USUAL_FACTORS,
    Adopt,
    Cancel,
    Checkpoint,
    Command,
    Follow,
    Hold,
    Release,
    Rewind,
    Scale,
    Stop,
    Try,
)
from lrtui.screen.control.view import View
from lrtui.session.tried import advised
from lrtui.text.rates import factor_text

CONFIRM_SECONDS, READ_SECONDS = 5.0, 30.0
"""Seconds within which the second press must follow; after an answer that has to be read first."""


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
        self._asked, self._until = "", 0.0
        self._asks_cost = False  # whether the training was asked what a try would take

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

    def try_rates(self) -> None:
        """Ask what a try would take; try it if that was answered just now."""
        if not self._is_on():
            return
        sure = self._asked == "T" and monotonic() < self._until
        self._asked, self._asks_cost = "", not sure
        self._send(Try(factors=[*USUAL_FACTORS], only_ask=not sure))

    def answered(self, text: str) -> None:
        """Pass on what a try would take, and wait for the second press."""
        if self._asks_cost:
            self._asks_cost = False
            self._asked, self._until = "T", monotonic() + READ_SECONDS
            self._notify(f"T again: {text}", "strong")

    def adopt(self) -> None:
        """Go on from the branch of the last try that is advised."""
        run = self._view.session.current
        tried = run.live.tried if run and run.live else None
        best = advised(tried) if tried is not None else None
        if best is None:
            self._notify("no branch of the last try is better; lrtui tell adopts any", "dim")
        elif self._sure("A", f"goes on from the branch at {factor_text(best.factor)}"):
            self._send(Adopt(factor=best.factor))

    def leave_try(self) -> bool:
        """Cancel a try that is on, or close its result; return whether there was either."""
        run = self._view.session.current
        live = run.live if run is not None else None
        if live is not None and live.trying is not None:
            self._send(Cancel())
            return True
        if live is None or live.tried is None or live.tried is self._view.closed:
            return False
        self._view.closed, self._view.dirty = live.tried, True
        return True

    def _sure(self, key: str, does: str) -> bool:
        """Return whether this is the second press of a key; the first says what it does."""
        now = monotonic()
        if self._asked == key and now < self._until:
            self._asked = ""
            return True
        self._asked, self._until = key, now + CONFIRM_SECONDS
        self._notify(f"{key} again {does}", "strong")
        return False
