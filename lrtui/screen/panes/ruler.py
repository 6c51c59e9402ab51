"""The ruler: one line that shows what every rate would do."""

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
"""What becomes of a rate, and the step at which it settles."""

SHADES = ((1.5, "█"), (4.0, "▓"), (float("inf"), "▒"))
"""How a rate that settles is drawn: by how many times the fewest steps it takes."""

GRADES = ((0.15, "█"), (0.4, "▓"), (0.8, "▒"), (float("inf"), "░"))
"""How a rate of a network is drawn: by how far it is from the best, where 1 is the start."""

MAX_EARLIER = 40
"""Earlier runs that are marked, at most."""

MIN_CELLS = 8
"""Cells that a ruler needs."""

CELLS: dict[Verdict, tuple[str, str]] = {
    "too slow": ("░", "target"),
    "too few steps": ("░", "target"),
    "on the edge": ("╱", "edge"),
    "diverging": ("╳", "bad"),
    "diverged": ("╳", "bad"),
    "above its start": ("╱", "edge"),
    "unfinished": ("?", "dim"),
    "failed": ("!", "dim"),
}
"""How a rate that does not settle is drawn."""


class Ruler(NamedTuple):
    """Where the ruler is, and what its cells stand for.

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
        """Return the ruler in a row of a width, ``None`` where there is no room."""
        from lrtui.screen.draw.chart import Canvas

        axis = rates(swept)
        digits = 1 if axis.high > 2.5 * axis.low else 3
        left, right = f"{axis.low:.{digits}g} ", f" {axis.high:.{digits + 1}g}"
        cells = width - len(left) - len(right)
        if cells < MIN_CELLS:
            return None
        return cls(axis, Canvas(len(left), cells, 1), left, right)

    def column(self, lr: float) -> int:
        """Return the column of a rate in the row, the nearest end for one beyond it."""
        cell = self.canvas.column(self.axis, lr)
        return self.canvas.left + min(max(cell, 0), self.canvas.columns - 1)


def rates(swept: SweepResult) -> Axis:
    """Return the axis of the rates that are compared."""
    from lrtui.screen.draw.chart import Axis

    return Axis(min(swept.lrs), max(swept.lrs), log=True)


def marked(view: View) -> list[tuple[float, str, str]]:
    """Return the rates that are marked, ascending: each with its sign and its name."""
    swept, theory = view.swept, view.session.theory
    found = []
    if (best := best_of(swept, theory)) is not None:
        text = f"best {rate_text(best)}" if theory else f"best tried {best:.2g}"
        found.append((best, "★", text))
    if theory is not None and math.isfinite(theory.max_stable_lr):
        found.append((theory.max_stable_lr, "┃", f"limit {theory.max_stable_lr:.3g}"))
    if view.zoom is not None and swept is not None:
        found = [mark for mark in found if swept.lrs[0] <= mark[0] <= swept.lrs[-1]]
    return found


def rate_at(canvas: Canvas, axis: Axis, column: int, view: View) -> RunRate | None:
    """Return the rate that a column stands for: exactly the best or the limit, at theirs.

    Args:
        canvas: of the chart that is clicked.
        axis: its rates.
        column: counted from the left of the pane.
        view: what is shown.
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
    """Return which rate a cell shows: one on the edge, which is narrow, where it is in the cell."""
    axis, cells = ruler.axis, ruler.canvas.columns
    first = bisect(lrs, axis.at(cell / cells))
    end = bisect(lrs, axis.at((cell + 1) / cells))
    edge = (i for i in range(first, end) if found[i][0] == "on the edge")
    return next(edge, min((first + end) // 2, len(found) - 1))


def foreseen(view: View, lr: float) -> str:
    """Say what the ruler shows of a rate; nothing where it is not there."""
    swept, theory = view.swept, view.session.theory
    if swept is None:
        return ""
    if theory is not None and (at := theory.settles_at(theory.start, lr)) is not None:
        return f": settles at step {at:,}"
    found = outcomes(swept, theory, view.steps)
    nearest = min(range(len(found)), key=lambda i: abs(math.log(swept.lrs[i] / lr)))
    verdict, at = found[nearest]
    return f": {verdict}" if at is None else f": settles at step {at:,}"


def labels(ruler: Ruler, view: View, width: int) -> list[tuple[int, str, float, str]]:
    """Return the labels below the ruler: the column where each begins, its text, rate and tone.

    A name is shortened where it does not fit, and then left out: a sign is always at its rate. Of
    two in one cell the limit has it, and the name of the best is left of it.
    """
    marks = marked(view)
    cells = [ruler.column(lr) for lr, _, _ in marks]
    share_a_cell = len(cells) > 1 and cells[0] == cells[1]
    for form in (lambda sign, name: name, lambda sign, name: name.split()[-1], lambda *_: ""):
        found: list[tuple[int, str, float, str]] = []
        for lr, sign, name in marks:
            at, text = ruler.column(lr), form(sign, name)
            if sign == "★":  # its name is left of it, that of the limit right
                text = text if share_a_cell else f"{text} {sign}".strip()
                found.append((at + (-1 if share_a_cell else 1) - len(text), text, lr, "good"))
            else:
                found.append((at, f"{sign} {text}".strip(), lr, "bad"))
        ends = [0, *(start + len(text) for start, text, _, _ in found)]
        starts = [*(start for start, _, _, _ in found), width]
        if all(start >= end for start, end in zip(starts, ends, strict=True)):
            return found
    return found


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the ruler, and below it the best rate and the limit."""
    theory, swept = view.session.theory, view.swept
    if swept is None:
        text = "what each rate would do" if view.session.offers("sweep") else ""
        run = view.session.current
        rows = in_force(run) if run is not None else []
        return [fitted(row, width) for row in rows] or [[(text[:width], "dim")]]
    ruler = Ruler.of(swept, width)
    if ruler is None:
        return []
    found = outcomes(swept, theory, view.steps)
    grades = shades(swept, theory, found)
    here = {
        ruler.column(lr) - ruler.canvas.left: span
        for lr, span in signs(view)
        if view.zoom is None or ruler.axis.low <= lr <= ruler.axis.high
    }
    line: Row = []
    cells = ruler.canvas.columns
    written = spelt(here, cells)
    for cell in range(cells):
        i = rate_in(cell, ruler, swept.lrs, found)
        line.append(written.get(cell, grades[i]))
    row: Row = []
    at = 0
    for start, text, _, tone in labels(ruler, view, width):
        room = start - at
        before = horizon(swept, room) if theory is None and not row else ""
        row += [(before.ljust(room), "dim"), (text, tone)]
        at = start + len(text)
    if theory is None and not any(text.strip() for text, tone in row if tone == "dim"):
        row.append((horizon(swept, width - at).rjust(width - at), "dim"))
    return [[(ruler.left, "dim"), *line, (ruler.right, "dim")], row][:height]


def signs(view: View) -> list[tuple[float, Span]]:
    """Return the rates of the runs so far, each with the sign of its run, the last one last."""
    race, run = view.race, view.session.current
    found = past(view)
    clicked = [] if view.preview is None else [(view.preview, ("▼", "change"))]
    if not race:
        return [*found, *([(run.lr, ("◆", "strong-prediction"))] if run else []), *clicked]
    signs = [(other.lr, (str(other.number), view.tone(other))) for other in race]
    signs.sort(key=lambda sign: run is not None and sign[0] == run.lr)
    return [*found, *signs, *clicked]


def spelt(signs: Mapping[int, Span], cells: int) -> dict[int, Span]:
    """Return what stands in each cell: a sign of several letters where it has room to itself.

    Half of a number would be another run's: where there is no room it is a mark in its colour.
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
    """Return how each rate of a sweep is drawn: a sign and a tone."""
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
        CELLS.get(verdict, ("░", "target"))
        if grade is None
        else (next(s for most, s in GRADES if grade <= most), "good" if grade <= 0.6 else "target")
        for (verdict, _), grade in zip(found, grades, strict=True)
    ]


def horizon(swept: SweepResult, width: int) -> str:
    """Say how far the rates were tried, in as many words as there is room for."""
    texts = (f"each rate tried for {swept.steps:,} steps", f"{swept.steps:,} steps each")
    return next((text for text in texts if len(text) + 2 <= width), "")


def depends_on(view: View, width: int) -> object:
    """Return what the ruler depends on."""
    session = view.session
    told = in_force(session.current) if session.current is not None else []
    return view.swept, session.theory is None, view.steps, signs(view), told


def click(view: View, x: int, y: int, width: int, height: int) -> RunRate | None:
    """Run the rate of the cell, or the one that a label names."""
    swept = view.swept
    if swept is None or not view.session.offers("start"):
        return None
    ruler = Ruler.of(swept, width)
    if ruler is None:
        return None
    if y == 1:
        for start, text, lr, _ in labels(ruler, view, width):
            if start <= x < start + len(text):
                return RunRate(lr)
    return rate_at(ruler.canvas, ruler.axis, x, view)


RULER = Pane(
    id="ruler",
    place="box",
    draw=draw,
    depends_on=depends_on,
    help="The ruler: what each rate would do (░ too slow, ▒▓█ settles, ever sooner, ╱ on the "
    "edge, or above its start, ╳ diverges, ? not tried to the end). A click says what a rate does, "
    "a second one runs it; ★ is the best, ┃ the limit, • an earlier run.",
    click=click,
)
