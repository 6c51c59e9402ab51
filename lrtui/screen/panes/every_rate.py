"""Every rate: the steps to settle, by the rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrtui.run.rate_axis import outcomes
from lrtui.screen.panes.pane import Pane, RunRate
from lrtui.screen.panes.ruler import rate_at, rates
from lrtui.screen.panes.scene import has_theory
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

if TYPE_CHECKING:
    from lrtui.run.theory import Theory
    from lrtui.screen.chart import Axis, Canvas, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the steps that each rate of the sweep took, and those that others would take."""
    from lrtui.screen.chart import Canvas, Curve, Label, Mark, draw

    session, run = view.session, view.session.current
    swept, theory, steps = session.swept, session.theory, view.steps
    assert swept is not None
    assert theory is not None
    found = outcomes(swept, theory, steps)
    canvas = Canvas.of(width, height - 1)
    x, y = axes(theory, steps, canvas)
    measured = [
        (lr, max(at, 1)) for lr, (_, at) in zip(swept.lrs, found, strict=True) if at is not None
    ]
    ahead = [(lr, at) for lr in swept.lrs if (at := steps_to_settle(theory, lr))]
    limit, best = theory.max_stable_lr, theory.best_lr
    fewest = steps_to_settle(theory, best) or y.high
    layers: list[Layer] = [
        Curve([x.low, x.high], [steps, steps], "faint"),
        Curve([limit, limit], [y.low, y.high], "bad"),
        Curve([lr for lr, _ in ahead], [at for _, at in ahead], "forecast", dotted=True),
        Curve([lr for lr, _ in measured], [at for _, at in measured], "good"),
        Mark(best, fewest, "★", "good"),
        Label(best, fewest, f"best {best:.4g}, at step {fewest:,.0f}", "good"),
        Label(limit, y.high, f"limit {limit:.3g}", "bad"),
        Label(limit, y.at(0.7), "never settles", "bad"),
        Label(x.low, steps, f"{steps:,} steps given", "dim"),
    ]
    if run is not None:
        settles = steps_to_settle(theory, run.lr) or y.high
        layers.append(Mark(run.lr, settles, "◆", "strong-prediction"))
    legend: Row = [("━", "good"), (" steps to settle, by rate", "dim")]
    legend += [("  ⠒⠒ forecast", "forecast"), ("  ◆", "prediction"), (" this run", "dim")]
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def steps_to_settle(theory: Theory, lr: float) -> int | None:
    """Return the step at which a rate settles, at least 1: there is no 0 on a log axis."""
    at = theory.settles_at(theory.start, lr)
    return None if at is None else max(at, 1)


def axes(theory: Theory, steps: int, canvas: Canvas) -> tuple[Axis, Axis]:
    """Return the axes: the rates that are compared, and steps up to what the slowest takes."""
    from lrtui.screen.chart import Axis

    x = rates(theory)
    slowest = steps_to_settle(theory, x.low) or steps
    most = min(max(slowest, steps, 10), 1000 * steps)
    y = Axis(1.0, 10.0 ** math.ceil(math.log10(most)), log=True)
    return x, y.aligned(canvas.rows)


def depends_on(view: View, width: int) -> object:
    """Return what the chart depends on."""
    run = view.session.current
    return view.session.swept, view.steps, run.lr if run else None


def waits_for(view: View) -> str:
    """Say that the sweep is not there yet."""
    if view.session.theory is None:
        return "torch is loading"
    return "" if view.session.swept else "the sweep is under way"


def click(view: View, x: int, y: int, width: int, height: int) -> RunRate | None:
    """Run the rate at a column: exactly the best or the limit, at theirs."""
    from lrtui.screen.chart import Canvas

    theory = view.session.theory
    if theory is None or y < 1 or not view.session.offers("start"):
        return None
    canvas = Canvas.of(width, height - 1)
    axis, _ = axes(theory, view.steps, canvas)
    return rate_at(canvas, axis, x, theory)


EVERY_RATE = Pane(
    id="every-rate",
    title="every rate",
    place="top",
    draw=draw,
    depends_on=depends_on,
    help="The steps that each rate takes to settle; a click runs the rate under it.",
    applies=has_theory,
    waits_for=waits_for,
    fits=lambda columns, rows: False,  # only alone
    click=click,
)
