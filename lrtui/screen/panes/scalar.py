"""A named scalar of a training, such as its accuracy; a key turns to the next."""

from __future__ import annotations

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.loss import steps_shown
from lrtui.screen.panes.pane import Pane, in_two_rows
from lrtui.session.live import Live

UPDATES_NAME = "updates by tensor"
"""What takes turns with the scalars, in a pane of its own; no scalar of a script is called that."""


def live_of(view: View) -> Live | None:
    """Return the live part of a training that is not ours, if that is what is shown."""
    run = view.session.current
    return run.live if run is not None else None


def names_of(view: View) -> list[str]:
    """Return what takes turns: the scalars, then the updates by parameter."""
    if (live := live_of(view)) is None:
        return []
    on_chart = {name for name, _, _ in live.validations} if view.session.has_losses else set()
    names = [name for name in live.scalars if name not in on_chart]
    return [*names, *([UPDATES_NAME] if live.updates is not None else [])]


def chosen(view: View) -> str:
    """Return the name of the scalar that is shown, empty where there is none."""
    names = names_of(view)
    return view.scalar if view.scalar in names else (names[0] if names else "")


def turn(view: View) -> None:
    """Turn to the next scalar."""
    names = names_of(view)
    if names:
        view.scalar = names[(names.index(chosen(view)) + 1) % len(names)]
    if view.alone in ("scalar", "updates"):
        view.alone = "updates" if view.scalar == UPDATES_NAME else "scalar"


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the scalar by step."""
    from lrtui.screen.draw.chart import Axis, Canvas, Layer, Mark, Stroke, draw, round_up

    run, live, name = view.session.current, live_of(view), chosen(view)
    assert run is not None
    assert live is not None
    series = live.scalars[name]
    steps, values = series.curve()
    rows = Canvas.of(width, height - 1).rows
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        y = Axis(0.0, round_up(1.05 * max(high, 1e-30))).aligned(rows)
    else:
        y = Axis(-round_up(-low), round_up(max(high, -low / 10))).aligned(rows)
    last = steps_shown(run, [])
    x = Axis(0.0, float(last), step=1.0 if last < 10 else 0.0)
    layers: list[Layer] = [
        Stroke(steps, values, view.tone(run)),
        Mark(float(steps[-1]), float(values[-1]), "●", view.tone(run)),
    ]
    legend: Row = [(name[: width - 12], view.tone(run)), (f"  {series.last:.4g}", "text")]
    if (count := len(names_of(view))) > 1:
        legend.append((f"  l: next of {count}", "dim"))
    return [fitted(legend, width), *draw(width, height - 1, x, y, layers)]


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of it."""
    run, live, name = view.session.current, live_of(view), chosen(view)
    assert run is not None
    assert live is not None
    last = steps_shown(run, [])
    return run.number, name, run.step * 2 * width // last, last, f"{live.scalars[name].last:.4g}"


SCALAR = Pane(
    id="scalar",
    title="scalar",
    place="below",
    draw=draw,
    depends_on=depends_on,
    help="A scalar that the training reports besides its loss; l shows the next.",
    applies=lambda view: chosen(view) not in ("", UPDATES_NAME) and len(view.session.runs) == 1,
    fits=lambda columns, rows: columns >= 100 and in_two_rows(columns, rows),
    widths=(28, None),
)
