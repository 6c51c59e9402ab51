"""The upper border of a pane: its title, and at the other end the keys that are about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.content import Content
from textual.widget import Widget

from lrtui.screen.actions import ACTIONS, BY_NAME
from lrtui.session.session import Session

BOX = "learning rate"
"""Title of the box of the rate."""

BOX_KEYS = {
    "shrink": "scale",
    "release": "release",
    "zoom_ruler": "zoom",
    "every_rate": "every rate",
}
"""The actions whose keys stand on the border of that box, and a word for each."""

CORNERS = 7
"""Cells of a border above which there is no title."""

LEAST_LINE = 6
"""Cells of the line between a title and its keys, with the blanks beside it, at least."""

RIGHT = 4
"""Cells of a border right of its keys."""

GAP = "  "
"""What stands between two keys."""


class Border:
    """Writes the upper border of a widget; only where it is another than before."""

    def __init__(self, widget: Widget, title: str, words: Mapping[str, str]) -> None:
        """Write the title alone at first: how wide the widget is is not known yet.

        Args:
            widget: has a border.
            title: at its left end.
            words: what the keys at its right end do, by the name of the action.
        """
        self._widget, self._title, self._words = widget, title, words
        self._drawn: object = None
        self._keys: list[tuple[str, str]] = []
        self._names: list[str] = []
        widget.border_title = title

    def paint(self, session: Session) -> None:
        """Write as many of the keys as fit, of those that the source can serve."""
        named = [
            (name, "".join(BY_NAME[name].signs), word)
            for name, word in self._words.items()
            if BY_NAME[name].is_offered(session)
        ]
        keys = [(sign, word) for _, sign, word in named]
        width = self._widget.outer_size.width
        room = width - CORNERS - len(self._title) - LEAST_LINE
        while keys and cells(keys) > room:
            keys.pop()
        if (drawn := (width, keys)) == self._drawn:
            return
        self._drawn = drawn
        self._names = [name for name, _, _ in named[: len(keys)]]
        self._keys = keys
        line = "─" * (room + LEAST_LINE - 2 - cells(keys))
        frame = self._widget.app.get_css_variables()["frame"]
        parts: list[tuple[str, str]] = [(self._title, "")]
        if keys:
            parts.append((f" {line} ", f"not bold {frame}"))
        for i, (sign, word) in enumerate(keys):
            parts += [(f"{GAP * bool(i)}{sign}", "bold"), (f" {word}", "not bold")]
        self._widget.border_title = Content.assemble(*parts)

    def action_at(self, x: int, y: int) -> str | None:
        """Return the action whose key is in a cell of the screen; of two keys, the one hit."""
        region = self._widget.region
        if not self._widget.display or y != region.y or not self._keys:
            return None
        start = region.right - RIGHT - cells(self._keys)
        for name, (sign, word) in zip(self._names, self._keys, strict=True):
            action, end = BY_NAME[name], start + len(sign) + 1 + len(word)
            if start <= x < end:
                is_second = action.pair and len(action.sign) <= x - start < len(sign)
                return ACTIONS[ACTIONS.index(action) + 1].name if is_second else name
            start = end + len(GAP)
        return None


def cells(keys: Sequence[tuple[str, str]]) -> int:
    """Return the cells that keys take on a border."""
    return sum(len(sign) + 1 + len(word) for sign, word in keys) + len(GAP) * max(len(keys) - 1, 0)
