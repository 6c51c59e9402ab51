"""Measures a run on the way: picture, sharpness, loss along a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter

import torch

from lrtui.messages import Message, NoResult, Picture, Printed, Sharpness, Start
from lrtui.problems.line import LineTraining
from lrtui.problems.problem import Problem
from lrtui.trainer.beginnings import AnyTraining
from lrtui.trainer.measure.curvature import TIME_SHARE, Allowance, Curvature
from lrtui.trainer.measure.loss_slice import Slicer
from lrtui.trainer.side_work import SideWork
from lrtui.trainer.training import Training

PICTURE_EVERY, SLICE_EVERY = 0.25, 0.5
"""Least seconds between two pictures, and between two slices."""

SLICE_SHARE = 0.005
"""Largest share of the time that slices may take."""

START_SECONDS = 2.0
"""Time limit of measuring the sharpness at the start."""


class Probes:
    """Measures one run besides its losses, each quantity within a share of the time."""

    def __init__(
        self,
        problem: Problem,
        start: Start,
        training: AnyTraining,
        gauges: tuple[Curvature, Slicer],
        share: float,
        side_work: SideWork,
        send: Callable[[Message], None],
    ) -> None:
        """Begin without a measurement.

        Args:
            problem: of the run.
            start: the command that started it.
            training: takes its steps.
            gauges: measure sharpness and loss along a step; they remember from earlier runs of the
                problem which methods work.
            share: of the time for measurements that this run may use, less than 1 in a race.
            side_work: does the long measurements.
            send: sends a message.
        """
        self._problem = problem
        self._run = start.run
        self._training = training
        self._side_work = side_work
        self._send = send
        self._pictured_at, self._pictured_step = -math.inf, -1
        self._curvature, self._slicer = gauges
        self._curvature.restart()
        self._sharpness_due = Allowance(share * TIME_SHARE)
        self._slice_due = Allowance(share * SLICE_SHARE)
        self._measured_step = -1
        quadratic = problem.quadratic
        self._is_constant = quadratic is not None and not start.optimizer.is_adaptive
        if self._is_constant and quadratic is not None:
            largest = quadratic.eigenvalues[-1]
            send(Sharpness(run=start.run, step=0, value=largest, error=0.0))

    def update(self, step: int, now: bool = False) -> None:
        """Measure what is due; with ``now``, as the run pauses here, everything."""
        time = perf_counter()
        if step != self._pictured_step and (now or time >= self._pictured_at + PICTURE_EVERY):
            self._pictured_at, self._pictured_step = time, step
            self._take_picture(step)
        if self._is_constant or step == self._measured_step:
            return
        if now:
            self._measured_step = step
            self._side_work.run_now("sharpness", self._measure_sharpness(step), self._run)
        elif time >= self._sharpness_due.due:
            self._measured_step = step
            self._sharpness_due.due = math.inf  # until this one is done
            self._side_work.begin("sharpness", self._measure_sharpness(step), self._run)

    def steps(self, count: int, step: int, alone: bool) -> Iterable[float]:
        """Take steps and return the loss after each; measure along the first if that is due.

        Args:
            count: how many.
            step: steps taken before.
            alone: whether the run pauses after them, which makes it due.
        """
        start, training = perf_counter(), self._training
        if not isinstance(training, Training | LineTraining):
            return training.steps(count)  # in a batch of runs
        if start < self._slice_due.due and not alone:
            return training.steps(count)
        loss, slice_ = self._slicer.step(training, self._run, step)
        if slice_ is not None:
            self._send(slice_)
        now = perf_counter()
        self._slice_due.charge(now - start, now)
        self._slice_due.due = max(self._slice_due.due, now + SLICE_EVERY)
        return [loss, *(training.steps(count - 1) if count > 1 and math.isfinite(loss) else [])]

    def _take_picture(self, step: int) -> None:
        picture, model = self._problem.picture, self._training.model
        if picture is None or model is None:
            return
        try:
            values = picture(model)
        except (Exception, SystemExit) as error:
            self._problem.picture = None  # it would fail again
            self._send(Printed(text=f"no picture: {self._problem.explain(error)}"))
        else:
            self._send(Picture(run=self._run, step=step, values=[*values]))

    def _measure_sharpness(self, step: int) -> Iterator[Message | None]:
        """Measure the sharpness at the current weights."""
        spent, start = 0.0, perf_counter()
        assert isinstance(self._training, Training)
        for found in self._curvature.measure(self._training.model, self._training.optimizer):
            spent += perf_counter() - start
            if found is not None:
                value, error = found
                yield Sharpness(run=self._run, step=step, value=value, error=error)
            else:
                yield None
            start = perf_counter()
        now = perf_counter()
        self._sharpness_due.charge(spent + now - start, now)


def start_sharpness(
    problem: Problem, training: AnyTraining, send: Callable[[Message], None]
) -> float | None:
    """Return the sharpness at the initial weights, ``None`` if measuring fails or takes too long.

    ``training`` has not taken a step. An error is sent, but does not prevent training.
    """
    if problem.quadratic is not None:
        return problem.quadratic.eigenvalues[-1]
    assert isinstance(training, Training)
    plain = torch.optim.SGD(training.model.parameters(), 1.0)
    until = perf_counter() + START_SECONDS
    try:
        for found in Curvature(problem).measure(training.model, plain):
            if found is not None:
                return found[0]
            if perf_counter() > until:
                return None
    except (Exception, SystemExit) as error:
        send(NoResult(work="sharpness", reason=problem.explain(error)))
    return None
