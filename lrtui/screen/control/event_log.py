"""The log: what happened, written down as lines while the messages come."""

from __future__ import annotations

from time import monotonic

from lrtui import messages as msg
from lrtui.screen.control.view import LOG_LINES, View
from lrtui.screen.draw.spans import Span
from lrtui.session.change import Change
from lrtui.session.run import Run
from lrtui.session.sentences import format_losses
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

    def follow(self, change: Change) -> None:
        """Write what a message changed, if a person is to know of it."""
        run, message, text = change.run, change.message, change.text
        by = f"{run.number}: " if self._view.race and run else ""
        match change.kind:
            case "printed" | "no result":
                self.write(text, "change")
            case "problem":
                for remark in reversed(text.splitlines()):
                    self.write(remark, "text")
            case "failed":
                self.write(text, "bad")
            case "unusable" if (text, "bad") not in [*self._view.log][:1]:
                self.write(text, "bad")
            case "rewound":
                self.clear()
            case "started" | "restarted" if run and not self._view.session.offers("start"):
                self.begin(run.number, run.lr)
            case "rate":
                self.write(text, "change")
            case "answer" | "refusal":
                assert isinstance(message, msg.Steered)
                who = "you" if message.answers else message.asked_by
                self.write(f"{message.step:,} {text} ({who})", "change")
            case "ended":
                self.write(by + text, "dim")
            case "progress":
                assert isinstance(message, msg.Progress)
                self._write_losses(message, run)

    def _write_losses(self, progress: msg.Progress, run: Run | None) -> None:
        if run is None or run is not self._view.session.current:
            return
        if run.live is None:
            for step, loss in format_losses(progress, self._every, LOG_LINES):
                self.write(f"{step:>6,} {loss}", "text")
        elif monotonic() > self._told_at + LIVE_EVERY and not progress.no_loss:
            self._told_at = monotonic()
            step, loss = [*format_losses(progress, 1)][-1]
            self.write(f"{step:>6,} {loss}", "text")
