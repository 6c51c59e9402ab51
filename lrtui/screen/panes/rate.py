"""The rate: what is in force at each step, where a schedule or a person moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.run.rate import rate_text
from lrtui.run.run import Run
from lrtui.screen.panes.cursor import upright
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

if TYPE_CHECKING:
    from lrtui.screen.chart import Floats, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the rate by step."""
    from lrtui.screen.chart import Axis, Canvas, Curve, Label, Mark, draw, round_up

    run = view.session.current
    assert run is not None
    steps, rates = rates_of(run)
    last = steps_shown(run, [])
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    highest = round_up(1.05 * max(float(rates.max()), run.lr))
    y = Axis(0.0, highest).aligned(Canvas.of(width, height - 1).rows)
    layers: list[Layer] = upright(None if view.cursor is None else float(view.cursor), y)
    for step, lr in run.changes:
        layers.append(Curve([step, step], [y.low, y.high], "change"))
        layers.append(Label(step, y.high, rate_text(lr), "change"))
    layers.append(Curve(steps, rates, "prediction"))
    layers.append(Mark(float(steps[-1]), float(rates[-1]), "●", "strong-prediction"))
    legend: Row = [("━━", "prediction"), (f" rate {rates[-1]:.3g}", "text")]
    if view.cursor is not None and view.cursor <= run.step:
        at = f" rate {run.lr_at(view.cursor):.4g}"
        legend = [(f"step {view.cursor:,} ", "strong"), (at, "text")]
    if run.schedule != "constant":
        legend.append((f"  {run.schedule}, peak {rate_text(run.lr)}", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def rates_of(run: Run) -> tuple[Floats, Floats]:
    """Return steps and the rate in force at each."""
    import numpy as np

    if run.rates is not None:
        return run.rates.curve()
    rates = [(0, run.first_lr), *run.changes]
    points: list[tuple[int, float]] = []
    for (step, lr), (until, _) in zip(rates, [*rates[1:], (run.step, 0.0)], strict=True):
        points += [(step, lr), (max(until, step), lr)]
    steps, lrs = (np.array(column, float) for column in zip(*points, strict=True))
    return steps, lrs


def varies(view: View) -> bool:
    """Return whether the rate of the current run moves."""
    run = view.session.current
    return run is not None and (
        run.schedule != "constant" or run.rates is not None or bool(run.changes)
    )


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the rate."""
    run = view.session.current
    assert run is not None
    last = steps_shown(run, [])
    return (
        run.number,
        run.step * 2 * width // last,
        last,
        f"{run.rate_now:.3g}",
        len(run.changes),
        view.cursor,
    )


def waits_for(view: View) -> str:
    """Say that the run has not begun."""
    run = view.session.current
    if run is not None and (run.rates is not None or run.changes):
        return ""
    return "the rate appears with the first step"


RATE = Pane(
    id="learning-rate",
    title="rate",
    place="bottom",
    draw=draw,
    depends_on=depends_on,
    help="The rate in force at each step, where a schedule or a person moves it.",
    applies=varies,
    waits_for=waits_for,
    fits=in_two_rows,
    widths=(28, None),
    lens=True,
)
