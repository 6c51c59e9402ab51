"""The update-to-weight ratio of each parameter tensor: how far one optimizer step moves it."""

from __future__ import annotations

import math
import re

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.pane import Pane
from lrtui.screen.panes.scalar import SCALAR, UPDATES_NAME, chosen

MIN_BAR, MAX_NAME = 6, 32
"""Fewest cells of the longest bar, and most cells of a name."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the largest ratio, the smallest, and evenly spaced ones between, with a bar each."""
    assert view.live is not None
    assert view.live.updates is not None
    updates = view.live.updates
    heading: Row = [("median ", "dim"), (short(updates.median), "text")]
    heading.append((f" of {updates.tensors:,}", "dim"))
    heading += [("  l: next", "dim"), (f"  step {updates.step:,}", "dim")]
    last, rows = len(updates.names) - 1, min(height - 1, len(updates.names))
    shown = [i * last // max(rows - 1, 1) for i in range(max(rows, 0))]
    logs = [math.log10(max(updates.ratios[i], 1e-30)) for i in shown]
    known = [log for log in logs if log > -30]
    low = min(known, default=0.0)
    span = max(max(known, default=0.0) - low, 1.0)
    name_width = max(min(MAX_NAME, width - 11 - MIN_BAR), 8)
    found = [fitted(heading, width)]
    for i, log in zip(shown, logs, strict=True):
        name = shortened(updates.names[i], name_width)
        bar = "━" * max(round((width - 11 - name_width) * (0.1 + 0.9 * (log - low) / span)), 0)
        ratio = f"{short(updates.ratios[i]):>8}  "
        row: Row = [(ratio, "strong"), (f"{name:<{name_width}} ", "text"), (bar, "axis")]
        found.append(fitted(row, width))
    return found


def shortened(name: str, width: int) -> str:
    """Shorten a name: first by the part before the number of its layer, then in the middle."""
    if len(name) > width:
        name = re.sub(r"^[^\d]*\.(?=\d+\.)", "", name)
    head = width // 2
    return name if len(name) <= width else f"{name[:head]}…{name[head + 1 - width :]}"


def short(ratio: float) -> str:
    """Write a ratio with two digits."""
    return f"{ratio:.1e}".replace("e-0", "e-")


def depends_on(view: View, width: int) -> object:
    """Return what can be seen of the updates."""
    return view.run.number, view.live and view.live.updates and view.live.updates.step


UPDATES = Pane(
    id="updates",
    title="updates",
    place="below",
    draw=draw,
    depends_on=depends_on,
    help="The length of one step over that of the weights, by parameter tensor, on a log scale; "
    "l shows it after the scalars.",
    applies=lambda view: chosen(view) == UPDATES_NAME and len(view.session.runs) == 1,
    fits=SCALAR.fits,
    widths=SCALAR.widths,
)
