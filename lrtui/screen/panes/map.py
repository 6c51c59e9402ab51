"""The map: the loss over its two weights from above, with the trajectories of the runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrtui.analysis.theory import Theory
from lrtui.messages import LineScene, PlaneScene
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.bowl import ball, weights_of
from lrtui.screen.panes.bowl import depends_on as trajectory_seen
from lrtui.screen.panes.pane import ReadPlace, turning_chart
from lrtui.screen.panes.scene import (
    has_scene,
    has_theory,
    scene_chart,
    waits_for_scene,
    waits_for_theory,
)
from lrtui.session.run import with_nan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lrtui.screen.draw.chart import Axis, Floats, Layer

LEVELS = 7
"""Contours."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw contours of the loss and the way that each run took over them."""
    from lrtui.screen.draw.chart import Label, Mark, Path, draw

    session, run = view.session, view.session.current
    scene = session.scene
    x, y, lines, minimum = plane(view)
    layers: list[Layer] = [Path(line[:, 0], line[:, 1], "faint") for line in lines]
    names: list[Layer] = []
    for old in reversed(view.behind()):
        tone = view.tone(old)
        weights = weights_of(old, 2)
        layers.append(Path(weights[:, 0], weights[:, 1], tone))
        if old in view.race and len(weights):
            names += ball(view, old, float(weights[-1, 0]), float(weights[-1, 1]))
        elif len(weights) > 1:  # at the first step, whose length shows its rate
            names.append(Label(weights[1, 0], weights[1, 1], str(old.number), tone))
    if run is not None and len(weights := weights_of(run, 2)):
        layers.append(Path(weights[:, 0], weights[:, 1], view.tone(run)))
        names += ball(view, run, float(weights[-1, 0]), float(weights[-1, 1]))
    layers += names
    legend: Row = []
    if isinstance(scene, LineScene) and scene.true_weights:
        layers.append(Mark(*scene.true_weights, "○", "text"))
        legend = [("○", "text"), (" true weights  ", "dim")]
    if minimum is not None:
        layers.append(Mark(*minimum, "✚", "good"))
        legend = [("✚", "good"), (" minimum  ", "dim"), *legend]
    if (read := pointed(view)) is not None:
        where, weights_there, sign = read
        layers.append(Mark(*weights_there, sign, "strong"))
        legend = [(f"{where}  ", "strong")]
        if (loss := loss_there(view, weights_there)) is not None:
            legend.append((f"loss {loss:.4g}  ", "text"))
        legend.append(("{:.4g}, {:.4g}".format(*weights_there), "dim"))
    else:
        legend.append(("slope → bias ↑" if isinstance(scene, LineScene) else "w₁ → w₂ ↑", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def pointed(view: View) -> tuple[str, tuple[float, float], str] | None:
    """Return the place that is read out: its name, its weights and its sign."""
    run = view.session.current
    if view.place is not None:
        return "here", view.place, "┼"
    if run is None or view.cursor is None:
        return None
    weights = run.weights_at(view.cursor)
    if len(weights) != 2 or not all(map(math.isfinite, weights)):
        return None
    return f"step {view.cursor:,}", (weights[0], weights[1]), "◇"


def loss_there(view: View, weights: tuple[float, float]) -> float | None:
    """Return the loss at weights: from the closed form, or of the nearest point of the grid."""
    session = view.session
    if session.quadratic is not None:
        return Theory.of(session.quadratic).loss_at(weights)
    scene = session.scene
    if not isinstance(scene, PlaneScene):
        return None
    i = min(range(len(scene.up)), key=lambda i: abs(scene.up[i] - weights[1]))
    j = min(range(len(scene.across)), key=lambda j: abs(scene.across[j] - weights[0]))
    return scene.losses[i][j]


def click(view: View, x: int, y: int, width: int, height: int) -> ReadPlace | None:
    """Read out the place that is clicked."""
    from lrtui.screen.draw.chart import Canvas

    canvas = Canvas.of(width, height - 1)
    if not (1 <= y <= canvas.rows and canvas.left <= x < canvas.left + canvas.columns):
        return None
    across, up, _, _ = plane(view)
    return ReadPlace((canvas.x_at(across, x - canvas.left), canvas.y_at(up, y - 1)))


def plane(view: View) -> tuple[Axis, Axis, list[Floats], tuple[float, float] | None]:
    """Return the axes, lines of equal loss, and the minimum, ``None`` if unknown."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis

    session = view.session
    scene, quadratic = session.scene, session.quadratic
    if isinstance(scene, PlaneScene):
        x, y = Axis(scene.across[0], scene.across[-1]), Axis(scene.up[0], scene.up[-1])
        losses = np.array([with_nan(row) for row in scene.losses])
        lowest, highest = np.nanmin(losses), np.nanmax(losses)
        # Even steps of the logarithm show both valleys and walls.
        least = max(lowest, highest * 1e-4)
        levels = np.geomspace(2 * least, highest / 2, LEVELS)
        return x, y, contours(scene.across, scene.up, losses, levels), scene.minimum
    assert quadratic is not None
    theory = Theory.of(quadratic)
    x, y = axes(theory)
    across, up = np.linspace(x.low, x.high, 48), np.linspace(y.low, y.high, 36)
    grid = np.stack(np.meshgrid(across, up), axis=-1) - theory.minimum
    modes = grid @ np.array(theory.eigenvectors).T
    excess = (np.array(theory.eigenvalues) / 2 * modes**2).sum(axis=-1)
    levels = (theory.start_loss() - theory.min_loss) * (np.arange(1, LEVELS) / (LEVELS - 2)) ** 2
    first, second = theory.minimum
    return x, y, contours(across, up, excess, levels), (first, second)


def axes(theory: Theory) -> tuple[Axis, Axis]:
    """Return axes that hold the start, the minimum, and the overshoot on the other side."""
    from lrtui.screen.draw.chart import Axis

    ends = []
    for first, lowest in zip(theory.start, theory.minimum, strict=True):
        reach = 1.3 * max(abs(first - lowest), 0.5)
        ends.append(Axis(lowest - reach, lowest + reach))
    return ends[0], ends[1]


def contours(across: ArrayLike, up: ArrayLike, losses: Floats, levels: Floats) -> list[Floats]:
    """Return lines of equal loss, each of shape [points, 2].

    Args:
        across: values of the first weight, shape [n].
        up: values of the second weight, shape [m].
        losses: shape [m, n].
        levels: losses whose lines are returned.
    """
    import numpy as np
    from contourpy import contour_generator

    generator = contour_generator(across, up, losses)
    return [np.array(line) for level in levels for line in generator.lines(float(level))]


def depends_on(view: View, width: int) -> object:
    """Return what the picture depends on."""
    others = [view.tone(old) for old in view.behind()]
    return trajectory_seen(view, width), others, view.cursor, view.place


MAP = turning_chart(
    id="map",
    title="map",
    draw=draw,
    depends_on=depends_on,
    help="The loss over its two weights from above, and the way of each run.",
    applies=lambda view: has_scene(view, LineScene) and has_theory(view),
    waits_for=lambda view: waits_for_scene(view) or waits_for_theory(view),
    click=click,
)

PLANE = scene_chart(
    id="plane",
    title="map",
    draw=draw,
    depends_on=depends_on,
    help="The loss over its two weights from above, and the way of each run.",
    applies=lambda view: has_scene(view, PlaneScene),
    click=click,
)
