"""The borders of panes: neighbours share one; key hints on them can be clicked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.geometry import Region

from lrtui.screen.actions import BY_NAME
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
"""Blanks after a key."""


class Frame(NamedTuple):
    """The border cells that a pane draws; its neighbours draw the shared ones.

    Attributes:
        region: of the pane, including these cells.
        top: the upper border, from end to end.
        left: the border at the left, from top to bottom.
        right: the border at the right, empty if a neighbour draws it.
        bottom: the lower border, empty if a neighbour draws it.
    """

    region: Region
    top: str
    left: str
    right: str
    bottom: str


class Hint(NamedTuple):
    """A key on a border: its action, its first column, and the column after its word."""

    action: str
    start: int
    end: int


def frames(boxes: Mapping[str, Region]) -> dict[str, Frame]:
    """Return the part of the borders that each pane draws.

    ``boxes`` are regions with all four borders; neighbours overlap by the shared one.
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
        actions: its keys.
        session: decides which of these are offered.
    """
    start: Row = [(line[0], "frame"), (f" {title} ", "strong")]
    said = fitted(heading, len(line) - length(start) - 2)
    start += [*said, (" ", "frame")] if said else []
    at = length(start)
    keys: list[tuple[str, Row]] = [
        (key.name, [("".join(key.signs), "strong"), (f" {key.border or key.footer}", "dim")])
        for key in map(BY_NAME.__getitem__, actions)
        if key.is_offered(session)
    ]
    room = len(line) - at - MIN_LINE - 1
    while keys and (size := sum(length(row) + len(GAP) for _, row in keys)) > room:
        keys.pop()
    if not keys:
        return [*start, (line[at:], "frame")], []
    column = len(line) - size
    hints, end = [], [(f"{line[at : column - 1]} ", "frame")]
    for name, row in keys:
        hints.append(Hint(name, column, column + length(row)))
        column += length(row) + len(GAP)
        end += [*row, (GAP, "frame")]
    return [*start, *end[:-1], (f" {line[-1:]}", "frame")], hints


def action_at(hints: Sequence[Hint], column: int) -> str | None:
    """Return the action of the key in a column of a border; a pair counts as two keys."""
    for name, start, end in hints:
        if start <= column < end:
            return BY_NAME[name].pressed_at(column - start).name
    return None
