"""The training loop, and the commands it obeys on the way."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, partial
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

QUICK_BURST, QUICK = 10, 0.0005
"""Steps that are taken at a time as fast as possible where one takes at most this many seconds, of
all runs of a race together: what is looked at between two turns costs as much as a tenth of a
small step, and a command waits for the end of the turn."""

Inbox = SimpleQueue[msg.AnyCommand]

SIDE_WORK_MARGIN = 0.002
"""Seconds before the next step of a paced run in which no side work is begun."""

SLOW_LOAD_SECONDS = 5.0
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
        send: Callable[[msg.Message], None],
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
        command: msg.AnyCommand | None = None
        while True:
            command = command or self._wait_for_command(math.inf)
            match command:
                case msg.Load(problem=settings):
                    self._settings = settings
                    self._greet(settings)
                    self._take_up()
                    command = None
                case msg.Start():
                    command = self.train(command)
                case msg.Race():
                    command = self.train(*command.starts())
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
                    problem, 1.0, resolved(msg.OWN, problem)
                )  # or it cannot be trained; it says why
            sharpness = start_sharpness(problem, first, self._send)
            problem.facts = replace(problem.facts, sharpness=sharpness)
        except (Exception, SystemExit) as error:
            self._send(msg.Unusable(reason=self._explain(error)))
            return
        self.problem, self._gauges = problem, [(Curvature(problem), Slicer(problem))]
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

    def train(self, *starts: msg.Start) -> msg.Start | msg.Race | msg.Load | None:
        """Carry out one run, or several in step, and the commands that come meanwhile.

        A person's file that has changed since it was loaded, or could not be used, is loaded again.

        Args:
            starts: what starts each; in everything but rate and optimizer they are the same.

        Returns:
            The command that ended it early, to start another run or take up another problem.
        """
        if self.problem is None or self._file_version() != self._version:
            self._greet(self._settings)
            self._take_up()
        if (problem := self.problem) is None:
            return None
        starts = tuple(replace(s, optimizer=resolved(s.optimizer, problem)) for s in starts)
        try:
            loops = self._line_up(problem, starts)
        except (Exception, SystemExit) as error:
            self.problem = None
            self._send(msg.Unusable(reason=self._explain(error)))
            return None
        pace = Pace(starts[0].speed, perf_counter(), starts[0].paused)
        for kind in ("ahead", "sharpness"):
            self._side_work.drop(kind)
        race = [start.run for start in starts] if len(starts) > 1 else []
        while len(self._gauges) < len(loops):
            self._gauges.append((Curvature(problem), Slicer(problem)))
        for loop, gauges in zip(loops, self._gauges, strict=False):
            loop.begin(race, pace, gauges, self._side_work)
        is_ahead, took = False, math.inf

        while on := [loop for loop in loops if loop.is_on]:
            if over := [loop for loop in on if loop.is_over]:
                for loop in over:
                    loop.conclude()
                continue
            now = perf_counter()
            report_due = min(loop.reporter.due for loop in on)
            if now >= report_due:
                for loop in on:
                    loop.report()
                self._side_work.advance(perf_counter() + SIDE_WORK_SHARE, self._has_command)
            if not is_ahead and (pace.speed is not None or pace.paused):
                is_ahead = True
                self._run_ahead(problem, on)
            due = pace.due()
            if now < due or self._has_command():
                command = self._wait_for_command(min(due, report_due) - now)
                if isinstance(command, msg.Start | msg.Race | msg.Load):
                    for loop in on:
                        loop.stop()
                    return command
                if command is not None:
                    is_ahead &= not isinstance(command, msg.SetLr)
                    self._obey(command, on, pace)
                continue

            is_flat_out = pace.speed is None and not pace.paused
            at_once = steps_at_once(on, took) if is_flat_out else 1
            count = min(at_once, *(loop.start.steps - loop.reporter.step for loop in on))
            for loop in on:
                try:
                    loop.advance(count, alone=pace.steps_left == 1)
                except (Exception, SystemExit) as error:
                    step = loop.reporter.step + 1
                    loop.end("failed", f"at step {step:,}: {self._explain(error)}")
            took = (perf_counter() - now) / count
            pace.took_step(now)
            if pace.paused and not pace.steps_left:
                for loop in on:
                    if loop.is_on:
                        loop.report(now=True)
        return None

    def _line_up(self, problem: Problem, starts: Sequence[msg.Start]) -> list[RunLoop]:
        """Return new runs at step 0."""
        together = begin_in_one_batch(problem, starts)
        loops = []
        for i, start in enumerate(starts):
            # Of several, each draws the random numbers that it would draw alone.
            apart = len(starts) > 1 and together is None and problem.file is not None
            rng = RngStream(problem.device, problem.seed) if apart else nullcontext()
            with rng:
                # One for the run and one for its reports: it may take several steps at a time.
                moving = factors(start.schedule, start.steps)
                ours, told = tee(moving) if moving else (None, None)
                if together:
                    training = together[i]
                else:
                    training = begin(problem, start.lr, start.optimizer, ours)
            loops.append(RunLoop(problem, start, training, rng, self._send, told))
        return loops

    def _run_ahead(self, problem: Problem, loops: Sequence[RunLoop]) -> None:
        """Have run ahead what is not known without, one run after another."""
        unknown = [loop for loop in loops if not is_known(problem, loop.start, loop.changes)]
        works = (run_ahead(problem, loop.start, loop.changes) for loop in unknown)
        self._side_work.begin("ahead", chain.from_iterable(works))

    def _obey(self, command: msg.AnyCommand, loops: Sequence[RunLoop], pace: Pace) -> None:
        """Carry out a command about the runs that are on."""
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
            if loop.is_on:
                loop.tell_state(pace, command.id, "viewer")

    def _has_command(self) -> bool:
        return not self._inbox.empty()

    def _wait_for_command(self, seconds: float) -> msg.AnyCommand | None:
        """Wait for a command and do side work meanwhile; return ``None`` when time is up."""
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
                self._side_work.begin("sweep", swept(self.problem, command))
            return None
        return command


def steps_at_once(loops: Sequence[RunLoop], took: float) -> int:
    """Return how many steps runs take at a time as fast as possible.

    Args:
        loops: the runs that are on.
        took: seconds that the last step of all of them took.
    """
    if any(loop.reporter.wants_weights for loop in loops):
        return 1  # they are read between two steps
    steps_per_sync = max(loop.steps_per_sync for loop in loops)
    return QUICK_BURST if steps_per_sync == 1 and took < QUICK else steps_per_sync


@cache
def import_optimizers() -> None:
    """Have torch import what its optimizers need, once: it takes 1.4 s, and nothing waits now."""
    made = partial(torch.optim.SGD, [torch.zeros(1)], 1.0)
    threading.Thread(target=made, daemon=True).start()


@contextmanager
def told_if_slow(settings: ProblemSettings, send: Callable[[msg.Message], None]) -> Iterator[None]:
    """Report which line of a file is running if loading it takes long."""
    main = threading.get_ident()

    def tell() -> None:
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

    timer = threading.Timer(SLOW_LOAD_SECONDS, tell)
    timer.daemon = True
    if settings.is_file:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_known(problem: Problem, start: msg.Start, changes: Sequence[tuple[int, float]]) -> bool:
    """Return whether what comes is known without running ahead, from the closed form.

    Not with a schedule. After a change of the rate that needs more than the weights, where the
    optimizer has a memory.
    """
    optimizer = start.optimizer
    if problem.quadratic is None or optimizer.name == "own" or start.schedule != "constant":
        return False
    return optimizer.is_plain or not changes


def swept(problem: Problem, command: msg.Sweep) -> Iterator[msg.SweepResult | None]:
    """Return the work of a sweep."""
    optimizer = resolved(command.optimizer, problem)
    work = sweep(problem, command.lrs, command.steps, optimizer, command.seconds, command.schedule)
    return with_range_test(work, problem, optimizer) if command.range_test else work


def resolved(optimizer: msg.Optimizer, problem: Problem) -> msg.Optimizer:
    """Return the optimizer; gradient descent if a file has no own one."""
    return msg.PLAIN if optimizer == msg.OWN and problem.own_optimizer is None else optimizer


def with_range_test(
    work: Iterator[msg.SweepResult | None], problem: Problem, optimizer: msg.Optimizer
) -> Iterator[msg.SweepResult | None]:
    """Return the work of a sweep that tells as well what the usual range tests suggest."""
    for result in work:
        yield result and replace(result, range_test=range_test(problem, optimizer))
