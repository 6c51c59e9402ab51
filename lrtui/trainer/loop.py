"""The training loop, and the commands it obeys on the way."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import tee
from queue import Empty, SimpleQueue
from time import perf_counter

from msgspec.structs import replace

from lrtui.messages import (
    LARGEST,
    OWN,
    PLAIN,
    AnyCommand,
    Ended,
    Load,
    Message,
    Optimizer,
    Outcome,
    Printed,
    SetLr,
    Start,
    Started,
    State,
    Sweep,
    Swept,
    Unusable,
)
from lrtui.pace import Pace
from lrtui.problems.load import load
from lrtui.problems.problem import Problem, explained
from lrtui.problems.settings import ProblemSettings
from lrtui.trainer.ahead import run_ahead
from lrtui.trainer.conclusion import bound, conclusion
from lrtui.trainer.curvature import Curvature
from lrtui.trainer.looks import Looks, start_sharpness
from lrtui.trainer.range_test import range_test
from lrtui.trainer.reporter import Reporter
from lrtui.trainer.runs import begin
from lrtui.trainer.schedules import factors
from lrtui.trainer.side_work import SideWork
from lrtui.trainer.slice import Slicer
from lrtui.trainer.sweep import sweep

Inbox = SimpleQueue[AnyCommand]

SLACK = 0.002
"""Seconds before the next step of a paced run in which no side work is begun."""

SLOW = 5.0
"""Seconds of loading a person's file after which the line that runs is told."""

SIDE_WORK_SHARE = 0.004
"""Seconds of side work at each report of a run that goes as fast as possible."""


class Trainer:
    """Trains a problem, run after run, as commands ask for.

    Attributes:
        problem: what is trained; ``None`` where it cannot be.
    """

    def __init__(
        self,
        settings: ProblemSettings,
        inbox: Inbox,
        send: Callable[[Message], None],
        greet: Callable[[ProblemSettings], None],
    ) -> None:
        """Take up a problem and send what there is to know of it before the first run.

        Args:
            settings: of the problem.
            inbox: where commands come from.
            send: takes the messages.
            greet: sends the greeting of a problem that is taken up later.
        """
        self._settings = settings
        self._inbox = inbox
        self._send = send
        self._greet = greet
        self.problem: Problem | None = None
        self._version = 0.0
        self._take_up()

    def serve(self) -> None:
        """Carry out commands forever."""
        command: AnyCommand | None = None
        while True:
            command = command or self._wait_for_command(math.inf)
            match command:
                case Load(problem=settings):
                    self._settings = settings
                    self._greet(settings)
                    self._take_up()
                    command = None
                case Start():
                    command = self.train(command)
                case _:
                    command = None

    def _take_up(self) -> None:
        """Load the problem, and tell what is known of it or why it cannot be trained."""
        self._side_work = SideWork(self._send, self._settings.device, self._explain)
        self.problem = None
        self._version = self._file_version()
        try:
            with told_if_slow(self._settings, self._send):
                problem = load(self._settings)
                first = begin(
                    problem, 1.0, resolved(OWN, problem)
                )  # or it cannot be trained; it says why
            problem.facts = replace(problem.facts, sharpness=start_sharpness(problem, first))
        except (Exception, SystemExit) as error:
            self._send(Unusable(reason=self._explain(error)))
            return
        self.problem, self._gauges = problem, (Curvature(problem), Slicer(problem))
        # The facts come last: with them, all that is known before a run has been told.
        for message in (problem.scene, problem.quadratic, problem.facts):
            if message is not None:
                self._send(message)

    def _explain(self, error: BaseException) -> str:
        """Say what was raised, with the line of the person's file where it was."""
        return explained(error, self._settings.file if self._settings.is_file else None)

    def _file_version(self) -> float:
        """Return when the person's file was last written; 0 where there is none."""
        try:
            return self._settings.file.stat().st_mtime if self._settings.is_file else 0.0
        except OSError:
            return 0.0

    def train(self, start: Start) -> Start | Load | None:
        """Carry out one run, and the commands that come meanwhile.

        A person's file that has changed since it was loaded, or could not be used, is loaded again.

        Returns:
            The command that ended it early, to start another run or take up another problem.
        """
        if self.problem is None or self._file_version() != self._version:
            self._greet(self._settings)
            self._take_up()
        if (problem := self.problem) is None:
            return None
        start = replace(start, optimizer=resolved(start.optimizer, problem))
        # One for the run and one for its reports: a run may take several steps at a time.
        moving = factors(start.schedule, start.steps)
        for_run, for_reports = tee(moving) if moving else (None, None)
        try:
            training = begin(problem, start.lr, start.optimizer, for_run)
        except (Exception, SystemExit) as error:
            self.problem = None
            self._send(Unusable(reason=self._explain(error)))
            return None
        pace = Pace(start.speed, perf_counter(), start.paused)
        reporter = Reporter(start.run, training, self._send, for_reports)
        changes: list[tuple[int, float]] = []
        self._side_work.drop("ahead")
        is_ahead = is_known(problem, start, changes)

        def send_state(command: AnyCommand, asked_by: str) -> None:
            self._send(
                State(
                    run=start.run,
                    step=reporter.step,
                    paused=pace.paused,
                    speed=pace.speed,
                    lr=training.lr,
                    asked_by=asked_by,
                    answers=command.id,
                )
            )

        def end(outcome: Outcome, reason: str) -> None:
            reporter.flush()
            self._send(
                Ended(
                    run=start.run,
                    outcome=outcome,
                    step=reporter.step,
                    loss=reporter.last_finite,
                    reason=reason,
                )
            )

        optimizer = start.optimizer
        named = problem.facts.own_optimizer if optimizer.name == "own" else optimizer
        self._send(
            Started(
                run=start.run,
                lr=start.lr,
                steps=start.steps,
                optimizer=named,
                schedule=start.schedule,
            )
        )
        send_state(start, "")
        looks = Looks(problem, start, training, self._gauges, self._side_work, self._send)
        looks.take(reporter.step)

        while reporter.step < start.steps and abs(training.loss) <= LARGEST:
            now = perf_counter()
            if now >= reporter.due:
                reporter.flush()
                looks.take(reporter.step)
                self._side_work.advance(perf_counter() + SIDE_WORK_SHARE, self._has_command)
            if not is_ahead and (pace.speed is not None or pace.paused):
                is_ahead = True
                self._side_work.begin("ahead", run_ahead(problem, start, changes))
            due = pace.due()
            if now < due or self._has_command():
                command = self._wait_for_command(min(due, reporter.due) - now)
                if isinstance(command, Start | Load):
                    end("stopped", f"stopped after {reporter.step:,} steps")
                    return command
                if command is not None:
                    reporter.flush()
                    if pace.paused:
                        reporter.restart_clock()
                    if isinstance(command, SetLr):
                        training.lr = command.lr
                        self._side_work.drop("ahead")
                        changes = [*changes, (reporter.step, command.lr)]
                        is_ahead = is_known(problem, start, changes)
                    else:
                        pace.apply(command, perf_counter())
                    send_state(command, "viewer")
                continue

            at_once = 1 if pace.speed or pace.paused else training.burst
            count = min(at_once, start.steps - reporter.step)
            try:
                for loss in looks.steps(count, reporter.step, alone=pace.steps_left == 1):
                    reporter.record(loss)
            except (Exception, SystemExit) as error:
                end("failed", f"at step {reporter.step + 1:,}: {self._explain(error)}")
                return None
            pace.took_step(now)
            if pace.paused and not pace.steps_left:
                looks.take(reporter.step, now=True)
                reporter.flush()

        looks.take(reporter.step, now=True)
        most = bound(problem, optimizer, start.schedule, reporter.first_loss)
        end(
            *conclusion(
                training.loss,
                training.lr,
                reporter.step,
                reporter.first_loss,
                reporter.last_finite,
                most,
            )
        )
        return None

    def _has_command(self) -> bool:
        return not self._inbox.empty()

    def _wait_for_command(self, seconds: float) -> AnyCommand | None:
        """Wait for a command and do side work meanwhile; return ``None`` when time is up."""
        until = perf_counter() + seconds
        self._side_work.advance(until - SLACK, self._has_command)
        left = until - perf_counter()
        try:
            command = self._inbox.get(timeout=None if math.isinf(left) else max(left, 0.0))
        except Empty:
            return None
        if isinstance(command, Sweep):
            if self.problem is not None:
                self._side_work.begin("sweep", swept(self.problem, command))
            return None
        return command


@contextmanager
def told_if_slow(settings: ProblemSettings, send: Callable[[Message], None]) -> Iterator[None]:
    """Tell which line of a person's file is running where loading it takes long."""
    main = threading.get_ident()

    def tell() -> None:
        frame = sys._current_frames().get(main)
        line = 0
        while frame is not None:
            if frame.f_code.co_filename == str(settings.file):
                line = line or frame.f_lineno
            frame = frame.f_back
        at = f", line {line}," if line else ""
        send(Printed(text=f"{settings.file.name}{at} is still running after {SLOW:g} s"))

    timer = threading.Timer(SLOW, tell)
    timer.daemon = True
    if settings.is_file:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_known(problem: Problem, start: Start, changes: Sequence[tuple[int, float]]) -> bool:
    """Return whether what comes is known without running ahead, from the closed form.

    Not with a schedule. After a change of the rate that needs more than the weights, where the
    optimizer has a memory.
    """
    optimizer = start.optimizer
    if problem.quadratic is None or optimizer.name == "own" or start.schedule != "constant":
        return False
    return optimizer.is_plain or not changes


def swept(problem: Problem, command: Sweep) -> Iterator[Swept | None]:
    """Return the work of a sweep."""
    optimizer = resolved(command.optimizer, problem)
    work = sweep(problem, command.lrs, command.steps, optimizer, command.seconds, command.schedule)
    return with_range_test(work, problem, optimizer) if command.range_test else work


def resolved(optimizer: Optimizer, problem: Problem) -> Optimizer:
    """Return what takes the steps: gradient descent for ``own`` where there is no such thing."""
    return PLAIN if optimizer == OWN and problem.own_optimizer is None else optimizer


def with_range_test(
    work: Iterator[Swept | None], problem: Problem, optimizer: Optimizer
) -> Iterator[Swept | None]:
    """Return the work of a sweep that tells as well what the usual range tests suggest."""
    for result in work:
        yield result and replace(result, range_test=range_test(problem, optimizer))
