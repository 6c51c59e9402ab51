"""What the panes draw from: the session, and what the user has chosen to see."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from lrtui.messages import Branch, SweepResult, Tried
from lrtui.screen.draw.spans import Span
from lrtui.session.live import Live
from lrtui.session.run import Run
from lrtui.session.session import Session
from lrtui.session.tried import advised

Scale = Literal["linear", "log", "above minimum"]
"""Scales of the loss, in the order of the key; the last needs a known minimum."""

MAX_EVENTS = 200
"""Events that are kept."""

COLOURS = 8
"""Colours of runs: as many as a race may have runs, so that each has its own."""

MAX_BEHIND = 4
"""Maximum earlier runs drawn behind the current one, besides those of its race."""

HEAT_PANE = "heat"
"""Id of the pane of the heat map, which is requested only once it is shown."""


@dataclass
class View:
    """The state of the screen.

    Attributes:
        session: the runs so far.
        steps: steps of a run.
        problem: name of the problem, or path of the file, that is trained.
        highlighted: number of the highlighted earlier run, ``None`` for none.
        typed: text in the field.
        notice: answer to the last request, with its tone; an empty text for none.
        details: last lines of output of a trainer that failed.
        log: events, the most recent last.
        scale: scale of the loss.
        along: quantity on the x axis of the loss, see ``lrtui.screen.panes.along``.
        scalar: name of the chosen scalar.
        chart: id of the chosen chart, of those that take turns.
        alone: id of the pane that is shown alone, ``None`` to show all.
        caption: of a tour, empty for none.
        cursor: step that is read out on the charts, ``None`` for none.
        place: weights that are read out on the map, ``None`` for none.
        rate: rate that is read out on the chart of every rate, ``None`` for none.
        preview: clicked rate, which Enter would run, ``None`` for none.
        zoom: ends of the zoomed ruler, ``None`` if it shows all rates.
        heat_cursor: momentum and rate of the cursor on the heat map, ``None`` for none.
        curves: the small curve of each run in the table, after the arguments of its drawing.
        size: columns and rows of the terminal.
        closed: result of a try that the user has closed.
        silent_for: seconds without a message from the trainer, 0 unless that is suspicious.
        dirty: whether anything new is to be shown; cleared once it is.
    """

    session: Session
    steps: int
    problem: str = ""
    highlighted: int | None = None
    typed: str = ""
    notice: Span = ("", "dim")
    details: list[str] = field(default_factory=list)
    log: deque[Span] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    scale: Scale = "linear"
    along: str = "step"
    scalar: str = ""
    chart: str = "bowl"
    alone: str | None = None
    caption: str = ""
    cursor: int | None = None
    place: tuple[float, float] | None = None
    rate: float | None = None
    preview: float | None = None
    zoom: tuple[float, float] | None = None
    heat_cursor: tuple[float, float] | None = None
    curves: dict[int, tuple[object, str]] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    closed: Tried | None = None
    silent_for: int = 0
    dirty: bool = True

    @property
    def swept(self) -> SweepResult | None:
        """The sweep of the rates on the ruler, once it is there."""
        session, zoom = self.session, self.zoom
        refined = zoom and session.swept_between(zoom, session.optimizer, session.schedule)
        return refined or session.swept

    def scales(self) -> list[Scale]:
        """Return the scales that the loss can be drawn on."""
        all_: list[Scale] = ["linear", "log", "above minimum"]
        return all_ if self.session.quadratic else all_[:2]

    @property
    def race(self) -> list[Run]:
        """The runs of the race that was started last; empty if it is a single run."""
        current_group = self.session.current_group
        return current_group if len(current_group) > 1 else []

    @property
    def run(self) -> Run:
        """The current run, for panes that wait until there is one."""
        assert self.session.current is not None
        return self.session.current

    @property
    def live(self) -> Live | None:
        """The live part of the current run, if that is a training that is not ours."""
        run = self.session.current
        return run.live if run is not None else None

    @property
    def rate_offered(self) -> Branch | None:
        """The branch of an open try whose rate Enter takes, until the rate is set by hand."""
        live = self.live
        if live is None or live.tried is None or live.tried is self.closed:
            return None
        is_free = live.trying is None and not live.is_by_hand
        return advised(live.tried) if is_free and self.session.offers("scale") else None

    @property
    def several(self) -> bool:
        """Whether the runs are of several trainings that are not ours."""
        run = self.session.current
        return run is not None and run.joined is not None

    @property
    def pointed_at(self) -> Run | None:
        """The run that keys act on: the highlighted one, else the current one."""
        runs = (run for run in self.session.runs if run.number == self.highlighted)
        return next(runs, self.session.current)

    def tone(self, run: Run) -> str:
        """Return the tone of a run, the same wherever and whenever it is shown."""
        strong = "strong-" if run.number == self.highlighted else ""
        return f"{strong}run-{(run.number - 1) % COLOURS + 1}"

    def behind(self) -> list[Run]:
        """Return the runs drawn behind the current one, most recent first.

        The others of a race, then the highlighted and the pinned ones however old they are, then,
        unless it is a race, the most recent.
        """
        session, race = self.session, self.race
        others = [run for run in race if run is not session.current and run.series is not None]
        group = session.current_group
        runs = [run for run in reversed(session.of_this_problem()) if run not in group]
        drawn = [run for run in runs if run.series is not None and run.series.count > 1]
        marked = [run for run in drawn if run.number == self.highlighted]
        kept = [run for run in drawn if run.pinned and run not in marked]
        recent = [run for run in drawn if not (run.hidden or run.pinned) and run not in marked]
        earlier = [*kept, *([] if race else recent)]
        return [*reversed(others), *marked, *earlier[:MAX_BEHIND]]
