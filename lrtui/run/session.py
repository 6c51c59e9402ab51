"""The runs of a session, as their messages describe them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lrtui.messages import (
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
    Outcome,
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
from lrtui.run.advice import Advice, advise, advise_from_sweep, best_swept, bisect
from lrtui.run.diagnosis import Diagnosis, Verdict
from lrtui.run.theory import Theory

if TYPE_CHECKING:
    from lrtui.run.series import LossSeries

PLAIN = Optimizer()
"""Gradient descent and nothing else."""

OWN = Optimizer(name="own")
"""What stands for the optimizer that a problem brings along."""

KEPT = 100
"""Runs whose losses are kept, 64 kB each; of older ones only the row in the table is."""

LISTED = 1000
"""Runs that are kept at all."""

SHARPNESSES = 2000
"""Measurements of the sharpness of a run that are kept; of more, every other one."""

SAME = 1e-3
"""Relative difference from which on a run is another one than the one run ahead."""

NOTABLE = ("at the edge", "spike", "above its start", "falling, swinging")
"""What is told of now, though it is known how the run will end."""

Ground = Literal["exact", "ahead", "measured"]
"""What a verdict stands on."""


@dataclass
class Run:
    """One run.

    Attributes:
        number: its number, from 1 up.
        lr: learning rate in force.
        steps: how many steps it is to take, ``None`` where that is open.
        optimizer: what takes them; in words where it is none of ours.
        facts: what is known of its problem, ``None`` before it is told.
        step: steps taken so far.
        loss: last finite loss.
        series: its losses; ``None`` before the first, and once it is too old to be drawn.
        weights: as they are now, NaN where not finite; empty where they are many.
        trajectory: weights after each step, as far as they were reported one by one.
        diagnosis: of its curve, from its start or the last change of the rate.
        forecast: step at which it was to settle, known at its start or once it was run ahead.
        ahead: losses of the same run, run ahead, as far as they came; ``None`` where it is not.
        ahead_outcome: how that ended, ``None`` as long as it has not.
        ahead_reason: why it ended or went no further.
        sharpness: step, value and error of each measurement.
        slice: loss along the step that was looked at last.
        picture: what the model made of the grid of the scene last.
        seconds: time spent training.
        changes: steps at which somebody changed the rate, and what to.
        outcome: how it ended, ``None`` while it is on.
        reason: why it ended, in a sentence.
        first_lr: the rate it started with.
    """

    number: int
    lr: float
    steps: int | None
    optimizer: Optimizer | str = PLAIN
    facts: ProblemFacts | None = None
    step: int = 0
    loss: float | None = None
    series: LossSeries | None = None
    weights: tuple[float, ...] = ()
    trajectory: list[tuple[float, ...]] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    forecast: int | None = None
    ahead: LossSeries | None = None
    ahead_outcome: Outcome | None = None
    ahead_reason: str = ""
    sharpness: list[tuple[int, float, float]] = field(default_factory=list)
    slice: Slice | None = None
    picture: Picture | None = None
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
    def title(self) -> str:
        """The optimizer in words."""
        return self.optimizer if isinstance(self.optimizer, str) else self.optimizer.title

    @property
    def target(self) -> float | None:
        """The loss at which it counts as settled, where its problem has one."""
        return self.facts.target if self.facts else None

    @property
    def is_exact(self) -> bool:
        """Whether its fate is known from the closed form of its loss."""
        return bool(self.diagnosis and self.diagnosis.theory and self.diagnosis.start)

    @property
    def was_run_ahead(self) -> bool:
        """Whether the same run was run ahead to its end."""
        return self.ahead is not None and self.ahead_outcome in ("done", "diverged")

    @property
    def ground(self) -> Ground:
        """What its verdict stands on."""
        return self.reading()[2]

    @property
    def settled_at(self) -> int | None:
        """The step from which on it is settled, ``None`` as long as it is not."""
        if self.is_exact:
            return self.diagnosis.settled_at if self.diagnosis else None
        if self.series is None or self.target is None:
            return None
        return self.series.under_since

    def verdict(self) -> tuple[Verdict, str]:
        """Return what its curve means, and the evidence."""
        verdict, evidence, _ = self.reading()
        return verdict, evidence

    def reading(self) -> tuple[Verdict, str, Ground]:
        """Return what its curve means, the evidence, and what that stands on."""
        if self.diagnosis is None or self.series is None:
            return "cannot tell yet", "no loss yet", "measured"
        if self.is_exact:
            verdict, evidence = self.diagnosis.read(self.outcome, self.reason)
            if verdict not in ("settled", "converging") and (why := self._scales()):
                evidence += f"; {why}"
            simulated = isinstance(self.optimizer, Optimizer) and self.optimizer.is_adaptive
            return verdict, evidence, "ahead" if simulated else "exact"
        ground: Ground = "ahead" if self.was_run_ahead else "measured"
        if self.outcome == "diverged":
            return "diverged", self.reason, ground
        now, evidence = self._measured(self.series)
        if not self.is_on or not self.was_run_ahead:
            return now, evidence, ground
        verdict, foreseen = self._foreseen()
        if verdict != "diverging" and now in NOTABLE:
            if self.forecast is not None:
                evidence += f"; settles at step {self.forecast:,} (run ahead)"
            return now, evidence, "measured"
        return verdict, foreseen, "ahead"

    def _scales(self) -> str:
        """Say why a regression converges badly, if it is the scales of its columns."""
        facts = self.facts
        if facts is None or facts.condition is None or facts.other_condition is None:
            return ""
        if facts.condition < 10 * facts.other_condition:
            return ""
        there, here = facts.other_condition, facts.condition
        return f"condition {here:,.2g}, standardised {there:.2g}"

    def _measured(self, series: LossSeries) -> tuple[Verdict, str]:
        """Return the verdict on losses alone."""
        from lrtui.run.measured import measure

        return measure(
            series,
            self.optimizer,
            self.lr,
            every_step_sees_all=self.facts is None or self.facts.batch is None,
            sharpness=self.sharpness[-1][1] if self.sharpness else None,
            target=self.target,
        )

    def _foreseen(self) -> tuple[Verdict, str]:
        """Return the verdict on the whole run, which was run ahead to its end."""
        assert self.ahead is not None
        if self.ahead_outcome == "diverged":
            return "diverging", self.ahead_reason
        if self.forecast is not None:
            if self.step >= self.forecast:
                since = f"at step {self.forecast:,}, at most {self.target:g} from there on"
                return "settled", since
            return "converging", f"settles at step {self.forecast:,}, at a loss of {self.target:g}"
        verdict, evidence = self._measured(self.ahead)
        last = self.steps if self.steps is not None else self.step
        return verdict, f"at step {last:,} it is at {self.ahead.last:.3g}; {evidence}"

    def look_ahead(self, message: Ahead) -> None:
        """Take in a piece of the same run, run ahead."""
        from lrtui.run.series import LossSeries

        if self.ahead is None or message.first == message.since:
            self.ahead = LossSeries(self.target)
        end = message.first + len(message.losses)
        self.ahead.append(range(message.first, end), message.losses)
        self.ahead_outcome, self.ahead_reason = message.outcome, message.reason
        if message.outcome == "done":
            self.forecast = self.ahead.under_since

    def forget_ahead(self, reason: str) -> None:
        """Give up what was run ahead: it is not what happens."""
        self.ahead = self.ahead_outcome = None
        self.ahead_reason = reason
        if not self.is_exact:
            self.forecast = None

    def note_sharpness(self, message: Sharpness) -> None:
        """Keep a measurement of the sharpness."""
        self.sharpness.append((message.step, message.value, message.error))
        if len(self.sharpness) > SHARPNESSES:
            del self.sharpness[1::2]

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
        if self.series is None:
            self.series = LossSeries(self.target)
        self.series.append(steps, progress.losses)
        if self.ahead is not None and not self._is_as_foreseen(progress):
            self.forget_ahead("no two runs of this model are the same; it cannot be run ahead")
        self.trajectory += map(with_nan, progress.trajectory)
        self.step, self.seconds = progress.last, progress.seconds
        self.weights = with_nan(progress.weights)
        self.loss = None if math.isnan(self.series.last) else self.series.last

    def _is_as_foreseen(self, progress: Progress) -> bool:
        """Return whether the last loss is the one that was run ahead, as far as that is known."""
        assert self.ahead is not None
        foreseen, loss = self.ahead.at(progress.last), progress.losses[-1]
        if foreseen is None or loss is None:
            return True
        return abs(foreseen - loss) <= SAME * max(abs(foreseen), abs(loss))


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
        self._swept: dict[Optimizer, Swept] = {}
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
    def theory(self) -> Theory | None:
        """The closed form of the loss under the optimizer of the current run, if it has one."""
        return self.theory_of(self.optimizer)

    def theory_of(self, optimizer: Optimizer | str) -> Theory | None:
        """Return the closed form of the loss under an optimizer, if it has one."""
        if self.quadratic is None or isinstance(optimizer, str) or optimizer.name == "own":
            return None
        if optimizer not in self._theories:
            self._theories[optimizer] = Theory.of(self.quadratic, optimizer)
        return self._theories[optimizer]

    @property
    def swept(self) -> Swept | None:
        """What every rate would do under the optimizer of the current run, once it was tried."""
        return self.swept_by(self.optimizer)

    def swept_by(self, optimizer: Optimizer | str) -> Swept | None:
        """Return what every rate would do under an optimizer, if it was tried."""
        return self._swept.get(OWN if isinstance(optimizer, str) else optimizer)

    def of_this_problem(self) -> list[Run]:
        """Return the runs of the problem that is trained now, oldest first."""
        return [run for run in self.runs if run.facts == self.facts or run.diagnosis is None]

    def begin(self, lr: float, steps: int | None, optimizer: Optimizer | str = PLAIN) -> Run:
        """Add a new run; the one before it is over, whatever messages about it still come."""
        return self._add(self._last_number + 1, lr, steps, optimizer)

    def _add(self, number: int, lr: float, steps: int | None, optimizer: Optimizer | str) -> Run:
        before = self.current
        if before and before.is_on:
            before.outcome, before.reason = "stopped", f"stopped after {before.step:,} steps"
        if before and before.outcome == "stopped":
            # The same rate from the same start goes the same way: what was cut short says no more.
            same = before.first_lr == lr and not before.changes
            same = same and before.optimizer == optimizer and before.facts == self.facts
            if before.loss is None or same:
                self.runs.pop()
        self._last_number = number
        self.paused = False
        run = Run(number, lr, steps, optimizer, self.facts)
        self.runs.append(run)
        for old in self.runs[:-KEPT]:
            old.series, old.trajectory = None, []
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
        if (theory := self.theory_of(run.optimizer)) is not None:
            return advise(theory, run.lr, run.steps)
        alike = [r for r in self.of_this_problem() if r.optimizer == run.optimizer]
        if (swept := self.swept_by(run.optimizer)) is not None:
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
                self._swept[message.optimizer] = message
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
                self._start(self._add(number, lr, steps, known(optimizer)), message)
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
        run.optimizer = known(started.optimizer)
        self.unusable = ""
        theory = self.theory_of(run.optimizer)
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
        theory, swept = self.theory_of(run.optimizer), self.swept_by(run.optimizer)
        condition = None
        if theory is not None:
            condition = theory.eigenvalues[-1] / theory.eigenvalues[0]
        elif run.facts is not None:
            condition = run.facts.condition
        return Summary(
            run=run.number,
            problem=run.facts.name if run.facts else "",
            optimizer=run.title,
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
            best=theory.best_lr if theory else best_swept(swept) if swept else None,
            condition=condition,
            forecast=run.forecast,
            advice=AdviceReport(rate=advice.lr, steps=advice.steps, reason=advice.reason)
            if advice
            else None,
        )


def known(optimizer: Optimizer | str) -> Optimizer | str:
    """Return an optimizer as a message tells it; ``sgd`` in words is that of older files."""
    return PLAIN if optimizer == "sgd" else optimizer


def with_nan(numbers: Sequence[float | None]) -> tuple[float, ...]:
    """Return numbers from the wire, NaN for those that were not finite."""
    return tuple(math.nan if number is None else number for number in numbers)
