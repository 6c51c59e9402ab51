"""A pane of text that repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lrtui.ascii_fallback import printable
from lrtui.screen.spans import Row


class Pane(Widget, can_focus=False):
    """Shows rows of text in tones."""

    def __init__(self, *, id: str) -> None:
        """Starts empty."""
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._shown: Hashable = None

    def update(self, draw: Callable[[int, int], Sequence[Row]], *depends_on: Hashable) -> None:
        """Shows what is drawn for the pane's size.

        Args:
            draw: is given columns and rows.
            depends_on: where it is named and is as at the last call, nothing is drawn anew.
        """
        width, height = self.content_size
        shown = (width, height, *depends_on)
        if width < 1 or height < 1 or (depends_on and shown == self._shown):
            return
        self._shown = shown
        self.show(draw(width, height))

    def show(self, rows: Sequence[Row]) -> None:
        """Shows these rows from now on."""
        # What is shown may come from a file, or from whatever training code printed.
        safe = [[(printable(text), tone) for text, tone in row] for row in rows]
        old, self._rows = self._rows, safe
        width, height = self.content_size
        changed = [y for y in range(height) if old[y : y + 1] != self._rows[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Returns row ``y`` as textual wants it."""
        base: Style = self.rich_style
        styles = self.screen.tones  # type: ignore[attr-defined]
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip([Segment(text, base + styles[tone]) for text, tone in row if text])
        return strip.adjust_cell_length(self.content_size.width, base)
