"""The widget of a pane: it repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from lrtui.screen.border import Frame, Hint, action_at, upper
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, length, note
from lrtui.screen.panes.pane import Pane
from lrtui.text.ascii_fallback import printable

PADDING = 2
"""Cells of the border at the left and of the blank beside it."""


class PaneWidget(Widget, can_focus=False):
    """Shows the rows of a pane in the colours of the theme.

    Attributes:
        pane: its definition.
        frame: the borders that it draws, ``None`` if it has none.
        styles_of: style of each tone.
    """

    def __init__(self, pane: Pane, view: View) -> None:
        """Start empty, and hidden until it is placed."""
        super().__init__(id=pane.id)
        self.display = False
        self.pane = pane
        self._view = view
        self.frame: Frame | None = None
        self.styles_of: dict[str, Style] = {}
        self._rows: list[Row] = []
        self._hints: list[Hint] = []
        self._drawn: object = None
        self._base = Style.null()

    def move(self, region: Region, frame: Frame | None) -> None:
        """Move it to a region of the screen."""
        self.frame = frame
        styles = self.styles
        styles.offset = (region.x, region.y)
        styles.width, styles.height = region.size

    @property
    def inner(self) -> Size:
        """Columns and rows of the drawing of the pane; a heading stands on the upper border."""
        width, height = self.size
        if (frame := self.frame) is None:
            return Size(width, height)
        below = bool(frame.bottom) + (not self.pane.heading)
        return Size(max(width - PADDING - bool(frame.right), 0), max(height - below, 0))

    def inside(self, x: int, y: int) -> tuple[int, int]:
        """Return the column and row of a cell of the widget in the drawing of the pane."""
        return (x, y) if self.frame is None else (x - PADDING, y - (not self.pane.heading))

    def action_at(self, x: int, y: int) -> str | None:
        """Return the action whose key on the upper border is clicked."""
        return action_at(self._hints, x) if self.frame and y == 0 else None

    def on_resize(self) -> None:
        """Request a paint at the new size."""
        self._view.dirty = True

    def paint(self) -> bool:
        """Draw the pane again, if anything that it depends on has changed; return whether it has.

        What is hidden is not drawn.
        """
        pane, view = self.pane, self._view
        width, height = self.inner
        if width < 1 or height < 1 or not self.display:
            return False
        waits = pane.waits_for(view)
        depends = waits or (pane.depends_on(view, width) if pane.depends_on else None)
        offered = view.session.greeting and view.session.greeting.capabilities
        drawn = (width, height, depends, self.frame, offered, view.session.is_on)
        if depends is not None and drawn == self._drawn:
            return False
        self._drawn = drawn
        rows = note(waits, width, height) if waits else pane.draw(view, width, height)
        self.show(self._framed(rows))
        return True

    def _framed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of a pane within its borders."""
        if (frame := self.frame) is None:
            return [*rows]
        pane = self.pane
        heading, body = (rows[0], rows[1:]) if pane.heading and rows else ([], rows)
        line, self._hints = upper(frame.top, pane.title, heading, pane.keys, self._view.session)
        width = self.inner.width
        found = [line]
        for y in range(1, len(frame.left) - bool(frame.bottom)):
            row = body[y - 1] if y <= len(body) else []
            blank = " " * (width - length(row))
            right = [(frame.right[y], "frame")] if frame.right else []
            found.append([(f"{frame.left[y]} ", "frame"), *row, (blank, "text"), *right])
        return [*found, *([[(frame.bottom, "frame")]] if frame.bottom else [])]

    def show(self, rows: Sequence[Row]) -> None:
        """Show rows from now on."""
        # They may come from a file, or from whatever training code printed.
        safe = [[(printable(text), tone) for text, tone in row] for row in rows]
        old, self._rows = self._rows, safe
        width, height = self.size
        changed = [y for y in range(height) if old[y : y + 1] != self._rows[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Render rows; their style under the text is looked up once, as that takes long."""
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Return row ``y`` as a strip of textual's."""
        base = self._base
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip([Segment(text, base + self.styles_of[tone]) for text, tone in row if text])
        return strip.adjust_cell_length(self.size.width, base)
