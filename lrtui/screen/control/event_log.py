"""The log of events: written while the messages come."""

from __future__ import annotations

from lrtui import messages as msg
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Span
from lrtui.session.run import Run
from lrtui.session.sentences import change_text, times_text
from lrtui.text.rates import rate_text


class Log:
    """Writes events into the log of the view, the most recent last."""

    def __init__(self, view: View) -> None:
        """Start with an empty log.

        Args:
            view: has the log.
        """
        self._view = view
        self._start: Span | None = None
        self._noted: set[tuple[int, str, int]] = set()  # run, event and step

    def begin(self, number: int, lr: float) -> None:
        """Write that a run begins."""
        log = self._view.log
        if log and log[-1] is self._start and not self._view.race:
            log.pop()  # nothing has happened in the run before
        self._start = (f"run {number} started, rate {rate_text(lr)}", "dim")
        log.append(self._start)

    def clear(self) -> None:
        """Empty the log, because its messages are sent again."""
        self._view.log.clear()
        self._start = None
        self._noted.clear()

    def write(self, text: str, tone: str) -> None:
        """Write a line."""
        self._view.log.append((text, tone))
        self._view.dirty = True

    def take(self, message: msg.AnyMessage, *, changed: bool, moved: bool) -> None:
        """Write the event that a message reports, if any.

        Args:
            message: what the session has applied.
            changed: whether it changed anything there.
            moved: whether it changed the rate of the run in focus.
        """
        run = self._view.session.of(message)
        by = f"{run.number}: " if self._view.race and run else ""
        match message:
            case msg.Printed(text=text):
                self.write(text, "strong")
            case msg.NoResult(work=work, reason=reason):
                self.write(f"no {work}: {reason}", "strong")
            case msg.ProblemFacts(remarks=remarks):
                for remark in remarks:
                    self.write(remark, "text")
            case msg.Unusable(reason=reason) if (reason, "bad") not in [*self._view.log][-1:]:
                self.write(reason, "bad")
            case msg.Failed(reason=reason):
                self.write(reason, "bad")
            case msg.Rewound():
                self.clear()
            case msg.Started() if changed and not self._view.session.offers("start"):
                self.begin(message.run, message.lr)
            case msg.State() if changed and message.asked_by and moved:
                self.write(change_text(message), "text")
            case msg.Steered() if changed:
                who = "you" if message.answers else message.asked_by
                self.write(f"{message.step:,} {message.text} ({who})", "text")
            case msg.Progress() if changed and run is not None:
                self._note_progress(run, by)
            case msg.Ended() if changed:
                said = "done" if message.outcome == "done" else message.reason
                self.write(f"{by}{message.step:,} {said}", "dim")

    def _note_progress(self, run: Run, by: str) -> None:
        """Write that a run has settled, or that its loss spiked and came back, once each."""
        spike = run.live.spike if run.live is not None else None
        found: list[tuple[str, int, str, str]] = []
        if (at := run.settled_at) is not None:
            found.append(("settled", at, "settled", "good"))
        if spike is not None:
            found.append(("spike", spike.step, f"spike, {times_text(spike.times)}", "warn"))
            if spike.over is not None:
                over = spike.step + spike.over
                found.append(("over", spike.step, f"back at {over:,}", "text"))
        for kind, step, text, tone in found:
            if (run.number, kind, step) not in self._noted:
                self._noted.add((run.number, kind, step))
                self.write(f"{by}{step:,} {text}", tone)
