"""Starts and steers runs as the user asks, and applies the messages that come back."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from time import monotonic

from msgspec import structs

from lrtui import messages as msg
from lrtui.screen.control.event_log import Log
from lrtui.screen.control.run_table import Table
from lrtui.screen.control.steering import Steering
from lrtui.screen.control.sweeps import Sweeps
from lrtui.screen.control.view import View
from lrtui.session.change import Change
from lrtui.session.heat_grid import kind
from lrtui.session.session import Session
from lrtui.session.setup import Setup, optimizers
from lrtui.sources.source import Source
from lrtui.text.rates import rate_text, scaled

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)

NOTICE_SECONDS, NOTICE_LETTERS = 4.0, 20.0
"""Seconds that a message is shown, and letters for which it gets one more."""

ANSWER_SECONDS = 1.0
"""Seconds without an answer of a training that is not ours before that is said."""

WAITS = "sent; the training answers between two steps"

SILENCE = 5.0
"""Seconds without a message before the status line reports it."""


class Controller:
    """The runs of a session, and the source that carries them out.

    The screen shows what messages confirmed. The last request is kept as well, because the next key
    builds on it: two presses of ``]`` raise the rate twice, however slow the source.

    Attributes:
        view: the state of the screen.
        session: the runs so far.
        setup: what the next run trains, but for its rate.
        steering: commands to a live training.
        table: actions on the listed runs.
    """

    def __init__(
        self,
        source: Source,
        lrs: Iterable[Sequence[float]],
        *,
        speed: float | None,
        setup: Setup | None = None,
    ) -> None:
        """Start without a run.

        Args:
            source: answers commands with messages.
            lrs: learning rates to run, one race after another; a race of one is a run.
            speed: steps a second, ``None`` for as fast as possible.
            setup: what is trained, ``None`` for a source that trains nothing here.
        """
        self.session = Session()
        self.setup = setup or Setup()
        self.view = View(
            self.session, setup.steps if setup else 1, setup.settings.name if setup else ""
        )
        self.steering = Steering(self.view, self._send, self._is_on, self.notify)
        self.table = Table(self.view, source.note, self.notify)
        self._sweeps = Sweeps(self.view, source.send)
        self._log = Log(self.view)
        self._source = source
        self._queue = deque(lrs)
        if self.view.problem not in ("", "line"):
            self.view.scale = "log"  # a network's loss falls by factors
        self._lr = self._queue[0][0] if self._queue else self.setup.settings.lrs[0]
        self._entrants: Sequence[tuple[float, msg.Optimizer]] = []  # of the last start
        self._speed = speed
        self._paused = False
        self._ids = count(1)
        self._unanswered = 0  # id of the last command, until a state answers it
        self._asked_at = math.inf  # when it was sent to a training that is not ours
        self._heard = monotonic()
        self._notice_until = math.inf

    # --- requests -------------------------------------------------------------------------

    def run(self, lr: float, steps: int | None = None) -> None:
        """Start a new run from the initial weights; drop the rates still queued.

        ``steps`` is for this run and those after it, ``None`` for as many as before.
        """
        if not self.session.offers("start"):
            self.complain(self._why_no_rate())
            return
        self._queue.clear()
        if steps:
            self._set_setup(replace(self.setup, steps=steps))
            self._sweeps.ask(self.setup)
        self._start([(lr, self.setup.optimizer)])

    def _why_no_rate(self) -> str:
        """Say why a rate can neither be run here nor held."""
        if self.session.offers("scale"):
            return "the optimizer estimates its rate by itself; { and } scale it"
        if self.session.offers("stop"):
            return "the rate cannot be set: needs an optimizer of torch with a rate"
        return "nothing can be trained here: this is a record; lrtui itself trains"

    def race(self, entrants: Sequence[tuple[float, msg.Optimizer]]) -> None:
        """Race new runs, each with its rate and optimizer."""
        if self.session.greeting and self.session.offers("add"):
            for lr, _ in entrants:
                self._send(msg.Add(lr=lr))
            self.notify("it starts when there is room", "good")
        elif len(entrants) == 1 and self.session.offers("hold") and self.session.greeting:
            self.steering.ask(msg.Hold(lr=entrants[0][0]))
        elif len(entrants) == 1:
            self.run(entrants[0][0])
        elif not self.session.offers("race"):
            self.complain("several rates cannot be run in step here")
        else:
            self._queue.clear()
            self._start(entrants)

    def race_rates(self, lrs: Sequence[float]) -> None:
        """Race new runs, one for each rate."""
        self.race([(lr, self.setup.optimizer) for lr in lrs])

    def race_optimizers(self) -> None:
        """Race new runs at the same rate, one for each optimizer."""
        self.race([(self._lr, optimizer) for optimizer in optimizers(self.session.facts)])

    def go_on_alone(self) -> None:
        """Continue the run in focus alone; without a race, run the highlighted one again."""
        session = self.session
        highlighted = next((r for r in session.runs if r.number == self.view.highlighted), None)
        if session.offers("alone") and self.view.race and session.current and session.current.is_on:
            self._lr = session.current.lr
            self._entrants = []
            self._send(msg.Alone(run=session.current.number))
        elif highlighted and isinstance(highlighted.optimizer, msg.Optimizer):
            self.setup = replace(self.setup, optimizer=highlighted.optimizer)
            self.run(highlighted.first_lr)
        else:
            self.complain("a learning rate is needed, such as 0.1")

    def run_next(self) -> None:
        """Start the next of the given rates, if any are left."""
        if self._queue:
            self._start([(lr, self.setup.optimizer) for lr in self._queue.popleft()])

    def _start(self, entrants: Sequence[tuple[float, msg.Optimizer]]) -> None:
        self._entrants = entrants
        self._lr, self._paused = entrants[0][0], False
        self.view.highlighted, self.view.details = None, []
        self._send(self.session.start(entrants, self.setup, self._speed))
        for run in self.session.current_group:
            self._log.begin(run.number, rate_text(run.lr))

    def restart(self) -> None:
        """Restart at the same rate, or the same race."""
        if len(self._entrants) > 1:
            self.race(self._entrants)
        else:
            self.run(self._lr)

    def run_scaled(self, factor: float) -> None:
        """Restart at the rate times a factor."""
        self.run(scaled(self._lr, factor))

    def run_preset(self) -> None:
        """Run the next preset of this problem."""
        lrs = self.setup.settings.lrs
        if self._lr in lrs:
            self.run(lrs[(lrs.index(self._lr) + 1) % len(lrs)])
        else:
            self.run(next((lr for lr in lrs if lr > self._lr), lrs[0]))

    def run_next_optimizer(self) -> None:
        """Restart at the same rate with the next optimizer."""
        self._run_with(self.setup.with_next_optimizer(self.session.facts))

    def run_next_schedule(self) -> None:
        """Restart with the next schedule; the rate stays its peak."""
        self._run_with(self.setup.with_next_schedule())

    def run_cell(self, lr: float, momentum: float) -> None:
        """Run a rate at a momentum."""
        by = structs.replace(kind(self.setup.optimizer), momentum=momentum)
        self._run_with(replace(self.setup, optimizer=by), lr)

    def _run_with(self, setup: Setup, lr: float | None = None) -> None:
        """Run a rate, by default the current one, with another setup; request its sweep."""
        self._set_setup(setup)
        self.run(self._lr if lr is None else lr)
        self._sweeps.ask(setup)

    def heat(self) -> None:
        """Request the heat map of rates and momenta, unless it is known."""
        self._sweeps.ask_heat(self.setup)

    def command_line(self) -> str:
        """Return the command line that reproduces the last start; empty if there is none."""
        lrs = [lr for lr, _ in self._entrants] or [self._lr]
        if len({by for _, by in self._entrants}) > 1:
            self.complain("no command line races optimizers; O does")
            return ""
        return self.setup.command_line(lrs)

    def load_problem(self, name: str) -> None:
        """Load another of the built-in problems, and run its first rate."""
        self.set_up(self.setup.changed("problem", name))

    def set_up(self, setup: Setup) -> None:
        """Run another setup: another problem's first rate, else the same rate again."""
        before, settings = self.setup.settings, setup.settings
        lr = self._lr if settings.name == before.name else settings.lrs[0]
        if settings != before:
            self.view.problem = settings.name
            self.view.zoom = self.view.cursor = self.view.place = self.view.rate = None
            self._source.send(msg.Load(problem=settings))
        if settings.name != before.name:
            self.view.scale = "linear" if settings.name == "line" else "log"
        self._set_setup(setup)
        self.run(lr)
        if settings == before:
            self._sweeps.ask(self.setup)

    def _set_setup(self, setup: Setup) -> None:
        self.setup, self.view.steps = setup, setup.steps

    def run_advice(self) -> None:
        """Run the advised rate, with more steps if advised."""
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
        if self.session.is_on and self.view.race and self.session.offers("alone"):
            self.complain("several runs are on; Enter goes on with the one in focus alone")
        elif not self.session.offers("set_lr"):
            self.steering.ask(msg.Scale(by=factor))
        elif self._is_on():
            self._lr = scaled(self._lr, factor)
            self._send(msg.SetLr(lr=self._lr))

    def seek(self, to: msg.Seek) -> None:
        """Go to another place in a record."""
        self._send(to)

    def hold_at_end(self) -> None:
        """Show the end of the recorded run and stay there."""
        self._source.send(msg.Pause(id=next(self._ids)))
        self.seek(msg.Seek(end=True))

    @property
    def seeks(self) -> bool:
        """Whether the source is a record."""
        session = self.session
        return session.greeting is not None and session.offers("seek")

    def seek_step(self, text: str) -> None:
        """Go to a typed step, or show why it is invalid."""
        digits = text.strip().replace(",", "")
        if digits.isascii() and digits.isdigit() and len(digits) <= 12:
            run, step = self.session.current, int(digits)
            last = run.steps if run is not None and run.steps is not None else step
            if run is not None and not run.is_on:
                last = run.step
            if step < last or run is None:
                self.seek(msg.Seek(step=step))
            else:
                self.hold_at_end()
            if step > last:
                self.notify(f"the run has {last:,} steps", "dim")
        else:
            self.complain(f"a step is a whole number, not {text.strip()[:24]}")

    def pause(self) -> None:
        """Pause the run, or continue it."""
        if self._is_on():
            run = self.session.current
            paused = self.session.is_paused(run) if run and run.joined else self._paused
            self._paused = not paused
            self._send(msg.Pause() if self._paused else msg.Resume())

    def step(self) -> None:
        """Take one step, then pause."""
        if self._is_on():
            self._paused = True
            self._send(msg.Step())

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
        self._send(msg.SetSpeed(speed=speed))
        if not self.session.is_on:
            # No run confirms it; the next one starts with it.
            pace = "as fast as possible" if speed is None else f"at {speed:g} steps/s"
            self.notify(f"the next run goes {pace}", "dim")

    def _send(self, command: msg.Command) -> None:
        self._unanswered = next(self._ids)
        to = self.session.current.number if self.view.several and self.session.current else None
        self._source.send(structs.replace(command, id=self._unanswered, to=to))
        self.clear_notice()
        # A race of scripts, a record and the lab's trainer do as asked at once.
        answers = self.session.offers("stop") and not self.session.offers("add")
        self._asked_at = monotonic() if answers else math.inf

    def _is_on(self) -> bool:
        """Return whether a run is on; inform the user if none is."""
        run = self.session.current
        if run is not None and run.is_on:
            return True
        again = "; r restarts, or type a rate" if self.session.offers("start") else ""
        self.complain(f"no run is on{again}")
        return False

    def notify(self, text: str, tone: str) -> None:
        """Show a message above the footer, long enough to read it."""
        self.view.notice = (text, tone)
        self.view.preview = None
        self._notice_until = monotonic() + NOTICE_SECONDS + len(text) / NOTICE_LETTERS
        self.view.dirty = True

    def complain(self, text: str) -> None:
        """Show why a request cannot be carried out."""
        self.notify(text, "bad")

    def clear_notice(self) -> None:
        """Remove the message above the footer."""
        self.notify("", "dim")
        self._notice_until = math.inf

    def preview(self, lr: float, does: str) -> None:
        """Describe what a rate does, as the ruler shows it; run it if that is shown already."""
        if self.view.preview == lr:
            self.run(lr)
            return
        self.notify(f"rate {rate_text(lr)}{does}; Enter or a second click runs it", "strong")
        self._notice_until, self.view.preview = math.inf, lr

    # --- messages -------------------------------------------------------------------------

    def hear(self) -> None:
        """Apply the messages that have come since the last call."""
        messages = self._source.poll()
        for message in messages:
            self.take(message)
        now = monotonic()
        if now >= self._notice_until:
            self.clear_notice()
        self._say_what_waits(now)
        if messages or not self.session.is_on or self.session.paused:
            self._heard = now
        silent = now - self._heard
        silent_for = int(silent) if silent >= SILENCE else 0
        if silent_for != self.view.silent_for:
            self.view.silent_for = silent_for
            self.view.dirty = True

    def _say_what_waits(self, now: float) -> None:
        """Say that a command waits for the end of a long step, until it is answered."""
        waits = self.session.is_on and now >= self._asked_at + ANSWER_SECONDS
        if waits and not self.view.notice[0]:
            self.notify(WAITS, "dim")
            self._notice_until = math.inf
        elif not waits and self.view.notice[0] == WAITS:
            self.clear_notice()

    @property
    def is_behind(self) -> bool:
        """Whether the source has more messages ready."""
        return self._source.is_busy

    def take(self, message: msg.AnyMessage) -> None:
        """Apply a message and react to its changes."""
        for change in self.session.apply(message):
            self._follow(change)
            self._log.follow(change)
            self.view.dirty = True
        run = self.session.current
        if run and not self.session.is_on and run.outcome in ("done", "diverged"):
            self.run_next()

    def _follow(self, change: Change) -> None:
        if getattr(change.message, "answers", 0) == self._unanswered != 0:
            self._asked_at = math.inf
        match change.message:
            case msg.ProblemFacts() as facts:
                self.setup = self.setup.resolved(facts)
                self._sweeps.ask(self.setup)
            case msg.Greeting():
                self._sweeps.forget()
            case msg.Failed(details=details):
                self.view.details = details
            case msg.Started() as started if not self.session.offers("start"):
                self._note_start(started, again=change.kind == "restarted")
            case msg.State() as state:
                self._confirm(state)
            case msg.Steered(answers=answers) if change.kind == "refusal" and answers:
                self.complain(change.text)
            case msg.Steered(answers=answers, command="try") if answers:
                self.steering.answered(change.text)
            case msg.Steered(answers=answers, command="cancel") if answers:
                self.notify(change.text, "text")  # and the try was not refused

    def _note_start(self, started: msg.Started, *, again: bool) -> None:
        """Show a run that was not started here: of a live training or a record."""
        run = self.session.current
        self.view.steps = started.steps or self.view.steps
        if run and run.live:
            self.view.scale = "log"  # most losses fall by factors
            if again:
                self._log.clear()
        self.view.details = []
        if not self.steering.is_asking:  # of several trainings, one may begin at any time
            self.clear_notice()

    def _confirm(self, state: msg.State) -> None:
        """Adopt the confirmed state, unless a newer request is pending."""
        if state.answers == self._unanswered:
            self._unanswered = 0
        if not self._unanswered:
            self._paused, self._speed = state.paused, state.speed
            if not self.view.race:
                self._lr = state.lr

    def zoom_ruler(self) -> None:
        """Zoom the ruler around the selected rate, further each time, then back to all rates."""
        if not self._sweeps.zoom(self.setup):
            self.complain("the ruler is not there yet")
