"""The ruler: one line that shows what every rate would do."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lrtui.run.diagnosis import Verdict
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ABOVE, BELOW, outcomes
from lrtui.run.theory import Theory
from lrtui.screen.panes.pane import Pane, RunRate
from lrtui.screen.spans import Row
from lrtui.screen.view import View

if TYPE_CHECKING:
    from lrtui.screen.chart import Axis, Canvas

Outcome = tuple[Verdict, int | None]
"""What becomes of a rate, and the step at which it settles."""

SHADES = ((1.5, "█"), (4.0, "▓"), (float("inf"), "▒"))
"""How a rate that settles is drawn: by how many times the fewest steps it takes."""

FEWEST = 8
"""Cells that a ruler needs."""

CELLS: dict[Verdict, tuple[str, str]] = {
    "too slow": ("░", "target"),
    "too few steps": ("░", "target"),
    "on the edge": ("╱", "edge"),
    "diverging": ("╳", "bad"),
    "diverged": ("╳", "bad"),
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
    def of(cls, theory: Theory, width: int) -> Ruler | None:
        """Return the ruler in a row of a width, ``None`` where there is no room."""
        from lrtui.screen.chart import Canvas

        axis = rates(theory)
        left, right = f"{axis.low:.1g} ", f" {axis.high:.2g}"
        cells = width - len(left) - len(right)
        if cells < FEWEST:
            return None
        return cls(axis, Canvas(len(left), cells, 1), left, right)

    def column(self, lr: float) -> int:
        """Return the column of a rate in the row, the nearest end for one beyond it."""
        cell = self.canvas.column(self.axis, lr)
        return self.canvas.left + min(max(cell, 0), self.canvas.columns - 1)


def rates(theory: Theory) -> Axis:
    """Return the axis of the rates that are compared."""
    from lrtui.screen.chart import Axis

    return Axis(BELOW * theory.max_stable_lr, ABOVE * theory.max_stable_lr, log=True)


def rate_at(canvas: Canvas, axis: Axis, column: int, theory: Theory) -> RunRate | None:
    """Return the rate that a column stands for: exactly the best or the limit, at theirs.

    Args:
        canvas: of the chart that is clicked.
        axis: its rates.
        column: counted from the left of the pane.
        theory: closed form of the loss.
    """
    cell = column - canvas.left
    if not 0 <= cell < canvas.columns:
        return None
    for lr in (theory.best_lr, theory.max_stable_lr):
        if cell == canvas.column(axis, lr):
            return RunRate(lr)
    return RunRate(float(f"{canvas.x_at(axis, cell):.3g}"))


def outcome_in(cell: int, ruler: Ruler, lrs: Sequence[float], found: Sequence[Outcome]) -> Outcome:
    """Return the outcome that a cell shows: the edge, which is narrow, where it is in the cell."""
    axis, cells = ruler.axis, ruler.canvas.columns
    first = bisect(lrs, axis.at(cell / cells))
    end = bisect(lrs, axis.at((cell + 1) / cells))
    here = found[first:end]
    edge = (outcome for outcome in here if outcome[0] == "on the edge")
    middle = min((first + end) // 2, len(found) - 1)
    return next(edge, found[middle])


def labels(ruler: Ruler, theory: Theory, width: int) -> tuple[tuple[int, str], tuple[int, str]]:
    """Return the labels of the best rate and of the limit, and the columns where they begin."""
    best, limit = ruler.column(theory.best_lr), ruler.column(theory.max_stable_lr)
    left, right = f"best {rate_text(theory.best_lr)} ★", f"┃ limit {theory.max_stable_lr:.3g}"
    if best + 1 - len(left) < 0 or limit + len(right) > width:
        left, right = f"{theory.best_lr:.3g} ★", f"┃ {theory.max_stable_lr:.3g}"
    if best + 1 - len(left) < 0 or limit + len(right) > width:
        left, right = "★", "┃"
    return (best + 1 - len(left), left), (limit, right)


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the ruler, and below it the best rate and the limit."""
    theory, swept = view.session.theory, view.session.swept
    if theory is None or swept is None:
        text = "what each rate would do" if view.session.offers("sweep") else ""
        return [[(text[:width], "dim")]]
    ruler = Ruler.of(theory, width)
    if ruler is None:
        return []
    found = outcomes(swept, theory, view.steps)
    fewest = max(min((at for _, at in found if at is not None), default=1), 1)
    run = view.session.current
    here = ruler.column(run.lr) - ruler.canvas.left if run else -1
    line: Row = []
    for cell in range(ruler.canvas.columns):
        verdict, at = outcome_in(cell, ruler, swept.lrs, found)
        if cell == here:
            line.append(("◆", "strong-prediction"))
        elif at is not None:
            line.append((next(s for most, s in SHADES if at <= most * fewest), "good"))
        else:
            line.append(CELLS[verdict])
    (best, left), (limit, right) = labels(ruler, theory, width)
    marks: Row = [
        (" " * best, "dim"),
        (left, "good"),
        (" " * (limit - best - len(left)), "dim"),
        (right, "bad"),
    ]
    return [[(ruler.left, "dim"), *line, (ruler.right, "dim")], marks][:height]


def depends_on(view: View, width: int) -> object:
    """Return what the ruler depends on."""
    run = view.session.current
    return view.session.swept, view.session.theory, view.steps, run.lr if run else None


def click(view: View, x: int, y: int, width: int, height: int) -> RunRate | None:
    """Run the rate of the cell, or the one that a label names."""
    theory = view.session.theory
    if theory is None or view.session.swept is None or not view.session.offers("start"):
        return None
    ruler = Ruler.of(theory, width)
    if ruler is None:
        return None
    if y == 1:
        for (start, text), lr in zip(
            labels(ruler, theory, width), (theory.best_lr, theory.max_stable_lr), strict=True
        ):
            if start <= x < start + len(text):
                return RunRate(lr)
    return rate_at(ruler.canvas, ruler.axis, x, theory)


RULER = Pane(
    id="ruler",
    place="box",
    draw=draw,
    depends_on=depends_on,
    help="The ruler: what each rate would do (░ too slow, ▒▓█ settles, ever sooner, ╱ on the "
    "edge, ╳ diverges). A click runs a rate; ★ is the best, ┃ the limit.",
    click=click,
)
