"""What a person does with runs: starts and steers them, and hears what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from lrtui.messages import (
    AnyMessage,
    Command,
    Curvature,
    Ended,
    Failed,
    Pause,
    Printed,
    Progress,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Started,
    Step,
)
from lrtui.run.rate import FACTOR, rate_text, scaled
from lrtui.run.rate_axis import ruler_sweep
from lrtui.run.session import Session
from lrtui.screen.spans import Span
from lrtui.sources.process import Source

POST_RATES = (0.1, 0.7, 1.01)
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
LOG_LINES = 200


class Controller:
    """The runs of a session, and the source that carries them out.

    Attributes:
        session: the runs so far.
        steps: steps of a run.
        speed: steps a second, ``None`` for flat out.
        paused: whether the current run is held.
        aim: the rate of the current run, or the one that it was last told to take.
        highlighted: the number of an earlier run that stands out, ``None`` if none does.
        complaint: what is wrong with what was asked for, empty if nothing is.
        details: the last lines of a trainer that failed.
        log: what happened, the youngest first.
        changed: whether there is something new to show; whoever has shown it says so.
    """

    def __init__(
        self,
        source: Source,
        rates: Iterable[float],
        *,
        steps: int,
        speed: float | None,
        every: int,
    ) -> None:
        """Starts without a run.

        Args:
            source: answers commands with messages.
            rates: the rates to run, one after the other.
            steps: steps a run.
            speed: steps a second, ``None`` for flat out.
            every: steps between two lines of the log.
        """
        self.session = Session()
        self.steps = steps
        self.speed = speed
        self.paused = False
        self.aim = POST_RATES[0]
        self.highlighted: int | None = None
        self.complaint = ""
        self.details: list[str] = []
        self.log: deque[Span] = deque(maxlen=LOG_LINES)
        self.changed = True
        self._source = source
        self._queue = deque(rates)
        self._every = every

    # --- what is asked for ----------------------------------------------------------------

    def run(self, rate: float) -> None:
        """Starts a new run from the first weights, whatever else was to follow."""
        self._queue.clear()
        self._start(rate)

    def run_next(self) -> None:
        """Starts the next of the rates that were given, if there is one."""
        if self._queue:
            self._start(self._queue.popleft())

    def _start(self, rate: float) -> None:
        if not self._source.trains:
            self.complain("a replay shows what was saved; start lrtui itself to run a rate")
            return
        run = self.session.begin(rate, self.steps)
        self.paused = False
        self._source.send(Start(run=run.number, rate=rate, steps=self.steps, speed=self.speed))
        self._begun(run.number, rate)

    def _begun(self, number: int, rate: float) -> None:
        self.aim = rate
        self.complaint = ""
        self.details = []
        self.say(f"run {number}  rate {rate_text(rate)}", "dim")

    def restart(self) -> None:
        """Restarts at the same rate."""
        self.run(self.aim)

    def run_scaled(self, factor: float) -> None:
        """Restarts at a rate so many times the current one."""
        self.run(scaled(self.aim, factor))

    def run_post(self) -> None:
        """Runs the next of the post's rates."""
        self.run(next((rate for rate in POST_RATES if rate > self.aim), POST_RATES[0]))

    def run_advice(self) -> None:
        """Runs the rate that is advised."""
        advice = self.session.advice()
        if advice is not None:
            self.run(advice.rate)
        else:
            self.complain("no rate is known to be better than this one")

    def go_on_scaled(self, factor: float) -> None:
        """Goes on at a rate so many times the current one, without a restart."""
        if not self._source.trains:
            self.complain("a replay shows what was saved; its rates cannot be changed")
        elif self._is_on():
            self.aim = scaled(self.aim, factor)
            self.say(f"rate {rate_text(self.aim)} from here", "change")
            self._send(SetRate(self.aim))

    def pause(self) -> None:
        """Pauses the run or lets it go on."""
        if self._is_on():
            self.paused = not self.paused
            self._send(Pause() if self.paused else Resume())

    def step(self) -> None:
        """Takes one step and holds."""
        if self._is_on():
            self.paused = True
            self._send(Step())

    def faster(self) -> None:
        """Takes more steps a second."""
        if self.speed is not None:
            self._pace(next((s for s in SPEEDS if s > self.speed), None))

    def slower(self) -> None:
        """Takes fewer steps a second."""
        speed = self.speed
        self._pace(max((s for s in SPEEDS if speed is None or s < speed), default=speed))

    def _pace(self, speed: float | None) -> None:
        self.speed = speed
        self._send(SetSpeed(speed))

    def _send(self, command: Command) -> None:
        self._source.send(command)
        self.changed = True

    def _is_on(self) -> bool:
        """Returns whether a run is on; says so if none is."""
        run = self.session.current
        if run is not None and run.outcome is None:
            return True
        self.complain("no run is on; r restarts, or type a rate")
        return False

    def export(self) -> None:
        """Writes the losses of the runs to a CSV file in the current folder."""
        # Here, for numpy comes with it: the first frame does not wait for that.
        from lrtui.run.export import export

        try:
            path, rows = export(self.session.runs, Path.cwd())
        except OSError as error:
            self.complain(f"the runs were not written: {error.strerror}")
        else:
            self.say(f"{rows:,} losses written to {path.name}", "good")

    def highlight_older(self) -> None:
        """Highlights the next older run."""
        older = [r.number for r in self.session.runs[:-1]]
        if self.highlighted is not None:
            older = [number for number in older if number < self.highlighted]
        if older:
            self.highlight(older[-1])

    def highlight_newer(self) -> None:
        """Highlights the next newer run, or none."""
        if self.highlighted is not None:
            newer = [r.number for r in self.session.runs[:-1] if r.number > self.highlighted]
            self.highlight(newer[0] if newer else None)

    def highlight(self, number: int | None) -> None:
        """Lets a run stand out, or none."""
        self.highlighted = number
        self.changed = True

    def complain(self, text: str) -> None:
        """Tells what is wrong with what was asked for; an empty text takes it back."""
        self.complaint = text
        self.changed = True

    # --- what is told ---------------------------------------------------------------------

    def hear(self) -> None:
        """Takes in what the source has told since the last call."""
        for message in self._source.poll():
            self.take_in(message)

    def take_in(self, message: AnyMessage) -> None:
        """Takes in one message."""
        self.changed |= self.session.apply(message)
        run = self.session.current
        match message:
            case Printed(text=text):
                self.say(text, "change")
            case Curvature() if self.session.bowl and self.session.ready:
                points = self.session.ready.problem.points
                self._source.send(ruler_sweep(self.session.bowl, points, self.steps))
            case Failed(reason=reason, details=details):
                self.say(reason, "bad")
                self.details = details
            case Started(run=number, rate=rate, steps=steps) if not self._source.trains:
                self.steps = steps
                self._begun(number, rate)
            case Ended() if run and message.run == run.number:
                self.say(message.reason, "dim")
            case Progress() if run and message.run == run.number:
                first = -message.step % self._every
                lines = range(first, len(message.losses), self._every)
                for i in lines[-LOG_LINES:]:
                    loss = message.losses[i]
                    told = "not finite" if loss is None else f"{loss:.6g}"
                    self.say(f"{message.step + i:>7,}  {told}", "text")
        if run and run.outcome in ("done", "diverged"):
            self.run_next()

    def say(self, text: str, tone: str) -> None:
        """Writes a line to the log."""
        self.log.appendleft((text, tone))
        self.changed = True


LARGER, SMALLER = FACTOR, 1 / FACTOR
"""What one press of a key multiplies a rate by."""
