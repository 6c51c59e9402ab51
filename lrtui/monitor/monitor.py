"""``lrtui.Monitor``: what a training carries so that it can be watched and steered."""

from __future__ import annotations

import atexit
import math
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim import Optimizer

from lrtui.messages import AnyCommand, Outcome, Printed, Rewind, Steered, TakeSnapshot
from lrtui.messages import Ranks as RanksTold
from lrtui.monitor.device import DeviceRows
from lrtui.monitor.gate import NEVER, Order
from lrtui.monitor.journal import Journal
from lrtui.monitor.ranks import Ranks, number_of_ranks
from lrtui.monitor.rate import RateControl
from lrtui.monitor.server import Server
from lrtui.monitor.snapshots import Snapshots, Stateful
from lrtui.monitor.steering import Steering, in_words
from lrtui.monitor.teller import RUN, Addressed, Teller, to_all
from lrtui.sockets import new_path

NO_SCALARS: dict[str, float] = {}


class Monitor:
    """Lets ``lrtui watch`` see a training and steer it.

    It never waits, never raises an error into the training, and prints one line: how to watch it.
    The rate is changed only while the optimizer takes its step, so schedules and checkpoints never
    see it. The socket opens with the first step.

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

    def __init__(
        self,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        model: nn.Module | None = None,
        scheduler: Stateful | Sequence[Stateful] = (),
        checkpoint: Callable[[], object] | None = None,
        name: str | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        """Attach to the optimizers.

        Args:
            optimizer: one or several; the rate that is shown and held is that of the first one's
                first group, all others keep their ratio to it.
            model: what is trained: with it, the training can go back to a snapshot.
            scheduler: one or several, to be taken back as well; anything with a state.
            checkpoint: called with nothing when somebody asks for a checkpoint.
            name: what the list of trainings calls it; the script's name if there is none.
            journal: file of the commands; beside the socket if there is none.
        """
        optimizers = [optimizer] if isinstance(optimizer, Optimizer) else [*optimizer]
        schedules = [*scheduler] if isinstance(scheduler, Sequence) else [scheduler]
        self._prepare(optimizers[0], checkpoint, name, journal)
        for each in optimizers:
            self.control.attach(each)
        if model is not None:
            self._steering.snapshots = Snapshots([model, *optimizers, *schedules, self.control])

    @classmethod
    def of_all(cls, optimizer: Optimizer, name: str | None, journal: str | None) -> Self:
        """Return a monitor that is attached to no optimizer, for one who does that for all.

        A stop interrupts the training, as Ctrl-C would.
        """
        made = cls.__new__(cls)
        made._prepare(optimizer, None, name, journal)
        made._steering.on_stop = interrupt
        return made

    def _prepare(
        self,
        optimizer: Optimizer,
        checkpoint: Callable[[], object] | None,
        name: str | None,
        journal: str | os.PathLike[str] | None,
    ) -> None:
        self.control = RateControl(optimizer)
        self._name = name or Path(sys.argv[0]).name or "python"
        self._pid = os.getpid()
        self._server: Server | None = None
        self._ranks: Ranks | None = None
        self._rank = 0
        self._started = self._closed = False
        self._complained = False
        self._journal = Path(journal) if journal is not None else None
        self._written: Journal | None = None
        self._teller = Teller(self._name, in_short(optimizer))
        self._steering = Steering(self.control, checkpoint, None, self._leave)
        self._gate = self._steering.gate
        self._gate.attend_at = 0  # to begin with the first step
        self._device = DeviceRows()
        self._record: Callable[[Any], None] = self._teller.out.append
        MONITORS.add(self)

    # --- in the training ------------------------------------------------------------------

    def step(self, loss: float | Tensor | None = None, **scalars: float | Tensor) -> None:
        """Note that a step was taken; carry out what was asked for, and wait while paused.

        Args:
            loss: of this step, a number or a tensor of one element; nothing is read from a device.
            scalars: anything else to be shown, by name.
        """
        gate, control = self._gate, self.control
        gate.step = step = gate.step + 1
        if loss.__class__ is not float:
            loss = self._read(loss)
        others = {n: self._read(v) for n, v in scalars.items()} if scalars else NO_SCALARS
        lr, scheduled = control.in_force, control.scheduled
        if lr.__class__ is not float or scheduled.__class__ is not float:
            lr, scheduled = self._read(lr), self._read(scheduled)
        self._record((step, loss, lr, scheduled, others))
        if step >= gate.attend_at:
            self._attend()

    @property
    def should_stop(self) -> bool:
        """Whether somebody has asked the training to end."""
        return self._steering.stopping

    def close(self) -> None:
        """Say that training is over, and close the socket."""
        self._end("done", f"ended after {self._gate.step:,} steps")

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
        else:
            self._end(*how_it_ended(error))

    def _read(self, value: Any) -> Any:  # noqa: ANN401
        """Return a number that a person gave; a tensor that is on a device stays there."""
        try:
            if not isinstance(value, Tensor):
                return None if value is None else float(value)
            if value.is_cpu:
                return value.item()
            self._record = self._put_aside
            return value.detach().clone()  # a CUDA graph writes over it
        except Exception as error:
            self._complain(f"a scalar is not a number: {in_words(error)}")
            return None

    def _put_aside(self, row: Any) -> None:  # noqa: ANN401
        """Record a row that has numbers on a device, and all after it."""
        self._device.waiting.append(row)

    def _attend(self) -> None:
        """Do what is to be done after this step."""
        try:
            if not self._started:
                self._start()
            if self._device.waiting:
                self._teller.out.append(self._device.copy())
        except Exception as error:
            self._complain(f"this training cannot be watched: {in_words(error)}")
        self._gate.attend()

    def _leave(self, told: Addressed) -> None:
        """Leave something to be told, and have it told at once."""
        self._teller.out.append(told)
        if self._server is not None:
            self._server.wake()

    def _start(self) -> None:
        self._started = True
        if os.getpid() != self._pid:
            return
        atexit.register(self._at_exit)
        self._rank, size = number_of_ranks()
        self._teller.ranks = size
        if size > 1:
            self._ranks = Ranks(self._gate, self._rank, size, self._refuse)
        if self._rank:
            self._record = nothing
            return
        try:
            path = new_path(self._pid)
            self._written = Journal(self._journal or path.with_suffix(".journal"))
            self._server = Server(
                path,
                greet=lambda: self._teller.greeting(self._gate.step, self._steering.capabilities),
                so_far=lambda: self._teller.so_far(self._steering.state()),
                report=self._report,
                ask=self._ask,
                failed=self._failed,
            )
        except OSError as error:
            self._record = nothing
            self._complain(f"this training cannot be watched: {error}")
        else:
            print(f"lrtui: lrtui watch {self._pid} shows this training", file=sys.stderr)

    # --- in the thread of the server --------------------------------------------------------

    def _report(self, watched: bool) -> list[Addressed]:
        teller, gate = self._teller, self._gate
        if self._device.waiting:
            gate.nudge()
        told = teller.take(gate.paused, watched)
        if (journal := self._written) is not None:
            wrong = [journal.write(m) for m, _, _ in told if isinstance(m, Steered)]
            told += [to_all(Printed(text=text)) for text in wrong if text]
        if teller.paced(gate.step) and watched:
            told.append(to_all(self._how_far()))
        snapshots = self._steering.snapshots
        if snapshots is not None and time.monotonic() >= snapshots.due and not gate.paused:
            snapshots.due = math.inf  # until it was taken
            self._send(Order(TakeSnapshot(level=teller.level)))
        return told

    def _how_far(self) -> RanksTold:
        if self._ranks is None:
            return RanksTold(run=RUN, steps=[self._gate.step], paces=[self._teller.pace])
        steps, paces, ended = zip(*self._ranks.far, strict=True)
        left = [rank for rank, over in enumerate(ended) if over]
        return RanksTold(run=RUN, steps=[*steps], paces=[*paces], ended=left)

    def _ask(self, command: AnyCommand, asked_by: str, viewer: int) -> None:
        if isinstance(command, Rewind) and command.step is None and self._steering.snapshots:
            # Named here, so that all ranks go back to the same one.
            command = replace(command, step=self._steering.snapshots.before_the_rise)
        order = Order(command, asked_by, viewer)
        if self._gate.is_full(viewer) or (self._ranks is not None and self._ranks.is_full):
            self._refuse(order, "too many commands wait already")
        else:
            self._send(order)

    def _send(self, order: Order) -> None:
        if self._ranks is None:
            self._gate.post(order)
        else:
            self._ranks.ask(order)

    def _refuse(self, order: Order, why: str) -> None:
        if order.asked_by:
            self._steering.answer(order, why, done=False)
        elif self._steering.snapshots is not None:
            self._steering.snapshots.put_off()

    def _failed(self, error: BaseException) -> None:
        """Let training go on alone: nobody can end a pause any more."""
        self._gate.let_go()
        self._complain(f"this training cannot be watched any more: {in_words(error)}")

    # --- the end ----------------------------------------------------------------------------

    def _end(self, outcome: Outcome, reason: str) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        atexit.unregister(self._at_exit)
        self._gate.attend_at = NEVER
        self.control.release()
        if self._ranks is not None:
            self._ranks.end()
        if outcome == "done" and self._steering.stopping:
            outcome, reason = "stopped", f"stopped after {self._gate.step:,} steps, as asked"
        if self._server is not None:
            self._server.close([self._teller.ended(self._gate.step, outcome, reason)])
        self._record = nothing

    def _at_exit(self) -> None:
        """Say how the program ended, where nobody has closed this."""
        self._end(*how_it_ended(getattr(sys, "last_value", None)))

    def _forget(self) -> None:
        """Be nothing, in a process forked off the training."""
        if self._server is not None:
            self._server.forget()
        self._record = nothing
        self._gate.attend_at = NEVER
        self._started = self._closed = True

    def _complain(self, text: str) -> None:
        """Say once what is wrong; never to the training."""
        if not self._complained:
            self._complained = True
            print(f"lrtui: {text}", file=sys.stderr)


MONITORS: weakref.WeakSet[Monitor] = weakref.WeakSet()
"""Those of this process: a process forked off it must leave them alone."""


def nothing(_: object) -> None:
    """Record nothing."""


def interrupt() -> None:
    """Interrupt the training, as Ctrl-C would."""
    raise KeyboardInterrupt


def in_short(optimizer: Optimizer) -> str:
    """Return an optimizer in a word."""
    return type(optimizer).__name__


def how_it_ended(error: BaseException | None) -> tuple[Outcome, str]:
    """Return how a training ended, and why in a sentence, from what ended it."""
    if error is None:
        return "done", "the program has ended"
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(error, SystemExit):
        return ("done" if not error.code else "failed"), f"exit code {error.code or 0}"
    return "failed", in_words(error)


def forget_all() -> None:
    """Leave the training alone, in a process forked off it, such as a worker that loads data."""
    for monitor in MONITORS:
        monitor._forget()


os.register_at_fork(after_in_child=forget_all)
