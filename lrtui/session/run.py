"""One run, built from its messages, and its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lrtui import messages as msg
from lrtui.analysis.diagnosis import Diagnosis, Verdict
from lrtui.analysis.spikes import LEVEL_WINDOW, SpikeWatch, find_raise
from lrtui.session.live import Live
from lrtui.text.rates import rate_text

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries

SHARPNESSES = 2000
"""Sharpness measurements kept of a run; of more, every other one is dropped."""

SAME_AS_FORECAST = 1e-3
"""Relative difference of losses up to which a run follows its look-ahead."""

LOW_RATE_SHARE = 0.1
"""A rate below this share of its peak may itself be why a loss is level."""

EARLY_SHARE = 0.1
"""First share of a run's steps in which a level loss means nothing."""

NOTABLE = ("at the edge", "spike", "rising", "above its start", "falling, swinging")
"""Verdicts shown even when the outcome is known from running ahead."""

Basis = Literal["exact", "ahead", "measured"]
"""Basis of a verdict: a closed form, the same run run ahead, or losses alone."""


@dataclass
class Run:
    """One run.

    Attributes:
        number, lr, steps, optimizer, schedule, full_batch, race: see ``Started``.
        facts: of its problem, ``None`` until known.
        step, seconds: of the last report.
        loss: last finite loss.
        series: losses; ``None`` before the first, and dropped in old runs.
        clock: seconds of training by step, of a training that is not ours.
        joined: the training it belongs to, if there are several.
        rates: rate in force at each step, ``None`` if nothing moves it.
        goal: loss at which it counts as settled, if its problem's minimum is known but its
            schedule or optimizer has no closed form.
        weights: current, NaN where not finite; empty if they are many.
        trajectory: weights after each step, as far as reported.
        diagnosis: from its start or the last change of the rate.
        forecast: step at which it settles, from the closed form or from running ahead.
        ahead: losses of its look-ahead, ``None`` if there is none.
        ahead_outcome: how the look-ahead ended, ``None`` while it has not.
        ahead_reason: why it ended or went no further.
        sharpness: step, value and error of each measurement.
        threshold: see ``Sharpness``.
        slice: the last ``Slice``.
        picture: the last ``Picture``.
        changes: steps at which somebody changed the rate, and the new rates.
        outcome: how it ended, ``None`` while it runs.
        reason: why it ended, in a sentence.
        first_lr: the rate it started with.
        about: its problem and settings in words.
        times: how often the same run was started.
        name, pinned, hidden: see ``Marked``.
        live: further reports of a training that is not ours, ``None`` for ours.
        spikes: finds rises of a noisy loss.
    """

    number: int
    lr: float
    steps: int | None
    optimizer: msg.Optimizer | str = msg.PLAIN
    schedule: str = "constant"
    facts: msg.ProblemFacts | None = None
    full_batch: bool = False
    step: int = 0
    loss: float | None = None
    series: LossSeries | None = None
    rates: LossSeries | None = None
    clock: LossSeries | None = None
    goal: float | None = None
    weights: tuple[float, ...] = ()
    trajectory: list[tuple[float, ...]] = field(default_factory=list)
    diagnosis: Diagnosis | None = None
    forecast: int | None = None
    ahead: LossSeries | None = None
    ahead_outcome: msg.Outcome | None = None
    ahead_reason: str = ""
    sharpness: list[tuple[int, float, float]] = field(default_factory=list)
    threshold: float | None = None
    slice: msg.Slice | None = None
    picture: msg.Picture | None = None
    seconds: float = 0.0
    changes: list[tuple[int, float]] = field(default_factory=list)
    outcome: msg.Outcome | None = None
    reason: str = ""
    first_lr: float = field(init=False)
    race: Sequence[int] = ()
    about: Sequence[str] = ()
    times: int = 1
    name: str = ""
    pinned: bool = False
    hidden: bool = False
    live: Live | None = None
    joined: msg.Joined | None = None
    spikes: SpikeWatch = field(default_factory=SpikeWatch)
    # Once it is over:
    _last_reading: tuple[Verdict, str, Basis] | None = None
    _last_settled_at: int | None = None

    def __post_init__(self) -> None:
        """Remember the first rate."""
        self.first_lr = self.lr

    @property
    def is_on(self) -> bool:
        """Whether it has not ended yet."""
        return self.outcome is None

    @property
    def is_log(self) -> bool:
        """Whether it is read from another tool's log, whose rate is the largest so far."""
        return self.live is not None and self.optimizer == "unknown"

    @property
    def knows_rate(self) -> bool:
        """Whether its rate is known: many logs have none, nor a script without an optimizer."""
        return self.lr > 0 or self.rates is not None

    @property
    def began_at(self) -> str:
        """The rate that it started at, in words; empty if that is unknown, as of a log."""
        if self.is_log or not self.knows_rate:
            return ""
        return f"{self.lr:.4g}" if self.live is not None else rate_text(self.lr)

    @property
    def stall(self) -> str:
        """For how long a live training takes no step, and why; empty once it is over."""
        return self.live.stall if self.live is not None and self.is_on else ""

    def stop(self) -> None:
        """End it as stopped, unless it is over."""
        if self.is_on:
            self.outcome, self.reason = "stopped", f"stopped after {self.step:,} steps"

    def is_repeated_by(self, other: Run) -> bool:
        """Return whether a new run has the same problem, rate, optimizer and schedule.

        A run that a person marked or changed on the way is never repeated.
        """
        mine = (self.first_lr, self.optimizer, self.schedule, self.facts)
        same = mine == (other.first_lr, other.optimizer, other.schedule, other.facts)
        as_long = self.outcome == "stopped" or self.steps == other.steps
        marked = self.changes or self.name or self.pinned or self.live
        return same and as_long and not marked

    @property
    def every_step_sees_all(self) -> bool:
        """Whether each step sees all the data, so that the loss has no noise.

        Trainings that are not ours are assumed to use mini-batches unless they say otherwise.
        """
        if self.facts is None:
            return self.full_batch
        return self.facts.batch is None and not self.facts.own_batches

    @property
    def steps_per_second(self) -> float | None:
        """Steps per second of training, ``None`` before the first step."""
        return self.step / self.seconds if self.step and self.seconds > 0 else None

    @property
    def label(self) -> str:
        """The name given by a person, else that of its training; empty without either."""
        return self.name or (self.joined.greeting.name if self.joined is not None else "")

    @property
    def title(self) -> str:
        """The optimizer in words."""
        return self.optimizer if isinstance(self.optimizer, str) else self.optimizer.title

    @property
    def by(self) -> str:
        """The optimizer in words, and the schedule if there is one."""
        return self.title if self.schedule == "constant" else f"{self.title} {self.schedule}"

    @property
    def parts(self) -> list[str]:
        """Everything it was started with except the rate, in words."""
        steps = [] if self.steps is None else [f"{self.steps:,} steps"]
        return [self.title, self.schedule, *self.about, *steps]

    @property
    def rate_now(self) -> float:
        """The rate in force at the last step."""
        return self.rates.last if self.rates is not None else self.lr

    @property
    def target(self) -> float | None:
        """The loss at which it counts as settled, if there is one."""
        known = self.facts.target if self.facts else None
        return known if known is not None else self.goal

    @property
    def is_exact(self) -> bool:
        """Whether its outcome follows from a closed form."""
        return bool(self.diagnosis and self.diagnosis.theory and self.diagnosis.start)

    @property
    def was_run_ahead(self) -> bool:
        """Whether its look-ahead reached the end."""
        return self.ahead is not None and self.ahead_outcome in ("done", "diverged")

    @property
    def settled_at(self) -> int | None:
        """The first step from which it stays settled, ``None`` while it is not."""
        if self.is_exact:
            return self.diagnosis.settled_at if self.diagnosis else None
        if self.series is None or self.target is None:
            return self._last_settled_at
        if self.was_run_ahead and self.forecast is not None and self.step >= self.forecast:
            return self.forecast
        from lrtui.analysis.measured import has_settled

        settled = has_settled(self.series, self.every_step_sees_all, not self.is_on)
        return self.series.under_since if settled else None

    @property
    def lrs(self) -> list[float]:
        """The rates that were set: the first, and each change."""
        return [self.first_lr, *(lr for _, lr in self.changes)]

    @property
    def rate_in_words(self) -> str:
        """Its rate; if it was changed, the first and the last one: ``0.1 → 0.3``."""
        texts = [rate_text(lr) if lr else "–" for lr in self.lrs]
        between = " … → " if len(texts) > 2 else " "
        return texts[0] if len(texts) == 1 else f"{texts[0]} →{between}{texts[-1]}"

    def lr_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 1."""
        if self.rates is not None and (found := self.rates.around(step)) is not None:
            return found[1]
        before = [lr for since, lr in self.changes if since < step]
        return before[-1] if before else self.first_lr

    def weights_at(self, step: int) -> tuple[float, ...]:
        """Return the weights after a step; empty if they were not reported."""
        if step < len(self.trajectory):
            return self.trajectory[step]
        return self.weights if step == self.step else ()

    def verdict(self) -> tuple[Verdict, str]:
        """Return the verdict and its evidence."""
        verdict, evidence, _ = self.reading()
        return verdict, evidence

    def reading(self) -> tuple[Verdict, str, Basis]:
        """Return the verdict, its evidence and its basis."""
        if self._last_reading is not None:
            return self._last_reading
        reading = self._read()
        if not self.is_on:
            self._last_reading = reading
        return reading

    def _read(self) -> tuple[Verdict, str, Basis]:
        """Compute the reading."""
        if self.diagnosis is None or self.series is None:
            why = f"no loss is known after {self.step:,} steps" if self.step else "no loss yet"
            return "cannot tell yet", why, "measured"
        if self.is_exact:
            verdict, evidence = self.diagnosis.read(self.outcome, self.reason)
            if verdict not in ("settled", "converging") and (why := self._scales()):
                evidence += f"; {why}"
            return verdict, evidence, "exact"
        basis: Basis = "ahead" if self.was_run_ahead else "measured"
        if self.outcome == "diverged":
            return "diverged", self.reason, basis
        now, evidence = self._measured(self.series)
        if not self.is_on or not self.was_run_ahead:
            return now, evidence, basis
        verdict, foreseen = self._foreseen()
        if verdict != "diverging" and now in NOTABLE:
            if self.forecast is not None:
                evidence += f"; settles at step {self.forecast:,} (run ahead)"
            return now, evidence, "measured"
        return verdict, foreseen, "ahead"

    def forget_losses(self) -> None:
        """Drop everything that takes memory, such as the losses; keep the verdict."""
        self._last_reading, self._last_settled_at = self.reading(), self.settled_at
        self.series = self.rates = self.clock = self.ahead = self.slice = self.picture = None
        self.trajectory, self.sharpness = [], []

    def _scales(self) -> str:
        """Explain slow convergence by unscaled columns of a table, if that is the reason."""
        facts = self.facts
        if facts is None or facts.condition is None or facts.other_condition is None:
            return ""
        if facts.condition < 10 * facts.other_condition:
            return ""
        there, here = facts.other_condition, facts.condition
        return f"condition {here:,.2g}, standardised {there:.2g}"

    def _measured(self, series: LossSeries) -> tuple[Verdict, str]:
        """Return the verdict on losses alone."""
        from lrtui.analysis.measured import measure

        verdict, evidence = measure(
            series,
            self.optimizer,
            self.rate_now,
            every_step_sees_all=self.every_step_sees_all,
            sharpness=self.sharpness[-1][1] if self.sharpness else None,
            target=self.target,
            spike=self.spikes.last if series is self.series else None,
            is_over=series is not self.series or not self.is_on,
        )
        is_now = series is self.series and self.is_on
        if verdict == "level" and is_now and self.step < EARLY_SHARE * (self.steps or 0):
            # Many networks stand still before they learn.
            return "cannot tell yet", f"{evidence}; {self.step:,} of {self.steps:,} steps"
        low = LOW_RATE_SHARE * self.lr
        if verdict == "level" and series is self.series and 0 <= self.rate_now <= low:
            evidence += f"; the schedule has brought the rate down to {self.rate_now:.2g}"
        return verdict, evidence

    def _foreseen(self) -> tuple[Verdict, str]:
        """Return the verdict on the whole run, from its look-ahead."""
        assert self.ahead is not None
        if self.ahead_outcome == "diverged":
            return "diverging", self.ahead_reason
        if self.forecast is not None:
            if self.step >= self.forecast:
                since = f"at step {self.forecast:,}, at most {self.target:.4g} from there on"
                return "settled", since
            comes = f"settles at step {self.forecast:,}, at a loss of {self.target:.4g}"
            return "converging", comes
        verdict, evidence = self._measured(self.ahead)
        last = self.steps if self.steps is not None else self.step
        return verdict, f"at step {last:,} it is at {self.ahead.last:.3g}; {evidence}"

    def note(self, message: msg.LiveReport) -> None:
        """Apply a report of a training that is not ours."""
        if self.live is not None:
            self.live.note(message)
        if isinstance(message, msg.Steered) and message.changed_course:
            self.changes.append((message.step, message.lr))

    def begin_anew(self) -> None:
        """Forget its messages, which are sent again."""
        self.series = self.rates = self.clock = None
        self.live = Live() if self.live is not None else None
        self.spikes = SpikeWatch()
        self.trajectory, self.changes = [], []

    def look_ahead(self, message: msg.Ahead) -> None:
        """Add a piece of the look-ahead."""
        from lrtui.analysis.series import LossSeries

        if self.ahead is None or message.first == message.since:
            self.ahead = LossSeries(self.target)
        end = message.first + len(message.losses)
        self.ahead.append(range(message.first, end), message.losses)
        self.ahead_outcome, self.ahead_reason = message.outcome, message.reason
        if message.outcome == "done":
            self.forecast = self.ahead.under_since

    def forget_ahead(self, reason: str) -> None:
        """Drop the look-ahead: the run diverged from it."""
        self.ahead = self.ahead_outcome = None
        self.ahead_reason = reason
        if not self.is_exact:
            self.forecast = None

    def note_sharpness(self, message: msg.Sharpness) -> None:
        """Keep a measurement of the sharpness."""
        self.threshold = message.threshold
        self.sharpness.append((message.step, message.value, message.error))
        if len(self.sharpness) > SHARPNESSES:
            del self.sharpness[1::2]

    def status(self) -> str:
        """Return its verdict, or its outcome if it was cut short or lost."""
        verdict = self.verdict()[0]
        if self.outcome in ("failed", "disconnected"):
            return self.outcome
        # Where a log ends says nothing of its training, but its losses do.
        holds = verdict == "settled" or (self.is_log and self.series is not None)
        return "stopped" if self.outcome == "stopped" and not holds else verdict

    def take(self, progress: msg.Progress) -> None:
        """Add a report of losses."""
        # Imported here because it brings numpy, which the first frame does not wait for.
        from lrtui.analysis.series import LossSeries

        steps = progress.numbered()
        if "lr" in progress.scalars:
            self.rates = self.rates or LossSeries()
            self.rates.append(steps, progress.scalars["lr"])
        if self.live is not None:
            self.live.take(progress)
        self.seconds = progress.seconds
        if progress.no_loss:
            if self.series is None:  # else these are scalars of a log that lag behind its losses
                self.step = max(self.step, progress.last)
            return
        if self.diagnosis:
            self.diagnosis.add(steps, progress.losses)
        if self.series is None:
            self.series = LossSeries(self.target)
        self.series.append(steps, progress.losses)
        if not self.every_step_sees_all or self.live is not None:
            before = self.spikes.last
            self.spikes.add(steps, progress.losses, progress.scalars.get("grad_norm"))
            if (spike := self.spikes.last) is not before and spike is not None:
                spike.raised = self._raised_before(spike.step)
            if (spike := self.spikes.now) is not None and spike.raised is not None:
                at, old, new = spike.raised  # the rate may have been raised further since
                spike.raised = (at, old, max(new, self.lr_at(progress.last)))
        if self.live is not None:
            self.live.spike = self.spikes.last
            self.clock = self.clock or LossSeries()
            self.clock.append([progress.last], [progress.seconds])
        if self.ahead is not None and not self._is_as_foreseen(progress):
            self.forget_ahead("no two runs of this model are the same; it cannot be run ahead")
        self.trajectory += map(with_nan, progress.trajectory)
        self.step = progress.last
        self.weights = with_nan(progress.weights)
        self.loss = None if math.isnan(self.series.last) else self.series.last

    def _raised_before(self, step: int) -> tuple[int, float, float] | None:
        """Return the last rise of the rate before a step: after which step, from, to.

        ``None`` if it was not raised within the losses that give a spike its level.
        """
        assert self.series is not None
        steps = self.series.recent_steps
        near = [int(at) for at in steps[steps <= step]] or range(
            max(step - LEVEL_WINDOW, 0), step + 1
        )
        return find_raise(near, [self.lr_at(at) for at in near])

    def _is_as_foreseen(self, progress: msg.Progress) -> bool:
        """Return whether the last loss agrees with the look-ahead, as far as known."""
        assert self.ahead is not None
        foreseen, loss = self.ahead.at(progress.last), progress.losses[-1]
        if foreseen is None or loss is None:
            return True
        return abs(foreseen - loss) <= SAME_AS_FORECAST * max(abs(foreseen), abs(loss))


def with_nan(numbers: Sequence[float | None]) -> tuple[float, ...]:
    """Return numbers from the wire, with NaN for non-finite ones."""
    return tuple(math.nan if number is None else number for number in numbers)
