"""The map: the loss over slope and bias from above, with the trajectories of the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.run.theory import Theory
from lrtui.screen.panes.bowl import depends_on as trajectory_seen
from lrtui.screen.panes.bowl import weights_of
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.screen.panes.scene import has_line, has_theory, waits_for_line, waits_for_theory
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

if TYPE_CHECKING:
    from lrtui.screen.chart import Axis, Floats, Layer

LEVELS = 7
"""Contours."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw contours of the loss and the way that each run took over them."""
    from lrtui.screen.chart import Label, Mark, Path, draw

    session, run = view.session, view.session.current
    theory, scene = session.theory, session.scene
    assert theory is not None
    assert scene is not None
    x, y = axes(theory)
    layers: list[Layer] = [Path(line[:, 0], line[:, 1], "faint") for line in contours(theory, x, y)]
    names: list[Layer] = []
    for old, tone in reversed(view.behind()):
        weights = weights_of(old, 2)
        layers.append(Path(weights[:, 0], weights[:, 1], tone))
        if len(weights) > 1:  # at the first step, which is as long as its rate is large
            names.append(Label(weights[1, 0], weights[1, 1], str(old.number), tone))
    if run is not None and len(weights := weights_of(run, 2)):
        layers.append(Path(weights[:, 0], weights[:, 1], "prediction"))
        layers.append(Mark(weights[-1, 0], weights[-1, 1], "●", "strong-prediction"))
    layers += names
    layers.append(Mark(*scene.true_weights, "○", "target"))
    layers.append(Mark(theory.minimum[0], theory.minimum[1], "✚", "good"))
    legend: Row = [("✚", "good"), (" minimum  ", "dim"), ("○", "target"), (" truth  ", "dim")]
    legend.append(("slope → bias ↑", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def axes(theory: Theory) -> tuple[Axis, Axis]:
    """Return axes that hold the start, the minimum, and the overshoot on the other side."""
    from lrtui.screen.chart import Axis

    ends = []
    for first, lowest in zip(theory.start, theory.minimum, strict=True):
        reach = 1.3 * max(abs(first - lowest), 0.5)
        ends.append(Axis(lowest - reach, lowest + reach))
    return ends[0], ends[1]


def contours(theory: Theory, x: Axis, y: Axis) -> list[Floats]:
    """Return lines of equal loss, each of shape [points, 2]."""
    import numpy as np
    from contourpy import contour_generator

    across, up = np.linspace(x.low, x.high, 48), np.linspace(y.low, y.high, 36)
    grid = np.stack(np.meshgrid(across, up), axis=-1) - theory.minimum
    modes = grid @ np.array(theory.eigenvectors).T
    excess = (np.array(theory.eigenvalues) / 2 * modes**2).sum(axis=-1)
    generator = contour_generator(across, up, excess)
    highest = theory.start_loss() - theory.min_loss
    levels = [highest * (i / (LEVELS - 2)) ** 2 for i in range(1, LEVELS)]
    return [np.array(line) for level in levels for line in generator.lines(level)]


def depends_on(view: View, width: int) -> object:
    """Return what the picture depends on."""
    return trajectory_seen(view, width), len(view.session.runs), view.highlighted


MAP = Pane(
    id="map",
    title="map",
    place="bottom",
    draw=draw,
    depends_on=depends_on,
    help="The loss over slope and bias from above, and the way of each run (b: the bowl).",
    applies=lambda view: has_line(view) and has_theory(view),
    waits_for=lambda view: waits_for_line(view) or waits_for_theory(view),
    fits=in_two_rows,
    widths=(28, None),
    lens=True,
)
