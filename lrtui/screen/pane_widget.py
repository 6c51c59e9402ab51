"""The widget of a pane: it repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lrtui.screen.actions import BY_NAME
from lrtui.screen.border import Border
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, note
from lrtui.screen.panes.pane import Pane
from lrtui.text.ascii_fallback import printable


class PaneWidget(Widget, can_focus=False):
    """Shows the rows of a pane in the colours of the theme.

    Attributes:
        pane: its definition.
        border: its upper border, ``None`` if it has none.
        styles_of: style of each tone.
    """

    def __init__(self, pane: Pane, view: View) -> None:
        """Start empty.

        Args:
            pane: what it shows.
            view: what that is drawn from.
        """
        super().__init__(id=pane.id, classes="titled" if pane.title else "")
        self.pane = pane
        self._view = view
        words = {name: BY_NAME[name].border or BY_NAME[name].footer for name in pane.keys}
        self.border = Border(self, pane.title, words) if pane.title else None
        self.styles_of: dict[str, Style] = {}
        self._rows: list[Row] = []
        self._drawn: object = None

    def on_resize(self) -> None:
        """Have it painted at its new size."""
        self._view.dirty = True

    def paint(self) -> None:
        """Bring it up to date; draw only where something that it shows has changed."""
        pane, view = self.pane, self._view
        width, height = self.content_size
        if width < 1 or height < 1:
            return
        if self.border is not None:
            self.border.paint(view.session)
        waits = pane.waits_for(view)
        depends = waits or (pane.depends_on(view, width) if pane.depends_on else None)
        drawn = (width, height, depends)
        if depends is not None and drawn == self._drawn:
            return
        self._drawn = drawn
        self.show(note(waits, width, height) if waits else pane.draw(view, width, height))

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows from now on."""
        # What is shown may come from a file, or from whatever training code printed.
        safe = [[(printable(text), tone) for text, tone in row] for row in rows]
        old, self._rows = self._rows, safe
        width, height = self.content_size
        changed = [y for y in range(height) if old[y : y + 1] != self._rows[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Return row ``y`` as textual wants it."""
        base: Style = self.rich_style
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip([Segment(text, base + self.styles_of[tone]) for text, tone in row if text])
        return strip.adjust_cell_length(self.content_size.width, base)
