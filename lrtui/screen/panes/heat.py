"""The heat map: the steps to settle, or the final loss, by rate and momentum."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lrtui.analysis.theory import Theory
from lrtui.messages import GridResult, Optimizer
from lrtui.screen.control.view import HEAT_PANE, View
from lrtui.screen.draw.spans import Row, Span, fitted, length, note
from lrtui.screen.panes.pane import Pane, RunCell
from lrtui.screen.panes.ruler import GRADES, SHADES
from lrtui.session.heat_grid import (
    Cell,
    best_cell,
    best_from_any_start,
    cell_text,
    has_blown_up,
    kind,
    limit_of,
)
from lrtui.session.rate_axis import log_share
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Canvas

NAME = "momentum"

LEFT = len(NAME) + 6
"""Cells for the momentum at the left, with its name in the first row."""

OTHERS = 3
"""Rows without cells: the heading, the rates, and the scale of shades."""

MOVES = {"left": (0, -1), "right": (0, 1), "up": (1, 0), "down": (-1, 0)}
"""Steps of the cursor, in momenta and rates."""


class Grid(NamedTuple):
    """Where the cells are.

    Attributes:
        rows: index of the momentum in each row, from the top; a choice if there are fewer rows.
        size: columns of each rate.
        tall: rows of the pane for each of ``rows``.
        canvas: of the cells.
        axis: rates along them.
    """

    rows: list[int]
    size: int
    tall: int
    canvas: Canvas
    axis: Axis

    @classmethod
    def of(cls, heated: GridResult, width: int, height: int) -> Grid | None:
        """Return the grid in a pane of a size, ``None`` if it is too small."""
        from lrtui.screen.draw.chart import Axis, Canvas

        count, momenta = len(heated.lrs), len(heated.momenta)
        size, fitting = (width - LEFT) // count, min(height - OTHERS, momenta)
        if size < 1 or fitting < 2:
            return None
        rows = [round(i * (momenta - 1) / (fitting - 1)) for i in range(fitting)]
        if (best := best_cell(heated)) is not None and best.row not in rows:
            nearest = min(range(fitting), key=lambda i: abs(rows[i] - best.row))
            rows[nearest] = best.row
        half = math.sqrt(heated.lrs[-1] / heated.lrs[0]) ** (1 / max(count - 1, 1))
        axis = Axis(heated.lrs[0] / half, heated.lrs[-1] * half, log=True)
        tall = (height - OTHERS) // fitting
        return cls(rows[::-1], size, tall, Canvas(LEFT, size * count, fitting), axis)


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the cells, the limits of theory, the best, the current run and the cursor."""
    from lrtui.screen.draw.axis import ticks
    from lrtui.screen.draw.chart import label_row

    heated = view.session.heated
    assert heated is not None
    grid = Grid.of(heated, width, height)
    if grid is None:
        return note("too small: it takes 56 columns", width, height)
    theory = view.session.theory_of(heated.optimizer, heated.schedule)
    signs = graded(heated)
    found = [reading(view, heated, theory, width)]
    marks = marked(view, heated)
    for row in grid.rows:
        momentum = heated.momenta[row]
        cells: list[Span] = [(sign * grid.size, tone) for sign, tone in signs[row]]
        line = [(sign, tone) for text, tone in cells for sign in text]
        for rate, mark in (
            (best_from_any_start(heated, momentum, theory), ("┊", "text")),
            (limit_of(heated, momentum, theory), ("┃", "bad")),
        ):
            if rate is not None:
                at = column_of(heated, grid, rate)
                if 0 <= at < len(line):
                    line[at] = mark
        below = [[(" " * LEFT, "axis"), *joined(line)]] * (grid.tall - 1)
        for cell, mark in marks:
            if cell.row == row:
                line[cell.column * grid.size] = mark
        name = NAME if row == grid.rows[0] else ""
        label = f"{name}{momentum:>{LEFT - 1 - len(name)}g} "
        found += [[(label, "axis"), *joined(line)], *below]
    across = ticks(grid.axis, grid.canvas.columns, lambda t: bool(label_row(grid.canvas, t)))
    rates = f"rate{label_row(grid.canvas, across)[4:]}"
    found.append([(rates[:width], "axis")])
    return [*found, scale_of_shades(heated, theory, signs, width)][:height]


def joined(line: Sequence[Span]) -> Row:
    """Join neighbouring signs of the same tone."""
    row: Row = []
    for sign, tone in line:
        if row and row[-1][1] == tone:
            row[-1] = (row[-1][0] + sign, tone)
        else:
            row.append((sign, tone))
    return row


def column_of(heated: GridResult, grid: Grid, rate: float) -> int:
    """Return the column of a rate: left of the cells of all larger rates."""
    after = bisect(heated.lrs, rate)
    if after in (0, len(heated.lrs)):
        return -1 if after == 0 else grid.canvas.columns
    below, above = heated.lrs[after - 1], heated.lrs[after]
    share = math.log(rate / below) / math.log(above / below)
    return int((after - 0.5 + share) * grid.size)


def graded(heated: GridResult) -> list[list[Span]]:
    """Return the sign and the tone of each cell: by the steps to settle, or else by the loss."""
    settled = [at for row in heated.settled_at for at in row if at is not None]
    losses = [loss for row in heated.losses for loss in row if loss is not None]
    fewest = max(min(settled, default=1), 1)
    lowest, first = min(losses, default=0.0), heated.first_loss

    def sign(cell: Cell) -> Span:
        at = heated.settled_at[cell.row][cell.column]
        loss = heated.losses[cell.row][cell.column]
        if not heated.finished[cell.row][cell.column]:
            return "?", "dim"
        if has_blown_up(heated, cell) or loss is None:
            return "╳", "bad"
        if at is not None:
            return next(sign for most, sign in SHADES if at <= most * fewest), "good"
        if first is not None and loss > first:
            return "╱", "warn"
        if settled:
            return "░", "warn"
        grade = log_share(loss, lowest, max(losses) if first is None else first)
        tone = "good" if grade <= GRADES[1][0] else "warn"
        return next(sign for most, sign in GRADES if grade <= most), tone

    columns = range(len(heated.lrs))
    return [[sign(Cell(row, column)) for column in columns] for row in range(len(heated.momenta))]


def marked(view: View, heated: GridResult) -> list[tuple[Cell, Span]]:
    """Return the marked cells: the best, that of the current run, and the cursor."""
    found: list[tuple[Cell, Span]] = []
    if (best := best_cell(heated)) is not None:
        found.append((best, ("★", "strong")))
    run = view.session.current
    if run is not None and (here := cell_of_run(view, heated)) is not None:
        found.append((here, ("◆", view.tone(run))))
    if (cursor := cursor_of(view, heated)) is not None:
        found.append((cursor, ("●", "strong")))
    return found


def cell_of_run(view: View, heated: GridResult) -> Cell | None:
    """Return the cell of the current run, ``None`` if it has none."""
    run, lrs = view.session.current, heated.lrs
    if run is None or not isinstance(by := run.optimizer, Optimizer):
        return None
    if kind(by) != heated.optimizer or by.is_adaptive or by.momentum not in heated.momenta:
        return None
    if not lrs[0] / 1.1 < run.lr < lrs[-1] * 1.1:
        return None
    column = min(range(len(lrs)), key=lambda i: abs(math.log(lrs[i] / run.lr)))
    return Cell(heated.momenta.index(by.momentum), column)


def cursor_of(view: View, heated: GridResult) -> Cell | None:
    """Return the cell under the cursor, ``None`` without a cursor."""
    if view.heat_cursor is None:
        return None
    momentum, lr = view.heat_cursor
    if momentum not in heated.momenta or lr not in heated.lrs:
        return None
    return Cell(heated.momenta.index(momentum), heated.lrs.index(lr))


def reading(view: View, heated: GridResult, theory: Theory | None, width: int) -> Row:
    """Describe the cell under the cursor, without a cursor the best cell."""
    cell = cursor_of(view, heated)
    best = cell or best_cell(heated)
    if best is None:
        return []
    rate, momentum = heated.lrs[best.column], heated.momenta[best.row]
    said = f"rate {rate_text(rate)} · momentum {momentum:g} · {cell_text(heated, best)}"
    if cell is None:
        return fitted([("★ ", "strong"), (said, "text")], width)
    limit = limit_of(heated, momentum, theory)
    beyond = f" (limit {limit:.3g})" if limit is not None else ""
    return fitted([("● ", "strong"), (said + beyond, "text"), ("  Enter runs it", "dim")], width)


def scale_of_shades(
    heated: GridResult, theory: Theory | None, signs: list[list[Span]], width: int
) -> Row:
    """Explain the signs, each shade by the largest number that it stands for."""
    settled = [at for row in heated.settled_at for at in row if at is not None]
    shown = {sign for row in signs for sign, _ in row}
    if settled:
        ends = [*(int(times * min(settled)) for times, _ in SHADES[:-1]), heated.steps]
        texts = [f"{end:,}" for end in ends]
        texts[0] += " steps to settle"
        shades = [*((sign, "good") for _, sign in SHADES), ("░", "warn")]
        texts.append("more")
    else:
        losses = [loss for row in heated.losses for loss in row if loss is not None]
        low, first = min(losses, default=0.0), heated.first_loss
        high = first if first is not None else max(losses, default=0.0)
        texts = [f"{value_at(min(share, 1.0), low, high):.2g}" for share, _ in GRADES]
        texts[0] = f"loss {texts[0]} after {heated.steps:,} steps"
        shades = [(sign, "good" if i < 2 else "warn") for i, (_, sign) in enumerate(GRADES)]
    row: Row = [(" up to: ", "dim")]
    meanings = [(*shade, text) for shade, text in zip(shades, texts, strict=True)]
    meanings += [("╱", "warn", "above its start"), ("?", "dim", "not tried in time")]
    meanings.append(("╳", "bad", "diverges"))
    if theory is not None:
        meanings.append(("┃", "bad", "limit"))
        if heated.optimizer.name == "sgd":
            meanings.append(("┊", "text", "best from any start"))
    for sign, tone, meaning in meanings:
        there = sign in shown or sign in "┃┊"
        if there and length(row) + len(meaning) + 4 <= width:
            row += [(sign, tone), (f" {meaning}  ", "dim")]
    return row


def value_at(share: float, low: float, high: float) -> float:
    """Return the value at a share of the way between two others: the inverse of ``log_share``."""
    return low * (high / low) ** share if low > 0 else low + share * (high - low)


def move_cursor(view: View, key: str, width: int, height: int) -> bool:
    """Move the cursor by a key; return whether that is one of its keys.

    The first press puts it on the best cell, else on that of the current run.
    """
    heated = view.session.heated
    if key not in MOVES or heated is None or (grid := Grid.of(heated, width, height)) is None:
        return False
    here = cursor_of(view, heated)
    if here is None:
        cell = best_cell(heated) or cell_of_run(view, heated) or Cell(grid.rows[-1], 0)
    else:
        up, right = MOVES[key]
        shown = sorted(grid.rows)
        near = min(range(len(shown)), key=lambda i: abs(shown[i] - here.row))
        row = shown[min(max(near + up, 0), len(shown) - 1)]
        cell = Cell(row, min(max(here.column + right, 0), len(heated.lrs) - 1))
    view.heat_cursor = heated.momenta[cell.row], heated.lrs[cell.column]
    view.dirty = True
    return True


def click(view: View, x: int, y: int, width: int, height: int) -> RunCell | None:
    """Run the cell that is clicked."""
    heated = view.session.heated
    if heated is None or not view.session.offers("start"):
        return None
    grid = Grid.of(heated, width, height)
    if grid is None or not 1 <= y <= grid.tall * len(grid.rows):
        return None
    column = (x - LEFT) // grid.size
    if not 0 <= column < len(heated.lrs):
        return None
    return RunCell(heated.lrs[column], heated.momenta[grid.rows[(y - 1) // grid.tall]])


def depends_on(view: View, width: int) -> object:
    """Return what the map depends on."""
    run, session = view.session.current, view.session
    by = (run.lr, run.optimizer) if run else None
    return session.heated, session.quadratic is None, by, view.heat_cursor, view.size


def waits_for(view: View) -> str:
    """Say that torch is loading or the runs are under way."""
    if view.session.heated is not None:
        return ""
    return "torch is loading" if view.session.facts is None else "the runs are under way"


HEAT = Pane(
    id=HEAT_PANE,
    title="heat map",
    place="main",
    draw=draw,
    depends_on=depends_on,
    help="What becomes of each rate at each momentum; a click runs it, and so do the arrow keys "
    "and Enter.",
    applies=lambda view: view.alone == "heat" or view.session.heated is not None,
    waits_for=waits_for,
    fits=lambda columns, rows: False,  # only alone
    click=click,
    keys=("heat",),
)
