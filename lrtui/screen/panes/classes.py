"""The classes: points in two dimensions, and the regions that the current run gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.messages import ClassesScene
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.scene import has_scene, scene_chart
from lrtui.session.run import with_nan

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Axis, Canvas, Floats, Ints, Layer

SIGNS = "·+×ox*"
"""Signs of the points by their class; further classes have their last digit."""

TONES = tuple(f"run-{i}" for i in range(1, 7))
"""Their tones, and those of their regions."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the region that the model gives to each class, and the points over them."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Canvas, Cloud, Mark, draw

    scene, run = view.session.scene, view.session.current
    assert isinstance(scene, ClassesScene)
    x, y = Axis(scene.across[0], scene.across[-1]), Axis(scene.up[0], scene.up[-1])
    canvas = Canvas.of(width, height - 1)
    layers: list[Layer] = []
    legend: Row = []
    if run is not None and run.picture is not None:
        shape = (len(scene.up), len(scene.across))
        values = np.array(with_nan(run.picture.values))
        if values.size == shape[0] * shape[1]:
            classes = np.nan_to_num(values).astype(np.int64).reshape(shape)
            for label, (across, up) in regions(scene, classes, canvas, x, y):
                layers.append(Cloud(across, up, tone(label)))
            right = share_right(scene, classes)
            legend.append((f"{right:.0%} of the points classified correctly", "text"))
            legend.append((f", step {run.picture.step:,}", "dim"))
    for label in sorted({*scene.labels}):
        legend.append((f"  {sign(label)} class {label}", tone(label)))
    layers += [
        Mark(px, py, sign(label), tone(label))
        for px, py, label in zip(scene.x, scene.y, scene.labels, strict=True)
    ]
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def regions(
    scene: ClassesScene, classes: Ints, canvas: Canvas, x: Axis, y: Axis
) -> list[tuple[int, tuple[Floats, Floats]]]:
    """Return the dots of each class but the first, whose region stays empty.

    One dot in each cell of the chart, in the class of the nearest cell of the grid.
    """
    import numpy as np

    columns = np.array([canvas.x_at(x, i) for i in range(canvas.columns)])
    rows = np.array([canvas.y_at(y, i) for i in range(canvas.rows)])
    across, up = np.meshgrid(columns, rows)
    at = np.abs(np.array(scene.up)[:, None] - rows).argmin(axis=0)
    over = np.abs(np.array(scene.across)[:, None] - columns).argmin(axis=0)
    here = classes[np.ix_(at, over)]
    return [
        (int(label), (across[here == label], up[here == label]))
        for label in np.unique(here)
        if label > 0
    ]


def share_right(scene: ClassesScene, classes: Ints) -> float:
    """Return the share of the points whose cell of the grid has their class."""
    import numpy as np

    at = np.abs(np.array(scene.up)[:, None] - np.array(scene.y)).argmin(axis=0)
    over = np.abs(np.array(scene.across)[:, None] - np.array(scene.x)).argmin(axis=0)
    return float((classes[at, over] == np.array(scene.labels)).mean())


def sign(label: int) -> str:
    """Return the sign of the points of a class."""
    return SIGNS[label] if label < len(SIGNS) else str(label % 10)


def tone(label: int) -> str:
    """Return the tone of a class."""
    return TONES[label % len(TONES)]


def depends_on(view: View, width: int) -> object:
    """Return what the picture depends on: the regions, but not their step."""
    run = view.session.current
    return view.session.scene, run.picture.values if run and run.picture else None


CLASSES = scene_chart(
    id="classes",
    title="classes",
    draw=draw,
    depends_on=depends_on,
    help="The points by their class, and the regions where the model says which.",
    applies=lambda view: has_scene(view, ClassesScene),
)
