"""The table of runs."""

from __future__ import annotations

from lrtui.run.rate import rate_cell
from lrtui.run.run import Run
from lrtui.screen.panes.pane import Highlight, Pane, in_two_rows
from lrtui.screen.panes.ranks import RANKS
from lrtui.screen.panes.status import LOOKS, state
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

COLUMNS = (("forecast", 9), ("settled", 8), ("loss", 10), ("steps/s", 8))
"""The columns after the verdict, and their widths; those that do not fit are left out."""

RATE = 8
"""Cells of a rate."""

SHORT = 13
"""Cells of a state, unless a longer one is listed."""

BY = 17
"""Cells of an optimizer at most, where the runs have several."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the runs, most recent first, the highlighted one always."""
    session = view.session
    tones = {run.number: tone for run, tone in view.behind()}
    here = listed(view, height)
    titles = {run.title for run in session.runs}
    by = min(max(map(len, titles)) + 1, BY) if len(titles) > 1 else 0
    abreast = session.abreast
    states = [state(run, session.paused and run in abreast) for run in here]
    wide = max([SHORT, *map(len, states)])
    title: Row = [(f"  {'#':>3}  {'rate':<{RATE}} {'by'[:by]:<{by}}{'':<{wide + 2}}", "dim")]
    title += [(f"{name:>{size}}", "dim") for name, size in COLUMNS]
    rows = [fitted(title, width)]
    for run, now in zip(here, states, strict=True):
        current = run is session.current
        highlighted = run.number == view.highlighted or (current and bool(view.race))
        sign, look = LOOKS[now]
        tone = view.tone(run) if run in abreast else tones.get(run.number, "")
        pace = run.steps_per_second
        cells = (
            "–" if run.forecast is None else f"{run.forecast:,}",
            "–" if run.settled_at is None else f"{run.settled_at:,}",
            "–" if run.loss is None else f"{run.loss:.4g}",
            "–" if pace is None else f"{pace:,.0f}",
        )
        row: Row = [
            ("▶ " if highlighted else "━ " if tone else "  ", tone or "dim"),
            (f"{run.number:>3}  ", "strong" if highlighted else "dim"),
            (f"{rate_cell(run.lr, RATE):<{RATE}} ", "strong" if current else "text"),
            (f"{run.title[: by - 1]:<{by}}"[:by], "dim"),
            (f"{sign} {now:<{wide}}", look),
        ]
        row += [(f"{cell:>{size}}", "text") for cell, (_, size) in zip(cells, COLUMNS, strict=True)]
        rows.append(fitted(row, width))
    return rows


def listed(view: View, height: int) -> list[Run]:
    """Return the runs that fit into a number of rows, one of them for the titles."""
    runs = list(reversed(view.session.runs))
    wanted = view.highlighted or view.session.focus
    at = next((i for i, run in enumerate(runs) if run.number == wanted), 0)
    first = max(at - height + 2, 0)
    return runs[first : first + max(height - 1, 0)]


def click(view: View, x: int, y: int, width: int, height: int) -> Highlight | None:
    """Highlight the run that is clicked; a second click takes it back."""
    rows = listed(view, height)
    if not 1 <= y <= len(rows):
        return None
    number = rows[y - 1].number
    return Highlight(None if number == view.highlighted else number)


def applies(view: View) -> bool:
    """Return whether there is something to compare: a training that is not ours is alone."""
    run = view.session.current
    return (
        run is None or run.live is None or (len(view.session.runs) > 1 and not RANKS.applies(view))
    )


RUNS = Pane(
    id="runs",
    title="runs",
    place="bottom",
    draw=draw,
    help="The runs, most recent first; a click highlights one.",
    applies=applies,
    fits=in_two_rows,
    widths=(44, 70),
    click=click,
)
