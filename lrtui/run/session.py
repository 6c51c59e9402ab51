"""The runs of a session, as their messages describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrtui.messages import (
    AnyMessage,
    Capability,
    Ended,
    Failed,
    Greeting,
    LineScene,
    Outcome,
    Progress,
    Quadratic,
    Started,
    State,
    Swept,
)
from lrtui.reports import AdviceReport, Summary
from lrtui.run.advice import Advice, advise, bisect
from lrtui.run.diagnosis import Diagnosis, Verdict
from lrtui.run.theory import Theory

if TYPE_CHECKING:
    from lrtui.run.series import LossSeries

KEPT = 100
"""Runs whose losses are kept, 64 kB each; of older ones only the row in the table is."""

LISTED = 1000
"""Runs that are kept at all."""


@dataclass
class Run:
    """One run.

    Attributes:
        number: its number, from 1 up.
        lr: learning rate in force.
        steps: how many steps it is to take, ``None`` where that is open.
        step: steps taken so far.
        loss: last finite loss.
        series: its losses; ``None`` before the first, and once it is too old to be drawn.
        weights: as they are now, NaN where not finite; empty where they are many.
        trajectory: weights after each step, as far as they were reported one by one.
        diagnosis: of its curve, from its start or the last change of the rate.
        forecast: step at which it was to settle, known at its start.
        seconds: time spent training.
        changes: steps at which somebody changed the rate, and what to.
        outcome: how it ended, ``None`` while it is on.
        reason: why it ended, in a sentence.
        first_lr: the rate it started with.
    """

    number: int
    lr: float
    steps: int | None
    step: int = 0
    loss: float | None = None
    series: LossSeries | None = None
    weights: tuple[float, ...] = ()
    trajectory: list[tuple[float, ...]] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    forecast: int | None = None
    seconds: float = 0.0
    changes: list[tuple[int, float]] = field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""
    first_lr: float = field(init=False)

    def __post_init__(self) -> None:
        """Keep the rate that it starts with."""
        self.first_lr = self.lr

    @property
    def is_on(self) -> bool:
        """Whether it has not ended yet."""
        return self.outcome is None

    @property
    def steps_per_second(self) -> float | None:
        """Steps over the time spent training, ``None`` before the first step."""
        return self.step / self.seconds if self.step and self.seconds > 0 else None

    @property
    def settled_at(self) -> int | None:
        """The step at which it settled, ``None`` as long as it has not."""
        return self.diagnosis.settled_at if self.diagnosis else None

    def verdict(self) -> tuple[Verdict, str]:
        """Return what its curve means, and the evidence."""
        if self.diagnosis is None:
            return "converging", "no loss yet"
        return self.diagnosis.read(self.outcome, self.reason)

    def status(self) -> str:
        """Return its state in a word: the verdict, unless it was cut short or lost."""
        verdict = self.verdict()[0]
        if self.outcome in ("failed", "disconnected"):
            return self.outcome
        return "stopped" if self.outcome == "stopped" and verdict != "settled" else verdict

    def take(self, progress: Progress) -> None:
        """Add a report of its progress."""
        # Here, because numpy comes with it: the first frame does not wait for that.
        from lrtui.run.series import LossSeries

        steps = progress.numbered()
        if self.diagnosis:
            self.diagnosis.see(steps, progress.losses)
        self.series = self.series or LossSeries()
        self.series.append(steps, progress.losses)
        self.trajectory += map(with_nan, progress.trajectory)
        self.step, self.seconds = progress.last, progress.seconds
        self.weights = with_nan(progress.weights)
        self.loss = None if math.isnan(self.series.last) else self.series.last


class Session:
    """All runs so far, the current one last, and what is known of the problem.

    Attributes:
        runs: those that have something to show, oldest first.
        greeting: who the source is, ``None`` until it said so.
        scene: what a picture of the data needs, if there is such a picture.
        theory: closed form of the loss, if it has one.
        swept: what every rate would do, ``None`` until it was tried.
        paused: whether the current run is held, as the source confirmed it.
        speed: steps a second, as the source confirmed it; ``None`` for as fast as possible.
        failure: why there is no source any more, empty as long as there is one.
    """

    def __init__(self) -> None:
        """Start without a run."""
        self.runs: list[Run] = []
        self.greeting: Greeting | None = None
        self.scene: LineScene | None = None
        self.theory: Theory | None = None
        self.swept: Swept | None = None
        self.paused = False
        self.speed: float | None = None
        self.failure = ""
        self._last_number = 0

    @property
    def current(self) -> Run | None:
        """The run started last, on or over."""
        return self.runs[-1] if self.runs else None

    @property
    def has_losses(self) -> bool:
        """Whether the current run has a loss; what is known of the problem comes before it."""
        return self.current is not None and self.current.series is not None

    def offers(self, capability: Capability) -> bool:
        """Return whether the source can be asked for this; before its greeting, anything may be."""
        return self.greeting is None or capability in self.greeting.capabilities

    def begin(self, lr: float, steps: int | None) -> Run:
        """Add a new run; the one before it is over, whatever messages about it still come."""
        return self._add(self._last_number + 1, lr, steps)

    def _add(self, number: int, lr: float, steps: int | None) -> Run:
        before = self.current
        if before and before.is_on:
            before.outcome, before.reason = "stopped", f"stopped after {before.step:,} steps"
        if before and before.outcome == "stopped":
            # The same rate from the same start goes the same way: what was cut short says no more.
            same = before.first_lr == lr and not before.changes
            if before.loss is None or same:
                self.runs.pop()
        self._last_number = number
        self.paused = False
        run = Run(number, lr, steps)
        self.runs.append(run)
        for old in self.runs[:-KEPT]:
            old.series, old.trajectory = None, []
        del self.runs[:-LISTED]
        return run

    def advice(self) -> Advice | None:
        """Return which rate to try next; ``None`` where none is better, or nothing is known."""
        run = self.current
        return self.advice_after(run) if run else None

    def advice_after(self, run: Run) -> Advice | None:
        """Return which rate to try after a run."""
        if self.theory is not None:
            return advise(self.theory, run.lr, run.steps)
        return bisect((r.lr, r.outcome != "diverged") for r in self.runs if not r.is_on)

    def apply(self, message: AnyMessage) -> bool:
        """Take in a message; one about a run that is over changes nothing.

        Returns:
            Whether anything changed.
        """
        run = self.current
        match message:
            case Greeting():
                self.greeting, self.failure = message, ""
            case LineScene():
                self.scene = message
            case Quadratic():
                self.theory = Theory.of(message)
            case Swept():
                self.swept = message
            case Failed(reason=reason):
                self.failure = reason
                if run and run.is_on:
                    run.outcome, run.reason = "failed", reason
            case Started(run=number, lr=lr, steps=steps) if number > self._last_number:
                self._start(self._add(number, lr, steps), message)
            case Started() | State() | Progress() | Ended():
                if run is None or run.number != message.run or not run.is_on:
                    return False
                self._follow(run, message)
            case _:
                return False
        return True

    def _follow(self, run: Run, message: Started | State | Progress | Ended) -> None:
        """Take in a message about the current run."""
        match message:
            case Started():
                self._start(run, message)
            case State():
                self.paused, self.speed = message.paused, message.speed
                if message.lr != run.lr:
                    run.lr = message.lr
                    if message.asked_by:
                        self._change_lr(run, message)
            case Progress():
                run.take(message)
            case Ended():
                run.step, run.loss = message.step, message.loss
                run.outcome, run.reason = message.outcome, message.reason

    def _start(self, run: Run, started: Started) -> None:
        run.lr, run.steps = started.lr, started.steps
        start = self.theory.start if self.theory else ()
        run.diagnosis = Diagnosis(self.theory, run.lr, run.steps, start)
        run.forecast = run.diagnosis.forecast

    def _change_lr(self, run: Run, state: State) -> None:
        """Note that somebody changed the rate, and start a new diagnosis from there."""
        run.changes.append((state.step, state.lr))
        if run.diagnosis:
            run.diagnosis = run.diagnosis.continued(state.lr, state.step, run.weights)

    def summary(self, run: Run) -> Summary:
        """Return a run as a report."""
        verdict, evidence = run.verdict()
        advice = self.advice_after(run)
        return Summary(
            run=run.number,
            rate=run.lr,
            steps=run.step,
            loss=run.loss,
            weights=[*run.weights],
            reason=run.outcome or "stopped",
            steps_per_second=run.steps_per_second,
            verdict=verdict,
            settled_at=run.settled_at,
            evidence=evidence,
            limit=self.theory.max_stable_lr if self.theory else None,
            best=self.theory.best_lr if self.theory else None,
            forecast=run.forecast,
            advice=AdviceReport(rate=advice.lr, steps=advice.steps, reason=advice.reason)
            if advice
            else None,
        )


def with_nan(numbers: Sequence[float | None]) -> tuple[float, ...]:
    """Return numbers from the wire, NaN for those that were not finite."""
    return tuple(math.nan if number is None else number for number in numbers)
