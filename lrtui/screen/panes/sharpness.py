"""The sharpness, the largest curvature of the loss, and the largest that the rate allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrtui.messages import Optimizer
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.cursor import upright
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import ReadStep, turning_chart
from lrtui.screen.panes.rate import rates_of
from lrtui.screen.panes.scene import has_theory, is_measured
from lrtui.session.run import Run

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Layer


MIN_ERROR = 5e-5
"""Relative error of a sharpness below which it is not written: the digits do not show it."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the sharpness by step, and the value above which steps grow."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Canvas, Curve, Label, Mark, Stroke, draw, round_up

    run = view.run
    steps, values, errors = (np.array(column, float) for column in zip(*run.sharpness, strict=True))
    last = steps_shown(run, [])
    canvas = Canvas.of(width, height - 1)
    allowed = allowed_by(run)
    largest = max(values.max() + errors.max(), 1e-30)
    if allowed is not None and allowed <= 4 * largest:
        largest = max(largest, allowed)
    y = Axis(0.0, round_up(1.05 * float(largest))).aligned(canvas.rows)
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    pointed = None if view.cursor is None else min(view.cursor, last)
    layers: list[Layer] = upright(pointed, y)
    if allowed is not None:
        at, lrs = rates_of(run, last)
        with np.errstate(divide="ignore"):
            level = threshold(run) / lrs
        layers.append(Curve(at, level, "bad", dotted=True))
        label = f"{formula(run)} = {value_text(allowed)}"
        layers.append(Label(0.75 * last, float(level[-1]), label, "bad"))
    layers.append(Stroke(steps, values, view.tone(run)))
    layers.append(Mark(float(steps[-1]), float(values[-1]), "●", view.tone(run)))
    i = len(steps) - 1
    if pointed is not None:  # the last measurement up to there
        i = max(int(np.searchsorted(steps, pointed, side="right")) - 1, 0)
        layers.append(Mark(float(steps[i]), float(values[i]), "◇", "strong"))
        allowed = threshold(run) / run.lr_at(int(steps[i])) if allowed is not None else None
    now, error = values[i], errors[i]
    legend: Row = [] if pointed is None else [(f"step {steps[i]:,.0f}  ", "strong")]
    give = f" ± {value_text(float(f'{error:.1g}'))}" if error > MIN_ERROR * now else ""
    said = f" {value_text(now)}{give}"
    legend += [("━━", view.tone(run)), (said, "text")]
    if allowed is not None:
        legend.append((f"  {now / allowed:.2f} of {formula(run)}", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def allowed_by(run: Run) -> float | None:
    """Return the largest stable sharpness at the rate in force, ``None`` if unknown."""
    is_known = isinstance(run.optimizer, Optimizer) and run.optimizer.name != "own"
    if run.threshold is None and not is_known:
        return None
    return threshold(run) / run.rate_now if run.rate_now else math.inf


def threshold(run: Run) -> float:
    """Return the largest stable product of rate and curvature."""
    if run.threshold is not None:
        return run.threshold
    assert isinstance(run.optimizer, Optimizer)
    return run.optimizer.threshold


def formula(run: Run) -> str:
    """Return the formula of the largest stable sharpness, such as 2/rate."""
    return f"{threshold(run):.3g}/rate"


def value_text(value: float) -> str:
    """Format a sharpness in four digits: 39.84, 18,610."""
    return f"{value:,.0f}" if 1000 <= value < 1e6 else f"{value:.4g}"


def depends_on(view: View, width: int) -> object:
    """Return what the chart depends on."""
    run = view.run
    return run.number, run.sharpness[-1], run.rate_now, steps_shown(run, []), view.cursor


def click(view: View, x: int, y: int, width: int, height: int) -> ReadStep | None:
    """Read out the step that is clicked."""
    from lrtui.screen.draw.chart import Axis, Canvas

    run = view.session.current
    canvas = Canvas.of(width, height - 1)
    if run is None or y < 1 or not canvas.left <= x < canvas.left + canvas.columns:
        return None
    axis = Axis(0.0, float(steps_shown(run, [])))
    return ReadStep(round(canvas.x_at(axis, x - canvas.left)))


def waits_for(view: View) -> str:
    """Say that no sharpness has been measured yet."""
    run = view.session.current
    return "" if run and run.sharpness else "measured soon"


def has_sharpness(view: View) -> bool:
    """Return whether it was measured of a training that is not ours."""
    run = view.session.current
    return run is not None and run.live is not None and bool(run.sharpness)


SHARPNESS = turning_chart(
    id="sharpness",
    title="sharpness",
    draw=draw,
    depends_on=depends_on,
    help="The largest curvature of the loss, measured on the way, and the value above which steps "
    "along it grow: 2/rate, with momentum or Adam another.",
    applies=lambda view: has_sharpness(view) or (is_measured(view) and not has_theory(view)),
    waits_for=waits_for,
    click=click,
)
