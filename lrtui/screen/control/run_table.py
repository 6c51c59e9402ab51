"""Actions on the runs in the table: highlight, pin, hide, name, remove and export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lrtui.messages import Marked
from lrtui.screen.control.view import View
from lrtui.session.run import Run


class Table:
    """Changes how runs are shown; training is not affected."""

    def __init__(
        self, view: View, note: Callable[[Marked], None], notify: Callable[[str, str], None]
    ) -> None:
        """Create the table; ``note`` records a mark with the messages of the runs."""
        self._view, self._note, self._notify = view, note, notify

    def highlight_next(self, *, down: bool) -> None:
        """Highlight the next run down or up the table, which lists the newest run first.

        Several trainings are listed in their own order.
        """
        numbers = [run.number for run in self._view.session.runs]
        if down != self._view.several:
            numbers.reverse()
        current, highlighted = self._view.session.current, self._view.highlighted
        if current is None:
            return
        at = current.number if highlighted is None else highlighted
        after = [*numbers, None][numbers.index(at) + 1] if at in numbers else None
        if after is not None:
            self.highlight(after)

    def highlight(self, number: int | None) -> None:
        """Highlight a run, or none; one of a race, or the current one, is in focus instead."""
        current_group = [run.number for run in self._view.session.current_group]
        if number in current_group:
            self._view.session.focus = number
            number = None
        self._view.highlighted = number
        self._view.dirty = True

    def pin(self) -> None:
        """Pin the selected run to the charts; hide it if pinned, show it if hidden."""
        if (run := self._view.pointed_at) is not None:
            self.mark(run, pinned=not (run.pinned or run.hidden), hidden=run.pinned)

    def remove(self) -> None:
        """Remove the highlighted run; without a highlight, only say how."""
        run = self._view.pointed_at
        if run is None or self._view.highlighted is None:
            self._notify("highlight a run with ↓ first; x then removes it", "bad")
            return
        if run.is_on:
            self._notify("this run is still on: x removes only finished runs", "bad")
            return
        self.mark(run, removed=True)
        self._view.highlighted = None

    def mark(self, run: Run, **changed: Any) -> None:  # noqa: ANN401 - fields of the message
        """Change and record the marks of a run."""
        now = Marked(run=run.number, name=run.name, pinned=run.pinned, hidden=run.hidden)
        mark = replace(now, **changed)
        self._view.session.apply(mark)
        self._note(mark)
        self._view.dirty = True

    def export(self, suffix: str = ".csv") -> None:
        """Write the losses of the runs to a file in the current folder."""
        # Imports numpy, too slow for the first frame.
        from lrtui.session.export import export

        try:
            path, rows = export(self._view.session.runs, Path.cwd(), suffix)
        except OSError as error:
            self._notify(f"the runs were not written: {error.strerror}", "bad")
        else:
            losses = f"{rows:,} losses" if rows != 1 else "1 loss"
            self._notify(f"{losses} written to {path}", "good")
