"""Measures the loss about a step on its own batch: along the step, or the sharpness.

Where each step has a batch of its own: by how much longer a step could be before it raised the loss
of that batch. With w the weights before a step, u the optimizer's real step and L that loss, L(w),
L(w + u/2) and L(w + u) are averaged over ``STEPS`` steps; ``own`` is the multiple of u at which the
parabola through them is back at its start. A tape of the step runs the batch again without
gradients: two forward passes, and one at w that must reproduce the script's loss.

Where all steps see the same data: the sharpness at w, see ``lrtui.monitor.sharpness``. That they do
is checked each time: the loss of the recorded data at the next weights must be that of the next
step.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lrtui.monitor.command_queue import NEVER
from lrtui.monitor.entries import run_forward
from lrtui.monitor.memory import free_bytes
from lrtui.monitor.patches import WATCHING
from lrtui.monitor.ranks import number_of_ranks
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.saved_state import parameters_of
from lrtui.monitor.sharpness import Sharpness, threshold_of
from lrtui.monitor.tape import INTERRUPTED, Tape
from lrtui.text.errors import in_words

STEPS = 7
"""Steps that a reading is averaged over."""

FIRST_STEP = 60
"""Steps before the first measurement."""

TIME_SHARE = 0.005
"""Largest share of the time for measurements; those of ``headroom`` may take as much."""

MEMORY_SHARE = 0.25
"""Largest share of the free memory for the copies of a measurement."""

COPIES, SHARPNESS_COPIES = 3, 50
"""Copies of the weights that it needs."""

ROUNDING = 1e-4
"""Rounding error of a loss evaluated again: torch may use other kernels without gradients."""

SAME = 1e-5
"""The same of the loss of the next step, if that sees the same data."""

NOT_REPEATED = "computed again, its loss is another one"

FARTHEST = 1000.0
"""Largest reading: the loss falls all along the step."""


class OwnBatch:
    """Measures on a step's own batch, for the first optimizer of a training, in its thread.

    Attributes:
        reading: a new measurement by name, else ``None``: ``own``; or ``full``, once all steps are
            known to see the same data, and then of the sharpness its value, error and threshold.
        sees_all: whether each step seems to see all data, so that the sharpness is measured.
        is_refuted: whether that has turned out wrong.
        due: step after which the next measurement begins.
    """

    def __init__(
        self,
        control: RateControl,
        complain: Callable[[str], None],
        step: int = 0,
        *,
        sees_all: bool = False,
    ) -> None:
        """Measure after ``step``; ``complain`` is called if that fails."""
        self._complain = complain
        self.reading: dict[str, float] | None = None
        self.sees_all = sees_all
        self._sharpness = Sharpness()
        self.is_refuted = False
        self._is_sure = False  # that each step sees all data
        self._expected: float | None = None  # loss of the next step if it sees the same data
        self._found: dict[str, float] | None = None  # reading that depends on that
        self._next = 0  # step after which the next measurement begins
        self._control = control
        self.due = step if sees_all else step + FIRST_STEP
        self._changes = control.changes
        self._tape: Tape | None = None
        self._weights: list[Tensor] = []
        self._losses: list[tuple[float, float, float]] = []
        self._spent = 0.0
        self._last: tuple[float, int] | None = None  # when the last measurement ended, and its step

    def detach(self) -> None:
        """Stop measuring for good."""
        if self._tape is not None:
            self._tape.stop()
            self._tape = None
        self.due, self._weights = NEVER, []

    def after_step(self, step: int, loss: Any = None) -> None:
        """Record the next step if that is due, or measure the one just recorded.

        The loss of the step may be on a device.
        """
        if step < self.due and self._tape is None:
            return
        if self._expected is not None:
            self._check(loss)
            return
        if self._tape is None and Tape.active is not None:
            self.due = step + STEPS  # of a try
            return
        began = time.perf_counter()
        try:
            if (tape := self._tape) is None:
                self._last = self._last or (began, step)
                self._record()
            else:
                tape.when_free(lambda: self._measure(tape))
        except Exception as error:  # such as out of memory: the training goes on without
            self._give_up(in_words(error))
        self._spent += time.perf_counter() - began
        if self._tape is None and self.due < NEVER:
            self._next = step + self._rest(step)
            self.due = self._next if self._expected is None else step + 1

    def _check(self, loss: Any) -> None:
        """Give the reading if the step just taken has seen the same data as the one before it."""
        expected, self._expected = self._expected, None
        assert expected is not None
        self.due = self._next
        if loss is not None and math.isclose(float(loss), expected, rel_tol=SAME):
            self.reading, self._is_sure = self._found, True
        elif not self._is_sure:
            self.is_refuted = True
            self.detach()

    def _give_up(self, why: str) -> None:
        """Stop measuring for good, and say why."""
        self.detach()
        self._complain(f"the step's own batch can no longer be measured: {why}")

    def _rest(self, step: int) -> int:
        """Return how many steps to take before the next measurement, to keep to ``TIME_SHARE``."""
        now, spent, self._spent = time.perf_counter(), self._spent, 0.0
        assert self._last is not None
        at, before = self._last
        self._last = now, step
        each = max((now - at - spent) / (step - before), 1e-9)  # seconds of a step
        # A step recorded is slower, by about as much as all of this.
        return math.ceil(2 * spent / TIME_SHARE / each)

    def _record(self) -> None:
        """Record the next step."""
        optimizer = self._control.first
        parameters = parameters_of(optimizer) if optimizer is not None else []
        unknown = optimizer is None or threshold_of(optimizer) is None
        copies = SHARPNESS_COPIES if self._is_sure else COPIES
        if (self._is_sure and unknown) or not can_measure(parameters, copies):
            self.detach()
            return
        self._weights = [p.detach().clone() for p in parameters]
        self._tape = Tape(self._control, (), math.inf, forward_only=True)
        self._tape.start()

    def _measure(self, tape: Tape) -> None:
        """Evaluate the loss along the step that was recorded."""
        self._tape, before, self._weights = None, self._weights, []
        tape.stop()
        if tape.trouble == INTERRUPTED:
            return
        if self.sees_all and (tape.trouble or has_hooks(tape)):
            self.detach()  # without a word, as nobody has asked for the sharpness
            return
        try:
            failed = tape.trouble or tape.steps != 1 or not self._take(tape, before)
        except Exception as error:  # of the script's modules at other weights, or out of memory
            self._give_up(in_words(error))
            return
        if failed:  # the next step would not be another one
            self._give_up(tape.trouble or NOT_REPEATED)

    def _take(self, tape: Tape, before: list[Tensor]) -> bool:
        """Measure on a recorded step; return whether its loss is the one that the script had."""
        assert self._control.first is not None
        parameters = parameters_of(self._control.first)
        with start_of(tape, parameters, before) as move_to:
            start, script = evaluate(tape), total(tape.losses[0])
            is_same = math.isclose(start, script, rel_tol=ROUNDING, abs_tol=ROUNDING)
            if is_same and self.sees_all:
                self._found = {"full": 1.0}
                if self._is_sure:
                    self._found = self._sharpness.measure(tape, self._control.first, before)
                move_to(1.0)
                self._expected = evaluate(tape)
            elif is_same:
                self._along(tape, move_to, start)
        return is_same

    def _along(self, tape: Tape, move_to: Callable[[float], None], start: float) -> None:
        """Evaluate the loss in the middle and at the end of a step."""
        if self._changes != self._control.changes:
            self._changes = self._control.changes
            self._losses.clear()
        move_to(0.5)
        middle = evaluate(tape)
        move_to(1.0)
        self._losses.append((start, middle, evaluate(tape)))
        if len(self._losses) == STEPS:
            sums = (sum(column) for column in zip(*self._losses, strict=True))
            self.reading = {"own": crossing(*sums)}
            self._losses.clear()


@contextlib.contextmanager
def start_of(
    tape: Tape, parameters: list[Tensor], before: list[Tensor]
) -> Iterator[Callable[[float], None]]:
    """Put the weights back to before a recorded step; restore everything in the end.

    Yields:
        A function that moves the weights to a share of the step.
    """
    after = [p.detach().clone() for p in parameters]

    def move_to(share: float) -> None:
        move(parameters, before, after, share)

    WATCHING.is_paused = True
    now = tape.before.retaken()
    try:
        with tape.before.same_versions(parameters), torch.no_grad():
            try:
                move_to(0.0)
                yield move_to
            finally:
                move_to(1.0)
                now.restore()
    finally:
        WATCHING.is_paused = False


def evaluate(tape: Tape) -> float:
    """Return the loss of the recorded step's batch at the weights as they are now."""
    tape.before.restore()  # what modules count and average
    return total(run_forward(tape.entries))


def has_hooks(tape: Tape) -> bool:
    """Return whether modules have hooks, which may do anything when they are called once more."""
    parts = {part for entry in tape.entries for part, _ in entry.training or ()}
    hooked = (
        *(part._forward_hooks or part._forward_pre_hooks for part in parts),
        *(part._backward_hooks or part._backward_pre_hooks for part in parts),
        *(getattr(p, "_backward_hooks", None) for part in parts for p in part.parameters(False)),
    )
    return any(hooked)


def can_measure(parameters: list[Tensor], copies: int) -> bool:
    """Return whether a step can be recorded, and copies of weights fit into ``MEMORY_SHARE``."""
    if number_of_ranks()[1] > 1 or has_compiled():
        # Forward passes would have to be in step on all ranks, and compiled functions would be
        # compiled again to be recorded.
        return False
    if not parameters or not all(p.is_floating_point() for p in parameters):
        return False
    if parameters[0].is_cuda and torch.cuda.is_current_stream_capturing():
        return False  # what is copied would become part of a CUDA graph
    free = free_bytes(parameters[0].device)
    return free is None or copies * sum(p.nbytes for p in parameters) <= MEMORY_SHARE * free


def has_compiled() -> bool:
    """Return whether torch has compiled anything in this process."""
    counters = getattr(sys.modules.get("torch._dynamo.utils"), "counters", {})
    return bool(counters.get("stats", {}).get("unique_graphs"))


def move(parameters: list[Tensor], before: list[Tensor], after: list[Tensor], share: float) -> None:
    """Put weights where they were after a share of a step."""
    for p, old, new in zip(parameters, before, after, strict=True):
        p.detach().copy_(new if share == 1 else torch.lerp(old, new, share))


def total(losses: list[Tensor]) -> float:
    """Return the sum of the losses of a step."""
    return float(sum(loss.double() for loss in losses))


def crossing(start: float, middle: float, end: float) -> float:
    """Return where a parabola is back at its start, from its values at 0, ½ and 1."""
    slope = 4 * middle - 3 * start - end
    bend = 2 * (start - 2 * middle + end)
    if not math.isfinite(slope + bend):
        return 0.0
    if slope >= 0:
        return 0.0
    return min(-slope / bend, FARTHEST) if bend > 0 else FARTHEST
