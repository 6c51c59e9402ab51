"""The widget of a pane: it repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lrtui.ascii_fallback import printable
from lrtui.screen.actions import BY_NAME
from lrtui.screen.panes.pane import Pane
from lrtui.screen.spans import Row, note
from lrtui.screen.view import View

CORNERS = 7
"""Cells of a border above which there is no title."""

LEAST_LINE = 6
"""Cells of the line between a title and its keys, with the blanks beside it, at least."""

GAP = "  "
"""What stands between two keys."""


def bordered_keys(pane: Pane, view: View) -> list[tuple[str, str]]:
    """Return the keys that are about a pane, and what each does in a word."""
    actions = [BY_NAME[name] for name in pane.keys]
    return [
        ("".join(action.signs), action.border or action.footer)
        for action in actions
        if action.is_offered(view.session)
    ]


def told_length(keys: list[tuple[str, str]]) -> int:
    """Return the cells that keys take on a border."""
    return sum(len(sign) + 1 + len(word) for sign, word in keys) + len(GAP) * max(len(keys) - 1, 0)


class PaneWidget(Widget, can_focus=False):
    """Shows the rows of a pane in the colours of the theme.

    Attributes:
        pane: its definition.
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
        self.border_title = pane.title or None
        self.styles_of: dict[str, Style] = {}
        self._rows: list[Row] = []
        self._titled: object = None
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
        self._title(bordered_keys(pane, view))
        waits = pane.waits_for(view)
        depends = waits or (pane.depends_on(view, width) if pane.depends_on else None)
        drawn = (width, height, depends)
        if depends is not None and drawn == self._drawn:
            return
        self._drawn = drawn
        self.show(note(waits, width, height) if waits else pane.draw(view, width, height))

    def _title(self, keys: list[tuple[str, str]]) -> None:
        """Write the title, and at the other end of the border as many of the keys as fit."""
        if not self.pane.title:
            return
        room = self.outer_size.width - CORNERS - len(self.pane.title) - LEAST_LINE
        while keys and told_length(keys) > room:
            keys = keys[:-1]
        drawn = (self.outer_size.width, tuple(keys))
        if drawn == self._titled:
            return
        self._titled = drawn
        line = "─" * (room + LEAST_LINE - 2 - told_length(keys))
        colors = self.app.get_css_variables()
        parts: list[tuple[str, str]] = [(self.pane.title, "")]
        if keys:
            parts.append((f" {line} ", f"not bold {colors['frame']}"))
        for i, (sign, word) in enumerate(keys):
            parts += [(f"{GAP * bool(i)}{sign}", "bold"), (f" {word}", "not bold")]
        self.border_title = Content.assemble(*parts)

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
