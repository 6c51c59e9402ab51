"""What a pane is: one definition, that the layout, the painting, the mouse and the help walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row

Place = Literal["row", "main", "side", "below", "foot", "screen"]
"""Where a pane goes: ``row`` a row without a border, ``main`` the large chart, ``side`` beside it,
``below`` below it, ``foot`` below all charts, ``screen`` instead of everything else."""


@dataclass(frozen=True)
class RunRate:
    """A click that runs a rate."""

    lr: float


@dataclass(frozen=True)
class RunCell:
    """A click that runs a rate at a momentum."""

    lr: float
    momentum: float


@dataclass(frozen=True)
class Press:
    """A click that does what a key does.

    Attributes:
        action: its name.
    """

    action: str


@dataclass(frozen=True)
class Highlight:
    """A click that highlights a run, or none."""

    run: int | None


@dataclass(frozen=True)
class ReadStep:
    """A click that reads out a step on the charts."""

    step: int


@dataclass(frozen=True)
class ReadPlace:
    """A click that reads out a place on the map."""

    weights: tuple[float, float]


Request = RunRate | RunCell | Press | Highlight | ReadStep | ReadPlace


WIDE, TALL = 72, 20
"""Columns and rows from which on charts stand side by side, and panes have borders."""


def always(*_: object) -> bool:
    """Return ``True``."""
    return True


def in_two_rows(columns: int, rows: int) -> bool:
    """Return whether a terminal has room for a row of panes below the charts."""
    return columns >= WIDE and rows >= TALL


def ready(_: View) -> str:
    """Return the empty text: nothing is waited for."""
    return ""


def no_click(*_: object) -> None:
    """Do nothing on a click."""


@dataclass(frozen=True, kw_only=True)
class Pane:
    """The definition of a pane.

    Attributes:
        id: its name in the style sheet.
        title: on its border; empty where it has none.
        place: where it goes.
        draw: returns what it shows, from the view, columns and rows.
        depends_on: what the drawing depends on, from the view and columns; while that stays the
            same, nothing is drawn. ``None`` to draw at each frame.
        help: what it shows, in a sentence for the page of help; empty to leave it out.
        applies: whether it has a meaning for what is trained; else it is not there.
        waits_for: says in a line what must come before it can be drawn, empty if nothing.
        fits: whether a terminal, by its columns and rows, has room for it beside the others.
        widths: fewest and most columns; as many as there are where the latter is ``None``.
        takes_turns: whether it shares its place with other charts, one shown at a time.
        heading: whether the first row that it draws stands on its border, where it has one.
        keys: names of the actions that are about it, for its border.
        click: returns what a click asks for, from the view, the cell's column and row, and the
            pane's columns and rows.
    """

    id: str
    title: str = ""
    place: Place
    draw: Callable[[View, int, int], list[Row]]
    depends_on: Callable[[View, int], object] | None = None
    help: str = ""
    applies: Callable[[View], bool] = always
    waits_for: Callable[[View], str] = ready
    fits: Callable[[int, int], bool] = always
    widths: tuple[int, int | None] = (20, None)
    takes_turns: bool = False
    heading: bool = True
    keys: tuple[str, ...] = ()
    click: Callable[[View, int, int, int, int], Request | None] = no_click
