"""The loss: of the current run, the earlier runs behind it, and the forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.analysis.diagnosis import LOSS_ROUNDING
from lrtui.screen.control.view import Scale, View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.cursor import losses_at, upright
from lrtui.screen.panes.pane import Pane, ReadStep, in_two_rows
from lrtui.session.run import Run
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries
    from lrtui.screen.draw.chart import Axis, Canvas, Floats, Layer

TOO_STEEP = 1e3
"""How many times the first loss a loss may be and still be read on a linear scale."""

FAR_OFF = 10.0
"""How many times the usual losses a loss may be for the axis to hold it as well; what is further
off is marked at its end."""

FORECAST_POINTS = 200
"""Points of a forecast that are computed."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the losses on a scale on which they can be read."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Canvas, Curve, Label, Mark, Path, draw

    session, run = view.session, view.session.current
    assert run is not None
    assert run.series is not None
    quadratic, behind = session.quadratic, view.behind()
    scale = scale_of(view, run)
    steepened = view.scale == "linear" and scale != view.scale
    floor = quadratic.min_loss if quadratic and scale == "above minimum" else 0.0
    rounding = LOSS_ROUNDING * floor
    runs = [run, *(old for old, _ in behind)]
    canvas = Canvas.of(width, height - 1)
    last = last_shown(view)
    x_axis = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    y_axis = loss_axis(runs, scale, rounding, canvas)

    def shown(loss: Floats) -> Floats:
        return np.maximum(loss - floor, rounding) if scale == "above minimum" else loss

    layers: list[Layer] = []
    names: list[Layer] = []
    if view.cursor is not None:
        pointed = [(run, view.tone(run)), *behind]
        for old, tone in pointed:
            if old.series and (loss_there := old.series.at(view.cursor)) is not None:
                there = float(shown(np.array(loss_there)))
                names.append(Mark(float(view.cursor), there, "◇", tone))
    for old, tone in behind:
        assert old.series is not None
        at, loss = with_gaps(*old.series.curve(), old.series.non_finite())
        layers.insert(0, Path(at, shown(loss), tone))
        names.append(named(str(old.number), x_axis, y_axis, at, shown(loss), tone, len(names)))
    if rounding:
        layers.insert(0, Curve([0, last], [rounding, rounding], "faint"))
        names.append(Label(last, rounding, "float32 rounding", "dim"))
    if (ahead := forecast(run, last)) is not None:
        layers.append(Curve(ahead[0], shown(ahead[1]), "forecast", dotted=True))
    if run.target is not None and y_axis.low < run.target < y_axis.high and not rounding:
        layers.insert(0, Curve([0, last], [run.target, run.target], "faint"))
        names.append(Label(0.7 * last, run.target, f"target {run.target:.4g}", "dim"))
    for step in run.live.rewinds if run.live else ():
        names.append(Mark(step, y_axis.low, "↺", "change"))
    for step, lr in run.changes:
        layers.append(Curve([step, step], [y_axis.low, y_axis.high], "change"))
        names.append(Label(step, y_axis.high, told_rate(run, lr), "change"))
    stretches = run.series.non_finite()
    at, loss = with_gaps(*run.series.curve(), stretches)
    mine = view.tone(run)
    layers.append(Path(at, shown(loss), mine if run.live is None else "forecast"))
    if run.live is not None:
        means = smoothed(run.series, canvas.columns)
        layers.append(Path(*with_gaps(*means, stretches), mine))
    if view.race:
        names.append(named(str(run.number), x_axis, y_axis, at, shown(loss), mine, len(names)))
    if run.settled_at is not None and run.settled_at <= last:
        settled = float(np.interp(run.settled_at, at, shown(loss)))
        layers.append(Mark(run.settled_at, settled, "▲", "good"))
    layers += off_the_chart(at, shown(loss), run.series, y_axis, last, canvas.columns)
    race = [(old, tone) for old, tone in behind if old in view.race]
    listed = [*reversed(race), *behind[len(race) :]]
    legend: Row = [("━━", mine), (f" {run.number}:"[: 3 * len(view.race)], mine)]
    legend.append((loss_now(view, run), "text"))
    if run.live is None:  # whose rate stands in the box above
        moved = "" if run.schedule == "constant" else f", {run.schedule} schedule"
        legend.append((f" rate {told_rate(run, run.lr)}{moved}", "dim"))
    legend.append((f"  {scale}{', too steep for linear' if steepened else ''}", "dim"))
    legend += [(f"  {old.number}: {told_apart(old, run)}", tone) for old, tone in listed]
    if ahead is not None:
        legend.append(("  ⠒⠒ forecast" if run.is_exact else "  ⠒⠒ run ahead", "forecast"))
    if view.cursor is not None:
        legend = losses_at(view, [(run, mine), *listed])
        layers = [*upright(float(view.cursor), y_axis), *layers]
    return [fitted(legend, width), *draw(width, height - 1, x_axis, y_axis, [*layers, *names])]


def told_rate(run: Run, lr: float) -> str:
    """Write a rate: in full, unless a schedule has made it one of many digits."""
    return rate_text(lr) if run.live is None else f"{lr:.3g}"


def smoothed(series: LossSeries, columns: int) -> tuple[Floats, Floats]:
    """Return the mean loss of each of a number of equal stretches, at their middle."""
    import numpy as np

    last = int(series.recent_steps[-1]) - series.origin + 1
    edges = np.unique(np.linspace(0, last, min(columns, last) + 1).astype(np.int64))
    means = series.means(edges)
    middle = series.origin + (edges[:-1] + edges[1:]) / 2
    known = np.isfinite(means)
    return middle[known], means[known]


def told_apart(run: Run, current: Run) -> str:
    """Return what tells a run from the current one: name, rate, optimizer, or schedule."""
    if run.name or run.lr != current.lr or run.by == current.by:
        return run.name or told_rate(run, run.lr)
    return run.schedule if run.title == current.title else run.by


def scale_of(view: View, run: Run) -> Scale:
    """Return the scale that was asked for, or the one on which the loss can be read."""
    assert run.series is not None
    scale = view.scale if view.scale in view.scales() else "log"
    if scale == "log" and run.series.smallest < 0:
        return "linear"
    too_steep = usual_losses(run.series)[1] > TOO_STEEP * run.series.first
    return "log" if scale == "linear" and too_steep else scale


def named(name: str, x: Axis, y: Axis, at: Floats, loss: Floats, tone: str, place: int) -> Layer:
    """Return a run's number, put on its curve where few others are: each at a level of its own."""
    import numpy as np

    from lrtui.screen.draw.chart import Label

    level = 0.8 - 0.15 * place
    px, py = x.place(at), y.place(loss)
    inside = np.isfinite(py) & (px <= 1)
    px, py = px[inside], py[inside]
    if not len(px):
        return Label(math.nan, math.nan, name, tone)  # nowhere
    crossed = np.flatnonzero((py[:-1] - level) * (py[1:] - level) <= 0)
    if len(crossed):
        i = int(crossed[-1])  # the last: where a diverging loss rises, none of the others does
        rise = py[i + 1] - py[i]
        share = (level - py[i]) / rise if rise else 0.0
        across, up = float(px[i] + share * (px[i + 1] - px[i])), level
    else:
        i = int(np.abs(px - (0.9 - 0.12 * place)).argmin())
        across, up = float(px[i]), float(np.clip(py[i], 0, 1))
    return Label(x.at(across), y.at(up), name, tone)


def forecast(run: Run, last: int) -> tuple[Floats, Floats] | None:
    """Return the loss that comes, up to a step: from the closed form, or from running ahead."""
    import numpy as np

    diagnosis = run.diagnosis
    if run.is_exact and diagnosis is not None and diagnosis.theory is not None:
        since = diagnosis.since
        at = np.unique(np.linspace(since, max(last, since), FORECAST_POINTS).astype(int))
        steps = [int(step) - since for step in at]
        return at.astype(float), diagnosis.theory.losses(diagnosis.start, diagnosis.lr, steps)
    if run.ahead is None:
        return None
    steps_ahead, losses = run.ahead.curve()
    return (steps_ahead, losses) if len(losses) > 1 else None


def last_shown(view: View) -> int:
    """Return the last step of the axis of the losses."""
    run = view.session.current
    assert run is not None
    furthest = max(view.race, key=lambda other: other.step, default=run)
    return steps_shown(furthest, [old for old, _ in view.behind()])


def steps_shown(run: Run, earlier: Sequence[Run]) -> int:
    """Return the last step of the axis: the whole run where it is short, else a round number."""
    from lrtui.screen.draw.chart import nice

    if run.steps is not None and run.steps <= 200:
        return run.steps
    longest = max([run.step, *(min(old.step, run.step) for old in earlier)])
    shown = max(100, int(nice(longest * 1.001)))
    return shown if run.steps is None else min(run.steps, shown)


def loss_axis(runs: Sequence[Run], scale: Scale, rounding: float, canvas: Canvas) -> Axis:
    """Return an axis whose ends move in steps, so that it does not twitch.

    Args:
        runs: those that are drawn, the current one first; a linear axis is made for that alone,
            so that an earlier loss without bounds does not flatten it.
        scale: of the axis.
        rounding: smallest loss above the minimum that means something.
        canvas: for the ticks to be a whole number of cells apart.
    """
    from lrtui.screen.draw.chart import Axis

    series = [run.series for run in runs if run.series]
    usual = [usual_losses(each) for each in series]
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
    # A loss that does not move has room above and below.
    wide = max(high, low * 1.001)
    return Axis(low if high == wide else low / 1.001, wide, log=True).aligned(canvas.rows)


def usual_losses(series: LossSeries) -> tuple[float, float]:
    """Return the least and the largest loss that the axis holds: not those few far off the others.

    What begins, what was last, and nineteen in twenty of all losses count as usual. Others are held
    as well where they are not far off these.
    """
    import numpy as np

    _, losses = series.curve()
    if not len(losses):
        return 1.0, 1.0
    recent = series.recent[np.isfinite(series.recent)]
    ends = [v for v in (series.opening, series.first, series.last, *recent) if v == v]
    low, high = series.smallest, series.largest
    usual = max(*ends, float(np.quantile(losses, 0.95)))
    if 0 < FAR_OFF * usual < high:
        high = usual
    known = losses[losses > 0]
    if low >= 0 and len(known):
        usual = min(*(v for v in ends if v > 0), float(np.quantile(known, 0.05)))
        low = usual if low < usual / FAR_OFF else low
    return low, high


def with_gaps(
    at: Floats, losses: Floats, stretches: Sequence[tuple[int, int]]
) -> tuple[Floats, Floats]:
    """Return a curve that is interrupted where the losses were not finite."""
    import numpy as np

    starts = np.array([first for first, _ in stretches], dtype=float)
    places = np.searchsorted(at, starts)
    return np.insert(at, places, starts), np.insert(losses, places, np.nan)


def off_the_chart(
    at: Floats, losses: Floats, series: LossSeries, y: Axis, last: int, columns: int
) -> list[Layer]:
    """Mark where a curve leaves the chart, and where it is interrupted.

    Args:
        at: the steps of the curve.
        losses: as they are drawn.
        series: its losses.
        y: the axis of the losses.
        last: step at the end of the chart.
        columns: of the chart; of two places closer than a column the first is marked.
    """
    import numpy as np

    from lrtui.screen.draw.chart import Curve, Label, Mark

    layers: list[Layer] = []
    apart = max(last / columns, 1)
    above = np.flatnonzero(losses > y.high)
    for group in np.split(above, np.flatnonzero(np.diff(at[above]) > 3 * apart) + 1):
        if len(group):
            peak = group[losses[group].argmax()]
            layers.append(Mark(float(at[peak]), y.high, "↑", "bad"))
            layers.append(Label(float(at[peak]), y.high, f"{losses[peak]:.2g}", "bad"))
    before = -math.inf
    for first, end in series.non_finite():
        if first - before >= apart:
            layers.append(Mark(first, y.high, "✕", "bad"))
            before = first
        if end - first >= apart:
            layers.append(Curve([first, end], [y.high, y.high], "bad"))
    return layers


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the losses: while that stays the same, so does the chart.

    A run as fast as possible takes thousands of steps from one dot of the chart to the next.
    """
    run = view.session.current
    assert run is not None
    behind = view.behind()
    steps = last_shown(view)
    moving = [seen(view, other, steps, width) for other in view.race or [run]]
    others = [(old.number, old.name, tone) for old, tone in behind]
    return (
        run.number,
        others,
        view.session.quadratic is None,
        steps,
        moving,
        view.scale,
        view.cursor,
    )


def seen(view: View, run: Run, steps: int, width: int) -> object:
    """Return what can be seen of a run that may be on."""
    if (series := run.series) is None:
        return None
    dot = run.step * 2 * width // steps
    now = loss_now(view, run) if run is view.session.current else ""
    range_ = f"{series.smallest:.2g} {series.largest:.3g} {now}"
    ahead = (run.ahead.count, run.ahead_outcome) if run.ahead else None
    return dot, range_, ahead, run.settled_at, series.broken, len(run.changes), run.outcome


def loss_now(view: View, run: Run) -> str:
    """Return the current loss in words where the table of runs is not there.

    It changes with every frame: where it is in the table, telling it twice would cost bytes.
    """
    assert run.series is not None
    if run.live is None and view.alone is None and in_two_rows(*view.size):
        return ""
    last = run.series.recent[-1]
    return f" loss {last:.4g}" if last == last else " loss not finite"


def click(view: View, x: int, y: int, width: int, height: int) -> ReadStep | None:
    """Read out the step that is clicked."""
    from lrtui.screen.draw.chart import Axis, Canvas

    canvas = Canvas.of(width, height - 1)
    if y < 1 or not canvas.left <= x < canvas.left + canvas.columns:
        return None
    return ReadStep(round(canvas.x_at(Axis(0.0, float(last_shown(view))), x - canvas.left)))


def waits_for(view: View) -> str:
    """Say that there is no loss yet, or that a training tells none."""
    run = view.session.current
    if run is not None and knows_no_loss(run):
        return "no loss known: give it to monitor.step(loss)"
    return "" if view.session.has_losses else "the loss appears with the first step"


def knows_no_loss(run: Run) -> bool:
    """Return whether a training that is not ours takes steps, but no loss of them is known."""
    return run.live is not None and run.series is None and run.step > 0


LOSS = Pane(
    id="loss",
    title="loss",
    place="top",
    draw=draw,
    depends_on=depends_on,
    help="The loss by step, earlier runs behind it by their number, the forecast dotted. "
    "▲ marks where it settled, ↑ where it leaves the chart, ✕ where it was not finite.",
    waits_for=waits_for,
    click=click,
    keys=("scale", "cursor_left"),
)
