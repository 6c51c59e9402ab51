"""The rate in force at each step, if a schedule or the user moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.messages import Vitals
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.cursor import upright
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import Pane, in_two_rows, turning_chart
from lrtui.session.run import Run
from lrtui.text.amounts import bytes_text
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Floats, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the rate by step."""
    from lrtui.screen.draw.chart import Axis, Canvas, Curve, Label, Mark, Stroke, draw, round_up

    run = view.run
    tone, last = view.tone(run), steps_shown(run, [])
    steps, rates = rates_of(run, run.step)
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    asked = asked_for(run)
    highest = max(float(rates.max()), run.lr, float(asked[1].max()) if asked else 0.0, 1e-30)
    y = Axis(0.0, round_up(1.05 * highest)).aligned(Canvas.of(width, height - 1).rows)
    layers: list[Layer] = upright(None if view.cursor is None else float(view.cursor), y)
    if asked is not None:
        layers.append(Curve(*asked, tone, dotted=True))
    layers += [Curve([step, step], [y.low, y.high], "dim") for step, _ in run.changes]
    layers += [Label(step, y.high, f"{lr:.3g}", "text") for step, lr in run.changes]
    layers.append(Stroke(steps, rates, tone))
    now = lr_in_force(run)
    layers.append(Mark(float(run.step), now, "●", tone))
    legend: Row = [("━━", tone), (f" {now:.4g}", "text")]
    if view.cursor is not None and view.cursor <= run.step:
        at = f" rate {run.lr_at(view.cursor):.4g}"
        legend = [(f"step {view.cursor:,} ", "strong"), (at, "text")]
    if asked is not None:
        legend.append(("  ⠐⠐ schedule", tone))
    elif run.schedule != "constant":
        legend.append((f"  {run.schedule}, peak {rate_text(run.lr)}", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def rates_of(run: Run, last: int) -> tuple[Floats, Floats]:
    """Return steps and the rate in force at each, up to a last step."""
    import numpy as np

    if run.rates is not None:
        return run.rates.curve()
    rates = [(0, run.first_lr), *run.changes]
    points: list[tuple[int, float]] = []
    for (step, lr), (until, _) in zip(rates, [*rates[1:], (last, 0.0)], strict=True):
        points += [(step, lr), (max(until, step), lr)]
    steps, lrs = (np.array(column, float) for column in zip(*points, strict=True))
    return steps, lrs


def lr_in_force(run: Run) -> float:
    """Return the rate in force: of the last report, or of a command since then."""
    state = run.live.state if run.live is not None else None
    return run.rate_now if state is None or state.step < run.step else state.lr


def asked_for(run: Run) -> tuple[Floats, Floats] | None:
    """Return steps and the scheduled rate at each, if the user has changed the rate."""
    import numpy as np

    if run.live is None or run.live.scheduled is None or run.rates is None:
        return None
    # The scheduled rate is reported only if it differs.
    at, asked = (
        np.concatenate(columns)
        for columns in zip(run.rates.curve(), run.live.scheduled.curve(), strict=True)
    )
    order = np.argsort(at, kind="stable")
    at, asked = at[order], asked[order]
    keep = np.append(at[1:] != at[:-1], True)
    return at[keep], asked[keep]


def in_force(run: Run) -> list[Row]:
    """Say which rate is in force in a training that is not ours, and why."""
    live = run.live
    if live is None or live.state is None:
        return []
    state = live.state
    if not run.knows_rate:
        return [settings_and_memory(live.vitals)] if live.vitals is not None else []
    lr = lr_in_force(run)
    row: Row = [("in force " if run.is_on else "last rate ", "dim"), (f"{lr:.4g}", "strong")]
    since = "" if live.since is None else f", since step {live.since:,}"
    scheduled = live.scheduled.last if live.scheduled is not None else state.scheduled
    if state.held is not None:
        row.append((f" = held{since}", "strong"))
        if scheduled is not None:
            row.append((f"; the schedule asks for {scheduled:.4g}", "dim"))
    elif state.scale != 1:
        asked = lr / state.scale
        row.append((f" = schedule {asked:.4g} × {state.scale:.4g}{since}", "strong"))
    else:
        row.append((", the script's own", "dim"))
    if state.groups > 1 and state.lowest is not None and state.lr > 0:
        # The state is of the last command; a schedule keeps the ratio of the groups.
        lowest = state.lowest * lr / state.lr
        row.append((f"  {state.groups} groups, {lowest:.2g} … {lr:.2g}", "dim"))
    if state.stopping and run.is_on:
        row.append(("  stopping", "bad"))
    elif live.vitals is not None:
        row += [("   ", "dim"), *settings_and_memory(live.vitals)]
    return [row]


def settings_and_memory(vitals: Vitals) -> Row:
    """Return betas and weight decay in force, and the memory in use."""
    found = [vitals.settings] if vitals.settings else []
    if vitals.memory is not None:
        on_device = vitals.device_memory
        more = "" if on_device is None else f", {bytes_text(on_device)} on its device"
        found.append(f"{bytes_text(vitals.memory)} of memory{more}")
    return [("   ".join(found), "dim")] if found else []


def varies(view: View) -> bool:
    """Return whether the rate of the current run changes."""
    run = view.session.current
    return run is not None and (
        run.schedule != "constant" or run.rates is not None or bool(run.changes)
    )


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the rate."""
    run, last = view.run, steps_shown(view.run, [])
    dot, now = run.step * 2 * width // last, f"{lr_in_force(run):.4g}"
    return run.number, dot, last, now, len(run.changes), view.cursor


def waits_for(view: View) -> str:
    """Say that the run has not taken a step yet, or that it records no rate."""
    run = view.session.current
    if run is not None and (run.rates is not None or run.changes):
        return ""
    if run is not None and run.series is not None:
        return "no rate is recorded"
    return "the rate appears with the first step"


RATE = turning_chart(
    id="learning-rate",
    title="rate",
    draw=draw,
    depends_on=depends_on,
    help="The rate in force at each step, where a schedule or a person moves it.",
    applies=lambda view: varies(view) and view.live is None,
    waits_for=waits_for,
)

RATE_IN_FORCE = Pane(
    id="rate-in-force",
    title="rate",
    place="below",
    draw=draw,
    depends_on=depends_on,
    help="The rate in force at each step; dotted what the schedule asks for, where a person has "
    "changed that.",
    applies=lambda view: view.live is not None,
    waits_for=waits_for,
    fits=in_two_rows,
    widths=(28, None),
)
