"""Looks at a run on the way: the picture, the sharpness, the loss along a step."""

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
"""Seconds between two pictures, and between two slices, at least."""

SLICE_SHARE = 0.005
"""Share of the time that slices may take."""

START_SECONDS = 2.0
"""Time that the measurement of the sharpness at the start may take."""


class Probes:
    """What is measured of one run besides its losses, each kind within a share of the time."""

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
        """Begin with nothing seen.

        Args:
            problem: what is trained.
            start: the run.
            training: its model and optimizer.
            gauges: what measures the sharpness and the loss along a step: they know from other
                runs of the problem how it is done.
            share: of the time for looks that this run has; less than 1 where others are beside it.
            side_work: where measurements are made that take long.
            send: takes the messages.
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

    def take(self, step: int, now: bool = False) -> None:
        """Look at where the weights are, as far as it is time to.

        Args:
            step: steps taken.
            now: look whatever the time: the run holds here, or has ended.
        """
        time = perf_counter()
        if step != self._pictured_step and (now or time >= self._pictured_at + PICTURE_EVERY):
            self._pictured_at, self._pictured_step = time, step
            self._take_picture(step)
        if self._is_constant or step == self._measured_step:
            return
        if now:
            self._measured_step = step
            self._side_work.finish("sharpness", self._measure(step), self._run)
        elif time >= self._sharpness_due.due:
            self._measured_step = step
            self._sharpness_due.due = math.inf  # until it is done
            self._side_work.begin("sharpness", self._measure(step), self._run)

    def steps(self, count: int, step: int, alone: bool) -> Iterable[float]:
        """Take steps and return the loss after each; look along the first where it is time to.

        Args:
            count: how many.
            step: steps taken before.
            alone: whether the run holds after it: then it is looked at whatever the time.
        """
        began, training = perf_counter(), self._training
        if not isinstance(training, Training | LineTraining):
            return training.steps(count)  # of several in one batch
        if began < self._slice_due.due and not alone:
            return training.steps(count)
        loss, cut = self._slicer.step(training, self._run, step)
        if cut is not None:
            self._send(cut)
        now = perf_counter()
        self._slice_due.charge(now - began, now)
        self._slice_due.due = max(self._slice_due.due, now + SLICE_EVERY)
        return [loss, *(training.steps(count - 1) if count > 1 and math.isfinite(loss) else [])]

    def _take_picture(self, step: int) -> None:
        picture, model = self._problem.picture, self._training.model
        if picture is None or model is None:
            return
        try:
            values = picture(model)
        except (Exception, SystemExit) as error:
            self._problem.picture = None  # it will not do better at the next step
            self._send(Printed(text=f"no picture: {self._problem.explain(error)}"))
        else:
            self._send(Picture(run=self._run, step=step, values=[*values]))

    def _measure(self, step: int) -> Iterator[Message | None]:
        """Measure the sharpness at the weights as they are when this begins."""
        spent, began = 0.0, perf_counter()
        assert isinstance(self._training, Training)
        for found in self._curvature.measure(self._training.model, self._training.optimizer):
            spent += perf_counter() - began
            if found is not None:
                value, error = found
                yield Sharpness(run=self._run, step=step, value=value, error=error)
            else:
                yield None
            began = perf_counter()
        now = perf_counter()
        self._sharpness_due.charge(spent + now - began, now)


def start_sharpness(
    problem: Problem, training: AnyTraining, send: Callable[[Message], None]
) -> float | None:
    """Return the sharpness where every run starts.

    Args:
        problem: what is trained.
        training: a run of it that has taken no step.
        send: takes the message that says why it cannot be measured.

    Returns:
        The sharpness; ``None`` where measuring it fails or takes too long, which keeps nobody from
        training.
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
