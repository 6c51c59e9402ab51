"""The processes of a training: how far each is, and how fast."""

from __future__ import annotations

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.pane import Pane, in_two_rows

LEVELS = "▁▂▃▄▅▆▇█"
"""Latest steps a second, from none to the most that any rank had."""

CURVE = 6
"""Reports that are drawn."""

STRAGGLES = 0.8
"""Share of the quickest rank's steps a second below which a rank straggles."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the ranks; only the slowest ones if there is no room for all."""
    live = view.live
    assert live is not None
    assert live.ranks is not None
    ranks = live.ranks
    quickest = max(ranks.paces)
    most = max((p for paces in live.paces.values() for p in paces), default=0.0) or 1.0
    listed = range(len(ranks.steps))
    if len(listed) > height:
        slowest = sorted(listed, key=lambda rank: (ranks.paces[rank], ranks.steps[rank]))
        listed = sorted(slowest[:height])  # type: ignore[assignment]
    rows = []
    for rank in listed:
        pace = ranks.paces[rank]
        drawn = [*live.paces.get(rank, ())][-CURVE:]
        curve = "".join(LEVELS[min(int(8 * p / most), 7)] for p in drawn).rjust(CURVE)
        word, tone = "", "text"
        if rank in ranks.ended:
            word, tone = "ended", "dim"
        elif rank in live.lagging or rank == ranks.blocker:
            word, tone = ("lags" if rank in live.lagging else "holds up"), "bad"
        elif pace < STRAGGLES * quickest:
            word, tone = "straggles", "bad"
        row: Row = [(f"{rank:>3} ", "dim"), (f"{ranks.steps[rank]:>9,} ", tone)]
        row += [(f"{pace:>6.3g}/s ", tone), (curve, "text"), (f" {word}", tone)]
        rows.append(fitted(row, width))
    return rows


RANKS = Pane(
    id="ranks",
    title="ranks",
    place="below",
    heading=False,
    draw=draw,
    help="The processes that train together: the step and the latest steps a second of each.",
    applies=lambda view: bool(
        view.live and view.live.ranks is not None and len(view.live.ranks.steps) > 1
    ),
    fits=in_two_rows,
    widths=(42, 46),
)
