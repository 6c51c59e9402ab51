"""Which panes are shown together, and how wide each is."""

from __future__ import annotations

from collections.abc import Sequence

from lrtui.screen.control.view import View
from lrtui.screen.panes import PANES
from lrtui.screen.panes.pane import Pane
from lrtui.screen.panes.small import is_small


def shown(view: View) -> list[Pane]:
    """Return the panes that are shown, in the order of the screen."""
    if is_small(view):
        return [pane for pane in PANES if pane.place == "screen"]
    alone = next((pane for pane in turned(view) if pane.id == view.alone), None)
    rows = [alone] if alone else usual(view)
    return [
        pane
        for pane in PANES
        if pane in rows
        or (pane.place in ("header", "box", "caption", "notice", "footer") and fits(pane, view))
    ]


def turned(view: View) -> list[Pane]:
    """Return the panes that can be shown alone: the charts and tables, and one of the lenses."""
    chosen = lens(view)
    return [
        pane
        for pane in PANES
        if pane.place in ("top", "bottom")
        and pane.applies(view)
        and (not pane.lens or pane is chosen)
    ]


def lenses(view: View) -> list[Pane]:
    """Return the panes that take turns in one place."""
    return [pane for pane in PANES if pane.lens and pane.applies(view)]


def lens(view: View) -> Pane | None:
    """Return the pane that the lens is turned to; the first, where the chosen one is not there."""
    found = lenses(view)
    return next((pane for pane in found if pane.id == view.lens), found[0] if found else None)


def usual(view: View) -> list[Pane]:
    """Return the charts and tables that the terminal has room for together."""
    return [pane for pane in turned(view) if fits(pane, view)]


def fits(pane: Pane, view: View) -> bool:
    """Return whether a pane applies and has room beside the others."""
    return pane.applies(view) and pane.fits(*view.size)


def next_alone(view: View) -> str | None:
    """Return the pane to be shown alone next, ``None`` for all together."""
    together = usual(view)
    stops = [None, *(pane.id for pane in turned(view) if together != [pane])]
    at = stops.index(view.alone) if view.alone in stops else 0
    return stops[(at + 1) % len(stops)]


def widths(panes: Sequence[Pane], width: int) -> list[int]:
    """Return how wide panes beside each other are.

    Each has the fewest columns that it needs. What is left goes first to those that can use only
    a limited number, then to the others in equal shares.

    Args:
        panes: from left to right.
        width: of all together.
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
