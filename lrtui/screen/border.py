"""The borders of panes: neighbours share one; key hints on them can be clicked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.geometry import Region

from lrtui.screen.actions import ACTIONS, BY_NAME
from lrtui.screen.draw.spans import Row, fitted, length
from lrtui.session.session import Session

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8

JOINTS = {
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    RIGHT | DOWN: "╭",
    LEFT | DOWN: "╮",
    RIGHT | UP: "╰",
    LEFT | UP: "╯",
    UP | RIGHT | DOWN: "├",
    UP | LEFT | DOWN: "┤",
    LEFT | RIGHT | DOWN: "┬",
    LEFT | RIGHT | UP: "┴",
    UP | RIGHT | DOWN | LEFT: "┼",
}
"""The character of a cell by the directions of its lines."""

MIN_LINE = 4
"""Minimum cells of line between a heading and the keys."""

GAP = "  "
"""Between two keys."""


class Frame(NamedTuple):
    """The border cells that a pane draws; its neighbours draw the shared ones.

    Attributes:
        region: of the pane, including these cells.
        top: the upper border, from end to end.
        left: the border at the left, from top to bottom.
        right: that at the right, empty where a neighbour draws it.
        bottom: the lower border, empty where a neighbour draws it.
    """

    region: Region
    top: str
    left: str
    right: str
    bottom: str


class Hint(NamedTuple):
    """A key on a border.

    Attributes:
        action: what it does.
        start: its first column.
        end: the column after its word.
    """

    action: str
    start: int
    end: int


def frames(boxes: Mapping[str, Region]) -> dict[str, Frame]:
    """Return the part of the borders that each pane draws.

    Args:
        boxes: regions with all four borders; neighbours overlap by the shared one.
    """
    arms: dict[tuple[int, int], int] = defaultdict(int)
    for box in boxes.values():
        for y in (box.y, box.bottom - 1):
            for x in range(box.x, box.right - 1):
                arms[x, y] |= RIGHT
                arms[x + 1, y] |= LEFT
        for x in (box.x, box.right - 1):
            for y in range(box.y, box.bottom - 1):
                arms[x, y] |= DOWN
                arms[x, y + 1] |= UP
    signs = {at: JOINTS[bits] for at, bits in arms.items()}
    found = {}
    for name, box in boxes.items():
        others = [other for other in boxes.values() if other is not box]
        at_right = any(o.x == box.right - 1 and o.y < box.bottom - 1 for o in others)
        at_bottom = any(o.y == box.bottom - 1 and o.x < box.right - 1 for o in others)
        width, height = box.width - at_right, box.height - at_bottom
        across, down = range(box.x, box.x + width), range(box.y, box.y + height)
        found[name] = Frame(
            Region(box.x, box.y, width, height),
            "".join(signs[x, box.y] for x in across),
            "".join(signs[box.x, y] for y in down),
            "" if at_right else "".join(signs[box.right - 1, y] for y in down),
            "" if at_bottom else "".join(signs[x, box.bottom - 1] for x in across),
        )
    return found


def upper(
    line: str, title: str, heading: Row, actions: Sequence[str], session: Session
) -> tuple[Row, list[Hint]]:
    """Return the upper border of a pane, and the keys that fit on it.

    Args:
        line: the border alone.
        title: of the pane.
        heading: of its chart.
        actions: its keys; those that the source cannot serve are left out.
        session: knows what the source can serve.
    """
    start: Row = [(line[0], "frame"), (f" {title} ", "strong")]
    said = fitted(heading, len(line) - length(start) - 2)
    start += [*said, (" ", "frame")] if said else []
    at = length(start)
    keys = [
        (name, "".join(BY_NAME[name].signs), BY_NAME[name].border or BY_NAME[name].footer)
        for name in actions
        if BY_NAME[name].is_offered(session)
    ]
    room = len(line) - at - MIN_LINE - 3
    while keys and sum(len(sign) + len(word) + 3 for _, sign, word in keys) - 2 > room:
        keys.pop()
    end: Row = []
    column = len(line) - 2 - sum(len(sign) + len(word) + 3 for _, sign, word in keys) + 2
    hints = []
    for name, sign, word in keys:
        end += [(sign, "strong"), (f" {word}", "dim"), (GAP, "frame")]
        hints.append(Hint(name, column, column + len(sign) + 1 + len(word)))
        column += len(sign) + 1 + len(word) + len(GAP)
    if end:
        end[-1] = (" ", "frame")
        first = hints[0].start - 1
        return [*start, (f"{line[at:first]} ", "frame"), *end, (line[-1:], "frame")], hints
    return [*start, (line[at:], "frame")], hints


def action_at(hints: Sequence[Hint], column: int) -> str | None:
    """Return the action of the key in a column of a border; a pair counts as two keys."""
    for name, start, end in hints:
        if start <= column < end:
            action = BY_NAME[name]
            signs = "".join(action.signs)
            is_second = action.pair and len(action.sign) <= column - start < len(signs)
            return ACTIONS[ACTIONS.index(action) + 1].name if is_second else name
    return None
