"""What a pane is: one definition for the layout, the painting, the mouse and the help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row

Place = Literal["row", "main", "side", "below", "foot", "screen"]
"""Places: ``row`` a row without a border, ``main`` the large chart, ``side`` beside it, ``below``
below it, ``foot`` below all charts, ``screen`` instead of everything else."""


class RunRate(NamedTuple):
    """A click that runs a rate."""

    lr: float


class RunCell(NamedTuple):
    """A click that runs a rate at a momentum."""

    lr: float
    momentum: float


class Press(NamedTuple):
    """A click that does what a key does, by the name of its action."""

    action: str


class Highlight(NamedTuple):
    """A click that highlights a run, or none."""

    run: int | None


class ReadStep(NamedTuple):
    """A click that reads out a step on the charts."""

    step: int


class ReadPlace(NamedTuple):
    """A click that reads out a place on the map."""

    weights: tuple[float, float]


Request = RunRate | RunCell | Press | Highlight | ReadStep | ReadPlace


WIDE, TALL = 72, 20
"""Minimum columns for charts side by side, and minimum rows for borders."""


def in_two_rows(columns: int, rows: int) -> bool:
    """Return whether a terminal has room for a row of panes below the charts."""
    return columns >= WIDE and rows >= TALL


@dataclass(frozen=True, kw_only=True)
class Pane:
    """The definition of a pane.

    Attributes:
        id: its name in the style sheet.
        title: on its border, empty for none.
        place: its place on the screen.
        draw: returns its rows, from the view, columns and rows.
        depends_on: returns what the drawing depends on, from the view and columns; it is drawn
            again only when that changes. ``None`` to draw at each frame.
        help: a sentence for the page of help, empty to leave it out.
        applies: returns whether it makes sense for what is trained; if not, it is left out.
        waits_for: says in a line what must come before it can be drawn, empty if nothing.
        fits: returns whether a terminal of so many columns and rows has room for it beside others.
        widths: minimum and maximum columns, ``None`` for no maximum.
        takes_turns: whether it shares its place with other charts, one shown at a time.
        heading: whether its first row stands on its border, if it has one.
        keys: names of the actions on its border.
        click: returns the request of a click, from the view, the cell's column and row, and the
            pane's columns and rows.
    """

    id: str
    title: str = ""
    place: Place
    draw: Callable[[View, int, int], list[Row]]
    depends_on: Callable[[View, int], object] | None = None
    help: str = ""
    applies: Callable[[View], bool] = lambda view: True
    waits_for: Callable[[View], str] = lambda view: ""
    fits: Callable[[int, int], bool] = lambda columns, rows: True
    widths: tuple[int, int | None] = (20, None)
    takes_turns: bool = False
    heading: bool = True
    keys: tuple[str, ...] = ()
    click: Callable[[View, int, int, int, int], Request | None] = lambda *_: None


turning_chart = partial(
    Pane, place="side", fits=in_two_rows, widths=(28, None), takes_turns=True, keys=("chart",)
)
"""Defines a chart beside the loss that takes turns with others; a key turns to the next."""
