"""Every rate: the steps to settle, or the final loss, by the rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.analysis.advice import best_swept
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.cursor import upright
from lrtui.screen.panes.pane import Pane, RunRate
from lrtui.screen.panes.ruler import past, rate_at, rates
from lrtui.session.rate_axis import outcomes
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.analysis.theory import Theory
    from lrtui.screen.draw.chart import Axis, Canvas, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the result of each rate of the sweep, and the forecast for others if there is one."""
    if view.session.theory is not None:
        return draw_settling(view, view.session.theory, width, height)
    return draw_losses(view, width, height)


def draw_settling(view: View, theory: Theory, width: int, height: int) -> list[Row]:
    """Draw the steps to settle by the rate."""
    from lrtui.screen.draw.chart import Canvas, Curve, Label, Mark, Stroke, draw

    run = view.session.current
    swept, steps = view.swept, view.steps
    assert swept is not None
    found = outcomes(swept, theory, steps)
    canvas = Canvas.of(width, height - 1)
    x, y = axes(view, canvas)
    measured = [
        (lr, max(at, 1)) for lr, (_, at) in zip(swept.lrs, found, strict=True) if at is not None
    ]
    ahead = [(lr, at) for lr in swept.lrs if (at := steps_to_settle(theory, lr))]
    limit, best = theory.max_stable_lr, theory.best_lr
    fewest = steps_to_settle(theory, best) or y.high
    layers: list[Layer] = [Curve([x.low, x.high], [steps, steps], "faint")]
    layers += upright(view.rate, y)
    if x.low <= limit <= x.high:
        layers.append(Curve([limit, limit], [y.low, y.high], "bad"))
        layers.append(Label(limit, y.high, f"limit {limit:.3g}", "bad"))
        layers.append(Label(limit, y.at(0.7), "never settles", "bad"))
    layers += [
        Curve([lr for lr, _ in ahead], [at for _, at in ahead], "good", dotted=True),
        Stroke([lr for lr, _ in measured], [at for _, at in measured], "good"),
        *(
            Mark(lr, steps_to_settle(theory, lr) or y.high, *span)
            for lr, span in past(view)
            if x.low <= lr <= x.high
        ),
        Label(x.low, steps, f"{steps:,} steps given", "dim"),
    ]
    if x.low <= best <= x.high:
        layers.append(Mark(best, fewest, "★", "good"))
        layers.append(Label(best, fewest, f"best {best:.4g}, at step {fewest:,.0f}", "good"))
    if run is not None and x.low <= run.lr <= x.high:
        settles = steps_to_settle(theory, run.lr) or y.high
        layers.append(Mark(run.lr, settles, "◆", view.tone(run)))
    legend: Row = [("━", "good"), (" steps to settle, by rate", "dim"), ("  ⠐⠐ forecast", "good")]
    legend += [("  ◆", view.tone(run) if run else "text"), (" this run", "dim")]
    if view.rate is not None:
        at = steps_to_settle(theory, view.rate)
        layers.append(Mark(view.rate, at or y.high, "◇", "strong"))
        fate = "never settles" if at is None else f"settles at step {at:,}"
        legend = read_rate(view.rate, fate)
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def draw_losses(view: View, width: int, height: int) -> list[Row]:
    """Draw the final loss of the sweep by the rate; rates that diverged are at the top."""
    from lrtui.screen.draw.chart import Canvas, Curve, Label, Mark, Stroke, draw

    run = view.session.current
    swept = view.swept
    assert swept is not None
    x, y = axes(view, Canvas.of(width, height - 1))
    known = [
        (lr, loss)
        for i, (lr, loss) in enumerate(zip(swept.lrs, swept.losses, strict=True))
        if loss is not None and swept.is_finished(i)
    ]
    layers: list[Layer] = upright(view.rate, y)
    if swept.first_loss is not None:
        layers.append(Curve([x.low, x.high], [swept.first_loss] * 2, "faint"))
        layers.append(Label(x.low, swept.first_loss, "loss at the start", "dim"))
    layers.append(Stroke([lr for lr, _ in known], [loss for _, loss in known], "good"))
    layers += [
        Mark(lr, y.high, "✕", "bad")
        for lr, loss in zip(swept.lrs, swept.losses, strict=True)
        if loss is None
    ]
    best = best_swept(swept)
    if best is not None:
        lowest = dict(known)[best]
        settled = swept.settled_at[swept.lrs.index(best)]
        says = f"best tried {best:.2g}, {lowest:.2g}"
        if settled is not None:
            says += f", at its target at step {settled:,}"
        layers += [Mark(best, lowest, "★", "good"), Label(best, lowest, says, "good")]
    layers += [
        Mark(lr, on_the_curve(known, lr), *span)
        for lr, span in past(view)
        if known and x.low <= lr <= x.high
    ]
    if run is not None and known:
        layers.append(Mark(run.lr, on_the_curve(known, run.lr), "◆", view.tone(run)))
    legend: Row = [("━", "good"), (f" loss after {swept.steps:,} steps, by rate", "dim")]
    legend += [("  ◆", view.tone(run) if run else "text"), (" this run", "dim")]
    legend.append((f"  ({swept.how})", "dim"))
    if (lr := view.rate) is not None:
        i = min(range(len(swept.lrs)), key=lambda i: abs(math.log(swept.lrs[i] / lr)))
        said = "diverged" if swept.losses[i] is None else f"loss {swept.losses[i]:.4g}"
        said = said if swept.is_finished(i) else "not tried to the end"
        legend = read_rate(lr, f"the nearest tried, {swept.lrs[i]:.3g}: {said}")
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def read_rate(lr: float, fate: str) -> Row:
    """Return the row of the cursor: its rate and the result of that."""
    return [(f"rate {rate_text(lr)}", "strong"), (f"  {fate}", "text"), ("  Enter runs it", "dim")]


def moved(view: View, cells: int, width: int, height: int) -> float | None:
    """Return the rate of the cursor once it has moved right by some cells.

    It starts at the rate of the current run.
    """
    from lrtui.screen.draw.chart import Canvas

    run = view.session.current
    if view.swept is None or run is None:
        return None
    canvas = Canvas.of(width, height - 1)
    x, _ = axes(view, canvas)
    here = canvas.column(x, run.lr if view.rate is None else view.rate)
    cell = min(max(here + cells, 0), canvas.columns - 1)
    found = rate_at(canvas, x, canvas.left + cell, view)
    return found.lr if found else None


def on_the_curve(known: Sequence[tuple[float, float]], lr: float) -> float:
    """Return the loss at a rate on the line through the rates that were tried."""
    import numpy as np

    rates, losses = (np.array(column) for column in zip(*known, strict=True))
    by_factors = losses.min() > 0
    at = np.log(losses) if by_factors else losses
    found = float(np.interp(math.log(lr), np.log(rates), at))
    return math.exp(found) if by_factors else found


def steps_to_settle(theory: Theory, lr: float) -> int | None:
    """Return the step at which a rate settles, at least 1: there is no 0 on a log axis."""
    at = theory.settles_at(theory.start, lr)
    return None if at is None else max(at, 1)


def axes(view: View, canvas: Canvas) -> tuple[Axis, Axis]:
    """Return the axes of the rates and of the steps or losses."""
    from lrtui.screen.draw.chart import Axis

    swept, theory, steps = view.swept, view.session.theory, view.steps
    assert swept is not None
    x = rates(swept)
    if theory is not None:
        slowest = steps_to_settle(theory, x.low) or steps
        most = min(max(slowest, steps, 10), 1000 * steps)
        y = Axis(1.0, 10.0 ** math.ceil(math.log10(most)), log=True)
        return x, y.aligned(canvas.rows)
    known = [loss for loss in swept.losses if loss is not None]
    if swept.first_loss is not None:
        known.append(swept.first_loss)
        # Rates that end far above the start are of no interest.
        known = [min(loss, 100 * abs(swept.first_loss)) for loss in known]
    low, high = min(known, default=0.1), max(known, default=1.0)
    if low <= 0:
        return x, Axis(low, high if high > low else low + 1).aligned(canvas.rows)
    low = 10.0 ** math.floor(math.log10(low))
    y = Axis(low, max(10.0 ** math.ceil(math.log10(high)), 10 * low), log=True)
    return x, y.aligned(canvas.rows)


def depends_on(view: View, width: int) -> object:
    """Return what the chart depends on."""
    run = view.session.current
    session = view.session
    here = (run.lr if run else None, view.rate, past(view))
    return view.swept, session.theory is None, view.steps, here


def waits_for(view: View) -> str:
    """Say that torch is loading or the sweep is under way."""
    if view.session.facts is None and view.session.quadratic is None:
        return "torch is loading"
    return "" if view.swept else "the sweep is under way"


def click(view: View, x: int, y: int, width: int, height: int) -> RunRate | None:
    """Run the rate at a column: exactly the best or the limit, at theirs."""
    from lrtui.screen.draw.chart import Canvas

    if view.swept is None or y < 1 or not view.session.offers("start"):
        return None
    canvas = Canvas.of(width, height - 1)
    axis, _ = axes(view, canvas)
    return rate_at(canvas, axis, x, view)


EVERY_RATE = Pane(
    id="every-rate",
    title="every rate",
    place="main",
    draw=draw,
    depends_on=depends_on,
    help="The steps that each rate takes to settle, or the loss it comes to; a click runs the rate "
    "under it.",
    applies=lambda view: view.session.offers("sweep") or view.session.swept is not None,
    waits_for=waits_for,
    fits=lambda columns, rows: False,  # only alone
    click=click,
    keys=("cursor_left", "zoom_ruler", "every_rate"),
)
