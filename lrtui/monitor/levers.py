"""Carries out commands on a training, in its own thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace
from torch import nn
from torch.optim import Optimizer

from lrtui import messages as msg
from lrtui.monitor.command_queue import NEVER, CommandQueue, PendingCommand
from lrtui.monitor.publisher import Addressed, to_all, wire_rate
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.snapshots import LEFT_OUT, NoRoom, Snapshots
from lrtui.monitor.tries import Tries
from lrtui.text.errors import in_words


@dataclass
class Levers:
    """What can be done to one training.

    Attributes:
        checkpoint: writes a checkpoint, ``None`` if the script gave no function for it.
        snapshots: ``None`` without a model.
        stop: stops a training that never reads ``should_stop``; returns how.
        follow: follows another optimizer, by name or the next one if empty; returns which.
        optimizers: all that may step.
        model: the script's, if it gave one.
        alone: whether the first optimizer takes all steps.
    """

    control: RateControl
    checkpoint: Callable[[], object] | None = None
    snapshots: Snapshots | None = None
    stop: Callable[[], str] | None = None
    follow: Callable[[str], str] | None = None
    optimizers: Iterable[Optimizer] = ()
    model: nn.Module | None = None
    alone: bool = True


class Steering:
    """Carries out commands, and reports their results and the state.

    Attributes:
        queue: of commands to the training thread.
        levers: of the current training.
        run: its number.
        stopping: whether it was asked to stop.
        pace: recent steps a second.
        tries: of other rates.
    """

    def __init__(self, levers: Levers, publish: Callable[[Addressed], None]) -> None:
        """Steer a training; ``publish`` sends a message to the viewers."""
        self.queue = CommandQueue(self.carry_out)
        self.levers = levers
        self.run = 1
        self.stopping = False
        self.pace = 0.0
        self._origin = 0
        self._publish = publish
        self.tries = Tries(self.queue, self.answer, publish)

    def begin(self, levers: Levers, origin: int) -> None:
        """Steer another training, as a new run that begins after step ``origin`` of the queue."""
        self.tries.drop("another training has begun")
        self.levers, self._origin, self.stopping = levers, origin, False
        self.run += 1

    @property
    def capabilities(self) -> list[msg.Capability]:
        """Commands that this training supports."""
        levers, can_scale = self.levers, self.levers.control.can_scale
        supported: dict[msg.Capability, bool] = {
            "pause": True,
            "step": True,
            "stop": True,
            "hold": levers.control.can_hold,
            "scale": can_scale,
            "release": can_scale,
            "checkpoint": levers.checkpoint is not None,
            "rewind": levers.snapshots is not None,
            "follow": levers.follow is not None,
            "try": can_scale,
            "adopt": self.tries.can_adopt,
        }
        return [name for name, is_supported in supported.items() if is_supported]

    def why_not(self, command: msg.AnyCommand) -> str:
        """Return why a command cannot be carried out, empty if it can; safe from any thread."""
        if isinstance(command, msg.Rewind) and self.levers.snapshots is not None:
            return self.levers.snapshots.why_not(command.step)
        return ""

    @property
    def step(self) -> int:
        """Steps of the current run."""
        return max(self.queue.step - self._origin, 0)

    def state(self) -> msg.State:
        """Return the state of the training."""
        control = self.levers.control
        lr, scheduled = control.now()
        groups, lowest = control.spread()
        queue = self.queue
        return msg.State(
            run=self.run,
            step=self.step,
            paused=queue.paused or queue.pause_at != NEVER,
            speed=None,
            lr=wire_rate(lr),
            scheduled=wire_rate(scheduled) if scheduled != lr and scheduled >= 0 else None,
            held=control.held,
            scale=control.scale,
            stopping=self.stopping,
            groups=groups,
            lowest=wire_rate(lowest) if lowest < lr else None,
        )

    def carry_out(self, pending: PendingCommand) -> None:
        """Carry out a command and publish the result."""
        try:
            with self.tries.hidden():
                text, done = self._do(pending), True
        except ValueError as error:
            text, done = str(error), False
        if isinstance(pending.command, msg.TakeSnapshot | msg.Rewind):
            self._publish_snapshots()
        if pending.asked_by:
            self.answer(pending, text, done)
        # Last, because it may raise KeyboardInterrupt.
        if isinstance(pending.command, msg.Stop) and self.levers.stop is not None:
            self.levers.stop()

    def answer(self, pending: PendingCommand, text: str, done: bool) -> None:
        """Publish the answer to a command."""
        command = pending.command
        steered = msg.Steered(
            run=self.run,
            step=self.step,
            command=str(command.__struct_config__.tag),
            text=text,
            done=done,
            lr=wire_rate(self.levers.control.now()[0]),
            asked_by=pending.asked_by,
            at=time.time(),
        )
        self._publish(Addressed(steered, replace(steered, answers=command.id), pending.viewer))
        state = self.state()
        self._publish(Addressed(state, replace(state, answers=command.id), pending.viewer))

    def _publish_snapshots(self) -> None:
        snapshots = self.levers.snapshots
        if snapshots is not None and (before := snapshots.before_rise) is not None:
            steered = msg.Snapshots(run=self.run, steps=snapshots.steps, before=before)
            self._publish(to_all(steered))

    def _do(self, pending: PendingCommand) -> str:
        """Carry out a command; return its effect in words.

        Raises:
            ValueError: it cannot be done; says why.
        """
        command, control, queue = pending.command, self.levers.control, self.queue
        if isinstance(command, msg.Hold | msg.Scale | msg.Release | msg.Rewind | msg.Follow):
            self.tries.drop("the rate or the weights were changed", keep_last=True)
        match command:
            case msg.Hold(lr=lr):
                if not control.can_hold:
                    raise ValueError(ONLY_SCALED if control.can_scale else NO_RATE)
                control.hold(lr)
                return f"rate held at {format_rate(lr)}{self._group_note()}"
            case msg.Scale(by=by):
                if not control.can_scale:
                    raise ValueError(NO_RATE)
                if not 0 < control.now()[0] * by < float("inf") and control.now()[0]:
                    raise ValueError("that would not be a valid rate")
                control.scale_by(by)
                return f"rate × {by:.4g}: {format_rate(control.now()[0])}"
            case msg.Release():
                control.release()
                return f"rate back to the schedule: {format_rate(control.now()[0])}"
            case msg.Pause():
                queue.paused = True
                return "paused; a time limit of the job runs on"
            case msg.Resume():
                queue.paused, queue.pause_at = False, NEVER
                return "resumed"
            case msg.Step(count=count):
                queue.paused, queue.pause_at = False, queue.step + count
                return "one step" if count == 1 else f"{count:,} steps"
            case msg.Checkpoint():
                return self._write_checkpoint()
            case msg.TakeSnapshot(level=level):
                return self._take_snapshot(level)
            case msg.Rewind():
                return self._rewind(command)
            case msg.Follow(optimizer=name):
                if self.levers.follow is None:
                    raise ValueError("there is no other optimizer to follow")
                return self.levers.follow(name)
            case msg.Try():
                optimizers = self.levers.optimizers
                return self.tries.begin(
                    pending, command, control, optimizers, self.run, self.step, self.pace
                )
            case msg.Cancel():
                return self.tries.cancel()
            case msg.Adopt(factor=factor):
                return self.tries.adopt(factor)
            case msg.Stop():
                self.tries.drop("the training was asked to stop")
                self.stopping = True
                queue.paused, queue.pause_at = False, NEVER
                return "asked to stop"
        raise ValueError("that cannot be asked of a training that is not lrtui's own")

    def _group_note(self) -> str:
        """Explain what one rate means for several groups."""
        groups, lowest = self.levers.control.spread()
        if groups < 2:
            return ""
        down = f", down to {format_rate(lowest)}" if lowest == lowest else ""
        return f"; it is the largest of {groups:,} groups, the others keep their ratio to it{down}"

    def _take_snapshot(self, level: float | None) -> str:
        snapshots = self.levers.snapshots
        if snapshots is None:
            raise ValueError(NO_SNAPSHOTS)
        try:
            snapshots.take(self.step, level)
        except NoRoom as error:
            self._publish(to_all(msg.Printed(text=str(error))))
            raise
        except Exception as error:  # such as out of memory
            snapshots.postpone()
            raise ValueError(f"no snapshot: {in_words(error)}") from error
        return "snapshot taken"

    def _write_checkpoint(self) -> str:
        if self.levers.checkpoint is None:
            raise ValueError("the Monitor was given no checkpoint=")
        try:
            self.levers.checkpoint()
        except Exception as error:  # the person's function must not end the training
            raise ValueError(f"the checkpoint failed: {in_words(error)}") from error
        return "checkpoint written"

    def _rewind(self, command: msg.Rewind) -> str:
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
        on = f"on at {format_rate(control.now()[0])}"
        return f"back to the weights of step {step:,}, {on}; {LEFT_OUT}"


NO_RATE = "the optimizer has no rate that could be changed: no lr in its groups"

ONLY_SCALED = "the optimizer estimates the rate itself, it can only be scaled"

NO_SNAPSHOTS = "there are no snapshots: no model was given to the Monitor"


def format_rate(lr: float) -> str:
    """Format a rate with four digits."""
    return f"{lr:.4g}"
