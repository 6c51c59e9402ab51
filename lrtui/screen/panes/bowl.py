"""The bowl: the loss along the steepest direction, with the steps hopping across it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.messages import PLAIN
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.pane import turning_chart
from lrtui.screen.panes.scene import has_theory, waits_for_theory
from lrtui.session.run import Run

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Floats, Layer

HOPS = 8
"""Number of last steps of the current run that are drawn: more would fill the bowl."""


def weights_of(run: Run, dimension: int) -> Floats:
    """Return the weights along a run's trajectory, shape [steps, dimension], only finite ones."""
    import numpy as np

    known = [*run.trajectory, run.weights] if run.weights else run.trajectory
    weights = np.array(known, dtype=float).reshape(-1, dimension)
    finite: Floats = weights[np.isfinite(weights).all(axis=1)]
    return finite


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the walls of the valley and the last steps on them."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Curve, Mark, Path, draw, round_up

    theory, run = view.session.theory_of(PLAIN), view.session.current
    assert theory is not None
    across = np.array(theory.eigenvectors[-1])
    start = abs(theory.distances(theory.start)[-1])
    dimension = len(theory.minimum)
    weights = weights_of(run, dimension) if run else np.empty((0, dimension))
    with np.errstate(over="ignore"):
        at = (weights - theory.minimum) @ across
    recent = at[-HOPS:]
    # The bowl keeps its size until the steps climb out of it.
    reach = np.abs(recent).max(initial=0.0)
    half = 1.2 * max(start, 1e-6)
    if reach > half:
        half = round_up(min(float(reach), 1e150))
    steepness = theory.eigenvalues[-1] / 2
    top = steepness * half**2
    walls = np.linspace(-half, half, 120)
    layers: list[Layer] = [Curve(walls, steepness * walls**2, "faint")]
    seen = recent[np.abs(recent) <= half]
    tone = view.tone(run) if run else "text"
    layers.append(Path(seen, steepness * seen**2, tone))
    layers.append(Mark(0.0, 0.0, "┴", "good"))
    for other in view.race:
        if other is not run and len(there := weights_of(other, dimension)[-1:]):
            place = float(((there - theory.minimum) @ across)[0])
            layers += ball(view, other, place, min(steepness * place**2, top))
    legend: Row = [("loss across the valley", "dim")]
    if len(recent):
        now = float(recent[-1])
        if abs(now) <= half:
            assert run is not None
            layers += ball(view, run, now, steepness * now**2)
        far = f"{abs(now):.2g}" if abs(now) >= 1e-3 * half else "nearly 0"
        legend = [("●", tone), (f" {far} across the valley", "dim")]
        if run is not None and run.loss is not None and theory.min_loss > 0:
            above = 100 * max(run.loss / theory.min_loss - 1, 0.0)
            text = f"{above:,.0f}" if above >= 100 else f"{above:.2g}"
            text = "under 0.01" if above < 0.01 else text
            legend.append((f", loss {text} % above its minimum", "dim"))
    # The minimum in the middle of a cell, or a ball a hair beside it would be a cell beside it.
    shift = half / width if width % 2 == 0 else 0.0
    x, y = Axis(-half - shift, half - shift), Axis(-0.02 * top, top)
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers, axes=False)]


def ball(view: View, run: Run, x: float, y: float) -> list[Layer]:
    """Return the mark at the place of a run: in a race its number."""
    from lrtui.screen.draw.chart import Label, Mark

    tone = view.tone(run)
    if not view.race:
        return [Mark(x, y, "●", tone)]
    if run.number < 10:
        return [Mark(x, y, str(run.number), tone)]
    return [Mark(x, y, "●", tone), Label(x, y, str(run.number), tone)]


def depends_on(view: View, width: int) -> object:
    """Return what the picture depends on."""
    run = view.session.current
    where = [
        (other.number, [f"{w:.4g}" for w in other.weights]) for other in view.session.current_group
    ]
    return (run.number, len(run.trajectory), where) if run else ()


BOWL = turning_chart(
    id="bowl",
    title="bowl",
    draw=draw,
    depends_on=depends_on,
    help="The loss across its steepest direction, and the last steps on it (b: the map).",
    applies=has_theory,
    waits_for=waits_for_theory,
)
