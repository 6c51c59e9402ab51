"""A pane of text that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lrtui.screen.rows import Row


class Pane(Widget, can_focus=False):
    """Shows rows of text in tones, and sends the terminal what differs from the last ones."""

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
        old, self._rows = self._rows, list(rows)
        width, height = self.content_size
        blank: Row = []
        regions = []
        for y in range(height):
            before = old[y] if y < len(old) else blank
            after = self._rows[y] if y < len(self._rows) else blank
            if before != after:
                start, end = difference(before, after, width)
                if start < end:
                    regions.append(Region(start, y, end - start, 1))
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Returns row ``y`` as textual wants it."""
        base: Style = self.rich_style
        styles = self.screen.tones  # type: ignore[attr-defined]
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip([Segment(text, base + styles[tone]) for text, tone in row if text])
        return strip.adjust_cell_length(self.content_size.width, base)


def difference(before: Row, after: Row, width: int) -> tuple[int, int]:
    """Returns the first cell in which two rows differ and the one after the last."""
    if any(cell_len(text) != len(text) for row in (before, after) for text, _ in row):
        return 0, width  # characters of two cells or none: no cell is where it is counted
    old, new = list(cells(before, width)), list(cells(after, width))
    differing = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    return (differing[0], differing[-1] + 1) if differing else (0, 0)


def cells(row: Row, width: int) -> Iterator[tuple[str, str]]:
    """Yields each cell of a row with its tone, cut or padded with blanks to the width."""
    left = width
    for text, tone in row:
        for character in text[:left]:
            yield character, "" if character == " " else tone
        left -= min(len(text), left)
    for _ in range(left):
        yield " ", ""
