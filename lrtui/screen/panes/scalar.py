"""A named scalar of a training, such as its accuracy; a key turns to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.along import is_count
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.session.run import Run

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries

UPDATES_NAME = "updates by tensor"
"""Name of the updates, which take turns with the scalars; no scalar of a script has it."""


def names_of(view: View) -> list[str]:
    """Return the names that take turns: the scalars, then the updates by tensor."""
    if (live := view.live) is None:
        return []
    on_chart = {name for name, _, _ in live.validations} if view.session.has_losses else set()
    names = [name for name in live.scalars if name not in on_chart]
    names.sort(key=lambda name: is_count(name, live.scalars[name]))  # counts come last
    return [*names, *([UPDATES_NAME] if live.updates is not None else [])]


def chosen(view: View) -> str:
    """Return the name of the scalar that is shown, empty for none."""
    names = names_of(view)
    return view.scalar if view.scalar in names else (names[0] if names else "")


def turn(view: View) -> None:
    """Turn to the next scalar."""
    names = names_of(view)
    if names:
        choose(view, names[(names.index(chosen(view)) + 1) % len(names)])


def choose(view: View, name: str) -> None:
    """Show a scalar from now on."""
    view.scalar = name
    if view.alone in ("scalar", "updates"):
        view.alone = "updates" if view.scalar == UPDATES_NAME else "scalar"


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the scalar by step, one curve for each training."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Canvas, Label, Layer, Mark, Stroke, draw, round_up

    name, found = chosen(view), series_of(view)
    rows = Canvas.of(width, height - 1).rows
    values = np.concatenate([series.curve()[1] for _, series in found])
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        y = Axis(0.0, round_up(1.05 * max(high, 1e-30))).aligned(rows)
    else:
        y = Axis(-round_up(-low), round_up(max(high, -low / 10))).aligned(rows)
    last = max(steps_shown(each, []) for each, _ in found)
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    layers: list[Layer] = []
    ends: list[Layer] = []
    for each, series in found:
        steps, values = series.curve()
        layers.append(Stroke(steps, values, view.tone(each)))
        at, value = float(steps[-1]), float(values[-1])
        if len(found) == 1:
            ends.append(Mark(at, value, "●", view.tone(each)))
        else:
            ends.append(Label(at, value, str(each.number), view.tone(each), ends=True))
    legend: Row = [(name[: width - 12], view.tone(view.run) if len(found) == 1 else "text")]
    if view.run is found[0][0]:
        legend.append((f"  {found[0][1].last + 0.0:.4g}", "text"))
    if (count := len(names_of(view))) > 1:
        legend.append((f"  l: next of {count}", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, [*layers, *ends])]


def series_of(view: View) -> list[tuple[Run, LossSeries]]:
    """Return the chosen scalar of each run that reports it, the run in focus first."""
    current, name = view.session.current, chosen(view)
    runs = sorted(view.race or view.session.current_group, key=lambda run: run is not current)
    found = ((run, run.live.scalars.get(name)) for run in runs if run.live is not None)
    return [(run, series) for run, series in found if series is not None]


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the scalar."""
    found = series_of(view)
    last = max(steps_shown(each, []) for each, _ in found)
    seen = [(r.number, r.step * 2 * width // last, f"{each.last + 0.0:.4g}") for r, each in found]
    return seen, chosen(view), last, len(names_of(view))


def applies(view: View) -> bool:
    """Return whether there is a scalar to show, of one training or of several."""
    is_scalar = chosen(view) not in ("", UPDATES_NAME)
    return is_scalar and (view.several or len(view.session.runs) == 1)


SCALAR = Pane(
    id="scalar",
    title="scalar",
    place="below",
    draw=draw,
    depends_on=depends_on,
    help="A scalar that the training reports besides its loss; l shows the next.",
    applies=applies,
    fits=lambda columns, rows: columns >= 100 and in_two_rows(columns, rows),
    widths=(28, None),
)
