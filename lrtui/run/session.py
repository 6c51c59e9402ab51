"""The runs of a session, as their messages tell of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrtui.messages import (
    AnyMessage,
    Curvature,
    Ended,
    Failed,
    Outcome,
    Progress,
    Ready,
    Started,
    Summary,
    Swept,
)
from lrtui.run.advice import Advice, advise, bisect
from lrtui.run.diagnosis import Diagnosis, Verdict
from lrtui.run.theory import Theory

if TYPE_CHECKING:
    from lrtui.run.series import LossSeries

KEPT = 100
"""Runs whose losses are kept, 77 kB each; of older ones only the line in the table is."""

LISTED = 1000
"""Runs that are kept at all."""


@dataclass
class Run:
    """One run.

    Attributes:
        number: its number, from 1 up.
        rate: its learning rate, the last where it was changed on the way.
        first_rate: the one it started with.
        steps: how many steps it is to take.
        step: steps taken so far.
        series: its losses; ``None`` before the first, and once it is too old to be drawn.
        weights: slope and bias now; NaN where not finite.
        path: slope and bias after each step, as far as they were told one by one.
        diagnosis: the diagnosis of its curve, from its start on.
        forecast: the step at which it was to settle, foreseen at its start.
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
    path: list[tuple[float, ...]] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    forecast: int | None = None
    seconds: float = 0.0
    changes: list[tuple[int, float]] = field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""
    loss: float | None = None
    first_rate: float = field(init=False)

    def __post_init__(self) -> None:
        """Keeps the rate that it starts with."""
        self.first_rate = self.rate

    @property
    def steps_per_second(self) -> float | None:
        """Steps over the time spent stepping, ``None`` before the first step."""
        return self.step / self.seconds if self.step and self.seconds > 0 else None

    @property
    def settled_at(self) -> int | None:
        """The step at which it settled, ``None`` as long as it has not."""
        return self.diagnosis.settled_at if self.diagnosis else None

    def verdict(self) -> tuple[Verdict, str]:
        """Returns what its curve means, and the evidence."""
        if self.diagnosis is None:
            return "converging", "no loss yet"
        return self.diagnosis.read(self.outcome, self.reason)

    def summary(self) -> Summary:
        """Returns the run in one message."""
        verdict, evidence = self.verdict()
        bowl = self.diagnosis.bowl if self.diagnosis else None
        return Summary(
            run=self.number,
            rate=self.rate,
            steps=self.step,
            loss=self.loss,
            weights=list(self.weights),
            reason=self.outcome or "stopped",
            steps_per_second=self.steps_per_second,
            verdict=verdict,
            settled_at=self.settled_at,
            evidence=evidence,
            limit=bowl.limit if bowl else None,
            best=bowl.best if bowl else None,
            forecast=self.forecast,
        )


class Session:
    """All runs so far, the current one last.

    Attributes:
        runs: the runs that have something to show, oldest first.
        ready: what the trainer said of the data, ``None`` until it did.
        bowl: the loss as its curvature tells it, ``None`` until it was told.
        swept: what every rate would do, ``None`` until it was tried.
        failure: why there is no trainer any more, empty as long as there is one.
    """

    def __init__(self) -> None:
        """Starts without a run."""
        self.runs: list[Run] = []
        self.ready: Ready | None = None
        self.bowl: Theory | None = None
        self.swept: Swept | None = None
        self.failure = ""
        self._last_number = 0

    @property
    def current(self) -> Run | None:
        """The run started last, on or over."""
        return self.runs[-1] if self.runs else None

    def begin(self, rate: float, steps: int) -> Run:
        """Adds a new run; the one before it is over, whatever is still said of it."""
        return self._add(self._last_number + 1, rate, steps)

    def _add(self, number: int, rate: float, steps: int) -> Run:
        before = self.current
        if before and before.outcome is None:
            before.outcome, before.reason = "stopped", f"stopped after {before.step:,} steps"
            if before.loss is None:
                self.runs.pop()  # it was gone before it had begun: nothing to show
        self._last_number = number
        run = Run(number, rate, steps)
        self.runs.append(run)
        for old in self.runs[:-KEPT]:
            old.series, old.path = None, []
        del self.runs[:-LISTED]
        return run

    def advice(self) -> Advice | None:
        """Returns which rate to try next; ``None`` where none is better, or nothing is known."""
        run = self.current
        if run is None:
            return None
        if self.bowl is not None and self.ready is not None:
            return advise(self.bowl, tuple(self.ready.weights), run.rate)
        over = [(r.rate, r.outcome != "diverged") for r in self.runs if r.outcome]
        return bisect(over)

    def apply(self, message: AnyMessage) -> bool:
        """Takes in a message; one of a run that is over changes nothing.

        Returns:
            Whether anything changed.
        """
        run = self.current
        match message:
            case Ready():
                self.ready, self.failure = message, ""
                return True
            case Curvature():
                self.bowl = Theory.of(message)
                return True
            case Swept():
                self.swept = message
                return True
            case Failed():
                self.failure = message.reason
                if run and run.outcome is None:
                    run.outcome, run.reason = "failed", message.reason
                return True
            case Started(run=number, rate=rate, steps=steps) if number > self._last_number:
                self._add(number, rate, steps)
                return self.apply(message)
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
                start = tuple(self.ready.weights) if self.ready else ()
                run.diagnosis = Diagnosis(self.bowl, run.rate, run.steps, start)
                run.forecast = run.diagnosis.forecast
            case Progress():
                # Here, for numpy comes with it: the first frame does not wait for that.
                from lrtui.run.series import LossSeries

                if message.rate != run.rate:
                    run.rate = message.rate
                    run.changes.append((message.step, message.rate))
                    run.diagnosis = Diagnosis(
                        self.bowl,
                        run.rate,
                        run.steps,
                        run.weights,
                        since=message.step - 1,
                        settled_at=run.settled_at,
                        step=message.step - 1,
                    )
                if run.diagnosis:
                    run.diagnosis.see(message.losses)
                run.path += map(finite, message.path)
                run.series = run.series or LossSeries()
                run.series.append(message.losses)
                run.step = message.step + len(message.losses) - 1
                run.weights = finite(message.weights)
                run.seconds = message.seconds
                run.loss = None if math.isnan(run.series.last) else run.series.last
            case Ended():
                run.step, run.loss = message.step, message.loss
                run.outcome, run.reason = message.outcome, message.reason


def finite(numbers: Sequence[float | None]) -> tuple[float, ...]:
    """Returns numbers off the wire, NaN for those that were not finite."""
    return tuple(math.nan if number is None else number for number in numbers)
