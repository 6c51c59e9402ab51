"""The two charts: the fit, and the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lrtui.messages import Ready
from lrtui.run.diagnosis import ROUNDING, Diagnosis
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ABOVE, BELOW, verdicts
from lrtui.run.session import Run, Session
from lrtui.screen.chart import Axis, Cloud, Curve, Floats, Layer, Mark, draw, nice, round_up
from lrtui.screen.spans import EARLIER, Row, Scale, behind, fitted

TOO_STEEP = 1e3
"""How many times the first loss a loss may be and still be read on a linear scale."""


def fit_chart(session: Session, width: int, height: int) -> list[Row]:
    """Draws the target and the prediction of the current run; the data must be there."""
    ready, run = session.ready, session.current
    assert ready is not None
    x = np.array(ready.x)
    y = np.array(ready.y)
    weights = run.weights if run and run.weights else ()
    legend: Row = [("⠐⠄", "target"), (" target  ", "dim"), ("━━", "prediction")]
    legend.append((" prediction", "dim"))
    if weights:
        slope, bias = weights
        legend.append((f"  slope {slope:.3g}  bias {bias:.3g}", "dim"))
    x_axis, y_axis = fit_axes(ready)
    layers: list[Layer] = [Cloud(x, y, "target")]
    if weights and all(map(math.isfinite, weights)):
        slope, bias = weights
        line = prediction(x_axis, y_axis, slope, bias)
        layers.append(line)
        if not np.size(line.x):
            middle = slope * (x_axis.low + x_axis.high) / 2 + bias
            sign, at = ("▲", y_axis.high) if middle > y_axis.high else ("▼", y_axis.low)
            text = f"{sign} prediction {sign}"
            layers.append(Mark((x_axis.low + x_axis.high) / 2, at, text, "prediction"))
    return [fitted(legend, width), *draw(width, height - 1, x_axis, y_axis, layers)]


def fit_axes(ready: Ready) -> tuple[Axis, Axis]:
    """Returns axes that hold the data and the first prediction, the same for every run."""
    x, y = ready.x, ready.y
    low, high = min(*y, 0.0), max(*y, 2.0)
    step = nice((high - low) / 8)
    return (
        Axis(-1.0 if min(x) < 0 else 0.0, 1.0),
        Axis(math.floor(low / step) * step, math.ceil(high / step) * step),
    )


def prediction(x: Axis, y: Axis, slope: float, bias: float) -> Curve:
    """Returns the part of the line ``slope · x + bias`` that lies on the canvas."""
    # A number for each dot column; the chart leaves out what is outside.
    at = np.linspace(x.low, x.high, 400)
    line = slope * at + bias
    if abs(slope) > 0:
        # Where it leaves the canvas, exactly: a steep line shows few points inside otherwise.
        edges = np.clip((np.array([y.low, y.high]) - bias) / slope, x.low, x.high)
        at = np.sort(np.concatenate([at, edges]))
        line = slope * at + bias
    margin = 1e-9 * (y.high - y.low)
    inside = (line >= y.low - margin) & (line <= y.high + margin)
    return Curve(at[inside], line[inside], "prediction")


def loss_chart(
    session: Session, width: int, height: int, scale: Scale, highlighted: int | None = None
) -> list[Row]:
    """Draws the loss of the current run, which must have one, the earlier runs dim behind it.

    Args:
        session: the runs so far.
        width: cells.
        height: rows.
        scale: what the loss is drawn on; a loss too steep for ``linear`` is drawn on ``log``.
        highlighted: the number of an earlier run that is to stand out.
    """
    run, bowl = session.current, session.bowl
    assert run is not None
    assert run.series is not None
    series = run.series
    too_steep = scale == "linear" and series.largest > TOO_STEEP * series.first
    if too_steep or (scale == "gap" and bowl is None):
        scale = "log"
    floor = bowl.floor if bowl and scale == "gap" else 0.0
    rounding = ROUNDING * floor
    earlier = behind(session, highlighted)
    steps = steps_shown(run, [old for old, _ in earlier])
    x_axis = Axis(0.0, float(steps))
    if scale == "gap":
        y_axis = loss_axis(series.first, rounding / 5, series.largest, log=True)
    else:
        y_axis = loss_axis(series.first, series.smallest, series.largest, log=scale == "log")

    def above(loss: Floats) -> Floats:
        return np.maximum(loss - floor, rounding) if floor else loss

    layers: list[Layer] = []
    if floor:
        layers.append(Curve([0, steps], [rounding, rounding], "faint"))
        layers.append(Mark(steps, rounding / 4, "float32 rounding", "dim"))
    names: list[Layer] = []
    for old, tone in earlier:
        assert old.series is not None
        at, loss = old.series.curve()
        layers.insert(0, Curve(at, above(loss), tone))
        names.append(named(str(old.number), x_axis, y_axis, at, above(loss), tone, len(names)))
    if run.diagnosis and run.diagnosis.bowl:
        at, loss = foreseen(run.diagnosis, steps)
        layers.append(Curve(at, above(loss), "forecast", dotted=True))
    for step, rate in run.changes:
        layers.append(Curve([step, step], [y_axis.low, y_axis.high], "change"))
        layers.append(Mark(step, y_axis.high, f" {rate_text(rate)} ", "change"))
    at, loss = series.curve()
    layers.append(Curve(at, above(loss), "prediction"))
    layers += names
    if run.settled_at is not None and run.settled_at <= steps:
        settled = bowl.target - floor if bowl else series.smallest
        layers.append(Mark(run.settled_at, settled, "▲", "good"))
    if series.broken is not None:
        layers.append(Mark(series.broken, y_axis.high, "✕", "bad"))
    legend: Row = [("━━", "prediction"), (f" rate {rate_text(run.rate)}", "dim")]
    legend.append((f"  {'above the minimum' if scale == 'gap' else scale}", "dim"))
    legend.append((", too steep for linear" if too_steep else "", "dim"))
    for old, tone in earlier:
        legend.append((f"  {old.number}: {rate_text(old.rate)}", tone))
    legend.append(("  ⠒⠒ forecast", "forecast"))
    return [fitted(legend, width), *draw(width, height - 1, x_axis, y_axis, layers)]


def named(name: str, x: Axis, y: Axis, at: Floats, loss: Floats, tone: str, place: int) -> Layer:
    """Returns a run's number, put on its curve where few others are: each at a level of its own."""
    level = 0.8 - 0.15 * place
    px, py = x.place(at), y.place(loss)
    inside = np.isfinite(py) & (px <= 1)
    px, py = px[inside], py[inside]
    if not len(px):
        return Mark(math.nan, math.nan, name, tone)  # nowhere
    crossed = np.flatnonzero((py[:-1] - level) * (py[1:] - level) <= 0)
    if len(crossed):
        i = int(crossed[-1])  # the last: where a diverging loss rises, none of the others does
        rise = py[i + 1] - py[i]
        share = (level - py[i]) / rise if rise else 0.0
        across, up = float(px[i] + share * (px[i + 1] - px[i])), level
    else:
        i = int(np.abs(px - (0.9 - 0.12 * place)).argmin())
        across, up = float(px[i]), float(np.clip(py[i], 0, 1))
    return Mark(x.at(across), y.at(up), name, tone)


def loss_seen(session: Session, width: int) -> tuple[object, ...]:
    """Returns what can be seen of the losses: as long as it is the same, so is the chart.

    A run that is flat out takes thousands of steps from one dot of the chart to the next.
    """
    run = session.current
    assert run is not None
    assert run.series is not None
    series = run.series
    steps = steps_shown(run, session.runs[-1 - len(EARLIER) : -1])
    dot = run.step * 2 * width // steps
    range_ = f"{series.smallest:.2g} {series.largest:.3g}"
    events = (run.settled_at, series.broken, len(run.changes), run.outcome)
    return (run.number, len(session.runs), session.bowl is None, steps, dot, range_, *events)


def foreseen(diagnosis: Diagnosis, steps: int) -> tuple[Floats, Floats]:
    """Returns the loss curve ahead, from the start of a diagnosis to a step."""
    bowl = diagnosis.bowl
    assert bowl is not None
    gap = bowl.gaps(diagnosis.start, diagnosis.rate)
    at = np.unique(np.linspace(diagnosis.since, max(steps, diagnosis.since), 200).astype(int))
    return at.astype(float), np.array([bowl.floor + gap(int(k) - diagnosis.since) for k in at])


def sweep_chart(session: Session, steps: int, width: int, height: int) -> list[Row]:
    """Draws the steps to settle against the rate, both on log scales; the sweep must be there."""
    swept, bowl, ready, run = session.swept, session.bowl, session.ready, session.current
    assert swept is not None
    assert bowl is not None
    assert ready is not None
    found = verdicts(swept, bowl, ready.weights, steps)
    settled = [
        (r, max(at, 1)) for r, (_, at) in zip(swept.rates, found, strict=True) if at is not None
    ]
    x_axis = Axis(BELOW * bowl.limit, ABOVE * bowl.limit, log=True)
    most = max((at for _, at in settled), default=10)
    y_axis = Axis(1.0, 10.0 ** math.ceil(math.log10(max(most, 10))), log=True)
    layers: list[Layer] = [
        Curve([bowl.limit, bowl.limit], [y_axis.low, y_axis.high], "bad"),
        Mark(bowl.limit, y_axis.high, f" limit {bowl.limit:.3g} ", "bad"),
        Curve([r for r, _ in settled], [at for _, at in settled], "good"),
        Mark(bowl.best, y_axis.low, f"best {bowl.best:.3g} ★", "good"),
    ]
    if run is not None:
        at = run.diagnosis.forecast if run.diagnosis else None
        layers.append(Mark(run.rate, at or y_axis.high, "◆", "strong-prediction"))
    legend: Row = [("━", "good"), (" steps to settle, by rate", "dim"), ("  ◆", "prediction")]
    legend.append((" this run", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x_axis, y_axis, layers)]


def steps_shown(run: Run, earlier: Sequence[Run]) -> int:
    """Returns the last step of the axis: the whole run where it is short, else a round number."""
    if run.steps <= 200:
        return run.steps
    longest = max([run.step, *(min(old.step, run.step) for old in earlier)])
    return min(run.steps, max(100, int(nice(longest * 1.001))))


def loss_axis(first: float, smallest: float, largest: float, log: bool) -> Axis:
    """Returns an axis whose ends move in large steps only, so that it does not twitch."""
    if log:
        low = 10.0 ** math.floor(math.log10(max(smallest, 1e-45)))
        high = 10.0 ** math.ceil(math.log10(max(largest, 1e-44)))
        return Axis(low, high if high > low else 10 * low, log=True)
    return Axis(0.0, round_up(max(first, largest, 1e-30)))
