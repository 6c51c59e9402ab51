"""What a person does with runs: starts and steers them, and hears what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace as replace_options
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lrtui.command_line import command_line, given, words
from lrtui.messages import (
    OWN,
    PLAIN,
    SCHEDULES,
    Alone,
    AnyMessage,
    Command,
    Ended,
    Entrant,
    Failed,
    Greeting,
    Heat,
    Load,
    Marked,
    NoResult,
    Optimizer,
    Pause,
    Printed,
    ProblemFacts,
    Progress,
    Race,
    Resume,
    Rewound,
    Seek,
    SetLr,
    SetSpeed,
    Start,
    Started,
    State,
    Steered,
    Step,
    Unusable,
)
from lrtui.problems.settings import ProblemSettings
from lrtui.run.heat import heat, heat_on_screen, kind
from lrtui.run.rate import FACTOR, rate_text, scaled
from lrtui.run.rate_axis import ruler_sweep, zoomed
from lrtui.run.run import Run
from lrtui.run.session import Session
from lrtui.run.words import change_text, told_losses
from lrtui.screen.panes.heat import HEAT
from lrtui.screen.spans import Span
from lrtui.screen.steering import Steering
from lrtui.screen.view import LOG_LINES, View
from lrtui.sources.source import Source

if TYPE_CHECKING:
    from lrtui.options import LabOptions

LINE = ProblemSettings()
"""The post's line fit."""

OPTIMIZERS = (
    PLAIN,
    Optimizer(momentum=0.9),
    Optimizer(name="nesterov", momentum=0.9),
    Optimizer(name="adam"),
    Optimizer(name="adamw", weight_decay=0.01),
)
"""What a key goes through."""

WARMUP = 10
"""Part of a run for which a warmup that a key chooses rises: a tenth."""

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)

SILENCE = 5.0
"""Seconds without a message from which on that is told."""


class Controller:
    """The runs of a session, and the source that carries them out.

    What is shown is what messages confirmed. What was last asked for is kept as well, because the
    next key goes on from there: two presses of ``]`` are two steps up, however slow the source.

    Attributes:
        view: what there is to show.
        session: the runs so far.
        factor: what one press of a key makes a rate larger or smaller by.
        steering: what is asked of a training that is not ours.
    """

    def __init__(
        self,
        source: Source,
        lrs: Iterable[Sequence[float]],
        *,
        steps: int,
        speed: float | None,
        every: int,
        settings: ProblemSettings | None = None,
        optimizer: Optimizer = PLAIN,
        schedule: str = "constant",
        factor: float = FACTOR,
    ) -> None:
        """Start without a run.

        Args:
            source: answers commands with messages.
            lrs: learning rates to run, one race after another; a race of one is a run.
            settings: of the problem that is trained; ``None`` where nothing is.
            optimizer: what takes the steps.
            schedule: how each rate moves from its peak.
            factor: what one press of a key makes a rate larger or smaller by.
            steps: steps of a run.
            speed: steps a second, ``None`` for as fast as possible.
            every: steps between two lines of the log.
        """
        self.session = Session()
        self.view = View(self.session, steps, settings.name if settings else "")
        self.steering = Steering(self.view, self._send, self._is_on, self.notify)
        self._logged = 0.0  # when the loss of a training that is not ours was logged last
        self._source = source
        self._queue = deque(lrs)
        self._every = every
        self._settings = settings or LINE
        if settings is not None and settings.name != "line":
            self.view.scale = "log"  # a network's loss falls by factors
        self._optimizer, self._schedule = optimizer, schedule
        self.factor = factor
        self._lr = self._queue[0][0] if self._queue else self._settings.lrs[0]
        self._entrants: Sequence[tuple[float, Optimizer]] = []  # of the last start
        self._speed = speed
        self._paused = False
        self._ids = count(1)
        self._unanswered = 0  # id of the last command, until a state answers it
        self._heard = monotonic()
        self._run_line: Span | None = None
        self._heat: Heat | None = None  # the last one that was asked for

    # --- what is asked for ----------------------------------------------------------------

    def run(self, lr: float, steps: int | None = None) -> None:
        """Start a new run from the initial weights, instead of any that were to follow.

        Args:
            lr: learning rate.
            steps: steps of this run and of those after it; ``None`` for as many as before.
        """
        if not self.session.offers("start"):
            self.complain("nothing can be trained here: this is a record; lrtui itself trains")
            return
        self._queue.clear()
        self.view.steps = steps or self.view.steps
        if steps:
            self._sweep()
        self._start([(lr, self._optimizer)])

    def race(self, entrants: Sequence[tuple[float, Optimizer]]) -> None:
        """Start new runs that are trained in step, each of a rate and an optimizer."""
        if len(entrants) == 1 and self.session.offers("hold") and self.session.greeting:
            self.steering.hold(entrants[0][0])
        elif len(entrants) == 1:
            self.run(entrants[0][0])
        elif not self.session.offers("race"):
            self.complain("several rates cannot be run in step here")
        else:
            self._queue.clear()
            self._start(entrants)

    def race_rates(self, lrs: Sequence[float]) -> None:
        """Start new runs in step, one for each rate."""
        self.race([(lr, self._optimizer) for lr in lrs])

    def race_optimizers(self) -> None:
        """Start new runs in step at the same rate, one for each optimizer."""
        self.race([(self._lr, optimizer) for optimizer in self._optimizers()])

    def go_on_alone(self) -> None:
        """Go on with the run in focus alone; where no race is on, run the highlighted one again."""
        session = self.session
        highlighted = next((r for r in session.runs if r.number == self.view.highlighted), None)
        if self.view.race and session.is_on and session.current and session.current.is_on:
            self._lr = session.current.lr
            self._entrants = []
            self._send(Alone(run=session.current.number))
        elif highlighted and isinstance(highlighted.optimizer, Optimizer):
            self._optimizer = highlighted.optimizer
            self.run(highlighted.first_lr)
        else:
            self.complain("a learning rate is needed, such as 0.1")

    def run_next(self) -> None:
        """Start the next of the rates that were given, if there is one."""
        if self._queue:
            self._start([(lr, self._optimizer) for lr in self._queue.popleft()])

    def _start(self, entrants: Sequence[tuple[float, Optimizer]]) -> None:
        steps, speed, moves = self.view.steps, self._speed, self._schedule
        self._entrants = entrants
        self._lr, self._paused = entrants[0][0], False
        self.view.highlighted = None
        if len(entrants) == 1:
            ((lr, by),) = entrants
            run = self.session.begin(lr, steps, by, moves)
            self._send(
                Start(run=run.number, lr=lr, steps=steps, speed=speed, optimizer=by, schedule=moves)
            )
            self._begun(run.number, lr)
            return
        runs = self.session.begin_race(entrants, steps, moves)
        told = [
            Entrant(run=run.number, lr=lr, optimizer=by)
            for run, (lr, by) in zip(runs, entrants, strict=True)
        ]
        self._send(Race(entrants=told, steps=steps, speed=speed, schedule=moves))
        for entrant in told:
            self._begun(entrant.run, entrant.lr)

    def _begun(self, number: int, lr: float) -> None:
        self.view.details = []
        self.clear_notice()
        if self._run_line is not None and self.view.log[0] is self._run_line and not self.view.race:
            self.view.log.popleft()  # the run before has not done anything to tell
        self._run_line = (f"run {number}  rate {rate_text(lr)}", "dim")
        self.view.log.appendleft(self._run_line)

    def restart(self) -> None:
        """Restart at the same rate, or the same race."""
        if len(self._entrants) > 1:
            self.race(self._entrants)
        else:
            self.run(self._lr)

    def run_scaled(self, factor: float) -> None:
        """Restart at the rate times a factor."""
        self.run(scaled(self._lr, factor))

    def run_telling(self) -> None:
        """Run the next of the rates that are worth seeing for this problem."""
        lrs = self._settings.lrs
        if self._lr in lrs:
            self.run(lrs[(lrs.index(self._lr) + 1) % len(lrs)])
        else:
            self.run(next((lr for lr in lrs if lr > self._lr), lrs[0]))

    def run_next_optimizer(self) -> None:
        """Restart at the same rate with the next optimizer."""
        choice = self._optimizers()
        at = choice.index(self._optimizer) + 1 if self._optimizer in choice else 0
        self._optimizer = choice[at % len(choice)]
        self.run(self._lr)
        self._sweep()

    def _optimizers(self) -> list[Optimizer]:
        """Return the optimizers that there are to choose from."""
        facts = self.session.facts
        return [*OPTIMIZERS, *([OWN] if facts is not None and facts.own_optimizer else [])]

    def run_next_schedule(self) -> None:
        """Restart at the same rate, the peak, with the next schedule."""
        rise = max(self.view.steps // WARMUP, 1)
        names = [name.replace("N", str(rise)) for name in SCHEDULES]
        kinds = [name.partition(":")[0] for name in names]
        at = kinds.index(self._schedule.partition(":")[0]) + 1
        self._schedule = names[at % len(names)]
        self.run(self._lr)
        self._sweep()

    def run_cell(self, lr: float, momentum: float) -> None:
        """Run a rate at a momentum."""
        self._optimizer = replace(kind(self._optimizer), momentum=momentum)
        self.run(lr)
        self._sweep()

    def heat(self) -> None:
        """Ask what every rate would do at every momentum, unless it is known."""
        session, facts = self.session, self.session.facts
        if facts is None or not session.offers("heat"):
            return
        by = kind(self._optimizer)
        asked = heat(by, session.theory_of(by), facts, self.view.steps, self._schedule)
        asked = heat_on_screen(asked, facts)
        if asked != self._heat:
            self._heat = asked
            session.heated = self.view.heat_cursor = None
            self._source.send(asked)

    def options(self) -> LabOptions:
        """Return what is trained, as options of the command line."""
        from lrtui.arguments import parse
        from lrtui.options import LabOptions

        _, found = parse(words(self._settings.name, self._given()))
        assert isinstance(found, LabOptions)
        return replace_options(found, factor=self.factor)

    def _given(self) -> dict[str, str]:
        return given(self._settings, self._optimizer, self._schedule, self.view.steps)

    def command_line(self) -> str:
        """Return the command line that reproduces the last start; empty before there was one."""
        lrs = [lr for lr, _ in self._entrants] or [self._lr]
        if len({by for _, by in self._entrants}) > 1:
            self.complain("no command line races optimizers; O does")
            return ""
        return command_line(self._settings.name, self._given(), lrs)

    def take_up(self, name: str) -> None:
        """Take up another of the built-in problems, and run its first rate."""
        from lrtui.arguments import parse
        from lrtui.options import LabOptions

        seed = ["--seed", str(self._settings.seed)]
        _, found = parse([*words(name, {}), *seed])
        assert isinstance(found, LabOptions)
        self.set_up(found)

    def set_up(self, options: LabOptions) -> None:
        """Run what options ask for: another problem's first rate, else the same rate again."""
        before, settings = self._settings, options.settings
        lr = self._lr if settings.name == before.name else settings.lrs[0]
        self._optimizer, self._schedule = options.optimizer, options.schedule
        self._settings, self.factor = settings, options.factor
        self.view.steps = options.steps_of_a_run
        if settings != before:
            self.view.problem = settings.name
            self.view.zoom = self.view.cursor = self.view.place = self.view.rate = None
            self._source.send(Load(problem=settings))
        if settings.name != before.name:
            self.view.scale = "linear" if settings.name == "line" else "log"
        self.run(lr)
        if settings == before:
            self._sweep()

    def run_advice(self) -> None:
        """Take the advice: run the rate, with more steps if it says so."""
        advice = self.session.advice()
        if advice is not None:
            self.run(advice.lr, advice.steps if advice.more_steps else None)
        elif self.session.theory is None and self.session.swept is None:
            self.notify("no advice yet: nothing is known of the loss", "dim")
        elif self.session.theory is None:
            self.notify(f"none of the rates tried did better than {rate_text(self._lr)}", "good")
        else:
            self.notify(f"no rate settles sooner than {rate_text(self._lr)}", "good")

    def continue_scaled(self, factor: float) -> None:
        """Continue at the rate times a factor, without a restart."""
        if self.session.is_on and len(self.view.race) > 1:
            self.complain("several runs are on; Enter goes on with the one in focus alone")
        elif not self.session.offers("set_lr"):
            self.steering.scale(factor)
        elif self._is_on():
            self._lr = scaled(self._lr, factor)
            self._send(SetLr(lr=self._lr))

    def seek(self, to: Seek) -> None:
        """Show another place of a record."""
        self._send(to)

    @property
    def seeks(self) -> bool:
        """Whether what is shown is a record, of which any place can be shown."""
        session = self.session
        return session.greeting is not None and session.offers("seek")

    def seek_step(self, text: str) -> None:
        """Go to a step that was typed, or say what is wrong with it."""
        digits = text.strip().replace(",", "")
        if digits.isascii() and digits.isdigit() and len(digits) <= 12:
            self.seek(Seek(step=int(digits)))
        else:
            self.complain(f"a step is a whole number, not {text.strip()[:24]}")

    def pause(self) -> None:
        """Pause the run, or continue it."""
        if self._is_on():
            self._paused = not self._paused
            self._send(Pause() if self._paused else Resume())

    def step(self) -> None:
        """Take one step, then pause."""
        if self._is_on():
            self._paused = True
            self._send(Step())

    def faster(self) -> None:
        """Take more steps a second."""
        if self._speed is not None:
            self._set_speed(next((s for s in SPEEDS if s > self._speed), None))

    def slower(self) -> None:
        """Take fewer steps a second."""
        speed = self._speed
        self._set_speed(max((s for s in SPEEDS if speed is None or s < speed), default=speed))

    def _set_speed(self, speed: float | None) -> None:
        self._speed = speed
        self._send(SetSpeed(speed=speed))
        if not self.session.is_on:
            # Nobody is there to confirm it; the next run takes it along.
            self.notify(
                "the next run goes "
                + ("as fast as possible" if speed is None else f"at {speed:g} steps/s"),
                "dim",
            )

    def _send(self, command: Command) -> None:
        self._unanswered = next(self._ids)
        self._source.send(replace(command, id=self._unanswered))
        self.clear_notice()

    def _is_on(self) -> bool:
        """Return whether a run is on; say so if none is."""
        if self.session.is_on:
            return True
        again = "; r restarts, or type a rate" if self.session.offers("start") else ""
        self.complain(f"no run is on{again}")
        return False

    def pin(self) -> None:
        """Pin the run that is pointed at to the charts; a pinned one, hide; a hidden one, show."""
        if (run := self.view.pointed_at) is not None:
            self.mark(run, pinned=not (run.pinned or run.hidden), hidden=run.pinned)

    def remove(self) -> None:
        """Remove the highlighted run from the table; one key alone removes nothing."""
        run = self.view.pointed_at
        if run is None or self.view.highlighted is None:
            self.complain("↓ highlights the run that x then removes")
            return
        if run.is_on:
            self.complain("a run that is on stays; ↓ goes to an older one")
            return
        self.mark(run, removed=True)
        self.view.highlighted = None

    def mark(self, run: Run, **changed: Any) -> None:  # noqa: ANN401 - fields of the message
        """Note what a person has done with a run."""
        now = Marked(run=run.number, name=run.name, pinned=run.pinned, hidden=run.hidden)
        mark = replace(now, **changed)
        self.session.apply(mark)
        self._source.note(mark)
        self.view.dirty = True

    def export(self, suffix: str = ".csv") -> None:
        """Write the losses of the runs to a file in the current folder."""
        # Here, because numpy comes with it: the first frame does not wait for that.
        from lrtui.run.export import export

        try:
            path, rows = export(self.session.runs, Path.cwd(), suffix)
        except OSError as error:
            self.complain(f"the runs were not written: {error.strerror}")
        else:
            losses = f"{rows:,} losses" if rows != 1 else "1 loss"
            self.notify(f"{losses} written to {path}", "good")

    def highlight_older(self) -> None:
        """Highlight the next older run; of a race, shift the focus first."""
        self._highlight_next([run.number for run in reversed(self.session.runs)])

    def highlight_newer(self) -> None:
        """Highlight the next newer run, or none."""
        self._highlight_next([run.number for run in self.session.runs])

    def _highlight_next(self, numbers: Sequence[int]) -> None:
        current = self.session.current
        if current is None:
            return
        at = current.number if self.view.highlighted is None else self.view.highlighted
        after = [*numbers, None][numbers.index(at) + 1] if at in numbers else None
        if after is not None:
            self.highlight(after)

    def highlight(self, number: int | None) -> None:
        """Highlight a run, or none; one of a race, or the current one, is in focus instead."""
        abreast = [run.number for run in self.session.abreast]
        if number in abreast:
            self.session.focus = number
            number = None
        self.view.highlighted = number
        self.view.dirty = True

    def notify(self, text: str, tone: str) -> None:
        """Answer in the status line."""
        self.view.notice = (text, tone)
        self.view.dirty = True

    def complain(self, text: str) -> None:
        """Say what is wrong with what was asked for."""
        self.notify(text, "bad")

    def clear_notice(self) -> None:
        """Take back what was answered."""
        self.notify("", "dim")

    # --- what is told ---------------------------------------------------------------------

    def hear(self) -> None:
        """Take in what the source has told since the last call."""
        messages = self._source.poll()
        for message in messages:
            self.take(message)
        now = monotonic()
        if messages or not self.session.is_on or self.session.paused:
            self._heard = now
        silent = now - self._heard
        silent_for = int(silent) if silent >= SILENCE else 0
        if silent_for != self.view.silent_for:
            self.view.silent_for = silent_for
            self.view.dirty = True

    def take(self, message: AnyMessage) -> None:
        """Take in one message."""
        before = self.session.current
        lr = before.lr if before else None
        changed = self.session.apply(message)
        self.view.dirty |= changed
        run = self.session.current
        number = getattr(message, "run", None)
        by = f"{number}: " if self.view.race and number else ""
        match message:
            case Printed(text=text):
                self._log(text, "change")
            case NoResult(work=work, reason=reason):
                self._log(f"no {work}: {reason}", "change")
            case ProblemFacts(remarks=remarks, own_optimizer=own):
                if self._optimizer == OWN and not own:
                    self._optimizer = PLAIN
                for remark in reversed(remarks):
                    self._log(remark, "text")
                self._sweep()
            case Unusable(reason=reason) if (reason, "bad") not in [*self.view.log][:1]:
                self._log(reason, "bad")
            case Greeting():
                self._heat = None
            case Rewound():
                self.view.log.clear()
                self._run_line = None
            case Failed(reason=reason, details=details):
                self._log(reason, "bad")
                self.view.details = details
            case Started() if changed and not self.session.offers("start"):
                self.view.steps = message.steps or self.view.steps
                if run and run.live:
                    self.view.scale = "log"  # most losses fall by factors
                    if run is before:
                        self.view.log.clear()  # all of it is told again
                        self._run_line = None
                self._begun(message.run, message.lr)
            case State() if changed and run:
                if message.asked_by and run.lr != lr:
                    self._log(change_text(message), "change")
                self._confirm(message)
            case Steered() if changed:
                by = "you" if message.answers else message.asked_by
                self._log(f"{message.step:,} {message.text} ({by})", "change")
                if message.answers and not message.done:
                    self.complain(message.text)
            case Progress() if changed and run and run.live:
                if run.is_on and monotonic() > self._logged + 1:
                    self._logged = monotonic()
                    step, loss = [*told_losses(message, 1)][-1]
                    self._log(f"{step:>6,} {loss}", "text")
            case Ended() if changed:
                self._log(by + message.reason, "dim")
            case Progress() if changed and run and run.number == number:
                for step, loss in told_losses(message, self._every, LOG_LINES):
                    self._log(f"{step:>6,} {loss}", "text")
        if run and not self.session.is_on and run.outcome in ("done", "diverged"):
            self.run_next()

    def _confirm(self, state: State) -> None:
        """Take over what a state confirms, unless something else has been asked for since."""
        if state.answers == self._unanswered:
            self._unanswered = 0
        if not self._unanswered:
            self._paused, self._speed = state.paused, state.speed
            if not self.view.race:
                self._lr = state.lr

    def _sweep(self) -> None:
        """Ask what every rate would do, for the ruler."""
        session, optimizer, schedule = self.session, self._optimizer, self._schedule
        facts = session.facts
        if self.view.alone == HEAT.id:
            self.heat()
        if facts is None or not session.offers("sweep"):
            return
        theory, steps, zoom = session.theory_of(optimizer), self.view.steps, self.view.zoom
        command = ruler_sweep(theory, optimizer, facts.sharpness, facts, steps, schedule, zoom)
        known = session.swept_by(optimizer, schedule)
        if zoom:
            known = session.swept_between(zoom, optimizer, schedule)
        if command is None or (known and (known.lrs, known.steps) == (command.lrs, command.steps)):
            return
        self._source.send(command)

    def zoom_ruler(self) -> None:
        """Zoom the ruler round the rate that is pointed at, further, and back to all rates."""
        view, run = self.view, self.session.current
        if run is None or self.session.swept is None:
            self.complain("the ruler is not there yet")
            return
        view.zoom = zoomed(view.rate or run.lr, view.zoom)
        self._sweep()
        view.dirty = True

    def _log(self, text: str, tone: str) -> None:
        self.view.log.appendleft((text, tone))
        self.view.dirty = True
