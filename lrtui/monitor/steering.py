"""Carries out commands on a training, in the thread that trains."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from lrtui.messages import (
    AnyCommand,
    Capability,
    Checkpoint,
    Hold,
    Pause,
    Release,
    Resume,
    Rewind,
    Scale,
    State,
    Steered,
    Step,
    Stop,
    TakeSnapshot,
)
from lrtui.messages import Snapshots as SnapshotsTold
from lrtui.monitor.gate import NEVER, Gate, Order
from lrtui.monitor.rate import RateControl
from lrtui.monitor.snapshots import LEFT_OUT, Snapshots
from lrtui.monitor.teller import RUN, Addressed, to_all


class Steering:
    """What was asked of a training, and what is in force.

    Attributes:
        gate: where training stops for it.
        control: of the rate.
        snapshots: what there is to go back to, ``None`` where no model was given.
        stopping: whether training was asked to end.
        on_stop: ends it, where it does not look at ``stopping`` by itself.
    """

    def __init__(
        self,
        control: RateControl,
        checkpoint: Callable[[], object] | None,
        snapshots: Snapshots | None,
        tell: Callable[[Addressed], None],
    ) -> None:
        """Change nothing.

        Args:
            control: of the rate.
            checkpoint: writes a checkpoint, ``None`` where nobody knows how.
            snapshots: what there is to go back to.
            tell: takes what is to be told.
        """
        self.gate = Gate(self.carry_out)
        self.control, self.snapshots = control, snapshots
        self.stopping = False
        self.on_stop: Callable[[], None] | None = None
        self._checkpoint = checkpoint
        self._tell = tell

    @property
    def capabilities(self) -> list[Capability]:
        """What can be asked of it."""
        found: list[Capability] = ["pause", "step", "hold", "scale", "release", "stop"]
        if self._checkpoint is not None:
            found.append("checkpoint")
        if self.snapshots is not None:
            found.append("rewind")
        return found

    def state(self, answers: int = 0) -> State:
        """Return how training is driven."""
        lr, scheduled = self.control.now()
        gate = self.gate
        return State(
            run=RUN,
            step=gate.step,
            paused=gate.paused or gate.pause_at != NEVER,
            speed=None,
            lr=max(lr, 0.0),
            scheduled=max(scheduled, 0.0) if scheduled != lr else None,
            held=self.control.held,
            scale=self.control.scale,
            stopping=self.stopping,
            answers=answers,
        )

    def carry_out(self, order: Order) -> None:
        """Carry out an order and tell what came of it."""
        try:
            text, done = self._do(order.command), True
        except ValueError as error:
            text, done = str(error), False
        if isinstance(order.command, TakeSnapshot | Rewind):
            self._tell_snapshots()
        if order.asked_by:
            self.answer(order, text, done)
        # Last: it may raise what ends the training.
        if isinstance(order.command, Stop) and self.on_stop is not None:
            self.on_stop()

    def answer(self, order: Order, text: str, done: bool) -> None:
        """Tell all viewers what came of an order."""
        command = order.command
        told = Steered(
            run=RUN,
            step=self.gate.step,
            command=str(command.__struct_config__.tag),
            text=text,
            done=done,
            lr=max(self.control.now()[0], 0.0),
            asked_by=order.asked_by,
            at=time.time(),
        )
        self._tell(Addressed(told, replace(told, answers=command.id), order.viewer))
        state = self.state()
        self._tell(Addressed(state, replace(state, answers=command.id), order.viewer))

    def _tell_snapshots(self) -> None:
        if self.snapshots is not None and (before := self.snapshots.before_the_rise) is not None:
            steps = self.snapshots.steps
            self._tell(to_all(SnapshotsTold(run=RUN, steps=steps, before=before)))

    def _do(self, command: AnyCommand) -> str:
        """Do what is asked for, and say in words what was done.

        Raises:
            ValueError: it cannot be done; says why.
        """
        control, gate = self.control, self.gate
        match command:
            case Hold(lr=lr):
                control.hold(lr)
                return f"rate held at {short(lr)}"
            case Scale(by=by):
                if not 0 < control.now()[0] * by < float("inf") and control.now()[0]:
                    raise ValueError("that would not be a rate any more")
                control.scale_by(by)
                return f"rate × {by:.4g}: {short(control.now()[0])}"
            case Release():
                control.release()
                return f"rate back to the schedule: {short(control.now()[0])}"
            case Pause():
                gate.paused = True
                return "paused; a time limit of the job runs on"
            case Resume():
                gate.paused, gate.pause_at = False, NEVER
                return "resumed"
            case Step(count=count):
                gate.paused, gate.pause_at = False, gate.step + count
                return "one step" if count == 1 else f"{count:,} steps"
            case Checkpoint():
                return self._write_checkpoint()
            case TakeSnapshot(level=level):
                if self.snapshots is None:
                    raise ValueError("there are no snapshots: no model was given to the Monitor")
                try:
                    self.snapshots.take(gate.step, level)
                except Exception as error:  # such as no memory
                    self.snapshots.put_off()
                    raise ValueError(f"no snapshot: {in_words(error)}") from error
                return "snapshot taken"
            case Rewind():
                return self._rewind(command)
            case Stop():
                self.stopping = True
                gate.paused, gate.pause_at = False, NEVER
                return "asked to stop"
        raise ValueError("that cannot be asked of a training that is not lrtui's own")

    def _write_checkpoint(self) -> str:
        if self._checkpoint is None:
            raise ValueError("the Monitor was given no checkpoint=")
        try:
            self._checkpoint()
        except Exception as error:  # whatever goes wrong in it: training goes on
            raise ValueError(f"the checkpoint failed: {in_words(error)}") from error
        return "checkpoint written"

    def _rewind(self, command: Rewind) -> str:
        if self.snapshots is None:
            raise ValueError("there are no snapshots: no model was given to the Monitor")
        try:
            step = self.snapshots.go_back(command.step)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"it could not go back: {in_words(error)}") from error
        if command.by != 1:
            self.control.scale_by(command.by)
        on = f"on at {short(self.control.now()[0])}"
        return f"back to the weights of step {step:,}, {on}; {LEFT_OUT}"


def short(lr: float) -> str:
    """Write a rate as a schedule has it, in few digits."""
    return f"{lr:.4g}"


def in_words(error: BaseException) -> str:
    """Return an error as its name and what it says."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
