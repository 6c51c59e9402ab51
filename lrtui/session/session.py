"""The runs of a session, built from messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lrtui import messages as msg
from lrtui.analysis.advice import Advice, advise, advise_from_sweep, best_of
from lrtui.analysis.diagnosis import Diagnosis
from lrtui.analysis.headroom import sentence
from lrtui.analysis.spikes import CAUSES
from lrtui.analysis.theory import Theory
from lrtui.session.change import Change
from lrtui.session.live import Live
from lrtui.session.reports import AdviceReport, Summary
from lrtui.session.run import Run
from lrtui.session.sentences import change_text
from lrtui.session.setup import Setup

MAX_RUNS_WITH_LOSSES = 100
"""Runs whose losses are kept, at 160 kB each; older ones are rows in the table."""

MAX_RUNS = 1000
"""Runs kept in the table."""


class Session:
    """All runs so far, and the problem they train.

    Attributes:
        runs: oldest first.
        greeting: of the source, ``None`` before it came.
        facts: of the problem, ``None`` before they came.
        scene: data for a picture of the problem, if there is one.
        quadratic: closed form of the loss, if there is one.
        paused: whether the source has confirmed a pause.
        speed: confirmed steps a second; ``None`` for as fast as possible.
        heated: the last heat map.
        failure: why the source is gone, empty while it is there.
        unusable: why the problem cannot be trained, empty if it can.
        focus: number of the run of a race in focus, ``None`` for the first.
    """

    def __init__(self) -> None:
        """Start without a run."""
        self.runs: list[Run] = []
        self.greeting: msg.Greeting | None = None
        self.facts: msg.ProblemFacts | None = None
        self.scene: msg.Scene | None = None
        self.quadratic: msg.Quadratic | None = None
        self.paused = False
        self.speed: float | None = None
        self.failure = self.unusable = ""
        self.focus: int | None = None
        self.heated: msg.GridResult | None = None
        self._theories: dict[msg.Optimizer, Theory] = {}
        self._swept: dict[tuple[msg.Optimizer, str], msg.SweepResult] = {}
        self._refined: dict[tuple[msg.Optimizer, str], msg.SweepResult] = {}
        self._joined: dict[int, msg.Joined] = {}
        self._last_number = 0

    @property
    def current_group(self) -> list[Run]:
        """The runs of the current race, or the current run alone."""
        race = self.runs[-1].race if self.runs else ()
        return [run for run in self.runs[-len(race) :] if run.number in race] or self.runs[-1:]

    @property
    def current(self) -> Run | None:
        """The run started last, even if it is over; of a race, the one in focus."""
        found = self.current_group
        return next((run for run in found if run.number == self.focus), found[0] if found else None)

    def of(self, message: msg.AnyMessage) -> Run | None:
        """Return the run of the current group that a message is about."""
        number = getattr(message, "run", None)
        if number is None:
            return self.current
        return next((run for run in self.current_group if run.number == number), None)

    @property
    def is_on(self) -> bool:
        """Whether a run has not ended."""
        return any(run.is_on for run in self.current_group)

    @property
    def has_losses(self) -> bool:
        """Whether the current run has a loss."""
        return self.current is not None and self.current.series is not None

    def offers(self, capability: msg.Capability) -> bool:
        """Return whether the source has a capability, or the training in focus if several.

        Before its greeting, it has all.
        """
        if self.greeting is None:
            return True
        joined = self.current.joined if self.current is not None else None
        its_own = joined.greeting.capabilities if joined is not None else []
        return capability in self.greeting.capabilities or capability in its_own

    def is_paused(self, run: Run) -> bool:
        """Return whether a run that has not ended is paused."""
        if run.live is not None:
            return run.is_on and run.live.state is not None and run.live.state.paused
        return run.is_on and self.paused and run in self.current_group

    @property
    def optimizer(self) -> msg.Optimizer | str:
        """The optimizer of the current run."""
        return self.current.optimizer if self.current else msg.PLAIN

    @property
    def schedule(self) -> str:
        """The schedule of the current run."""
        return self.current.schedule if self.current else "constant"

    @property
    def theory(self) -> Theory | None:
        """The closed form of the current run, if it has one."""
        return self.theory_of(self.optimizer, self.schedule)

    def theory_of(
        self, optimizer: msg.Optimizer | str, schedule: str = "constant"
    ) -> Theory | None:
        """Return the closed form of runs with an optimizer, if there is one.

        Neither a rate that moves nor Adam has one.
        """
        if schedule != "constant" or self.quadratic is None or isinstance(optimizer, str):
            return None
        if optimizer.is_adaptive or optimizer.name == "own":
            return None
        if optimizer not in self._theories:
            self._theories[optimizer] = Theory.of(self.quadratic, optimizer)
        return self._theories[optimizer]

    @property
    def swept(self) -> msg.SweepResult | None:
        """The last sweep with the optimizer of the current run, ``None`` before the first."""
        return self.swept_by(self.optimizer, self.schedule)

    def swept_by(
        self, optimizer: msg.Optimizer | str, schedule: str = "constant"
    ) -> msg.SweepResult | None:
        """Return the last sweep with an optimizer."""
        return self._swept.get((msg.OWN if isinstance(optimizer, str) else optimizer, schedule))

    def swept_between(
        self, ends: tuple[float, float], optimizer: msg.Optimizer | str, schedule: str = "constant"
    ) -> msg.SweepResult | None:
        """Return the refined sweep between two rates, if it is the last one."""
        found = self._refined.get((msg.OWN if isinstance(optimizer, str) else optimizer, schedule))
        return found if found is not None and (found.lrs[0], found.lrs[-1]) == ends else None

    def _note_swept(self, swept: msg.SweepResult) -> None:
        """Keep a sweep, as refined if it covers only part of the last whole one."""
        by = (swept.optimizer, swept.schedule)
        whole = self._swept.get(by)
        low, high = swept.lrs[0], swept.lrs[-1]
        if whole is not None and high / low < 0.99 * whole.lrs[-1] / whole.lrs[0]:
            self._refined[by] = swept
        else:
            self._swept[by] = swept

    def of_this_problem(self) -> list[Run]:
        """Return the runs of the current problem, oldest first."""
        return [run for run in self.runs if run.facts == self.facts or run.diagnosis is None]

    def begin(
        self,
        lr: float,
        steps: int | None,
        optimizer: msg.Optimizer | str = msg.PLAIN,
        schedule: str = "constant",
    ) -> Run:
        """Add a new run; later messages about the one before are ignored."""
        return self._add(self._last_number + 1, lr, steps, optimizer, schedule, ())

    def begin_race(
        self,
        entrants: Sequence[tuple[float, msg.Optimizer]],
        steps: int,
        schedule: str = "constant",
    ) -> list[Run]:
        """Add the runs of a race, each with its rate and optimizer."""
        first = self._last_number + 1
        race = range(first, first + len(entrants))
        return [
            self._add(number, lr, steps, optimizer, schedule, race)
            for number, (lr, optimizer) in zip(race, entrants, strict=True)
        ]

    def start(
        self, entrants: Sequence[tuple[float, msg.Optimizer]], setup: Setup, speed: float | None
    ) -> msg.Start | msg.Race:
        """Add a new run, or several in step, and return the command that starts them.

        ``entrants`` are the rate and the optimizer of each; ``speed`` is in steps a second.
        """
        steps, schedule = setup.steps, setup.schedule
        if len(entrants) == 1:
            ((lr, by),) = entrants
            run = self.begin(lr, steps, by, schedule)
            return msg.Start(
                run=run.number, lr=lr, steps=steps, speed=speed, optimizer=by, schedule=schedule
            )
        runs = self.begin_race(entrants, steps, schedule)
        named = [
            msg.Entrant(run=run.number, lr=lr, optimizer=by)
            for run, (lr, by) in zip(runs, entrants, strict=True)
        ]
        return msg.Race(entrants=named, steps=steps, speed=speed, schedule=schedule)

    def _add(
        self,
        number: int,
        lr: float,
        steps: int | None,
        optimizer: msg.Optimizer | str,
        schedule: str,
        race: Sequence[int],
    ) -> Run:
        run = Run(number, lr, steps, optimizer, schedule, self.facts, race=race)
        before = [old for old in self.current_group if old.number not in race]
        for old in before:
            old.stop()
        if before:
            self.focus, self.paused = None, False
        # An identical rerun replaces the earlier one.
        gone = [
            old
            for old in self.runs
            if old.number not in race
            and ((old in before and old.loss is None) or old.is_repeated_by(run))
        ]
        run.times += sum(old.times for old in gone if old.is_repeated_by(run))
        self.runs = [*(old for old in self.runs if old not in gone), run]
        self._last_number = number
        for old in self.runs[:-MAX_RUNS_WITH_LOSSES]:
            if old.series is not None:
                old.forget_losses()
        for old in self.runs[:-1]:
            if old.number not in race:
                old.ahead = None
        del self.runs[:-MAX_RUNS]
        return run

    def advice(self) -> Advice | None:
        """Return the rate to try next, ``None`` if none is known to be better."""
        run = self.current
        return self.advice_after(run) if run else None

    def advice_after(self, run: Run) -> Advice | None:
        """Return the rate to try after a run, from the closed form or a sweep."""
        if (theory := self.theory_of(run.optimizer, run.schedule)) is not None:
            return advise(theory, run.lr, run.steps, run.settled_at)
        swept = self.swept_by(run.optimizer, run.schedule)
        if swept is None or run.live is not None:
            return None
        reached = run.step >= swept.steps and run.series is not None
        loss = run.series.at(swept.steps) if reached and run.series is not None else None
        return advise_from_sweep(swept, run.lr, run.settled_at, loss)

    def apply(self, message: msg.AnyMessage) -> list[Change]:
        """Apply a message; return what it changed.

        A message about a run that is over changes nothing.
        """
        run = self.of(message)
        match message:
            case msg.Greeting(title=title, program=program):
                self.greeting, self.failure, self.unusable = message, "", ""
                self.facts = self.scene = self.quadratic = None
                self._theories, self._swept, self._refined, self.heated = {}, {}, {}, None
                return [Change("source", message, text=f"{title.replace(' · ', ', ')} ({program})")]
            case msg.Joined(run=number):
                self._joined[number] = message
                if (joined := next((r for r in self.runs if r.number == number), None)) is not None:
                    joined.joined = message
                return [Change("other", message, joined)]
            case msg.Rewound(run=number):
                self.runs = [old for old in self.runs if old.number < number]
                self._last_number, self.focus = number - 1, None
                return [Change("rewound", message)]
            case msg.ProblemFacts(remarks=remarks):
                self.facts = message
                return [Change("problem", message, text="\n".join(remarks))]
            case msg.LineScene() | msg.CurveScene() | msg.ClassesScene() | msg.PlaneScene():
                self.scene = message
            case msg.Quadratic():
                self.quadratic, self._theories = message, {}
            case msg.GridResult():
                self.heated = message
            case msg.SweepResult():
                self._note_swept(message)
            case msg.Printed(text=text):
                return [Change("printed", message, text=text)]
            case msg.NoResult(work=work, reason=reason):
                return [Change("no result", message, text=f"no {work}: {reason}")]
            case msg.Marked():
                return [Change("other", message)] if self._mark(message) else []
            case msg.Failed(reason=reason):
                self.failure = reason
                self._end_all(reason)
                return [Change("failed", message, text=reason)]
            case msg.Unusable(reason=reason):
                self.unusable = reason
                self._end_all(reason)
                return [Change("unusable", message, text=reason)]
            case msg.Started(run=number, lr=lr, steps=steps) if number > self._last_number:
                optimizer = known(message.optimizer)
                run = self._add(number, lr, steps, optimizer, message.schedule, message.race)
                self._start(run, message)
                return [Change("started", message, run)]
            case _ if run is None or not run.is_on:
                return []
            case msg.Started():
                run.begin_anew()
                self._start(run, message)
                return [Change("restarted", message, run)]
            case msg.Progress():
                return self._progress(run, message)
            case msg.State():
                return [self._confirm(run, message)]
            case msg.Steered(done=done, text=text):
                run.note(message)
                return [Change("answer" if done else "refusal", message, run, text=text)]
            case msg.Ended(reason=reason):
                run.step, run.loss = message.step, message.loss
                run.outcome, run.reason = message.outcome, reason
                return [Change("ended", message, run, text=reason)]
            case msg.Vitals():
                return [self._note_vitals(run, message)]
            case msg.Gauge():
                return [self._note_gauge(run, message)]
            case msg.Ranks() if run.live is not None:
                said = run.live.note_ranks(message)
                return [Change("ranks", message, run, run.step, text) for text in said] or [
                    Change("other", message, run)
                ]
            case msg.Ranks() | msg.Snapshots() | msg.Updates() | msg.Trying() | msg.Tried():
                run.note(message)
            case msg.Ahead():
                run.look_ahead(message)
            case msg.Sharpness():
                run.note_sharpness(message)
            case msg.Slice():
                run.slice = message
            case msg.Picture():
                run.picture = message
            case _:
                return []
        return [Change("other", message, run)]

    def _progress(self, run: Run, progress: msg.Progress) -> list[Change]:
        """Apply losses; return that change, and what they are the first to show."""
        if run.live is not None and run.series is not None and progress.last <= run.step:
            run.live.take(progress)  # scalars that lag behind their step
            return [Change("other", progress, run)]
        settled_at, spike, norm = run.settled_at, run.spikes.last, run.spikes.norms.last
        over = spike.over if spike is not None else None
        run.take(progress)
        found = [Change("progress", progress, run)]
        if settled_at is None and run.settled_at is not None:
            found.append(Change("settled", progress, run, run.settled_at, "settled"))
        if (high := run.spikes.norms.last) is not norm and high is not None:
            found.append(Change("spike", progress, run, high.step, high.in_words()))
        if (now := run.spikes.last) is not None:
            if spike is None or spike.step != now.step:
                text = f"spike, {now.height_text}"
                if now.cause:
                    text += f": {CAUSES[now.cause]}"
                found.append(Change("spike", progress, run, now.step, text))
                over = None
            if over is None and now.over is not None:
                back = now.step + now.over
                found.append(Change("recovery", progress, run, back, "back at its level"))
        return found

    def _note_vitals(self, run: Run, vitals: msg.Vitals) -> Change:
        """Apply vitals; report the total number of steps when it changes."""
        before = run.live.vitals if run.live is not None else None
        run.note(vitals)
        if vitals.total is None or (before is not None and before.total == vitals.total):
            return Change("other", vitals, run)
        return Change(
            "total", vitals, run, text=f"in all {vitals.total:,} steps ({vitals.total_by})"
        )

    def _note_gauge(self, run: Run, gauge: msg.Gauge) -> Change:
        """Apply a measurement of the headroom; report its word when it changes."""
        before = run.live.gauge if run.live is not None else None
        run.note(gauge)
        text = sentence(gauge.word, gauge.left)
        is_new = before is None or before.word != gauge.word
        return Change("headroom" if text and is_new else "other", gauge, run, gauge.step, text)

    def _confirm(self, run: Run, state: msg.State) -> Change:
        """Apply how a run is driven."""
        if run.live is not None:
            run.live.state = state
        self.paused, self.speed = state.paused, state.speed
        if state.lr == run.lr:
            return Change("state", state, run)
        run.lr = state.lr
        if not state.asked_by:
            return Change("state", state, run)
        self._change_lr(run, state)
        return Change("rate", state, run, text=change_text(state))

    def open_again(self, messages: Iterable[msg.AnyMessage]) -> None:
        """Apply the messages of earlier sessions, before the first run of this one."""
        for message in messages:
            self.apply(message)
        for run in self.current_group:
            run.stop()
        self.failure = self.unusable = ""

    def _mark(self, mark: msg.Marked) -> bool:
        """Apply a person's mark on a run."""
        run = next((run for run in self.runs if run.number == mark.run), None)
        if run is None:
            return False
        run.name, run.pinned, run.hidden = mark.name, mark.pinned, mark.hidden
        if mark.removed and not run.is_on:
            self.runs.remove(run)
            self.focus = None
        return True

    def _end_all(self, reason: str) -> None:
        """End the current runs as failed."""
        for run in self.current_group:
            if run.is_on:
                run.outcome, run.reason = "failed", reason

    def _start(self, run: Run, started: msg.Started) -> None:
        run.lr, run.steps, run.facts = started.lr, started.steps, self.facts
        run.optimizer, run.schedule = known(started.optimizer), started.schedule
        run.full_batch = started.full_batch
        run.joined = self._joined.pop(run.number, run.joined)
        source = run.joined.greeting if run.joined is not None else self.greeting
        if source is not None and source.since:  # a training that is not ours
            run.live = Live()
        self.unusable = ""
        run.about = source.title.split(" · ") if source else ()
        theory = self.theory_of(run.optimizer, run.schedule)
        if theory is None and self.quadratic and isinstance(run.optimizer, msg.Optimizer):
            run.goal = Theory.of(self.quadratic, run.optimizer).settled_loss
        run.diagnosis = Diagnosis(theory, run.lr, run.steps, theory.start if theory else ())
        run.forecast = run.diagnosis.forecast

    def _change_lr(self, run: Run, state: msg.State) -> None:
        """Record a change of the rate, and diagnose from there on."""
        run.changes.append((state.step, state.lr))
        if run.diagnosis:
            run.diagnosis = run.diagnosis.continued(state.lr, state.step, run.weights)
            run.forecast = run.diagnosis.forecast
        run.forget_ahead("")

    def summary(self, run: Run) -> Summary:
        """Return the summary of a run."""
        verdict, evidence, basis = run.reading()
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
            rates=run.lrs if run.changes else [],
            steps=run.step,
            loss=run.loss,
            weights=[*run.weights],
            reason=run.outcome or "stopped",
            steps_per_second=run.steps_per_second,
            ground=basis,
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


def known(optimizer: msg.Optimizer | str) -> msg.Optimizer | str:
    """Return the optimizer of a message; older files say ``sgd`` in words."""
    return msg.PLAIN if optimizer == "sgd" else optimizer
