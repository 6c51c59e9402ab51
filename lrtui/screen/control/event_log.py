"""The log: what happened, written down as lines while the messages come."""

from __future__ import annotations

from time import monotonic

from lrtui import messages as msg
from lrtui.screen.control.view import LOG_LINES, View
from lrtui.screen.draw.spans import Span
from lrtui.session.sentences import change_text, format_losses
from lrtui.text.rates import rate_text

LIVE_EVERY = 1.0
"""Seconds between two losses of a training that is not ours."""


class Log:
    """Writes into the log of the view, most recent first."""

    def __init__(self, view: View, every: int) -> None:
        """Write nothing yet.

        Args:
            view: what there is to show.
            every: steps between two losses of a run of ours.
        """
        self._view, self._every = view, every
        self._told_at = 0.0  # when the loss of a training that is not ours was written last
        self._run_line: Span | None = None

    def begin(self, number: int, lr: float) -> None:
        """Write that a run begins."""
        log = self._view.log
        if self._run_line is not None and log[0] is self._run_line and not self._view.race:
            log.popleft()  # the run before has not done anything to tell
        self._run_line = (f"run {number}  rate {rate_text(lr)}", "dim")
        log.appendleft(self._run_line)

    def clear(self) -> None:
        """Take back all of it, because it is told again."""
        self._view.log.clear()
        self._run_line = None

    def write(self, text: str, tone: str) -> None:
        """Write a line."""
        self._view.log.appendleft((text, tone))
        self._view.dirty = True

    def take(self, message: msg.AnyMessage, *, changed: bool, moved: bool) -> None:
        """Write what a message tells.

        Args:
            message: what the session has taken in.
            changed: whether it changed anything there.
            moved: whether it changed the rate of the run in focus.
        """
        run = self._view.session.current
        number = getattr(message, "run", None)
        by = f"{number}: " if self._view.race and number else ""
        match message:
            case msg.Printed(text=text):
                self.write(text, "change")
            case msg.NoResult(work=work, reason=reason):
                self.write(f"no {work}: {reason}", "change")
            case msg.ProblemFacts(remarks=remarks):
                for remark in reversed(remarks):
                    self.write(remark, "text")
            case msg.Unusable(reason=reason) if (reason, "bad") not in [*self._view.log][:1]:
                self.write(reason, "bad")
            case msg.Failed(reason=reason):
                self.write(reason, "bad")
            case msg.Rewound():
                self.clear()
            case msg.Started() if changed and not self._view.session.offers("start"):
                self.begin(message.run, message.lr)
            case msg.State() if changed and message.asked_by and moved:
                self.write(change_text(message), "change")
            case msg.Steered() if changed:
                by = "you" if message.answers else message.asked_by
                self.write(f"{message.step:,} {message.text} ({by})", "change")
            case msg.Progress() if changed and run and run.live:
                due = monotonic() > self._told_at + LIVE_EVERY
                if run.is_on and due and not message.no_loss:
                    self._told_at = monotonic()
                    step, loss = [*format_losses(message, 1)][-1]
                    self.write(f"{step:>6,} {loss}", "text")
            case msg.Progress() if changed and run and run.number == number:
                for step, loss in format_losses(message, self._every, LOG_LINES):
                    self.write(f"{step:>6,} {loss}", "text")
            case msg.Ended() if changed:
                self.write(by + message.reason, "dim")
