"""The slice: the loss along the step of the optimizer, by the rate of that step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrtui.messages import Slice
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row
from lrtui.screen.panes.pane import turning_chart
from lrtui.screen.panes.scene import is_measured
from lrtui.text.rates import rate_cell

if TYPE_CHECKING:
    from lrtui.screen.draw.chart import Layer

TOO_HIGH = 4.0
"""How far above the loss before the step the chart reaches, as a multiple of its fall."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the loss after the same step at each rate, and mark the rate in force."""
    import numpy as np

    from lrtui.screen.draw.chart import Axis, Canvas, Curve, Label, Mark, draw

    run = view.run
    cut, tone = run.slice, view.tone(run)
    assert cut is not None
    known = [(lr, loss) for lr, loss in zip(cut.lrs, cut.losses, strict=True) if loss is not None]
    low = min([cut.before, *(loss for _, loss in known)])
    after = loss_at(cut)
    fall = max(cut.before - low, 0.02 * abs(cut.before), 1e-30)
    high = cut.before + TOO_HIGH * fall
    if after is not None and math.isfinite(after):
        high = max(high, min(1.1 * after, cut.before + 20 * fall))
    x = Axis(cut.lrs[0], cut.lrs[-1], log=True)
    canvas = Canvas.of(width, height - 1)
    y = Axis(low - 0.1 * (high - low), high).aligned(canvas.rows)
    ends = [x.low, x.high]
    layers: list[Layer] = [
        Curve(ends, [cut.before, cut.before], "faint"),
        Curve(np.array([lr for lr, _ in known]), np.array([v for _, v in known]), tone),
        Label(x.low, cut.before, f"loss at step {cut.step:,}", "dim"),
    ]
    if after is not None:
        layers.append(Mark(cut.lr, after, "◆", tone))
    return [[(sentence(cut, width), "dim")], *draw(width, height - 1, x, y, layers)]


def loss_at(cut: Slice) -> float | None:
    """Return the loss after the step at the rate in force, interpolated; ``None`` if not finite."""
    import numpy as np

    losses = [math.nan if loss is None else loss for loss in cut.losses]
    found = float(np.interp(math.log(cut.lr), np.log(cut.lrs), losses))
    return None if math.isnan(found) else found


def sentence(cut: Slice, width: int) -> str:
    """Say what the step does, and which step would lower the loss most."""
    after = loss_at(cut)
    rate = rate_cell(cut.lr, 8)
    if after is None:
        does = "makes the loss overflow"
        choices = [f"a step of {rate} {does}", does]
    else:
        does = f"{'lowers' if after < cut.before else 'raises'} the loss to {after:.3g}"
        choices = [f"a step of {rate} {does}", does, does.replace("the loss ", "it ")]
    known = [(loss, lr) for lr, loss in zip(cut.lrs, cut.losses, strict=True) if loss is not None]
    if not cut.downhill:
        choices.insert(0, f"{choices[0]}: the momentum carries it uphill")
    elif known:
        lowest = min(known)[1]
        choices.insert(0, f"{choices[0]}; of those tried, {lowest:.2g} would lower it most")
    return next((text for text in choices if len(text) <= width), "")


def waits_for(view: View) -> str:
    """Say that no slice has been measured yet."""
    run = view.session.current
    return "" if run and run.slice else "measured soon"


SLICE = turning_chart(
    id="slice",
    title="along the step",
    draw=draw,
    depends_on=lambda view, width: view.run.slice,
    help="The loss along the step that the optimizer takes now, by the rate it is taken with; ◆ is "
    "the rate in force. It says what one step would do, and not what a rate does in the end.",
    applies=is_measured,
    waits_for=waits_for,
)
