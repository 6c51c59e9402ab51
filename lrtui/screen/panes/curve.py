"""The curve: targets in one dimension, and the prediction of the current run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.messages import CurveScene
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.scene import has_scene, scene_chart
from lrtui.session.run import with_nan

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Layer


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the targets, and the curve that the model makes of its weights now."""
    from lrtui.screen.draw.chart import Canvas, Cloud, Mark, Stroke, draw

    scene, run = view.session.scene, view.session.current
    assert isinstance(scene, CurveScene)
    canvas = Canvas.of(width, height - 1)
    x, y = axes(scene, canvas.rows)
    few = 2 * len(scene.x) <= canvas.columns  # then they are not lost behind the prediction
    points: list[Layer] = [Cloud(scene.x, scene.y, "dim")]
    if few:
        points = [Mark(px, py, "○", "dim") for px, py in zip(scene.x, scene.y, strict=True)]
    layers = points
    legend: Row = []
    if run is not None and run.picture is not None:
        values = with_nan(run.picture.values)
        if len(values) == len(scene.grid):
            layers.append(Stroke(scene.grid, values, view.tone(run)))
            legend.append(("━━", view.tone(run)))
            legend.append((f" prediction at step {run.picture.step:,}", "dim"))
    legend.append((f"  {'○' if few else '⠐⠄'} target", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def axes(scene: CurveScene, rows: int) -> tuple[Axis, Axis]:
    """Return axes that hold the targets with some room, the same for every run."""
    from lrtui.screen.draw.chart import Axis

    low, high = min(scene.y), max(scene.y)
    room = 0.15 * (high - low) or 1.0
    return Axis(scene.grid[0], scene.grid[-1]), Axis(low - room, high + room).aligned(rows)


def depends_on(view: View, width: int) -> object:
    """Return what the chart depends on."""
    run = view.session.current
    return view.session.scene, run.picture if run else None


CURVE = scene_chart(
    id="curve",
    title="fit",
    draw=draw,
    depends_on=depends_on,
    help="The targets, and what the model predicts now.",
    applies=lambda view: has_scene(view, CurveScene),
)
