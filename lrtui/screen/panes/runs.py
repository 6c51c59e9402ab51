"""The table of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted
from lrtui.screen.panes.pane import Highlight, Pane, in_two_rows
from lrtui.screen.panes.ranks import RANKS
from lrtui.screen.panes.status import LOOKS, state
from lrtui.session.run import Run
from lrtui.text.rates import rate_cell

COLUMNS = {"forecast": 9, "settled": 9, "loss": 10, "curve": 10}
"""Widths of the columns after the verdict."""

MATTER = ("loss", "settled", "curve", "forecast")
"""These columns, most important first; those that do not fit are left out."""

RATE = 8
"""Cells of a rate."""

RATES = 14
"""Maximum cells of the rates of a run whose rate was changed."""

MAX_WIDTH = 84
"""Maximum cells of the table."""

SHORT = 13
"""Minimum cells of a state."""

ABOUT = 18
"""Maximum cells of the settings that differ between the runs."""

COMPARED = 100
"""Number of last runs whose settings are compared."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the runs, most recent first, always with the highlighted one."""
    session = view.session
    here = listed(view, height)
    settings = [about(run, view) for run in here]
    states = [state(run, session.is_paused(run)) for run in here]
    wide = max([SHORT, *map(len, states)])
    rates = max([RATE, *(min(len(run.rate_in_words), RATES) for run in here if run.changes)])
    room = width - 1 - 3 - 2 - rates - 1 - 2 - wide
    most = min(ABOUT, max(room - COLUMNS["loss"], 0))  # the loss is always shown
    longest = max(map(len, settings), default=0)
    apart = min(longest + 1, most) if longest else 0
    found = [cells_of(run) for run in here]
    known = {name for cells in found for name, text in cells.items() if text}
    columns = fitting(room - apart, COLUMNS, [name for name in MATTER if name in known])
    name = "setting" if apart >= 8 else ""
    title: Row = [(f" {'#':>3}  {'rate':<{rates}} {name:<{apart}}{'verdict':<{wide + 2}}", "dim")]
    title += [(f"{name:>{size}}", "dim") for name, size in columns.items()]
    rows = [fitted(title, width)]
    curves = small_curves(view, here, columns.get("curve", 0) - 2)
    for run, now, says, cells, curve in zip(here, states, settings, found, curves, strict=True):
        in_focus = run is (view.pointed_at or session.current)
        sign, look = LOOKS[now]
        tone = view.tone(run)
        pin = "*" if run.pinned else "-" if run.hidden else " "
        row: Row = [
            ("▎" if in_focus else " ", "accent"),
            (f"{run.number:>3}{pin} ", tone),
            (f"{rates_cell(run, rates):<{rates}} ", "strong" if in_focus else "text"),
            (f"{says[: max(apart - 1, 0)]:<{apart}}", "strong" if run.name else "dim"),
            (f"{sign} {now:<{wide}}", look),
        ]
        row += [
            (f"{curve:>{size}}", tone)
            if name == "curve"
            else (f"{cells[name] or '–':>{size}}", "text")
            for name, size in columns.items()
        ]
        rows.append(fitted(row, width))
    return rows


def cells_of(run: Run) -> dict[str, str]:
    """Return the numbers of a run by column, empty if unknown."""
    return {
        "forecast": "" if run.forecast is None else f"{run.forecast:,}",
        "settled": "" if run.settled_at is None else f"{run.settled_at:,}",
        "loss": "" if run.loss is None else f"{run.loss:.4g}",
        "curve": "" if run.series is None else "known",
    }


def rates_cell(run: Run, width: int) -> str:
    """Write the rate of a run; if it was changed, the first and the last one."""
    if not run.changes or run.live is not None:
        return rate_cell(run.lr, RATE)
    text = run.rate_in_words
    return text if len(text) <= width else f"→ {rate_cell(run.lr, RATE - 2)}"


def fitting(width: int, columns: Mapping[str, int], matter: Iterable[str]) -> dict[str, int]:
    """Return the columns that fit into a width, in the order of the table.

    ``matter`` names those that may be shown, most important first.
    """
    kept: list[str] = []
    for name in matter:
        width -= columns[name]
        if width < 0:
            break
        kept.append(name)
    return {name: size for name, size in columns.items() if name in kept}


def about(run: Run, view: View) -> str:
    """Return the name of a run, or those of its settings that not all runs share."""
    runs = view.session.runs[-COMPARED:]
    shared = set(run.parts).intersection(*(other.parts for other in runs))
    said = run.name or ", ".join(part for part in run.parts if part not in shared)
    if run.schedule != "constant" and not said:
        said = run.schedule
    return f"{said} ×{run.times}".strip() if run.times > 1 else said


def small_curves(view: View, runs: Sequence[Run], cells: int) -> list[str]:
    """Return a curve of the loss of each run in so many cells, all on one log scale.

    The view keeps the curves of runs that have not moved since.
    """
    series = [run.series for run in runs if run.series and run.series.smallest > 0]
    if cells < 1 or not series:
        return [""] * len(runs)
    from lrtui.screen.draw.chart import Axis, line_of_text  # not before the first frame

    low = min(s.smallest for s in series)
    high = max(s.first for s in series)  # a loss above every start leaves at the top
    y = Axis(low, high if high > 1.01 * low else 1.01 * low, log=True)
    last = max(run.steps or run.step for run in runs)
    x = Axis(0.0, float(max(last, 1)))
    found = []
    for run in runs:
        if run.series is None or not run.series.smallest > 0:
            found.append("")
            continue
        seen = (run.series.count, x, y, cells)
        if view.curves.get(run.number, (None, ""))[0] != seen:
            view.curves[run.number] = (seen, line_of_text(*run.series.curve(), x, y, cells))
        found.append(view.curves[run.number][1])
    return found


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
    """Return whether there are runs to compare: a training that is not ours is alone."""
    run = view.session.current
    return not view.several and (
        run is None or run.live is None or (len(view.session.runs) > 1 and not RANKS.applies(view))
    )


RUNS = Pane(
    id="runs",
    title="runs",
    place="foot",
    heading=False,
    draw=draw,
    help="The runs, most recent first; a click highlights one.",
    applies=applies,
    fits=in_two_rows,
    widths=(44, MAX_WIDTH),
    click=click,
    keys=("older", "pin", "name", "remove"),
)
