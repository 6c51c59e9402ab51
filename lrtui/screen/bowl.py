"""The bowl and the map: where the steps go, seen along the steepest direction and from above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.run.session import Run, Session
from lrtui.run.theory import Theory
from lrtui.screen.chart import Axis, Curve, Layer, Mark, Path, draw, round_up
from lrtui.screen.spans import Row, behind, fitted

HOPS = 8
"""Steps of the current run that are drawn bright on the bowl, the last ones."""

LEVELS = 7
"""Contours of the map."""


def weights_of(run: Run) -> np.ndarray:
    """Returns the weights along a run's path, shape [steps, 2], only finite ones."""
    path = np.array([*run.path, run.weights] if run.weights else run.path, dtype=float)
    return path[np.isfinite(path).all(axis=1)] if len(path) else np.empty((0, 2))


def bowl_chart(session: Session, width: int, height: int) -> list[Row]:
    """Draws the loss along the steepest direction, with the last steps hopping across it."""
    bowl, run, ready = session.bowl, session.current, session.ready
    assert bowl is not None
    assert ready is not None
    across = np.array(bowl.directions[-1])
    start = abs(bowl.distances(ready.weights)[-1])
    path = weights_of(run) if run else np.empty((0, 2))
    with np.errstate(over="ignore"):
        at = (path - bowl.minimum) @ across
    recent = at[-HOPS:]
    # The bowl keeps its size until the steps climb out of it.
    reach = np.abs(recent).max(initial=0.0)
    half = 1.2 * max(start, 1e-6)
    if reach > half:
        half = round_up(min(float(reach), 1e150))
    deep = bowl.sharpness / 2
    top = deep * half**2
    walls = np.linspace(-half, half, 120)
    layers: list[Layer] = [Curve(walls, deep * walls**2, "faint")]
    for hops, tone in ((at, "forecast"), (recent, "prediction")):
        seen = hops[np.abs(hops) <= half]
        layers.append(Path(seen, deep * seen**2, tone))
    layers.append(Mark(0.0, 0.0, "┴", "good"))
    legend: Row = [("loss across the valley", "dim")]
    if len(recent) and abs(now := float(recent[-1])) <= half:
        layers.append(Mark(now, deep * now**2, "●", "strong-prediction"))
        side = "left" if now < 0 else "right"
        where = "at the bottom" if abs(now) < 1e-3 * half else f"{abs(now):.2g} to the {side}"
        legend = [("●", "prediction"), (f" {where}", "dim")]
    x, y = Axis(-half, half), Axis(-0.02 * top, top)
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers, axes=False)]


def map_chart(
    session: Session, width: int, height: int, highlighted: int | None = None
) -> list[Row]:
    """Draws the loss over slope and bias from above, with the paths of the runs.

    Args:
        session: the runs so far.
        width: cells.
        height: rows.
        highlighted: the number of an earlier run that is to stand out.
    """
    bowl, ready = session.bowl, session.ready
    assert bowl is not None
    assert ready is not None
    x, y = map_axes(bowl, ready.weights)
    levels = contours(bowl, ready.weights, x, y)
    layers: list[Layer] = [Path(line[:, 0], line[:, 1], "faint") for line in levels]
    run = session.current
    drawn = [(run, "prediction")] if run and run.path else []
    drawn += behind(session, highlighted)
    paths: list[Layer] = []
    names: list[Layer] = []  # at the first step, which each rate makes of another length
    for run, tone in drawn:
        path = weights_of(run)
        paths.append(Path(path[:, 0], path[:, 1], tone))
        first = path[1] if len(path) > 1 else (np.inf, np.inf)
        if (
            run is not session.current
            and x.low <= first[0] <= x.high
            and y.low <= first[1] <= y.high
        ):
            names.append(Mark(first[0], first[1], str(run.number), tone))
    layers += reversed(paths)  # the current run's over the earlier ones'
    layers += names
    if drawn and len(path := weights_of(drawn[0][0])):
        layers.append(Mark(path[-1, 0], path[-1, 1], "●", "strong-prediction"))
    layers.append(Mark(ready.truth[0], ready.truth[1], "○", "target"))
    layers.append(Mark(bowl.minimum[0], bowl.minimum[1], "✚", "good"))
    legend: Row = [("✚", "good"), (" minimum  ", "dim"), ("○", "target"), (" truth  ", "dim")]
    legend.append(("slope → bias ↑", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def map_axes(bowl: Theory, start: Sequence[float]) -> tuple[Axis, Axis]:
    """Returns axes that hold the start, the minimum, and the overshoot on the other side."""
    ends = []
    for first, lowest in zip(start, bowl.minimum, strict=True):
        reach = 1.3 * max(abs(first - lowest), 0.5)
        ends.append(Axis(lowest - reach, lowest + reach))
    return ends[0], ends[1]


def contours(bowl: Theory, start: Sequence[float], x: Axis, y: Axis) -> list[np.ndarray]:
    """Returns lines of equal loss, each of shape [points, 2]."""
    from contourpy import contour_generator

    across, up = np.linspace(x.low, x.high, 48), np.linspace(y.low, y.high, 36)
    grid = np.stack(np.meshgrid(across, up), axis=-1) - bowl.minimum
    modes = grid @ np.array(bowl.directions).T
    gap = (np.array(bowl.eigenvalues) / 2 * modes**2).sum(axis=-1)
    generator = contour_generator(across, up, gap)
    highest = bowl.gaps(start, 1.0)(0)
    levels = [highest * (i / (LEVELS - 2)) ** 2 for i in range(1, LEVELS)]
    return [np.array(line) for level in levels for line in generator.lines(level)]
