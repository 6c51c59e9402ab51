"""The x axis of the loss: steps, time, or a count of the training's own such as tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lrtui.screen.control.view import View
from lrtui.session.run import Run

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries
    from lrtui.screen.draw.chart import Floats

STEPS, TIME = "step", "time"

COUNT = re.compile(r"(?i)(?:^|[^a-z])(tokens?|samples|examples|images)(?![a-z])")
"""Names of scalars that count the data that a training has seen."""

TIMES = ((3 * 3600.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))
"""Units of time: the seconds from which each is used, its length, and its name."""

AMOUNTS = ((1e9, 1e9, "billion "), (1e6, 1e6, "million "), (1e4, 1e3, "thousand "), (0.0, 1.0, ""))
"""Units of counts: the count from which each is used, its size, and its name."""


def choices(view: View) -> list[str]:
    """Return the possible quantities of the x axis, as far as known of the run in focus."""
    run = view.session.current
    if run is None or run.live is None:
        return [STEPS]
    timed = [TIME] if run.clock is not None and run.clock.last > 0 else []
    counts = [name for name, series in run.live.scalars.items() if is_count(name, series)]
    return [STEPS, *timed, *counts]


def is_count(name: str, series: LossSeries) -> bool:
    """Return whether a scalar counts data: its name says so, and it has grown to its maximum."""
    return COUNT.search(name) is not None and series.largest == series.last > series.first


def chosen(view: View) -> str:
    """Return the quantity of the x axis."""
    if view.along == STEPS:
        return STEPS  # asked for each mark of each frame
    return view.along if view.along in choices(view) else STEPS


def turn(view: View) -> str:
    """Turn to the next choice; return it."""
    found = choices(view)
    view.along = found[(found.index(chosen(view)) + 1) % len(found)]
    return view.along


def clock_of(view: View, run: Run) -> LossSeries | None:
    """Return the chosen quantity by step, ``None`` if that is the step or unknown."""
    by = chosen(view)
    if by == STEPS or run.live is None:
        return None
    return run.clock if by == TIME else run.live.scalars.get(by)


def places(view: View, run: Run, steps: Floats) -> Floats:
    """Return the places of steps of a run along the axis, in its unit.

    The quantity is interpolated between two reports. NaN for a run of which it is unknown.
    """
    import numpy as np

    clock = clock_of(view, run)
    if clock is None:
        return steps if chosen(view) == STEPS else np.full(len(steps), np.nan)
    at, values = clock.curve()
    before = [0.0] if at[0] > 0 else []  # every quantity starts at 0
    at, values = np.append(before, at), np.append(before, np.maximum.accumulate(values))
    found: Floats = np.interp(steps, at, values) / unit(view)[0]
    return found


def place(view: View, run: Run, step: float) -> float:
    """Return the place of a step of a run along the axis, in its unit."""
    import numpy as np

    return float(places(view, run, np.array([step], dtype=float))[0])


def step_at(view: View, run: Run, where: float) -> int:
    """Return the step of a run at a place along the axis."""
    import numpy as np

    if clock_of(view, run) is None:
        return round(where)
    steps = np.arange(run.step + 1) if run.step < 4096 else np.linspace(0, run.step, 4096)
    return round(float(np.interp(where, places(view, run, steps.astype(float)), steps)))


def end(view: View) -> float:
    """Return a round number above the chosen quantity of all runs, in seconds or as a count."""
    from lrtui.screen.draw.chart import round_up

    runs = view.race or [run for run in [view.session.current] if run is not None]
    clocks = [clock for run in runs if (clock := clock_of(view, run)) is not None]
    return round_up(max((clock.last for clock in clocks if clock.last > 0), default=1.0))


def unit(view: View) -> tuple[float, str]:
    """Return the unit of the axis and its name."""
    by, last = chosen(view), end(view)
    if by == TIME:
        return next((size, name) for least, size, name in TIMES if last >= least)
    return next((size, f"{name}{by}") for least, size, name in AMOUNTS if last >= least)


def heading(view: View) -> str:
    """Return the name of the x axis for the heading; empty for steps."""
    if (by := chosen(view)) == STEPS:
        return ""
    name = unit(view)[1]
    return f", by time ({name})" if by == TIME else f", by {name}"
