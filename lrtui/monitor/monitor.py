"""``lrtui.Monitor``: makes a training visible and steerable."""

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
from lrtui.monitor.levers import Levers
from lrtui.monitor.options import RunOptions
from lrtui.monitor.ranks import number_of_ranks
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.snapshots import Snapshots, Stateful
from lrtui.text.errors import in_words

NO_SCALARS: dict[str, Any] = {}

RESERVED_NAMES = ("loss", "lr", "scheduled")
"""Columns that lrtui fills itself; a script's scalar of the same name is renamed."""


class Monitor:
    """Lets ``lrtui watch`` see a training and steer it.

    It never blocks, except while paused, never raises errors of its own into the training, and
    prints one line: how to watch it. The rate is changed only during the optimizer's step, so
    schedules and checkpoints never see it. The socket opens at the first step. Another Monitor in
    the same process continues on the same screen as a new run once the first training stops
    stepping.

    Example::

        monitor = lrtui.Monitor(optimizer, model=model)
        for batch in loader:
            ...
            optimizer.step()
            monitor.step(loss)
            if monitor.should_stop:
                break

    Attributes:
        control: of the rate.
    """

    made: Callable[[], None] | None = None
    """Called when a script creates a Monitor, which replaces the automatic one."""

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
        on_spike: str | None = None,
        own_batch: bool = False,
    ) -> None:
        """Attach to the optimizers.

        Args:
            optimizer: one or several. The rate shown and held is the largest of the first one's
                groups; all others keep their ratio to it. ``None`` without a torch optimizer:
                then there is no rate to steer.
            model: enables rewinding to snapshots.
            scheduler: one or several objects with ``state_dict``, to rewind as well.
            checkpoint: called without arguments when a viewer asks for a checkpoint.
            name: in the list of trainings; by default the script's.
            journal: file that logs commands; by default beside the socket.
            snapshots: whether to keep snapshots of the model on the CPU, in at most a quarter of
                the host's free memory.
            full_batch: whether each step sees all data, so that its loss has no noise.
            vitals: whether to show gradient norm, clipping, waits for data, total steps, memory
                and whether there is room for a higher rate. That takes at most 1 % of the time,
                and now and then two copies of the weights where those fit.
            on_spike: command to run when a spike begins, at most one a minute, without a shell;
                its environment has LRTUI_STEP, LRTUI_KIND, LRTUI_NAME and LRTUI_FILE.
            own_batch: whether to measure as well by how much longer a step could be before it
                raised the loss of its own batch, for 0.5 % of the time; the model's ``forward``
                runs again for that.
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
            # A Monitor of the same optimizers is obsolete: a notebook cell was run again.
            channel.steering.levers.control.detach_if_shared(optimizers)
        control, alone = RateControl(first), len(optimizers) < 2
        levers = Levers(control, checkpoint, optimizers=optimizers, model=model, alone=alone)
        options = RunOptions(name, journal, vitals, on_spike, own_batch)
        title = "" if first is None else type(first).__name__
        self._prepare(title, levers, options, full_batch)
        for each in optimizers:
            try:
                self.control.attach(each)
            except Exception as error:
                self._channel.complain(f"the rate of {each!r:.60} cannot be changed: {error}")
        if model is not None and snapshots:
            levers.snapshots = Snapshots([model, *optimizers, *schedules, self.control])

    @classmethod
    def of_all(cls, optimizer: str, levers: Levers, options: RunOptions) -> Self:
        """Return a Monitor whose caller attaches the optimizers, called ``optimizer`` in words."""
        made = cls.__new__(cls)
        made._prepare(optimizer, levers, options, full_batch=False)
        return made

    def _prepare(
        self, optimizer: str, levers: Levers, options: RunOptions, full_batch: bool
    ) -> None:
        self.control = levers.control
        name = options.name or Path(sys.argv[0]).name or "python"
        self._training = Training(name, optimizer, levers, options, full_batch)
        # Steps of the other trainings, to see whether they still go on when this one begins.
        self._before = {channel: channel.queue.step for channel in open_channels()}
        self._channel = Channel(self._training)

    # --- in the training ------------------------------------------------------------------

    def step(self, /, loss: float | Tensor | None = None, **scalars: float | Tensor) -> None:
        """Record a step; carry out pending commands, and block while paused.

        Args:
            loss: a number or a one-element tensor; reading it never synchronizes with a device.
            scalars: further values to show, by name.
        """
        if scalars:
            scalars = {f"{n} (script)" if n in RESERVED_NAMES else n: v for n, v in scalars.items()}
        self.record(loss, scalars)

    def record(self, loss: Any, scalars: dict[str, Any]) -> None:
        """Record a step like ``step``; no scalar may have a reserved name."""
        channel = self._channel
        if channel.owner is not self:
            channel = self._begin()
        queue = channel.queue
        queue.step = taken = queue.step + 1
        if channel.records:
            control = self.control
            if loss.__class__ is not float:
                loss = self._read(loss, "the loss")
            norm = None
            if (vitals := channel.vitals) is not None:
                norm, vitals.norm = vitals.norm, None
                if taken >= vitals.due and (reading := vitals.take(loss)):
                    scalars = reading | scalars
            others = {n: self._read(v, n) for n, v in scalars.items()} if scalars else NO_SCALARS
            if norm is not None and "grad_norm" not in others:
                others = {"grad_norm": self._read(norm, "grad_norm"), **others}
            lr, scheduled = control.in_force, control.scheduled
            if lr.__class__ is not float or scheduled.__class__ is not float:
                lr, scheduled = self._read(lr, "the rate"), self._read(scheduled, "the rate")
            channel.add_row((taken - channel.origin, loss, lr, scheduled, others))
        if taken >= queue.attend_at:
            channel.attend()

    @property
    def should_stop(self) -> bool:
        """Whether a viewer has asked the training to stop."""
        return self._channel.owner is self and self._channel.steering.stopping

    def close(self) -> None:
        """Report the end of the training, and close the socket."""
        if self._channel.owner in (self, None):
            self._channel.end("done")

    def finish(self, error: BaseException | None = None) -> None:
        """Report the end of the training, and the error if one ended it; keep the socket open.

        Another training of this process may continue on it.
        """
        channel = self._channel
        if channel.owner is self:
            channel.finish(*(how_it_ended(error) if error else ("done",)))

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
        """Begin a run and return its channel.

        Replace a training that has not stepped since this Monitor was created, else open a socket.
        """
        own = self._channel
        if own.owner is not None:  # another training has replaced this one, which now resumes
            own = Channel(self._training)
        _, size = number_of_ranks()
        for channel in open_channels():
            if channel.owner is None or channel is own or not channel.accepts(size):
                continue
            if self._before.get(channel) == channel.queue.step:
                own.is_open = False
                own = channel
                break
        own.begin(self, self._training)
        self._channel = own
        self._before = {}
        return own

    def _read(self, value: Any, name: str) -> Any:
        """Return a number; a tensor on a device stays there."""
        try:
            if value.__class__ is Tensor and value.is_cpu:  # the usual case first
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
            self._channel.add_row = self._channel.defer_row
            return value.detach().clone()  # a CUDA graph overwrites it
        except Exception as error:
            self._channel.complain(f"{name} cannot be shown: {in_words(error)}")
            return None
