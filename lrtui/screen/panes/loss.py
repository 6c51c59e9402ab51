"""The loss: of the current run, the earlier runs behind it, and the forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from lrtui.analysis.diagnosis import LOSS_ROUNDING
from lrtui.screen.control.view import MAX_BEHIND, Scale, View
from lrtui.screen.draw.spans import Row, fitted, shortened
from lrtui.screen.panes import along
from lrtui.screen.panes.cursor import losses_at, upright
from lrtui.screen.panes.pane import Pane, ReadStep
from lrtui.session.run import Run
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries
    from lrtui.screen.draw.chart import Axis, Canvas, Floats, Layer

TOO_STEEP = 1e3
"""Multiple of the first loss up to which losses can be read on a linear scale."""

FAR_OFF = 10.0
"""Multiple of the usual losses up to which the axis includes others; the rest is marked at its
end."""

FORECAST_POINTS = 200
"""Points of a forecast that are computed."""

LEAST_APART = 3
"""Columns per mark of a validation loss, at least."""

MAX_LABEL = 12
"""Characters of a label at the end of a curve."""

SCALES = {"linear": "linear scale", "log": "log scale", "above minimum": "above minimum, log scale"}
"""Names of the scales."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the losses on a scale on which they can be read."""
    import numpy as np

    from lrtui.screen.draw.chart import Canvas, Curve, Label, Mark, Path, Stroke, draw

    run, quadratic = view.run, view.session.quadratic
    assert run.series is not None
    runs = [run, *view.behind()]
    scale = scale_of(view, run)
    floor = quadratic.min_loss if quadratic and scale == "above minimum" else 0.0
    rounding = LOSS_ROUNDING * floor
    canvas = Canvas.of(width, height - 1)
    x, y = x_axis(view, canvas), loss_axis(runs, scale, rounding, canvas)
    last = x.last

    def shown(loss: Floats) -> Floats:
        return np.maximum(loss - floor, rounding) if scale == "above minimum" else loss

    def at_step(step: float) -> float:
        return along.place(view, run, step)

    mine = view.tone(run)
    layers: list[Layer] = []
    names: list[Layer] = []
    if view.cursor is not None:
        layers += upright(at_step(view.cursor), y)
    if rounding:
        layers.append(Curve([0, last], [rounding, rounding], "faint"))
        names.append(Label(0.7 * last, rounding, "float32 rounding", "dim"))
    elif run.target is not None and y.low < run.target < y.high:
        layers.append(Curve([0, last], [run.target, run.target], "faint"))
        names.append(Label(0.7 * last, run.target, f"target {run.target:.4g}", "dim"))
    if (ahead := forecast(run, last_shown(view))) is not None:
        layers.append(Curve(ahead[0], shown(ahead[1]), mine, dotted=True))
    for step in run.live.rewinds if run.live else ():
        names.append(Mark(at_step(step), y.low, "↺", "text"))
    for step, lr in run.changes:
        layers.append(Curve([at_step(step)] * 2, [y.low, y.high], "dim"))
        names.append(Label(at_step(step), y.high, short_rate(run, lr), "text"))
    for old in reversed(runs):  # the current one last
        assert old.series is not None
        tone, stretches = view.tone(old), old.series.non_finite()
        steps, loss = with_gaps(*old.series.curve(), stretches)
        at = along.places(view, old, steps)
        if old.live is None:
            layers.append(Stroke(at, shown(loss), tone))
        else:  # a single batch is noisy: emphasize the mean of many
            if not view.several:
                layers.append(Path(at, shown(loss), "axis"))
            steps, means = with_gaps(*smoothed(old.series, canvas.columns), stretches)
            layers.append(Stroke(along.places(view, old, steps), means, tone))
        if view.cursor is not None:
            there = along.step_at(view, old, at_step(view.cursor))
            if (read := old.series.at(there)) is not None:
                here = along.place(view, old, there)
                names.append(Mark(here, float(shown(np.array(read))), "◇", tone))
    if run.settled_at is not None and at_step(run.settled_at) <= last:
        settled = float(np.interp(at_step(run.settled_at), at, shown(loss)))
        layers.append(Mark(at_step(run.settled_at), settled, "▲", "good"))
    for label, series in validations_of(run):
        steps, losses = series.curve()
        layers += validated(along.places(view, run, steps), losses, x, y, canvas.columns, mine)
        names.append(Label(at_step(run.step), series.last, label, mine, ends=True))
    apart = max(last / canvas.columns, at_step(1.0))
    gaps = [(at_step(first), at_step(end)) for first, end in stretches]
    layers += off_the_chart(at, shown(loss), gaps, y, apart)
    for old, label in labels(view):
        assert old.series is not None
        if old is run and ahead is not None:
            ends, losses = ahead
        elif view.several:
            ends, losses = smoothed(old.series, canvas.columns)
        else:
            ends, losses = old.series.curve()
        ends = along.places(view, old, ends)
        names.append(at_end(label, ends, shown(losses), y, view.tone(old)))
    heading: Row = [(SCALES[scale] + along.heading(view), "dim")]
    if view.scale == "linear" and scale != view.scale:
        heading.append((", too steep for linear", "dim"))
    if ahead is not None:
        heading += [("  ⠐⠐", mine), (" forecast" if run.is_exact else " run ahead", "dim")]
    if view.cursor is not None:
        heading = losses_at(view, runs)
    return [fitted(heading, width), *draw(width, height - 1, x, y, [*layers, *names])]


def validations_of(run: Run) -> list[tuple[str, LossSeries]]:
    """Return the validation losses of a run, each with its label."""
    return [each[1:] for each in run.live.validations] if run.live is not None else []


def validated(at: Floats, losses: Floats, x: Axis, y: Axis, columns: int, tone: str) -> list[Layer]:
    """Return the marks of a validation loss, the last one of each stretch of columns."""
    import numpy as np

    from lrtui.screen.draw.chart import Mark

    stretches = np.floor(at * columns / (x.high - x.low) / LEAST_APART)
    last = np.append(np.diff(stretches) > 0, True) & ((losses > 0) | (not y.log))
    return [Mark(float(at[i]), float(losses[i]), "◆", tone) for i in np.flatnonzero(last)]


def labels(view: View) -> list[tuple[Run, str]]:
    """Return the label of each curve: what distinguishes its run from the others."""
    run = view.run
    runs = [run, *view.behind()]
    if run.live is not None and len(runs) == 1:
        return []  # its rate stands above
    ended = [" ✕" if old.outcome == "diverged" else "" for old in runs]
    names = [shortened(distinction(old, run), MAX_LABEL) for old in runs]
    return [(old, name + end) for old, name, end in zip(runs, names, ended, strict=True)]


def at_end(text: str, at: Floats, losses: Floats, y: Axis, tone: str) -> Layer:
    """Return a label at the end of a curve, or where it leaves the chart."""
    import numpy as np

    from lrtui.screen.draw.chart import Label

    inside = np.flatnonzero(losses <= y.high)
    i = int(inside[-1]) if len(inside) else 0
    return Label(float(at[i]), float(losses[i]), text, tone, ends=True)


def x_axis(view: View, canvas: Canvas) -> Axis:
    """Return the axis along the loss, with room for the labels at the ends of the curves."""
    from lrtui.screen.draw.chart import Axis

    by_step = along.chosen(view) == along.STEPS
    last = last_shown(view) if by_step else along.end(view) / along.unit(view)[0]
    run = view.session.current
    names = [label for _, label in labels(view)]
    names += [label for label, _ in validations_of(run)] if run is not None else []
    room = max(map(len, names), default=-2) + 2
    room = room if canvas.columns >= 3 * room else 0
    high = last * canvas.columns / (canvas.columns - room)
    step = 1.0 if by_step and last < 10 else 0.0
    return Axis(0.0, high, step=step, last=float(last))


def short_rate(run: Run, lr: float) -> str:
    """Write a rate: in full, unless a schedule has made it one of many digits."""
    return rate_text(lr) if run.live is None else f"{lr:.3g}"


def smoothed(series: LossSeries, columns: int) -> tuple[Floats, Floats]:
    """Return the mean loss of each of a number of equal stretches, at their middle."""
    import numpy as np

    last = int(series.recent_steps[-1]) - series.origin + 1
    edges = np.linspace(0, last, min(columns, last) + 1).astype(np.int64)
    edges, _ = np.unique(edges, return_index=True)  # without it, numpy.ma is imported
    means = series.means(edges)
    middle = series.origin + (edges[:-1] + edges[1:]) / 2
    known = np.isfinite(means)
    return middle[known], means[known]


def distinction(run: Run, current: Run) -> str:
    """Return what distinguishes a run from the current one: name, rate, optimizer or schedule."""
    if run.joined is not None:
        return f"{run.number} {run.label}"
    if run.name or run.lr != current.lr or run.by == current.by:
        return run.name or short_rate(run, run.lr)
    return run.schedule if run.title == current.title else run.by


def scale_of(view: View, run: Run) -> Scale:
    """Return the chosen scale, or another one if the loss cannot be read on that."""
    assert run.series is not None
    scale = view.scale if view.scale in view.scales() else "log"
    if scale == "log" and run.series.smallest < 0:
        return "linear"
    too_steep = usual_losses(run.series)[1] > TOO_STEEP * run.series.first
    return "log" if scale == "linear" and too_steep else scale


def forecast(run: Run, last: int) -> tuple[Floats, Floats] | None:
    """Return the future losses up to a step: from the closed form, or from running ahead."""
    import numpy as np

    diagnosis = run.diagnosis
    if run.is_exact and diagnosis is not None and diagnosis.theory is not None:
        since = diagnosis.since
        at = np.linspace(since, max(last, since), FORECAST_POINTS).astype(int)
        at, _ = np.unique(at, return_index=True)  # without it, numpy.ma is imported
        steps = [int(step) - since for step in at]
        return at.astype(float), diagnosis.theory.losses(diagnosis.start, diagnosis.lr, steps)
    if run.ahead is None:
        return None
    steps_ahead, losses = run.ahead.curve()
    return (steps_ahead, losses) if len(losses) > 1 else None


def last_shown(view: View) -> int:
    """Return the last step of the axis of the losses."""
    furthest = max(view.race, key=lambda other: other.step, default=view.run)
    return steps_shown(furthest, view.behind())


def steps_shown(run: Run, earlier: Sequence[Run]) -> int:
    """Return the last step of the axis: that of the run if it is short, else a round number."""
    from lrtui.screen.draw.chart import round_up

    if run.steps is not None and run.steps <= 200:
        return run.steps
    longest = max([1, run.step, *(min(old.step, run.step) for old in earlier)])
    shown = max(100, int(round_up(longest * 1.001)))
    return shown if run.steps is None else min(run.steps, shown)


def loss_axis(runs: Sequence[Run], scale: Scale, rounding: float, canvas: Canvas) -> Axis:
    """Return an axis whose ends move in steps, so that it does not twitch.

    Args:
        runs: the runs that are drawn, the current one first; a linear axis fits that alone, so
            that an earlier loss without bounds does not flatten it.
        scale: of the axis.
        rounding: smallest meaningful loss above the minimum.
        canvas: puts the ticks a whole number of cells apart.
    """
    from lrtui.screen.draw.chart import Axis

    series = [run.series for run in runs if run.series]
    usual = [usual_losses(each, log=scale != "linear") for each in series]
    if runs[0].joined is not None:  # a run that diverges does not flatten the others
        top = FAR_OFF * max([each.first for each in series if each.first == each.first], default=1)
        usual = [(min(low, top), min(high, top)) for low, high in usual] if top > 0 else usual
    for _, each in validations_of(runs[0]):
        (low, high), ends = usual[0], usual_losses(each, log=scale != "linear")
        near = [end for end in ends if low / FAR_OFF <= end <= FAR_OFF * high]
        usual[0] = min(low, *near, high), max(high, *near, low)
    if scale == "linear":
        low, high = usual[0]
        return Axis(min(low, 0.0), max(high, 1e-30, 0.1 * -low)).aligned(canvas.rows)
    smallest = min(low for low, _ in usual) if scale == "log" else rounding / 5
    low, high = max(smallest, 1e-45), max(*(high for _, high in usual), 1e-44)
    if scale == "above minimum" or high > 20 * low:
        low, high = (
            10.0 ** (ends / 4)
            for ends in (math.floor(4 * math.log10(low)), math.ceil(4 * math.log10(high)))
        )
    # Leave room above and below a constant loss.
    wide = max(high, low * 1.001)
    return Axis(low if high == wide else low / 1.001, wide, log=True).aligned(canvas.rows)


def usual_losses(series: LossSeries, *, log: bool = False) -> tuple[float, float]:
    """Return the least and the largest loss on the axis, without a few outliers.

    The first losses, the recent ones, and nineteen in twenty of all are usual. Others are included
    unless they are ten times as large, or on a log axis further off than half of its length.
    """
    import numpy as np

    if (bulk := bulk_of(series, series.count)) is None:
        return 1.0, 1.0
    recent = series.recent[np.isfinite(series.recent)]
    ends = [v for v in (*series.opening, series.last, *recent) if v == v]
    low, high = series.smallest, series.largest
    usual = max(*ends, bulk[1])
    span = usual / low if log and low > 0 else 0.0
    if 0 < max(FAR_OFF, span) * usual < high:
        high = usual
    if low >= 0 and bulk[0] > 0:
        usual = min(*(v for v in ends if v > 0), bulk[0])
        low = usual if low < usual / FAR_OFF else low
    return low, high


@lru_cache(maxsize=2 * MAX_BEHIND)
def bulk_of(series: LossSeries, count: int) -> tuple[float, float] | None:
    """Return the 5 % quantile of the positive losses, 0 without any, and the 95 % quantile of all.

    ``count`` is the length of the series, so that the cache follows the run.
    """
    from lrtui.analysis.series import quantile

    _, losses = series.curve()
    if not len(losses):
        return None
    positive = losses[losses > 0]
    return quantile(positive, 0.05) if len(positive) else 0.0, quantile(losses, 0.95)


def with_gaps(
    at: Floats, losses: Floats, stretches: Sequence[tuple[int, int]]
) -> tuple[Floats, Floats]:
    """Interrupt a curve at the stretches whose losses were not finite."""
    import numpy as np

    if not stretches:
        return at, losses
    starts = np.array([first for first, _ in stretches], dtype=float)
    places = np.searchsorted(at, starts)
    return np.insert(at, places, starts), np.insert(losses, places, np.nan)


def off_the_chart(
    at: Floats, losses: Floats, gaps: Sequence[tuple[float, float]], y: Axis, apart: float
) -> list[Layer]:
    """Mark where a curve leaves the chart at the top, and where it is interrupted.

    ``apart`` is a column or a step, whichever is longer; of two gaps closer than that, only the
    first is marked.
    """
    import numpy as np

    from lrtui.screen.draw.chart import Curve, Label, Mark

    layers: list[Layer] = []
    above = np.flatnonzero(losses > y.high)
    for group in np.split(above, np.flatnonzero(np.diff(at[above]) > 3 * apart) + 1):
        if len(group):
            peak = group[losses[group].argmax()]
            layers.append(Mark(float(at[peak]), y.high, "↑", "bad"))
            layers.append(Label(float(at[peak]), y.high, f"{losses[peak]:.2g}", "bad"))
    before = -math.inf
    for first, end in gaps:
        if first - before >= apart:
            layers.append(Mark(first, y.high, "✕", "bad"))
            before = first
        if end - first >= apart:
            layers.append(Curve([first, end], [y.high, y.high], "bad"))
    return layers


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the losses.

    A run as fast as possible takes thousands of steps from one dot of the chart to the next.
    """
    run, steps = view.run, last_shown(view)
    moving = [seen(other, steps, width) for other in view.race or [run]]
    names = [(view.tone(old), label) for old, label in labels(view)]
    validations = [(label, series.count) for label, series in validations_of(run)]
    exact = view.session.quadratic is not None
    by = (view.scale, along.chosen(view), along.end(view))
    return run.number, names, validations, exact, steps, moving, by, view.cursor


def seen(run: Run, steps: int, width: int) -> object:
    """Return what can be seen of a run that may be on."""
    if (series := run.series) is None:
        return None
    dot = run.step * 2 * width // steps
    range_ = f"{series.smallest:.2g} {series.largest:.3g}"
    ahead = (run.ahead.count, run.ahead_outcome) if run.ahead else None
    return dot, range_, ahead, run.settled_at, series.broken, len(run.changes), run.outcome


def click(view: View, x: int, y: int, width: int, height: int) -> ReadStep | None:
    """Read out the step that is clicked."""
    from lrtui.screen.draw.chart import Canvas

    canvas = Canvas.of(width, height - 1)
    if y < 1 or not canvas.left <= x < canvas.left + canvas.columns:
        return None
    step = along.step_at(view, view.run, canvas.x_at(x_axis(view, canvas), x - canvas.left))
    return ReadStep(min(step, last_shown(view)))


def waits_for(view: View) -> str:
    """Say that no loss has come yet, or that the training reports none."""
    run = view.session.current
    if run is not None and knows_no_loss(run):
        return "no loss known: give it to monitor.step(loss)"
    return "" if view.session.has_losses else "the loss appears with the first step"


def knows_no_loss(run: Run) -> bool:
    """Return whether a training that is not ours takes steps without reporting a loss."""
    return run.live is not None and run.series is None and run.step > 0


LOSS = Pane(
    id="loss",
    title="loss",
    place="main",
    draw=draw,
    depends_on=depends_on,
    help="The loss by step, earlier runs behind it, the forecast dotted. ▲ marks where it "
    "settled, ↑ where it leaves the chart, ✕ where it was not finite; ◆ is a validation loss.",
    waits_for=waits_for,
    click=click,
    keys=("scale", "along", "cursor_left"),
)
