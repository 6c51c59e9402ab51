"""The visible panes and their places."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Region

from lrtui.screen.control.view import View
from lrtui.screen.panes import PANES, notice
from lrtui.screen.panes.log import EVENTS, LOG, events_fit
from lrtui.screen.panes.pane import TALL, WIDE, Pane
from lrtui.screen.panes.runs import RUNS
from lrtui.screen.panes.small import is_small
from lrtui.screen.panes.status import rows as status_rows
from lrtui.screen.panes.trainings import TRAININGS
from lrtui.screen.panes.tried import rows as tried_rows

FRAME = ("main", "side", "below", "foot")
"""Places whose panes tab shows alone."""

SIDE = 0.42
"""Fraction of the columns for the panes beside the main one."""

BELOW = 0.4
"""Fraction of the rows for the panes below the main one."""

TABLE_SHARE = {"runs": 6, "trainings": 3}
"""Minimum rows of the terminal for each row of the table."""

MIN_EVENTS = 4
"""Minimum rows of the events beside the table."""

MIN_SIDE = 9
"""Minimum rows of a pane stacked beside the main one."""


def shown(view: View) -> list[Pane]:
    """Return the visible panes, from top to bottom."""
    if is_small(view):
        return [pane for pane in PANES if pane.place == "screen"]
    alone = next((pane for pane in turned(view) if pane.id == view.alone), None)
    framed = [alone] if alone else usual(view)
    return [pane for pane in PANES if pane in framed or (pane.place == "row" and fits(pane, view))]


def turned(view: View) -> list[Pane]:
    """Return the panes that can be shown alone; of charts that take turns, the chosen one."""
    chosen = chart(view)
    return [
        pane
        for pane in PANES
        if pane.place in FRAME and pane.applies(view) and (not pane.takes_turns or pane is chosen)
    ]


def charts(view: View) -> list[Pane]:
    """Return the charts that take turns in one place."""
    return [pane for pane in PANES if pane.takes_turns and pane.applies(view)]


def chart(view: View) -> Pane | None:
    """Return the chosen one of these charts, or the first if that does not apply."""
    found = charts(view)
    return next((pane for pane in found if pane.id == view.chart), found[0] if found else None)


def usual(view: View) -> list[Pane]:
    """Return the charts and tables that fit together."""
    found = [pane for pane in turned(view) if fits(pane, view)]
    side = [pane for pane in found if pane.place == "side"]
    left_out = side[1:] if view.size[1] < TALL + 2 * MIN_SIDE - 6 else []
    return [pane for pane in found if pane not in left_out]


def fits(pane: Pane, view: View) -> bool:
    """Return whether a pane applies and fits beside the others."""
    room = events_fit(view) if pane is LOG else pane.fits(*view.size)
    return pane.applies(view) and room


def next_alone(view: View) -> str | None:
    """Return the next pane to show alone, ``None`` for all together."""
    together = usual(view)
    stops = [None, *(pane.id for pane in turned(view) if together != [pane])]
    at = stops.index(view.alone) if view.alone in stops else 0
    return stops[(at + 1) % len(stops)]


def places(view: View) -> tuple[dict[str, Region], dict[str, Region]]:
    """Return the regions of panes without a border, then of those with one.

    The latter include all four borders: neighbours overlap by one.
    """
    columns, rows = view.size
    panes = shown(view)
    if is_small(view):
        return {panes[0].id: Region(0, 0, columns, rows)}, {}
    heights = {"status": status_rows(view), "tried": tried_rows(view), "caption": 2}
    plain: dict[str, Region] = {}
    top = 0
    for pane in panes:
        if pane.place == "row" and pane.id not in ("caption", "notice", "footer"):
            height = heights.get(pane.id, 1)
            plain[pane.id] = Region(0, top, columns, height)
            top += height
    bottom = rows - 1
    plain["footer"] = Region(0, bottom, columns, 1)
    said = notice.rows(view)
    if any(pane.id == "notice" for pane in panes):
        plain["notice"] = Region(0, bottom - said, columns, said)
    bottom -= notice.kept(view)
    if any(pane.id == "caption" for pane in panes):
        bottom -= heights["caption"]
        plain["caption"] = Region(0, bottom, columns, heights["caption"])
    framed = [pane for pane in panes if pane.place in FRAME]
    table = next((pane for pane in framed if pane in (RUNS, TRAININGS)), None)
    if table is not None and len(framed) > 1:
        fewest = MIN_EVENTS - 1 if LOG in framed else 1
        height = min(1 + max(len(view.session.runs), fewest), 1 + rows // TABLE_SHARE[table.id])
        bottom -= height
        wide = columns if LOG not in framed else min(columns, table.widths[1] or columns - EVENTS)
        plain[table.id] = Region(0, bottom, wide, height)
        plain["log"] = Region(wide, bottom, columns - wide, height)
        framed = [pane for pane in framed if pane not in (table, LOG)]
    boxes = board(framed, Region(0, top, columns, bottom - top))
    if rows < TALL:
        return {**plain, **boxes}, {}
    return plain, boxes


def board(panes: Sequence[Pane], area: Region) -> dict[str, Region]:
    """Return the regions of panes with a border."""
    side = [pane for pane in panes if pane.place == "side"]
    main = [pane for pane in panes if pane.place == "main"] or side or panes
    if len(panes) == 1 or not area.height:
        return {panes[0].id: area} if panes else {}
    if area.width < WIDE:
        return stacked(panes, area)
    below = [pane for pane in panes if pane not in main and pane not in side]
    found: dict[str, Region] = {}
    if below:
        height = max(int(BELOW * area.height), 4)
        x, y = area.x, area.bottom - height
        for pane, width in zip(below, widths(below, area.width + len(below) - 1), strict=True):
            found[pane.id] = Region(x, y, width, height)
            x += width - 1
        area = Region(area.x, area.y, area.width, area.height - height + 1)
    if side and main is not side:
        wide = int(SIDE * area.width)
        found |= stacked(side, Region(area.right - wide, area.y, wide, area.height))
        area = Region(area.x, area.y, area.width - wide + 1, area.height)
    return found | stacked(main, area)


def stacked(panes: Sequence[Pane], area: Region) -> dict[str, Region]:
    """Return the regions of stacked panes; neighbours share a border."""
    found = {}
    y, left = area.y, area.height + len(panes) - 1
    for i, pane in enumerate(panes):
        height = left // (len(panes) - i)
        found[pane.id] = Region(area.x, y, area.width, height)
        y, left = y + height - 1, left - height
    return found


def widths(panes: Sequence[Pane], width: int) -> list[int]:
    """Return the widths of panes side by side, from left to right.

    Each gets its minimum. The rest goes to panes with a maximum first, then equally to the others.
    """
    found = [pane.widths[0] for pane in panes]
    left = max(width - sum(found), 0)
    for i, pane in enumerate(panes):
        most = pane.widths[1]
        if most is not None:
            more = min(most - found[i], left)
            found[i], left = found[i] + more, left - more
    growing = [i for i, pane in enumerate(panes) if pane.widths[1] is None]
    growing = growing or [*range(len(panes))][-1:]
    for place, i in enumerate(growing):
        found[i] += (left + place) // len(growing)
    return found
