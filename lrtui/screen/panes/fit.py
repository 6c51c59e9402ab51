"""The fit: the target, and the prediction of the current run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrtui.messages import LineScene
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted, length
from lrtui.screen.panes.scene import has_scene, scene_chart

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the points, and the line of the current weights."""
    from lrtui.screen.draw.chart import Canvas, Cloud, draw

    scene, run = view.session.scene, view.session.current
    assert isinstance(scene, LineScene)
    canvas = Canvas.of(width, height - 1)
    x_axis, y_axis = axes(scene, canvas.rows)
    layers: list[Layer] = [Cloud(scene.x, scene.y, "dim")]
    weights = run.weights if run and len(run.weights) == 2 else ()
    if run and weights and all(map(math.isfinite, weights)):
        layers += prediction(x_axis, y_axis, *weights, view.tone(run))
    return [
        legend(weights, width, view.tone(run) if run else "text"),
        *draw(width, height - 1, x_axis, y_axis, layers),
    ]


def legend(weights: tuple[float, ...], width: int, tone: str) -> Row:
    """Return the row above the chart; if there is little room, only its numbers."""
    where = "slope {:.3g}, bias {:.3g}".format(*weights) if weights else ""
    row: Row = [("━━", tone), (f" prediction: {where}" if where else " prediction", "dim")]
    target: Row = [("  ⠐⠄ target", "dim")]
    if where and length(row) + length(target) > width:
        row[1] = (f" {where}", "dim")
    return fitted(row + target, width)


def axes(scene: LineScene, rows: int) -> tuple[Axis, Axis]:
    """Return axes that hold the data and the first prediction, the same for every run."""
    from lrtui.screen.draw.chart import Axis, nice

    # The line starts at the post's weights, or at zero for a table of the user's.
    start = (0.0, 2.0) if scene.true_weights else (0.0, 0.0)
    low, high = min(start[0], *scene.y), max(start[1], *scene.y)
    step = nice(((high - low) or 1.0) / 8)
    y = Axis(math.floor(low / step) * step, math.ceil(high / step) * step)
    if scene.true_weights:
        return Axis(-1.0 if min(scene.x) < 0 else 0.0, 1.0), y.aligned(rows)
    return Axis(min(scene.x), max(scene.x)), y.aligned(rows)


def prediction(x: Axis, y: Axis, slope: float, bias: float, tone: str) -> list[Layer]:
    """Return the line ``slope · x + bias``, or a label at the edge if it is off the canvas."""
    from lrtui.screen.draw.chart import Label, Stroke

    ends = [slope * end + bias for end in (x.low, x.high)]
    middle = slope * (x.low + x.high) / 2 + bias
    if all(map(math.isfinite, ends)) and min(ends) <= y.high and max(ends) >= y.low:
        return [Stroke([x.low, x.high], ends, tone)]
    above = middle > y.high
    sign, at = ("▲", y.high) if above else ("▼", y.low)
    return [Label((x.low + x.high) / 2, at, f"{sign} prediction {sign}", tone)]


def depends_on(view: View, width: int) -> object:
    """Return what the chart depends on."""
    run = view.session.current
    weights = tuple(f"{w:.4g}" for w in run.weights) if run else ()
    return view.session.scene, weights, view.tone(run) if run else ""


FIT = scene_chart(
    id="fit",
    title="fit",
    draw=draw,
    depends_on=depends_on,
    help="The data, and the line that the weights make of it now.",
    applies=lambda view: has_scene(view, LineScene),
)
