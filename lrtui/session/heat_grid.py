"""The heat map of momentum and rate: its rows and columns, and its best cell."""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec.structs import replace

from lrtui.analysis.diagnosis import DIVERGED_FACTOR
from lrtui.analysis.theory import Theory
from lrtui.messages import PLAIN, GridResult, Heat, Optimizer, ProblemFacts
from lrtui.session.rate_axis import ADAPTIVE, MAX_SWEEP_STEPS, SWEEP_SECONDS, spaced
from lrtui.session.reports import HeatBest, HeatTable
from lrtui.session.session import Session

MOMENTA = (*(i / 20 for i in range(19)), 0.92, 0.94, 0.96, 0.98, 0.99)
"""Momenta of the rows, closer together near 1."""

RATE_COUNT = 48
"""Columns of the map."""

BELOW, ABOVE, BEYOND = 1 / 200, 2.5, 10.0
"""Ends of the rates, as shares of the limit without momentum; ``BEYOND`` replaces ``ABOVE`` for a
network, where the limit is a guess."""

MANY = 10
"""Above this number of weights a map on the screen has a quarter of the cells."""

MANY_STEPS = 200
"""Steps of its runs: some seconds for a small network."""

SCREEN_WORK = 1.5e8
"""Runs × points × steps of a map on the screen: a second."""


class Cell(NamedTuple):
    """A cell of the map: the index of its momentum and of its rate."""

    row: int
    column: int


def kind(optimizer: Optimizer | str) -> Optimizer:
    """Return the optimizer whose momentum varies; SGD for one without momentum."""
    if isinstance(optimizer, str) or optimizer.name not in ("sgd", "nesterov"):
        return PLAIN
    return replace(optimizer, momentum=0.0)


def heat(
    optimizer: Optimizer | str,
    theory: Theory | None,
    facts: ProblemFacts,
    steps: int,
    schedule: str = "constant",
) -> Heat:
    """Return the command for a heat map; ``theory`` is the closed form of gradient descent."""
    low, high = ADAPTIVE
    if theory is not None:
        low, high = BELOW * theory.max_stable_lr, ABOVE * theory.max_stable_lr
    elif facts.sharpness is not None and facts.sharpness > 0:
        low, high = BELOW * 2 / facts.sharpness, BEYOND * 2 / facts.sharpness
    # Rounded as shown, so that the run of a cell has exactly the rate that the cell shows.
    lrs = [float(f"{lr:.3g}") for lr in spaced(low, high, RATE_COUNT)]
    return Heat(
        lrs=lrs, momenta=[*MOMENTA], steps=steps, optimizer=kind(optimizer), schedule=schedule
    )


def heat_on_screen(asked: Heat, facts: ProblemFacts) -> Heat:
    """Return a smaller command, for a person who waits for it."""
    if facts.weights > MANY:
        return replace(
            asked,
            lrs=asked.lrs[::2],
            momenta=asked.momenta[::2],
            steps=min(asked.steps, MANY_STEPS),
            seconds=SWEEP_SECONDS,
        )
    runs = len(asked.lrs) * len(asked.momenta)
    affordable = max(int(SCREEN_WORK / (runs * (facts.samples or 1))), 1)
    steps = min(asked.steps, MAX_SWEEP_STEPS, affordable)
    return replace(asked, steps=steps, seconds=SWEEP_SECONDS)


def best_cell(heated: GridResult) -> Cell | None:
    """Return the cell that settled first, or else ended lowest.

    ``None`` if none ended lower than it began.
    """
    found: list[tuple[float, float, Cell]] = []
    for row, losses in enumerate(heated.losses):
        for column, loss in enumerate(losses):
            if loss is not None and heated.finished[row][column]:
                at = heated.settled_at[row][column]
                found.append((math.inf if at is None else at, loss, Cell(row, column)))
    if not found:
        return None
    steps, lowest, cell = min(found)
    first = heated.first_loss
    return None if math.isinf(steps) and first is not None and lowest >= first else cell


def limit_of(heated: GridResult, momentum: float, theory: Theory | None) -> float | None:
    """Return the limit at a momentum, if it is known."""
    if theory is None:
        return None
    return theory.with_optimizer(replace(heated.optimizer, momentum=momentum)).max_stable_lr


def best_from_any_start(heated: GridResult, momentum: float, theory: Theory | None) -> float | None:
    """Return the rate whose slowest direction shrinks fastest: (2 + 2β)/(λmin + λmax).

    Holds for SGD, not for Nesterov's momentum; see ``lrtui.analysis.theory``.
    """
    if theory is None or heated.optimizer.name != "sgd":
        return None
    decay = 2 * heated.optimizer.weight_decay
    return (2 + 2 * momentum) / (theory.eigenvalues[0] + theory.eigenvalues[-1] + decay)


def has_blown_up(heated: GridResult, cell: Cell) -> bool:
    """Return whether a cell diverged."""
    loss, first = heated.losses[cell.row][cell.column], heated.first_loss
    return loss is None or (first is not None and first > 0 and loss > DIVERGED_FACTOR * first)


def cell_text(heated: GridResult, cell: Cell) -> str:
    """Return the outcome of a cell in words."""
    loss, at = (column[cell.row][cell.column] for column in (heated.losses, heated.settled_at))
    first = heated.first_loss
    if not heated.finished[cell.row][cell.column]:
        return "not tried to the end"
    if has_blown_up(heated, cell):
        return "diverges"
    if at is not None:
        return f"settles at {at:,}"
    if first is not None and loss is not None and loss > first:
        return f"above its start after {heated.steps:,} steps"
    return f"loss {loss:.3g} after {heated.steps:,} steps"


def table(heated: GridResult, session: Session) -> HeatTable:
    """Return the report of a heat map."""
    cell = best_cell(heated)
    best = None
    if cell is not None:
        best = HeatBest(
            rate=heated.lrs[cell.column],
            momentum=heated.momenta[cell.row],
            steps=heated.settled_at[cell.row][cell.column],
            loss=heated.losses[cell.row][cell.column],
        )
    return HeatTable(
        rates=heated.lrs,
        momenta=heated.momenta,
        settled_at=heated.settled_at,
        losses=heated.losses,
        first_loss=heated.first_loss,
        best=best,
        steps=heated.steps,
        problem=session.facts.name if session.facts else "",
        optimizer=heated.optimizer.title,
        schedule=heated.schedule,
        how=heated.how,
    )
