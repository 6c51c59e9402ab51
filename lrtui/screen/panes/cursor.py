"""The cursor: a step, a rate or a place on the map whose values are read out on the charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes import along
from lrtui.session.run import Run
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Layer

FAST = 10
"""Cells that the cursor moves at a time with shift."""


def upright(x: float | None, y: Axis) -> list[Layer]:
    """Return the line of a cursor from the bottom to the top of a chart; none without a cursor."""
    from lrtui.screen.draw.chart import Curve

    return [] if x is None else [Curve([x, x], [y.low, y.high], "dim")]


def losses_at(view: View, runs: Sequence[Run]) -> Row:
    """Return the row of the cursor on the loss chart: step, rate, and loss of each run."""
    step = view.cursor
    assert step is not None
    run, *others = runs
    where = along.place(view, run, step)
    row: Row = [(f"step {step:,} ", "strong")]
    if others:
        row.append((f" {run.number}:", view.tone(run)))
    rate = f" rate {rate_text(run.lr_at(step))}" if step <= run.step else ""
    row.append((f"{rate} loss {loss_at(run, step)}", "text"))
    for old in others:
        loss = loss_at(old, along.step_at(view, old, where))
        row.append((f"  {old.number}: {loss}", view.tone(old)))
    return row


def loss_at(run: Run, step: int) -> str:
    """Write the loss of a run at a step; a range between two reports, a dash if unknown."""
    assert run.series is not None
    if run.series.broken is not None and step >= run.series.broken:
        return "not finite"
    if (loss := run.series.at(step)) is not None:
        return f"{loss:.5g}"
    if (found := run.series.around(step)) is None or step > run.step:
        return "–"
    return "{:.4g} to {:.4g}".format(*found)
