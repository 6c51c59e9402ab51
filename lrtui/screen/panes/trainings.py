"""The table of several trainings: their progress, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted, shortened
from lrtui.screen.panes.pane import Highlight, Pane, in_two_rows
from lrtui.screen.panes.runs import fitting
from lrtui.screen.panes.status import LOOKS, state
from lrtui.session.run import Run
from lrtui.text.amounts import duration
from lrtui.text.rates import rate_cell

RATE = 8
"""Cells of a rate."""

NAME, MIN_NAME = 24, 8
"""Maximum and minimum cells of a name."""

VERDICT = 17
"""Cells of a verdict with its sign: the length of the longest usual one."""

LAST = 50
"""Number of losses in the mean: the loss of a single mini-batch is noisy."""

COLUMNS = {f"mean {LAST}": 9, "last": 9, "best @ step": 18, "step": 9, "age": 11}
"""Widths of the columns after the verdict."""

MATTER = (f"mean {LAST}", "step", "best @ step", "last", "age")
"""These columns, most important first; those that do not fit are left out."""

RATES = ("lr", "learning_rate")
"""Settings with a column of their own."""

SETTING = 14
"""Maximum cells of a setting."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the trainings, always with the one in focus."""
    here = listed(view, height)
    differing = differences(view.session.current_group)
    longest = max(len(run.label) for run in here)
    room = width - 5 - RATE - 1 - VERDICT
    least = sum(COLUMNS[name] for name in MATTER[:2])
    name_width = min(max(longest, MIN_NAME), NAME, max(room - least, MIN_NAME))
    columns = fitting(room - name_width - 1, COLUMNS, MATTER)
    left = room - name_width - 1 - sum(columns.values())
    settings = {}
    for key in differing:
        longest = max(len(key), *(len(setting_of(run, key)) for run in here))
        size = min(longest, SETTING) + 2
        if size <= left:
            settings[key] = size
            left -= size
    title = f" {'#':>2}  {'name':<{name_width}} {'rate':<{RATE}} {'verdict':<{VERDICT}}"
    title += "".join(f"{name:>{size}}" for name, size in columns.items())
    title += "".join(f"  {shortened(key, size - 2):<{size - 2}}" for key, size in settings.items())
    rows = [fitted([(title, "dim")], width)]
    for run in here:
        in_focus = run is view.session.current
        word = state(run, view.session.is_paused(run))
        sign, tone = LOOKS[word]
        if run.stall:
            sign, tone = "…", "dim"
        cells, label = cells_of(run), shortened(run.label, name_width)
        row: Row = [
            ("▎" if in_focus else " ", "accent"),
            (f"{run.number:>2}  ", view.tone(run)),
            (f"{label:<{name_width}} ", "strong" if in_focus else "text"),
            (f"{rate_cell(lr, RATE) if (lr := rate_of(run)) else '–':<{RATE}} ", "text"),
            (f"{f'{sign} {word}'[:VERDICT]:<{VERDICT}}", tone),
        ]
        row += [(f"{cells[name]:>{size}}", "text") for name, size in columns.items()]
        row += [
            (f"  {shortened(setting_of(run, key), size - 2):<{size - 2}}", "dim")
            for key, size in settings.items()
        ]
        rows.append(fitted(row, width))
    return rows


def rate_of(run: Run) -> float:
    """Return the rate that the user has set, else the largest so far: the peak of the schedule."""
    state = run.live.state if run.live is not None else None
    if state is not None and (state.held is not None or state.scale != 1):
        return state.lr
    return run.rates.largest if run.rates is not None else run.lr


def cells_of(run: Run) -> dict[str, str]:
    """Return the numbers of a run by column."""
    found = dict.fromkeys(COLUMNS, "–") | {"step": f"{run.step:,}", "age": age_of(run)}
    if (series := run.series) is not None:
        losses = series.recent[-LAST:]
        found[f"mean {LAST}"] = f"{losses.mean():.4g}"
        found["last"] = f"{losses[-1]:.4g}"
        found["best @ step"] = f"{series.smallest:.4g} @ {series.smallest_at:,}"
    return found


def age_of(run: Run) -> str:
    """Say how long ago the last report of a run came, or how the run ended."""
    if not run.is_on:
        return "lost" if run.outcome == "disconnected" else "over"
    ranks = run.live.ranks if run.live is not None else None
    return "now" if ranks is None or not ranks.stalled else duration(ranks.stalled)


def differences(runs: Sequence[Run]) -> list[str]:
    """Return the names of the settings that differ, in the order of the first run."""
    found = [run.joined.settings for run in runs if run.joined is not None]
    names = dict.fromkeys(name for settings in found for name in settings)
    differ = [name for name in names if len({settings.get(name) for settings in found}) > 1]
    return [name for name in differ if name.rpartition(".")[2] not in RATES]


def setting_of(run: Run, key: str) -> str:
    """Return a setting of a run, a dash if it is unknown."""
    return run.joined.settings.get(key, "–") if run.joined is not None else "–"


def listed(view: View, height: int) -> list[Run]:
    """Return the trainings that fit into a number of rows, one of which is for the titles."""
    runs = view.session.runs
    at = next((i for i, run in enumerate(runs) if run is view.session.current), 0)
    first = max(at - height + 2, 0)
    return runs[first : first + max(height - 1, 1)]


def click(view: View, x: int, y: int, width: int, height: int) -> Highlight | None:
    """Put the clicked training in focus."""
    rows = listed(view, height)
    return Highlight(rows[y - 1].number) if 1 <= y <= len(rows) else None


TRAININGS = Pane(
    id="trainings",
    title="trainings",
    place="foot",
    heading=False,
    draw=draw,
    help="The trainings: verdict, mean of the last losses, smallest and last loss, how long ago "
    "each was heard of, and which of their settings differ; keys go to the one in focus.",
    applies=lambda view: view.several,
    fits=in_two_rows,
    widths=(60, None),
    click=click,
    keys=("older",),
)
