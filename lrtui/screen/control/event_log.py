"""The log of events."""

from __future__ import annotations

from lrtui import messages as msg
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Span
from lrtui.session.change import Change


class Log:
    """Appends events to the log of the view."""

    def __init__(self, view: View) -> None:
        """Start with the empty log of a view."""
        self._view = view
        self._start: Span | None = None

    def begin(self, number: int, rate: str) -> None:
        """Log the start of a run at a rate, which is empty where it is not known."""
        log = self._view.log
        if log and log[-1] is self._start and not self._view.race:
            log.pop()  # the previous run had no events
        self._start = (f"run {number} started" + (f", rate {rate}" if rate else ""), "dim")
        log.append(self._start)

    def clear(self) -> None:
        """Empty the log before its messages are replayed."""
        self._view.log.clear()
        self._start = None

    def write(self, text: str, tone: str) -> None:
        """Append a line."""
        self._view.log.append((text, tone))
        self._view.dirty = True

    def follow(self, change: Change) -> None:
        """Log a change if it is an event."""
        run, message, text = change.run, change.message, change.text
        by = f"{run.number}: " if self._view.race and run else ""
        at = "" if change.step is None else f"{change.step:,} "
        match change.kind:
            case "printed" | "no result" | "total":
                self.write(text, "strong")
            case "problem" | "rate":
                for line in text.splitlines():
                    self.write(line, "text")
            case "failed":
                self.write(text, "bad")
            case "unusable" if (text, "bad") not in [*self._view.log][-1:]:
                self.write(text, "bad")
            case "rewound":
                self.clear()
            case "started" | "restarted" if run and not self._view.session.offers("start"):
                self.begin(run.number, run.began_at)
            case "answer" | "refusal":
                assert isinstance(message, msg.Steered)
                if message.done and message.command == "cancel":
                    return  # the answer to the try says the same
                who = "you" if message.answers else message.asked_by
                self.write(f"{message.step:,} {text} ({who})", "text")
            case "headroom":
                self.write(f"{at}{text.partition(':')[0]}", "text")
            case "settled" | "spike" | "recovery" | "ranks":
                tone = {"settled": "good", "spike": "warn"}.get(change.kind, "text")
                self.write(f"{by}{at}{text or change.kind}", tone)
            case "ended":
                assert isinstance(message, msg.Ended)
                known = message.outcome in ("done", "diverged", "stopped")
                self.write(f"{by}{message.step:,} {message.outcome if known else text}", "dim")
