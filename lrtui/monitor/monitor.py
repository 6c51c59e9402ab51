"""``lrtui.Monitor``: what a training carries so that it can be watched and steered."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lrtui.monitor.channel import Channel, Training, how_it_ended, open_channels
from lrtui.monitor.levers import Levers, in_words
from lrtui.monitor.ranks import number_of_ranks
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.snapshots import Snapshots, Stateful

NO_SCALARS: dict[str, Any] = {}

RESERVED_NAMES = ("loss", "lr", "scheduled")
"""Names of the columns that lrtui fills: a scalar of a person's that is called so is renamed."""


class Monitor:
    """Lets ``lrtui watch`` see a training and steer it.

    It never waits, never raises an error into the training, and prints one line: how to watch it.
    The rate is changed only while the optimizer takes its step, so schedules and checkpoints never
    see it. The socket opens with the first step. A further Monitor in the same process goes on as a
    new run on the same screen, once the training of the one before stands still.

    Example::

        monitor = lrtui.Monitor(optimizer, model=model)
        for batch in loader:
            ...
            optimizer.step()
            monitor.step(loss)
            if monitor.should_stop:
                break

    Attributes:
        control: of its rate.
    """

    made: Callable[[], None] | None = None
    """Called when a script makes a Monitor of its own: what watches it by itself leaves then."""

    def __init__(
        self,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        *,
        model: nn.Module | None = None,
        scheduler: Stateful | Sequence[Stateful] = (),
        checkpoint: Callable[[], object] | None = None,
        name: str | None = None,
        journal: str | os.PathLike[str] | None = None,
        snapshots: bool = True,
        full_batch: bool = False,
        vitals: bool = True,
    ) -> None:
        """Attach to the optimizers.

        Args:
            optimizer: one or several; the rate that is shown and held is that of the first one's
                largest group, all others keep their ratio to it. ``None`` where none of torch's
                takes the steps: then there is no rate to steer.
            model: what is trained: with it, the training can go back to a snapshot.
            scheduler: one or several, to be taken back as well; anything with a state.
            checkpoint: called with nothing when somebody asks for a checkpoint.
            name: what the list of trainings calls it; the script's name if there is none.
            journal: file of the commands; beside the socket if there is none.
            snapshots: whether to keep snapshots of the model on the CPU to go back to; they take
                at most a quarter of the host's free memory.
            full_batch: whether each step sees all data, so that its loss has no noise.
            vitals: whether to show gradient norm, clipping, waits for data, total steps, memory.
        """
        if Monitor.made is not None:
            Monitor.made()
        if optimizer is None:
            optimizers: list[Optimizer] = []
        else:
            optimizers = [optimizer] if isinstance(optimizer, Optimizer) else [*optimizer]
        schedules = [*scheduler] if isinstance(scheduler, Sequence) else [scheduler]
        first = optimizers[0] if optimizers else None
        for channel in open_channels():
            # An earlier Monitor of the same training, as of a cell that was run before, has ended.
            channel.steering.levers.control.leave(optimizers)
        levers = Levers(RateControl(first), checkpoint)
        self._prepare(levers, first, name, journal, full_batch, vitals)
        for each in optimizers:
            try:
                self.control.attach(each)
            except Exception as error:
                self._channel.complain(f"the rate of {each!r:.60} cannot be changed: {error}")
        if model is not None and snapshots:
            levers.snapshots = Snapshots([model, *optimizers, *schedules, self.control])

    @classmethod
    def of_all(
        cls,
        optimizer: Optimizer | None,
        levers: Levers,
        name: str | None,
        journal: str | None,
        vitals: bool = True,
    ) -> Self:
        """Return a Monitor for a caller who attaches the optimizers.

        Args:
            optimizer: the first one, ``None`` if there is none.
            levers: what can be done to the training.
            name: what the list of trainings calls it.
            journal: file of the commands.
            vitals: see ``Monitor``.
        """
        made = cls.__new__(cls)
        made._prepare(levers, optimizer, name, journal, False, vitals)
        return made

    def _prepare(
        self,
        levers: Levers,
        optimizer: Optimizer | None,
        name: str | None,
        journal: str | os.PathLike[str] | None,
        full_batch: bool,
        vitals: bool,
    ) -> None:
        self.control = levers.control
        self._training = Training(
            name or Path(sys.argv[0]).name or "python",
            "" if optimizer is None else type(optimizer).__name__,
            levers,
            full_batch,
            Path(journal) if journal is not None else None,
            vitals,
        )
        # What trained before goes on as long as it takes steps.
        self._before = {channel: channel.gate.step for channel in open_channels()}
        self._channel = Channel(self._training)

    def describe(self, optimizer: str) -> None:
        """Name the optimizer, before its first step."""
        self._training.optimizer = optimizer

    # --- in the training ------------------------------------------------------------------

    def step(self, /, loss: float | Tensor | None = None, **scalars: float | Tensor) -> None:
        """Note that a step was taken; carry out what was asked for, and wait while paused.

        Args:
            loss: of this step, a number or a tensor of one element; nothing is read from a device.
            scalars: anything else to be shown, by name.
        """
        if scalars:
            scalars = {f"{n} (script)" if n in RESERVED_NAMES else n: v for n, v in scalars.items()}
        self.record(loss, scalars)

    def record(self, loss: Any, scalars: dict[str, Any]) -> None:  # noqa: ANN401
        """Note a step as ``step`` does, of scalars whose names are known not to be ours."""
        channel = self._channel
        if channel.owner is not self:
            channel = self._begin()
        gate = channel.gate
        gate.step = taken = gate.step + 1
        if channel.records:
            control = self.control
            if loss.__class__ is not float:
                loss = self._read(loss, "the loss")
            others = {n: self._read(v, n) for n, v in scalars.items()} if scalars else NO_SCALARS
            found = channel.vitals.take(taken) if channel.vitals is not None else None
            if found is not None:
                others = {n: self._read(v, n) for n, v in found.items()} | others
            lr, scheduled = control.in_force, control.scheduled
            if lr.__class__ is not float or scheduled.__class__ is not float:
                lr, scheduled = self._read(lr, "the rate"), self._read(scheduled, "the rate")
            channel.keep((taken - channel.origin, loss, lr, scheduled, others))
        if taken >= gate.attend_at:
            channel.attend()

    @property
    def should_stop(self) -> bool:
        """Whether somebody has asked the training to end."""
        return self._channel.owner is self and self._channel.steering.stopping

    def close(self) -> None:
        """Say that training is over, and close the socket."""
        channel = self._channel
        if channel.owner in (self, None):
            steps = channel.gate.step - channel.origin
            channel.end("done", f"ended after {steps:,} steps")

    def finish(self, error: BaseException | None = None) -> None:
        """Say that this training is over, in a process in which others may follow.

        Args:
            error: what ended it, if anything did.
        """
        channel = self._channel
        if channel.owner is self:
            steps = channel.gate.step - channel.origin
            how = how_it_ended(error) if error else ("done", f"ended after {steps:,} steps")
            channel.finish(*how)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif self._channel.owner is self:
            self._channel.end(*how_it_ended(error))

    def _begin(self) -> Channel:
        """Begin a run.

        Where a training of this process stands still since this Monitor was made, in its place;
        else on a socket of its own.
        """
        own = self._channel
        if own.owner is not None:  # another one has gone on in its place, and this one trains again
            own = Channel(self._training)
        _, size = number_of_ranks()
        for channel in open_channels():
            if channel.owner is None or channel is own or not channel.suits(size):
                continue
            if self._before.get(channel) == channel.gate.step:
                own.is_open = False
                own = channel
                break
        own.begin(self, self._training)
        self._channel = own
        self._before = {}
        return own

    def _read(self, value: Any, name: str) -> Any:  # noqa: ANN401
        """Return a number that a person gave; a tensor that is on a device stays there."""
        try:
            if value.__class__ is Tensor and value.is_cpu:  # as nearly always
                return value.item()
            if not isinstance(value, Tensor):
                return None if value is None else float(value)
            if value.numel() != 1:
                raise ValueError(f"it has {value.numel():,} elements, a scalar has one")
            if hasattr(value, "full_tensor"):
                raise ValueError("it is spread over the ranks; call full_tensor() on all of them")
            if value.is_cpu:
                return value.item()
            if value.is_cuda and torch.cuda.is_current_stream_capturing():
                raise ValueError("a CUDA graph is being captured: call monitor.step() outside it")
            self._channel.keep = self._channel.put_aside
            return value.detach().clone()  # a CUDA graph writes over it
        except Exception as error:
            self._channel.complain(f"{name} cannot be shown: {in_words(error)}")
            return None
