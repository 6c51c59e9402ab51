"""The ruler: a row that shows the result of every rate."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lrtui.analysis.advice import best_of
from lrtui.analysis.diagnosis import Verdict
from lrtui.analysis.theory import Theory
from lrtui.messages import SweepResult
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, Span, fitted
from lrtui.screen.panes.pane import Pane, RunRate
from lrtui.screen.panes.rate import in_force
from lrtui.screen.panes.status import LOOKS
from lrtui.session.rate_axis import graded, outcomes
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Canvas

Outcome = tuple[Verdict, int | None]
"""The verdict on a rate, and the step at which it settles."""

SHADES = ((1.5, "█"), (4.0, "▓"), (float("inf"), "▒"))
"""Signs of rates that settle, by their largest multiple of the fewest steps."""

GRADES = ((0.15, "█"), (0.4, "▓"), (0.8, "▒"), (float("inf"), "░"))
"""Signs of rates of a network, by their largest distance from the best; the start is at 1."""

MAX_EARLIER = 40
"""Maximum earlier runs that are marked."""

MIN_CELLS = 8
"""Minimum cells of a ruler."""

CELLS: dict[Verdict, tuple[str, str]] = {
    "too slow": ("░", "warn"),
    "too few steps": ("░", "warn"),
    "on the edge": ("╱", "warn"),
    "diverging": ("╳", "bad"),
    "diverged": ("╳", "bad"),
    "above its start": ("╱", "warn"),
    "unfinished": ("?", "dim"),
    "cannot tell yet": ("?", "dim"),
    "failed": ("!", "dim"),
}
"""Signs of rates that do not settle."""


class Ruler(NamedTuple):
    """The place of the ruler, and the rates of its cells.

    Attributes:
        axis: rates from end to end.
        canvas: its cells, one row of them.
        left: text at its left end.
        right: text at its right end.
    """

    axis: Axis
    canvas: Canvas
    left: str
    right: str

    @classmethod
    def of(cls, swept: SweepResult, width: int) -> Ruler | None:
        """Return the ruler in a row of a width, ``None`` if that is too small."""
        from lrtui.screen.draw.chart import Canvas

        axis = rates(swept)
        digits = 1 if axis.high > 2.5 * axis.low else 3
        left, right = f"{axis.low:.{digits}g} ", f" {axis.high:.{digits + 1}g}"
        cells = width - len(left) - len(right)
        if cells < MIN_CELLS:
            return None
        return cls(axis, Canvas(len(left), cells, 1), left, right)

    def column(self, lr: float) -> int:
        """Return the column of a rate in the row, the nearest end for a rate outside."""
        cell = self.canvas.column(self.axis, lr)
        return self.canvas.left + min(max(cell, 0), self.canvas.columns - 1)


def rates(swept: SweepResult) -> Axis:
    """Return the axis of the rates that are compared."""
    from lrtui.screen.draw.chart import Axis

    return Axis(min(swept.lrs), max(swept.lrs), log=True)


def marked(view: View) -> list[tuple[float, Span, str]]:
    """Return the best rate, then the limit, if known: each with its sign and its name."""
    swept, theory = view.swept, view.session.theory
    found = []
    if swept is not None and (best := best_of(swept, theory)) is not None:
        text = f"best {rate_text(best)}" if theory else f"best {best:.2g} in {swept.steps:,} steps"
        found.append((best, ("★", "good"), text))
    if theory is not None and math.isfinite(theory.max_stable_lr):
        limit = theory.max_stable_lr
        found.append((limit, ("┃", "bad"), f"limit {limit:.3g}"))
    if view.zoom is not None and swept is not None:
        found = [mark for mark in found if swept.lrs[0] <= mark[0] <= swept.lrs[-1]]
    return found


def rate_at(canvas: Canvas, axis: Axis, column: int, view: View) -> RunRate | None:
    """Return the rate at a column of a chart of rates: exactly the best or the limit, at theirs.

    The column is counted from the left of the pane.
    """
    cell = column - canvas.left
    if not 0 <= cell < canvas.columns:
        return None
    for lr, _, _ in marked(view):
        if cell == canvas.column(axis, lr):
            return RunRate(lr)
    digits = 3 if view.zoom is None else 5
    return RunRate(float(f"{canvas.x_at(axis, cell):.{digits}g}"))


def rate_in(cell: int, ruler: Ruler, lrs: Sequence[float], found: Sequence[Outcome]) -> int:
    """Return the index of the rate that a cell shows: one on the edge, which is narrow, if any."""
    axis, cells = ruler.axis, ruler.canvas.columns
    first = bisect(lrs, axis.at(cell / cells))
    end = bisect(lrs, axis.at((cell + 1) / cells))
    edge = (i for i in range(first, end) if found[i][0] == "on the edge")
    return next(edge, min((first + end) // 2, len(found) - 1))


def foreseen(view: View, lr: float) -> str:
    """Say what the ruler shows of a rate; empty before there is a ruler."""
    swept, theory = view.swept, view.session.theory
    if swept is None:
        return ""
    if theory is not None and (at := theory.settles_at(theory.start, lr)) is not None:
        return f": settles at step {at:,}"
    found = outcomes(swept, theory, view.steps)
    nearest = min(range(len(found)), key=lambda i: abs(math.log(swept.lrs[i] / lr)))
    verdict, at = found[nearest]
    return f": {verdict}" if at is None else f": settles at step {at:,}"


def parts(view: View, width: int) -> tuple[Ruler | None, list[tuple[str, float, str]]]:
    """Return the ruler and the labels right of it that fit, first the limit, each with its rate."""
    assert view.swept is not None
    names = [(f"  {sign} {name}", lr, tone) for lr, (sign, tone), name in marked(view)]
    while names and width - sum(len(text) for text, _, _ in names) < MIN_CELLS + 14:
        names.pop(0)
    room = width - 2 - sum(len(text) for text, _, _ in names)
    return Ruler.of(view.swept, room), names


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the ruler, and right of it the best rate and the limit."""
    theory, swept = view.session.theory, view.swept
    if swept is None:
        text = " what each rate would do" if view.session.offers("sweep") else ""
        run = view.session.current
        rows = in_force(run) if run is not None else []
        return [fitted([(" ", "dim"), *row], width) for row in rows] or [[(text[:width], "dim")]]
    ruler, names = parts(view, width)
    if ruler is None:
        return []
    found = outcomes(swept, theory, view.steps)
    grades = shades(swept, theory, found)
    inside = [
        (ruler.column(lr) - ruler.canvas.left, span)
        for lr, span in [*((lr, span) for lr, span, _ in marked(view)), *signs(view)]
        if view.zoom is None or ruler.axis.low <= lr <= ruler.axis.high
    ]
    cells = ruler.canvas.columns
    written = spelt(dict(inside), cells)
    line = [
        written.get(cell, grades[rate_in(cell, ruler, swept.lrs, found)]) for cell in range(cells)
    ]
    row: Row = [(" ", "dim"), (ruler.left, "dim"), *line, (ruler.right, "dim")]
    row += [(text, tone) for text, _, tone in names]
    return [row]


def signs(view: View) -> list[tuple[float, Span]]:
    """Return the rates of earlier runs, of the current ones, and the clicked one, with signs."""
    race, run = view.race, view.session.current
    found = past(view)
    clicked = [] if view.preview is None else [(view.preview, ("▼", "accent"))]
    if not race:
        return [*found, *([(run.lr, ("◆", view.tone(run)))] if run else []), *clicked]
    signs = [(other.lr, (str(other.number), view.tone(other))) for other in race]
    signs.sort(key=lambda sign: run is not None and sign[0] == run.lr)
    return [*found, *signs, *clicked]


def spelt(signs: Mapping[int, Span], cells: int) -> dict[int, Span]:
    """Return the letter in each cell of the signs.

    A number without room for all its digits is a mark in its colour: half of it would be another
    run's number.
    """
    found: dict[int, Span] = {}
    for cell, (text, tone) in signs.items():
        first = min(cell, cells - len(text))
        room = range(first, first + len(text))
        if any((other in signs and other != cell) or other in found for other in room):
            text, room = "◆", range(cell, cell + 1)
        found |= {at: (letter, tone) for at, letter in zip(room, text, strict=True)}
    return found


def past(view: View) -> list[tuple[float, Span]]:
    """Return the rates of earlier runs by the same optimizer, each with its sign."""
    session = view.session
    current_group, by = session.current_group, (session.optimizer, session.schedule)
    alike = [
        run
        for run in session.of_this_problem()[-MAX_EARLIER:]
        if run not in current_group and (run.optimizer, run.schedule) == by and not run.hidden
    ]
    return [(run.lr, ("•", LOOKS[run.status()][1])) for run in alike]


def shades(
    swept: SweepResult, theory: Theory | None, found: Sequence[Outcome]
) -> list[tuple[str, str]]:
    """Return the sign and the tone of each rate of a sweep."""
    if theory is not None:
        fewest = max(min((at for _, at in found if at is not None), default=1), 1)
        return [
            CELLS[verdict]
            if at is None
            else (next(s for most, s in SHADES if at <= most * fewest), "good")
            for verdict, at in found
        ]
    grades = graded(swept)
    return [
        CELLS.get(verdict, ("░", "warn"))
        if grade is None
        else (next(s for most, s in GRADES if grade <= most), "good" if grade <= 0.6 else "warn")
        for (verdict, _), grade in zip(found, grades, strict=True)
    ]


def depends_on(view: View, width: int) -> object:
    """Return what the ruler depends on."""
    session = view.session
    rate = in_force(session.current) if session.current is not None else []
    return view.swept, session.theory is None, view.steps, signs(view), rate


def click(view: View, x: int, y: int, width: int, height: int) -> RunRate | None:
    """Run the rate of the cell, or that of the label."""
    if view.swept is None or not view.session.offers("start"):
        return None
    ruler, names = parts(view, width)
    if ruler is None:
        return None
    start = 1 + len(ruler.left) + ruler.canvas.columns + len(ruler.right)
    for text, lr, _ in names:
        if start <= x < start + len(text):
            return RunRate(lr)
        start += len(text)
    return rate_at(ruler.canvas, ruler.axis, x - 1, view)


RULER = Pane(
    id="ruler",
    title="ruler",
    place="row",
    draw=draw,
    depends_on=depends_on,
    fits=lambda columns, rows: rows >= 16,
    help="What each rate would do (░ too slow, ▒▓█ settles, ever sooner, ╱ on the "
    "edge, or above its start, ╳ diverges, ? not tried to the end). A click says what a rate does, "
    "a second one runs it; ★ is the best, ┃ the limit, • an earlier run.",
    click=click,
)
