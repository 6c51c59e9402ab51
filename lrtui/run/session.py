"""The runs of a session, as their messages describe them."""

from __future__ import annotations

import math

from lrtui.messages import (
    OWN,
    PLAIN,
    Ahead,
    AnyMessage,
    Capability,
    ClassesScene,
    CurveScene,
    Ended,
    Failed,
    Greeting,
    LineScene,
    Optimizer,
    Picture,
    PlaneScene,
    ProblemFacts,
    Progress,
    Quadratic,
    Scene,
    Sharpness,
    Slice,
    Started,
    State,
    Swept,
    Unusable,
)
from lrtui.reports import AdviceReport, Summary
from lrtui.run.advice import Advice, advise, advise_from_sweep, best_of, bisect
from lrtui.run.diagnosis import Diagnosis
from lrtui.run.run import Run
from lrtui.run.theory import Theory

KEPT = 100
"""Runs whose losses are kept, 128 kB each; of older ones only the row in the table is."""

LISTED = 1000
"""Runs that are kept at all."""


class Session:
    """All runs so far, the current one last, and what is known of the problem.

    Attributes:
        runs: those that have something to show, oldest first.
        greeting: who the source is, ``None`` until it said so.
        facts: what is known of the problem, ``None`` until it was told.
        scene: what a picture of the data needs, if there is such a picture.
        quadratic: closed form of the loss, if it has one.
        paused: whether the current run is held, as the source confirmed it.
        speed: steps a second, as the source confirmed it; ``None`` for as fast as possible.
        failure: why there is no source any more, empty as long as there is one.
        unusable: why the problem cannot be trained, empty as long as it can.
    """

    def __init__(self) -> None:
        """Start without a run."""
        self.runs: list[Run] = []
        self.greeting: Greeting | None = None
        self.facts: ProblemFacts | None = None
        self.scene: Scene | None = None
        self.quadratic: Quadratic | None = None
        self.paused = False
        self.speed: float | None = None
        self.failure = self.unusable = ""
        self._theories: dict[Optimizer, Theory] = {}
        self._swept: dict[tuple[Optimizer, str], Swept] = {}
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

    @property
    def optimizer(self) -> Optimizer | str:
        """What takes the steps of the current run."""
        return self.current.optimizer if self.current else PLAIN

    @property
    def schedule(self) -> str:
        """How the rate of the current run moves."""
        return self.current.schedule if self.current else "constant"

    @property
    def theory(self) -> Theory | None:
        """The closed form of the loss under the optimizer of the current run, if it has one."""
        return self.theory_of(self.optimizer, self.schedule)

    def theory_of(self, optimizer: Optimizer | str, schedule: str = "constant") -> Theory | None:
        """Return the closed form of the loss under an optimizer, if it has one.

        None holds for a rate that moves.
        """
        if schedule != "constant":
            return None
        if self.quadratic is None or isinstance(optimizer, str) or optimizer.name == "own":
            return None
        if optimizer not in self._theories:
            self._theories[optimizer] = Theory.of(self.quadratic, optimizer)
        return self._theories[optimizer]

    @property
    def swept(self) -> Swept | None:
        """What every rate would do under the optimizer of the current run, once it was tried."""
        return self.swept_by(self.optimizer, self.schedule)

    def swept_by(self, optimizer: Optimizer | str, schedule: str = "constant") -> Swept | None:
        """Return what every rate would do under an optimizer, if it was tried."""
        return self._swept.get((OWN if isinstance(optimizer, str) else optimizer, schedule))

    def of_this_problem(self) -> list[Run]:
        """Return the runs of the problem that is trained now, oldest first."""
        return [run for run in self.runs if run.facts == self.facts or run.diagnosis is None]

    def begin(
        self,
        lr: float,
        steps: int | None,
        optimizer: Optimizer | str = PLAIN,
        schedule: str = "constant",
    ) -> Run:
        """Add a new run; the one before it is over, whatever messages about it still come."""
        return self._add(self._last_number + 1, lr, steps, optimizer, schedule)

    def _add(
        self,
        number: int,
        lr: float,
        steps: int | None,
        optimizer: Optimizer | str,
        schedule: str,
    ) -> Run:
        before = self.current
        if before and before.is_on:
            before.outcome, before.reason = "stopped", f"stopped after {before.step:,} steps"
        if before and before.outcome == "stopped":
            # The same rate from the same start goes the same way: what was cut short says no more.
            same = before.first_lr == lr and not before.changes
            same = same and before.optimizer == optimizer and before.schedule == schedule
            same = same and before.facts == self.facts
            if before.loss is None or same:
                self.runs.pop()
        self._last_number = number
        self.paused = False
        run = Run(number, lr, steps, optimizer, schedule, self.facts)
        self.runs.append(run)
        for old in self.runs[:-KEPT]:
            if old.series is not None:
                old.forget_losses()
        for old in self.runs[:-1]:
            old.ahead = None
        del self.runs[:-LISTED]
        return run

    def advice(self) -> Advice | None:
        """Return which rate to try next; ``None`` where none is better, or nothing is known."""
        run = self.current
        return self.advice_after(run) if run else None

    def advice_after(self, run: Run) -> Advice | None:
        """Return which rate to try after a run."""
        if (theory := self.theory_of(run.optimizer, run.schedule)) is not None:
            return advise(theory, run.lr, run.steps)
        alike = [r for r in self.of_this_problem() if r.optimizer == run.optimizer]
        alike = [r for r in alike if r.schedule == run.schedule]
        if (swept := self.swept_by(run.optimizer, run.schedule)) is not None:
            return advise_from_sweep(swept, run.lr)
        return bisect((r.lr, r.outcome != "diverged") for r in alike if not r.is_on)

    def apply(self, message: AnyMessage) -> bool:
        """Take in a message; one about a run that is over changes nothing.

        Returns:
            Whether anything changed.
        """
        run = self.current
        match message:
            case Greeting():
                self.greeting, self.failure, self.unusable = message, "", ""
                self.facts = self.scene = self.quadratic = None
                self._theories, self._swept = {}, {}
            case ProblemFacts():
                self.facts = message
            case LineScene() | CurveScene() | ClassesScene() | PlaneScene():
                self.scene = message
            case Quadratic():
                self.quadratic, self._theories = message, {}
            case Swept():
                self._swept[message.optimizer, message.schedule] = message
            case Failed(reason=reason):
                self.failure = reason
                if run and run.is_on:
                    run.outcome, run.reason = "failed", reason
            case Unusable(reason=reason):
                self.unusable = reason
                if run and run.is_on:
                    run.outcome, run.reason = "failed", reason
            case Started(run=number, lr=lr, steps=steps, optimizer=optimizer) if (
                number > self._last_number
            ):
                new = self._add(number, lr, steps, known(optimizer), message.schedule)
                self._start(new, message)
            case (
                Started() | State() | Progress() | Ahead() | Sharpness() | Slice() | Picture()
            ) | Ended():
                if run is None or run.number != message.run or not run.is_on:
                    return False
                self._follow(run, message)
            case _:
                return False
        return True

    def _follow(
        self,
        run: Run,
        message: Started | State | Progress | Ahead | Sharpness | Slice | Picture | Ended,
    ) -> None:
        """Take in a message about the current run."""
        match message:
            case Ahead():
                run.look_ahead(message)
            case Sharpness():
                run.note_sharpness(message)
            case Slice():
                run.slice = message
            case Picture():
                run.picture = message
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
        run.lr, run.steps, run.facts = started.lr, started.steps, self.facts
        run.optimizer, run.schedule = known(started.optimizer), started.schedule
        self.unusable = ""
        theory = self.theory_of(run.optimizer, run.schedule)
        if theory is None and (constant := self.theory_of(run.optimizer)) is not None:
            run.goal = constant.settled_loss
        run.diagnosis = Diagnosis(theory, run.lr, run.steps, theory.start if theory else ())
        run.forecast = run.diagnosis.forecast

    def _change_lr(self, run: Run, state: State) -> None:
        """Note that somebody changed the rate, and start a new diagnosis from there."""
        run.changes.append((state.step, state.lr))
        if run.diagnosis:
            run.diagnosis = run.diagnosis.continued(state.lr, state.step, run.weights)
        run.forget_ahead("")

    def summary(self, run: Run) -> Summary:
        """Return a run as a report."""
        verdict, evidence, ground = run.reading()
        advice = self.advice_after(run)
        theory = self.theory_of(run.optimizer, run.schedule)
        swept = self.swept_by(run.optimizer, run.schedule)
        condition = None
        if theory is not None:
            condition = theory.eigenvalues[-1] / theory.eigenvalues[0]
        elif run.facts is not None:
            condition = run.facts.condition
        return Summary(
            run=run.number,
            problem=run.facts.name if run.facts else "",
            optimizer=run.title,
            schedule=run.schedule,
            rate=run.lr,
            steps=run.step,
            loss=run.loss,
            weights=[*run.weights],
            reason=run.outcome or "stopped",
            steps_per_second=run.steps_per_second,
            ground=ground,
            verdict=verdict,
            settled_at=run.settled_at,
            evidence=evidence,
            limit=theory.max_stable_lr if theory and math.isfinite(theory.max_stable_lr) else None,
            best=best_of(swept, theory),
            condition=condition,
            forecast=run.forecast,
            advice=AdviceReport(rate=advice.lr, steps=advice.steps, reason=advice.reason)
            if advice
            else None,
        )


def known(optimizer: Optimizer | str) -> Optimizer | str:
    """Return an optimizer as a message tells it; ``sgd`` in words is that of older files."""
    return PLAIN if optimizer == "sgd" else optimizer
