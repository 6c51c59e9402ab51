"""Carries out commands on a training, in the thread that trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from lrtui.messages import (
    AnyCommand,
    Capability,
    Checkpoint,
    Follow,
    Hold,
    Pause,
    Printed,
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
from lrtui.monitor.command_queue import NEVER, CommandQueue, PendingCommand
from lrtui.monitor.publisher import Addressed, to_all, told_rate
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.snapshots import LEFT_OUT, NoRoom, Snapshots


@dataclass
class Levers:
    """What can be done to one training.

    Attributes:
        control: of its rate.
        checkpoint: writes a checkpoint, ``None`` where nobody knows how.
        snapshots: what there is to go back to, ``None`` where nothing is kept.
        stop: ends it, where it does not look by itself whether it was asked to; says how.
        follow: takes another optimizer for the training's, by its name or the next one; says which.
    """

    control: RateControl
    checkpoint: Callable[[], object] | None = None
    snapshots: Snapshots | None = None
    stop: Callable[[], str] | None = None
    follow: Callable[[str], str] | None = None


class Steering:
    """What was asked of a training, and what is in force.

    Attributes:
        gate: where training stops for it.
        levers: what can be done to it.
        run: number of the run.
        stopping: whether training was asked to end.
    """

    def __init__(self, levers: Levers, tell: Callable[[Addressed], None]) -> None:
        """Change nothing.

        Args:
            levers: what can be done.
            tell: takes what is to be told.
        """
        self.gate = CommandQueue(self.carry_out)
        self.levers = levers
        self.run = 1
        self.stopping = False
        self._origin = 0
        self._tell = tell

    def begin(self, levers: Levers, origin: int) -> None:
        """Steer another training, a new run.

        Args:
            levers: what can be done to it.
            origin: what the gate has counted before its first step.
        """
        self.levers, self._origin, self.stopping = levers, origin, False
        self.run += 1

    @property
    def capabilities(self) -> list[Capability]:
        """What can be asked of it."""
        found: list[Capability] = ["pause", "step", "stop"]
        if self.levers.control.can_hold:
            found.append("hold")
        if self.levers.control.can_scale:
            found += ["scale", "release"]
        if self.levers.checkpoint is not None:
            found.append("checkpoint")
        if self.levers.snapshots is not None:
            found.append("rewind")
        if self.levers.follow is not None:
            found.append("follow")
        return found

    def unable(self, command: AnyCommand) -> str:
        """Say why a command cannot be carried out here, empty if it can; any thread may ask."""
        if isinstance(command, Rewind) and self.levers.snapshots is not None:
            return self.levers.snapshots.lacks(command.step)
        return ""

    @property
    def _step(self) -> int:
        """Steps of the run."""
        return max(self.gate.step - self._origin, 0)

    def state(self, answers: int = 0) -> State:
        """Return how training is driven."""
        control = self.levers.control
        lr, scheduled = control.now()
        groups, lowest = control.spread()
        gate = self.gate
        return State(
            run=self.run,
            step=self._step,
            paused=gate.paused or gate.pause_at != NEVER,
            speed=None,
            lr=told_rate(lr),
            scheduled=told_rate(scheduled) if scheduled != lr and scheduled >= 0 else None,
            held=control.held,
            scale=control.scale,
            stopping=self.stopping,
            answers=answers,
            groups=groups,
            lowest=told_rate(lowest) if lowest < lr else None,
        )

    def carry_out(self, order: PendingCommand) -> None:
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
        if isinstance(order.command, Stop) and self.levers.stop is not None:
            self.levers.stop()

    def answer(self, order: PendingCommand, text: str, done: bool) -> None:
        """Send all viewers the answer to a command."""
        command = order.command
        told = Steered(
            run=self.run,
            step=self._step,
            command=str(command.__struct_config__.tag),
            text=text,
            done=done,
            lr=told_rate(self.levers.control.now()[0]),
            asked_by=order.asked_by,
            at=time.time(),
        )
        self._tell(Addressed(told, replace(told, answers=command.id), order.viewer))
        state = self.state()
        self._tell(Addressed(state, replace(state, answers=command.id), order.viewer))

    def _tell_snapshots(self) -> None:
        snapshots = self.levers.snapshots
        if snapshots is not None and (before := snapshots.before_the_rise) is not None:
            told = SnapshotsTold(run=self.run, steps=snapshots.steps, before=before)
            self._tell(to_all(told))

    def _do(self, command: AnyCommand) -> str:
        """Do what is asked for, and say in words what was done.

        Raises:
            ValueError: it cannot be done; says why.
        """
        control, gate = self.levers.control, self.gate
        match command:
            case Hold(lr=lr):
                if not control.can_hold:
                    raise ValueError(
                        "the optimizer estimates the rate itself, it can only be scaled"
                        if control.can_scale
                        else NO_RATE
                    )
                control.hold(lr)
                return f"rate held at {short(lr)}{self._of_groups()}"
            case Scale(by=by):
                if not control.can_scale:
                    raise ValueError(NO_RATE)
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
                return self._take_snapshot(level)
            case Rewind():
                return self._rewind(command)
            case Follow(optimizer=name):
                if self.levers.follow is None:
                    raise ValueError("there is no other optimizer to follow")
                return self.levers.follow(name)
            case Stop():
                self.stopping = True
                gate.paused, gate.pause_at = False, NEVER
                return "asked to stop"
        raise ValueError("that cannot be asked of a training that is not lrtui's own")

    def _of_groups(self) -> str:
        """Say what a rate in one number means where there are several."""
        groups, lowest = self.levers.control.spread()
        if groups < 2:
            return ""
        down = f", down to {short(lowest)}" if lowest == lowest else ""
        return f"; it is the largest of {groups:,} groups, the others keep their ratio to it{down}"

    def _take_snapshot(self, level: float | None) -> str:
        snapshots = self.levers.snapshots
        if snapshots is None:
            raise ValueError(NO_SNAPSHOTS)
        try:
            snapshots.take(self._step, level)
        except NoRoom as error:
            self._tell(to_all(Printed(text=str(error))))
            raise
        except Exception as error:  # such as no memory
            snapshots.put_off()
            raise ValueError(f"no snapshot: {in_words(error)}") from error
        return "snapshot taken"

    def _write_checkpoint(self) -> str:
        if self.levers.checkpoint is None:
            raise ValueError("the Monitor was given no checkpoint=")
        try:
            self.levers.checkpoint()
        except Exception as error:  # whatever goes wrong in it: training goes on
            raise ValueError(f"the checkpoint failed: {in_words(error)}") from error
        return "checkpoint written"

    def _rewind(self, command: Rewind) -> str:
        snapshots, control = self.levers.snapshots, self.levers.control
        if snapshots is None:
            raise ValueError(NO_SNAPSHOTS)
        try:
            step = snapshots.go_back(command.step)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"it could not go back: {in_words(error)}") from error
        if command.by != 1:
            control.scale_by(command.by)
        on = f"on at {short(control.now()[0])}"
        return f"back to the weights of step {step:,}, {on}; {LEFT_OUT}"


NO_RATE = "the optimizer has no rate that could be changed: no lr in its groups"

NO_SNAPSHOTS = "there are no snapshots: no model was given to the Monitor"


def short(lr: float) -> str:
    """Write a rate as a schedule has it, in few digits."""
    return f"{lr:.4g}"


def in_words(error: BaseException) -> str:
    """Return an error as its name and what it says."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
