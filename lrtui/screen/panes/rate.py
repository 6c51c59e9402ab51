"""The rate: what is in force at each step, where a schedule or a person moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.run.rate import rate_text
from lrtui.run.run import Run
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

if TYPE_CHECKING:
    from lrtui.screen.chart import Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the rate in force by step, and what the schedule asks for where that is another."""
    import numpy as np

    from lrtui.screen.chart import Axis, Canvas, Curve, Label, Mark, draw, round_up

    run = view.session.current
    assert run is not None
    assert run.rates is not None
    steps, rates = run.rates.curve()
    last = steps_shown(run, [])
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    layers: list[Layer] = []
    highest = float(rates.max())
    if run.live is not None and run.live.scheduled is not None:
        at, asked = run.live.scheduled.curve()
        # It is told only where it differs.
        at = np.concatenate([steps, at])
        asked = np.concatenate([rates, asked])
        order = np.argsort(at, kind="stable")
        at, asked = at[order], asked[order]
        keep = np.append(at[1:] != at[:-1], True)
        layers.append(Curve(at[keep], asked[keep], "forecast", dotted=True))
        highest = max(highest, float(asked[keep].max()))
    y = Axis(0.0, round_up(1.05 * max(highest, 1e-30))).aligned(Canvas.of(width, height - 1).rows)
    for step, lr in run.changes:
        layers.append(Curve([step, step], [y.low, y.high], "change"))
        layers.append(Label(step, y.high, f"{lr:.3g}", "change"))
    layers.append(Curve(steps, rates, "prediction"))
    layers.append(Mark(float(steps[-1]), float(rates[-1]), "●", "strong-prediction"))
    legend: Row = [("━━", "prediction"), (f" in force {rates[-1]:.3g}", "text")]
    if run.live is not None and run.live.scheduled is not None:
        legend.append(("  ⠒⠒ schedule", "forecast"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def in_force(run: Run) -> list[Row]:
    """Say which rate is in force on a training that is not ours, and what made it so."""
    live = run.live
    if live is None or live.state is None:
        return []
    state = live.state
    lr = run.rates.last if run.rates is not None else state.lr
    row: Row = [("in force ", "dim"), (f"{lr:.4g}", "strong")]
    since = "" if live.since is None else f", since step {live.since:,}"
    scheduled = live.scheduled.last if live.scheduled is not None else state.scheduled
    if state.held is not None:
        row.append((f" = held{since}", "change"))
        if scheduled is not None:
            row.append((f"; the schedule asks for {scheduled:.4g}", "dim"))
    elif state.scale != 1:
        asked = lr / state.scale
        row.append((f" = schedule {asked:.4g} × {state.scale:.4g}{since}", "change"))
    else:
        row.append((", the schedule's own", "dim"))
    if state.stopping:
        row.append(("  stopping", "bad"))
    return [row]


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the rate."""
    run = view.session.current
    assert run is not None
    assert run.rates is not None
    last = steps_shown(run, [])
    now = rate_text(float(f"{run.rates.last:.3g}"))
    return run.number, run.step * 2 * width // last, last, now, len(run.changes)


def waits_for(view: View) -> str:
    """Say that the run has not begun."""
    run = view.session.current
    return "" if run is not None and run.rates is not None else "the rate comes with the first step"


def varies(view: View) -> bool:
    """Return whether the rate of the current run is told at each step."""
    run = view.session.current
    return run is not None and (run.rates is not None or run.live is not None)


RATE = Pane(
    id="learning-rate",
    title="rate",
    place="bottom",
    draw=draw,
    depends_on=depends_on,
    help="The rate in force at each step; dotted what the schedule asks for, where a person has "
    "changed that.",
    applies=varies,
    waits_for=waits_for,
    fits=in_two_rows,
    widths=(28, None),
)
