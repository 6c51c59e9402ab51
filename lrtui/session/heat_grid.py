"""Momentum and rate side by side: what is compared, and which of it is best."""

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
"""Momenta that are compared: closer together where a little means much."""

RATE_COUNT = 48
"""Rates that are compared."""

BELOW, ABOVE, BEYOND = 1 / 200, 2.5, 10.0
"""Ends of the rates, as shares of the limit without momentum (with all of it, it is twice that);
the last in place of the second for a network, where the limit is a guess."""

MANY = 10
"""Weights above which a heat map on the screen has a quarter of the cells."""

MANY_STEPS = 200
"""Steps of such a one: some seconds, for a small network."""

SCREEN_WORK = 1.5e8
"""Runs times points times steps of a heat map on the screen: a second."""


class Cell(NamedTuple):
    """A cell of a heat map.

    Attributes:
        row: which momentum.
        column: which rate.
    """

    row: int
    column: int


def kind(optimizer: Optimizer | str) -> Optimizer:
    """Return the optimizer whose momentum is compared: SGD in place of one that has none."""
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
    """Return what is asked for a heat map.

    Args:
        optimizer: what takes the steps; see ``kind``.
        theory: closed form of the loss under gradient descent, if it has one.
        facts: what is known of the problem.
        steps: steps of a run.
        schedule: how each rate moves from its peak.
    """
    low, high = ADAPTIVE
    if theory is not None:
        low, high = BELOW * theory.max_stable_lr, ABOVE * theory.max_stable_lr
    elif facts.sharpness is not None and facts.sharpness > 0:
        low, high = BELOW * 2 / facts.sharpness, BEYOND * 2 / facts.sharpness
    # Rounded as they are shown, so that a cell is the run that it says it is.
    lrs = [float(f"{lr:.3g}") for lr in spaced(low, high, RATE_COUNT)]
    return Heat(
        lrs=lrs, momenta=[*MOMENTA], steps=steps, optimizer=kind(optimizer), schedule=schedule
    )


def heat_on_screen(asked: Heat, facts: ProblemFacts) -> Heat:
    """Return a heat map that takes no more time than a person waits."""
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
    """Return the cell that settled first, or else ended lowest; of equals the lowest loss.

    ``None`` where none ended lower than it began.
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
    """Return the rate from which on runs of a momentum diverge, where that is known."""
    if theory is None:
        return None
    return theory.with_optimizer(replace(heated.optimizer, momentum=momentum)).max_stable_lr


def best_from_any_start(heated: GridResult, momentum: float, theory: Theory | None) -> float | None:
    """Return the rate at which the slowest direction shrinks fastest: (2 + 2β)/(λmin + λmax).

    There both ends of the spectrum shrink alike; see ``lrtui.analysis.theory``. Holds for SGD,
    not for Nesterov's momentum.
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
    """Say what became of a cell."""
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
    """Return a heat map as a report."""
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
