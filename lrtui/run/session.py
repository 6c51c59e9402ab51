"""The runs of a session, as their messages tell of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrtui.messages import (
    AnyMessage,
    Ended,
    Failed,
    Outcome,
    Progress,
    Ready,
    Started,
    Summary,
)

if TYPE_CHECKING:
    from lrtui.run.series import LossSeries

KEPT = 12
"""Runs whose losses are kept; of older ones only the line in the table is."""

LISTED = 1000
"""Runs that are kept at all."""


@dataclass
class Run:
    """One run.

    Attributes:
        number: its number, from 1 up.
        rate: its learning rate, the last where it was changed on the way.
        steps: how many steps it is to take.
        step: steps taken so far.
        series: its losses; ``None`` before the first, and once it is too old to be drawn.
        weights: slope and bias now; NaN where not finite.
        seconds: time spent stepping.
        changes: the steps at which the rate was changed, and what to.
        outcome: how it ended, ``None`` while it is on.
        reason: why it ended, in a sentence.
        loss: the last finite loss.
    """

    number: int
    rate: float
    steps: int
    step: int = 0
    series: LossSeries | None = None
    weights: tuple[float, ...] = ()
    seconds: float = 0.0
    changes: list[tuple[int, float]] = field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""
    loss: float | None = None

    @property
    def steps_per_second(self) -> float | None:
        """Steps over the time spent stepping, ``None`` before the first step."""
        return self.step / self.seconds if self.step and self.seconds > 0 else None

    def summary(self) -> Summary:
        """Returns the run in one message."""
        return Summary(
            run=self.number,
            rate=self.rate,
            steps=self.step,
            loss=self.loss,
            weights=list(self.weights),
            reason=self.outcome or "stopped",
            steps_per_second=self.steps_per_second,
        )


class Session:
    """All runs so far, the current one last.

    Attributes:
        runs: the runs that have something to show, oldest first.
        ready: what the trainer said of the data, ``None`` until it did.
    """

    def __init__(self) -> None:
        """Starts without a run."""
        self.runs: list[Run] = []
        self.ready: Ready | None = None
        self._last_number = 0

    @property
    def current(self) -> Run | None:
        """The run started last, on or over."""
        return self.runs[-1] if self.runs else None

    def begin(self, rate: float, steps: int) -> Run:
        """Adds a new run; the one before it is over, whatever is still said of it."""
        before = self.current
        if before and before.outcome is None:
            before.outcome, before.reason = "stopped", f"stopped after {before.step:,} steps"
            if before.loss is None:
                self.runs.pop()  # it was gone before it had begun: nothing to show
        self._last_number += 1
        run = Run(self._last_number, rate, steps)
        self.runs.append(run)
        for old in self.runs[:-KEPT]:
            old.series = None
        del self.runs[:-LISTED]
        return run

    def apply(self, message: AnyMessage) -> bool:
        """Takes in a message; one of a run that is over changes nothing.

        Returns:
            Whether anything changed.
        """
        run = self.current
        match message:
            case Ready():
                self.ready = message
                return True
            case Failed():
                if run and run.outcome is None:
                    run.outcome, run.reason = "failed", message.reason
                return True
            case Started() | Progress() | Ended():
                if run is None or run.number != message.run or run.outcome is not None:
                    return False
                self._tell(run, message)
                return True
        return False

    def _tell(self, run: Run, message: Started | Progress | Ended) -> None:
        match message:
            case Started():
                run.rate, run.steps = message.rate, message.steps
            case Progress():
                # Here, for numpy comes with it: the first frame does not wait for that.
                from lrtui.run.series import LossSeries

                run.series = run.series or LossSeries()
                run.series.append(message.losses)
                run.step = message.step + len(message.losses) - 1
                run.weights = tuple(math.nan if w is None else w for w in message.weights)
                run.seconds = message.seconds
                run.loss = None if math.isnan(run.series.last) else run.series.last
                if message.rate != run.rate:
                    run.rate = message.rate
                    run.changes.append((message.step, message.rate))
            case Ended():
                run.step, run.loss = message.step, message.loss
                run.outcome, run.reason = message.outcome, message.reason
