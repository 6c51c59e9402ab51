"""The training loop and its commands."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import chain, tee
from queue import Empty, SimpleQueue
from time import perf_counter

import torch
from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.messages.pace import Pace
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.problems.problem import Problem, explained
from lrtui.trainer.ahead import run_ahead
from lrtui.trainer.beginnings import begin, begin_in_one_batch
from lrtui.trainer.many.grid import heat
from lrtui.trainer.many.range_test import range_test
from lrtui.trainer.many.sweep import sweep
from lrtui.trainer.measure.curvature import Curvature
from lrtui.trainer.measure.loss_slice import Slicer
from lrtui.trainer.measure.probes import start_sharpness
from lrtui.trainer.rng import RngStream
from lrtui.trainer.run_loop import RunLoop
from lrtui.trainer.schedules import factors
from lrtui.trainer.side_work import SideWork

QUICK_STEPS, QUICK_SECONDS = 10, 0.0005
"""Steps to take at a time at full speed if one, of all runs together, takes at most this many
seconds: the work between two turns costs a tenth of a small step, but commands wait for a turn."""

Inbox = SimpleQueue[msg.AnyCommand]

SIDE_WORK_MARGIN = 0.002
"""Seconds before the next step of a paced run in which no side work begins."""

SLOW_LOAD_SECONDS = 5.0
"""Seconds after which to report the line at which a person's file is still loading."""

SIDE_WORK_SECONDS = 0.004
"""Seconds of side work at each report of a run at full speed."""


class Trainer:
    """Trains a problem, run after run, on command.

    Attributes:
        problem: ``None`` if it cannot be trained.
    """

    def __init__(
        self,
        settings: ProblemSettings,
        inbox: Inbox,
        send: Callable[[msg.Message], None],
        greet: Callable[[ProblemSettings], None],
    ) -> None:
        """Load a problem and send its facts.

        Args:
            settings: of the problem.
            inbox: of commands.
            send: sends a message.
            greet: sends the greeting of a problem loaded later.
        """
        self._settings = settings
        self._inbox = inbox
        self._send = send
        self._greet = greet
        self.problem: Problem | None = None
        self._version = 0.0
        self._load_problem()

    def serve(self) -> None:
        """Carry out commands forever."""
        command: msg.AnyCommand | None = None
        while True:
            command = command or self._wait_for_command(math.inf)
            match command:
                case msg.Load(problem=settings):
                    self._settings = settings
                    self._greet(settings)
                    self._load_problem()
                    command = None
                case msg.Start():
                    command = self.train(command)
                case msg.Race():
                    command = self.train(*command.starts())
                case _:
                    command = None

    def _load_problem(self) -> None:
        """Load the problem; send its facts or why it cannot be trained."""
        self._side_work = SideWork(self._send, self._settings.device, self._explain)
        self.problem = None
        self._version = self._file_version()
        try:
            with report_slow_load(self._settings, self._send):
                problem = load(self._settings)
                first = begin(
                    problem, 1.0, resolved(msg.OWN, problem)
                )  # or it cannot be trained; it says why
            sharpness = start_sharpness(problem, first, self._send)
            problem.facts = replace(problem.facts, sharpness=sharpness)
        except (Exception, SystemExit) as error:
            self._send(msg.Unusable(reason=self._explain(error)))
            return
        self.problem, self._gauges = problem, [(Curvature(problem), Slicer(problem))]
        # The facts come last: they complete what is known before a run.
        for message in (problem.scene, problem.quadratic, problem.facts):
            if message is not None:
                self._send(message)

    def _explain(self, error: BaseException) -> str:
        """Describe an error, with the line of the person's file that raised it."""
        return explained(error, self._settings.file if self._settings.is_file else None)

    def _file_version(self) -> float:
        """Return when the person's file was last written, 0 without one."""
        try:
            return self._settings.file.stat().st_mtime if self._settings.is_file else 0.0
        except OSError:
            return 0.0

    def train(self, *starts: msg.Start) -> msg.Start | msg.Race | msg.Load | None:
        """Train one run, or several in step, and carry out the commands that arrive meanwhile.

        Reload a person's file first if it has changed or could not be used.

        Args:
            starts: of the runs; they differ only in rate and optimizer.

        Returns:
            The command that ended the training early, ``None`` if none did.
        """
        if self.problem is None or self._file_version() != self._version:
            self._greet(self._settings)
            self._load_problem()
        if (problem := self.problem) is None:
            return None
        starts = tuple(replace(s, optimizer=resolved(s.optimizer, problem)) for s in starts)
        try:
            loops = self._start_runs(problem, starts)
        except (Exception, SystemExit) as error:
            self.problem = None
            self._send(msg.Unusable(reason=self._explain(error)))
            return None
        pace = Pace(starts[0].speed, perf_counter(), starts[0].paused)
        for work in ("ahead", "sharpness"):
            self._side_work.drop(work)
        race = [start.run for start in starts] if len(starts) > 1 else []
        while len(self._gauges) < len(loops):
            self._gauges.append((Curvature(problem), Slicer(problem)))
        for loop, gauges in zip(loops, self._gauges, strict=False):
            loop.begin(race, pace, gauges, self._side_work)
        is_forecasting, step_seconds = False, math.inf

        while active := [loop for loop in loops if loop.is_running]:
            if finished := [loop for loop in active if loop.is_finished]:
                for loop in finished:
                    loop.conclude()
                continue
            now = perf_counter()
            report_due = min(loop.reporter.due for loop in active)
            if now >= report_due:
                for loop in active:
                    loop.report()
                self._side_work.advance(perf_counter() + SIDE_WORK_SECONDS, self._has_command)
            if not is_forecasting and (pace.speed is not None or pace.paused):
                is_forecasting = True
                self._run_ahead(problem, active)
            due = pace.due()
            if now < due or self._has_command():
                command = self._wait_for_command(min(due, report_due) - now)
                if isinstance(command, msg.Start | msg.Race | msg.Load):
                    for loop in active:
                        loop.stop()
                    return command
                if command is not None:
                    is_forecasting &= not isinstance(command, msg.SetLr)
                    self._apply(command, active, pace)
                continue

            is_flat_out = pace.speed is None and not pace.paused
            at_once = steps_at_once(active, step_seconds) if is_flat_out else 1
            count = min(at_once, *(loop.start.steps - loop.reporter.step for loop in active))
            for loop in active:
                try:
                    loop.advance(count, alone=pace.steps_left == 1)
                except (Exception, SystemExit) as error:
                    step = loop.reporter.step + 1
                    loop.end("failed", f"at step {step:,}: {self._explain(error)}")
            step_seconds = (perf_counter() - now) / count
            pace.took_step(now)
            if pace.paused and not pace.steps_left:
                for loop in active:
                    if loop.is_running:
                        loop.report(now=True)
        return None

    def _start_runs(self, problem: Problem, starts: Sequence[msg.Start]) -> list[RunLoop]:
        """Return new runs at step 0."""
        together = begin_in_one_batch(problem, starts)
        loops = []
        for i, start in enumerate(starts):
            # Each draws the random numbers that it would draw alone.
            own_rng = len(starts) > 1 and together is None and problem.file is not None
            rng = RngStream(problem.device, problem.seed) if own_rng else nullcontext()
            with rng:
                # Run and reports advance separately, as a run may take several steps at a time.
                rate_factors = factors(start.schedule, start.steps)
                run_factors, report_factors = tee(rate_factors) if rate_factors else (None, None)
                if together:
                    training = together[i]
                else:
                    training = begin(problem, start.lr, start.optimizer, run_factors)
            loops.append(RunLoop(problem, start, training, rng, self._send, report_factors))
        return loops

    def _run_ahead(self, problem: Problem, loops: Sequence[RunLoop]) -> None:
        """Begin to run ahead those runs that have no closed form, one after another."""
        unknown = [loop for loop in loops if not has_closed_form(problem, loop.start, loop.changes)]
        works = (run_ahead(problem, loop.start, loop.changes) for loop in unknown)
        self._side_work.begin("ahead", chain.from_iterable(works))

    def _apply(self, command: msg.AnyCommand, loops: Sequence[RunLoop], pace: Pace) -> None:
        """Carry out a command about the active runs."""
        for loop in loops:
            loop.reporter.flush()
            if pace.paused:
                loop.reporter.restart_clock()
        match command:
            case msg.SetLr(lr=lr):
                if len(loops) == 1:
                    loops[0].change_lr(lr)
                self._side_work.drop("ahead")
            case msg.Alone(run=run):
                for loop in loops:
                    if loop.start.run != run:
                        loop.stop()
            case _:
                pace.apply(command, perf_counter())
        for loop in loops:
            if loop.is_running:
                loop.send_state(pace, command.id, "viewer")

    def _has_command(self) -> bool:
        return not self._inbox.empty()

    def _wait_for_command(self, seconds: float) -> msg.AnyCommand | None:
        """Do side work until a command arrives; return ``None`` when time is up."""
        until = perf_counter() + seconds
        self._side_work.advance(until - SIDE_WORK_MARGIN, self._has_command)
        left = until - perf_counter()
        if left > SIDE_WORK_MARGIN:
            import_optimizers()
        try:
            command = self._inbox.get(timeout=None if math.isinf(left) else max(left, 0.0))
        except Empty:
            return None
        if isinstance(command, msg.Heat):
            if self.problem is not None:
                self._side_work.begin("heat", heat(self.problem, command))
            return None
        if isinstance(command, msg.Sweep):
            if self.problem is not None:
                self._side_work.begin("sweep", sweep_work(self.problem, command))
            return None
        return command


def steps_at_once(loops: Sequence[RunLoop], step_seconds: float) -> int:
    """Return how many steps to take at a time at full speed.

    Args:
        loops: the active runs.
        step_seconds: of their last step, all together.
    """
    if any(loop.reporter.wants_weights for loop in loops):
        return 1  # weights are read after each step
    steps_per_sync = max(loop.steps_per_sync for loop in loops)
    return QUICK_STEPS if steps_per_sync == 1 and step_seconds < QUICK_SECONDS else steps_per_sync


@cache
def import_optimizers() -> None:
    """Import in the background, once, what torch's optimizers need, which takes 1.4 s."""
    threading.Thread(target=torch.optim.SGD, args=([torch.zeros(1)], 1.0), daemon=True).start()


@contextmanager
def report_slow_load(
    settings: ProblemSettings, send: Callable[[msg.Message], None]
) -> Iterator[None]:
    """Report the line at which a file is still running if loading takes long."""
    main = threading.get_ident()

    def report() -> None:
        frame = sys._current_frames().get(main)
        line = 0
        while frame is not None:
            if frame.f_code.co_filename == str(settings.file):
                line = line or frame.f_lineno
            frame = frame.f_back
        at = f", line {line}," if line else ""
        send(
            msg.Printed(
                text=f"{settings.file.name}{at} is still running after {SLOW_LOAD_SECONDS:g} s"
            )
        )

    timer = threading.Timer(SLOW_LOAD_SECONDS, report)
    timer.daemon = True
    if settings.is_file:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def has_closed_form(
    problem: Problem, start: msg.Start, changes: Sequence[tuple[int, float]]
) -> bool:
    """Return whether the rest of a run is known from the closed form.

    Not with a schedule, nor after a change of the rate if the optimizer keeps a state.
    """
    optimizer = start.optimizer
    if problem.quadratic is None or optimizer.name == "own" or start.schedule != "constant":
        return False
    return optimizer.is_plain or not changes


def sweep_work(problem: Problem, command: msg.Sweep) -> Iterator[msg.SweepResult | None]:
    """Carry out a sweep, including range tests if asked for; see ``sweep``."""
    optimizer = resolved(command.optimizer, problem)
    work = sweep(problem, command.lrs, command.steps, optimizer, command.seconds, command.schedule)
    for result in work:
        if result and command.range_test:
            result = replace(result, range_test=range_test(problem, optimizer))
        yield result


def resolved(optimizer: msg.Optimizer, problem: Problem) -> msg.Optimizer:
    """Return the optimizer, gradient descent for ``own`` if a file defines none."""
    return msg.PLAIN if optimizer == msg.OWN and problem.own_optimizer is None else optimizer
