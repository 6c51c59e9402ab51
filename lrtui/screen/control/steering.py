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
    Rewind,
    Scale,
    Stop,
    Try,
)
from lrtui.screen.control.view import View
from lrtui.session.tried import advised
from lrtui.text.rates import factor_text

CONFIRM_SECONDS, READ_SECONDS = 5.0, 30.0
"""Seconds for the second press; the same after an answer that the user has to read first."""


class Steering:
    """Sends commands; those that cannot be undone need a second press."""

    def __init__(
        self,
        view: View,
        send: Callable[[Command], None],
        is_on: Callable[[], bool],
        notify: Callable[[str, str], None],
    ) -> None:
        """Start without an open question; ``is_on`` also informs the user if no run is on."""
        self._view = view
        self._send, self._is_on, self._notify = send, is_on, notify
        self._asked, self._until = "", 0.0
        self._asks_cost = False  # whether an answer with the cost of a try is due

    @property
    def is_asking(self) -> bool:
        """Whether a second press of a key is waited for."""
        return bool(self._asked) and monotonic() < self._until

    def ask(self, command: Command, key: str = "", does: str = "") -> None:
        """Send a command if a run is on; one with a key, only at the second press of that."""
        if self._is_on() and (not key or self._sure(key, does)):
            self._send(command)

    def checkpoint(self) -> None:
        """Write a checkpoint."""
        self.ask(Checkpoint(), "k", "writes a checkpoint")

    def stop(self) -> None:
        """Stop the training cleanly."""
        self.ask(Stop(), "S", "stops the training cleanly")

    def rewind(self) -> None:
        """Go back to the last snapshot before the loss rose: see ``Live.way_back``."""
        if not self._is_on():
            return
        live = self._view.live
        if live is None or live.way_back is None:
            self._notify("no snapshot to go back to yet", "bad")
            return
        step, by = live.way_back
        rate = "the rate of then" if by == 1 else "half the rate of then"
        if self._sure("t", f"goes back to the weights of step {step:,}, on at {rate}"):
            self._send(Rewind(step=step, by=by))

    def try_rates(self) -> None:
        """Ask what a try would cost; at the second press, try."""
        if not self._is_on():
            return
        sure = self._asked == "T" and monotonic() < self._until
        self._asked, self._asks_cost = "", not sure
        self._send(Try(factors=[*USUAL_FACTORS], only_ask=not sure))

    def answered(self, text: str) -> None:
        """Show what a try would cost, and wait for the second press."""
        if self._asks_cost:
            self._asks_cost = False
            self._asked, self._until = "T", monotonic() + READ_SECONDS
            self._notify(f"T again: {text}", "strong")

    def adopt(self) -> None:
        """Continue from the advised branch of the last try."""
        live = self._view.live
        best = advised(live.tried) if live is not None and live.tried is not None else None
        if best is None:
            self._notify("no branch of the last try is better; lrtui tell adopts any", "dim")
        elif self._sure("A", f"goes on from the branch at {factor_text(best.factor)}"):
            self._send(Adopt(factor=best.factor))

    def take_rate(self) -> bool:
        """Continue at the rate of the branch that an open result advises; return if one does."""
        best = self._view.rate_offered
        if best is None or not self._is_on():
            return False
        if self._sure("Enter", f"goes on from here at {factor_text(best.factor)} the rate"):
            self._send(Scale(by=best.factor))
        return True

    def leave_try(self) -> bool:
        """Cancel a try that is on, or close its result; return whether there was either."""
        live = self._view.live
        if live is not None and live.trying is not None:
            self._send(Cancel())
            return True
        if live is None or live.tried is None or live.tried is self._view.closed:
            return False
        self._view.closed, self._view.dirty = live.tried, True
        return True

    def _sure(self, key: str, does: str) -> bool:
        """Return whether this is the second press of a key; at the first, say what it does."""
        now = monotonic()
        if self._asked == key and now < self._until:
            self._asked = ""
            return True
        self._asked, self._until = key, now + CONFIRM_SECONDS
        self._notify(f"{key} again {does}", "strong")
        return False
