"""What one process shows of its trainings and hears about them: a socket, ranks, commands.

One training after another uses it, each as a run of its own: folds of a cross-validation, a range
test and then the fit, a notebook's cell run again.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lrtui.messages import (
    AnyCommand,
    Capability,
    Greeting,
    Outcome,
    Printed,
    Rewind,
    Started,
    Steered,
    TakeSnapshot,
)
from lrtui.messages import Ranks as RanksTold
from lrtui.messages.sockets import new_path
from lrtui.monitor.command_queue import NEVER, PendingCommand
from lrtui.monitor.device import MAX_WAITING, DeviceRows
from lrtui.monitor.journal import Journal
from lrtui.monitor.levers import Levers, Steering, in_words
from lrtui.monitor.publisher import Addressed, Began, Finished, Publisher, to_all
from lrtui.monitor.ranks import Ranks, number_of_ranks
from lrtui.monitor.server import Server
from lrtui.monitor.vitals import Vitals


@dataclass
class Training:
    """What is shown of one training, and what can be done to it.

    Attributes:
        name: what the list of trainings calls it.
        optimizer: what takes its steps, in words.
        levers: what can be done to it.
        full_batch: whether each of its steps sees all data.
        journal: file of the commands, ``None`` for one beside the socket.
        shows_vitals: whether to show gradient norm, waits, total steps and the like.
    """

    name: str
    optimizer: str
    levers: Levers
    full_batch: bool = False
    journal: Path | None = None
    shows_vitals: bool = True


class Channel:
    """Shows the trainings of this process, one after another, and has them steered.

    Attributes:
        owner: whose steps are shown now.
        gate: where training stops for what is asked of it; counts the steps of all runs.
        steering: what was asked of the training that is on.
        origin: steps that the gate had counted when the run began.
        records: whether rows are wanted: not on ranks other than 0, nor where nobody can see them.
        keep: takes a row.
        is_open: whether it is not over.
        vitals: of the training, ``None`` before its first step and where they are off.
    """

    def __init__(self, training: Training) -> None:
        """Open nothing yet: that is done at the first step."""
        self.owner: object = None
        self.origin = 0
        self.records = self.is_open = True
        self._pid = os.getpid()
        self._training = training
        self._rank, self._size = 0, 1
        self._server: Server | None = None
        self._ranks: Ranks | None = None
        self._written: Journal | None = None
        self._is_started = self._is_finished = False
        self._said: set[str] = set()
        self.vitals: Vitals | None = None
        self._greeted: tuple[int, list[Capability]] | None = None
        self._teller = Publisher(Began(training.name, training.optimizer, training.full_batch))
        self.steering = Steering(training.levers, self._leave)
        self.gate = self.steering.gate
        self.gate.attend_at = 0  # to begin with the first step
        self._device = DeviceRows()
        self.keep: Callable[[Any], None] = self._teller.out.append
        CHANNELS.append(self)

    # --- in the thread that trains --------------------------------------------------------

    def put_aside(self, row: Any) -> None:  # noqa: ANN401
        """Keep a row that has numbers on a device, and all after it."""
        self._device.waiting.append(row)
        if len(self._device.waiting) >= MAX_WAITING:
            self._teller.out.append(self._device.copy())

    def attend(self) -> None:
        """Do what is to be done after this step."""
        try:
            if not self._is_started:
                self._start()
            if self.vitals is not None and self.vitals.wants_look:
                self.vitals.look()
            if self._device.waiting:
                self._teller.out.append(self._device.copy())
        except Exception as error:
            self.records = False
            self._device.waiting.clear()
            self.complain(f"this training cannot be watched: {in_words(error)}")
        self.gate.attend()

    def begin(self, owner: object, training: Training) -> None:
        """Show another training from its next step on: the one before is over."""
        began = Began(training.name, training.optimizer, training.full_batch)
        if self.owner is None:
            self._teller.describe(began)
        else:
            levers = self.steering.levers
            levers.control.detach()
            if self._device.waiting:
                self._teller.out.append(self._device.copy())
            self.origin = self.gate.step
            self.steering.begin(training.levers, self.origin)
            # In order with the rows, for the thread that tells them.
            self._teller.out.append(began)
        training.levers.control.attach_again()
        if self.vitals is not None:
            self.vitals.follow_optimizer(training.levers.control.first)
        self.owner, self._training, self._is_finished = owner, training, False

    def suits(self, size: int) -> bool:
        """Return whether a training of that many ranks can go on here."""
        return self.is_open and (not self._is_started or self._size == size)

    def _leave(self, told: Addressed) -> None:
        """Leave something to be told, and have it told at once."""
        self._teller.out.append(told)
        if self._server is not None:
            self._server.wake()

    def _start(self) -> None:
        self._is_started = True
        if os.getpid() != self._pid:
            self.records = False
            return
        atexit.register(self._at_exit)
        self._rank, self._size = number_of_ranks()
        self._teller.ranks = self._size
        if self._size > 1:
            self._ranks = Ranks(
                self.gate, self._rank, self._size, self._refuse, self.steering.unable
            )
        if self._rank:
            self._record_nothing()
            return
        try:
            path = new_path(self._pid)
            self._written = Journal(self._training.journal or path.with_suffix(".journal"))
            self._server = Server(
                path,
                greet=self._greet,
                so_far=lambda: self._teller.so_far(self.steering.state()),
                report=self._report,
                ask=self._ask,
                failed=self._failed,
                moved=self._moved,
            )
        except OSError as error:
            self._record_nothing()
            self.complain(f"this training cannot be watched: {error}")
        else:
            say(f"lrtui watch {self._pid} shows this training")
            if self._training.shows_vitals:
                self.vitals = Vitals()
                self.vitals.follow_optimizer(self.steering.levers.control.first)

    def _record_nothing(self) -> None:
        """Let nothing pile up that nobody reads."""
        self.records = False
        self._device.waiting.clear()
        self._teller.out.clear()
        if self.vitals is not None:
            self.vitals.close()
            self.vitals = None

    @property
    def _step(self) -> int:
        """Steps of the run that is on."""
        return max(self.gate.step - self.origin, 0)

    # --- in the thread of the server ------------------------------------------------------

    def _report(self, watched: bool) -> list[Addressed]:
        teller, gate = self._teller, self.gate
        if self._device.waiting:
            gate.nudge()
        told = teller.take(gate.paused, watched)
        self.steering.levers.control.arrived = teller.scheduled
        begun = next((i for i, (m, _, _) in enumerate(told) if isinstance(m, Started)), None)
        if begun is not None:
            told.insert(begun + 1, to_all(replace(self.steering.state(), run=teller.run)))
        if (greeting := self._greeting_if_changed()) is not None:
            told.append(to_all(greeting))
        if (journal := self._written) is not None:
            wrong = [journal.write(m) for m, _, _ in told if isinstance(m, Steered)]
            told += [to_all(Printed(text=text)) for text in wrong if text]
        if teller.paced(gate.step):
            told += self._once_a_second(watched)
        snapshots = self.steering.levers.snapshots
        due = snapshots is not None and time.monotonic() >= snapshots.due
        if snapshots is not None and due and not gate.paused and not self._is_finished:
            snapshots.due = math.inf  # until it was taken
            self._send(PendingCommand(TakeSnapshot(level=teller.level)))
        return told

    def _greet(self) -> Greeting:
        return self._teller.greeting(self._step, self.steering.capabilities)

    def _greeting_if_changed(self) -> Greeting | None:
        """Return a greeting where another training is on, or something else can be asked of it."""
        now = (self._teller.run, self.steering.capabilities)
        before, self._greeted = self._greeted, now
        return self._greet() if before not in (None, now) else None

    def _once_a_second(self, watched: bool) -> list[Addressed]:
        """Return how far the ranks are, and the vitals."""
        vitals, gate, teller = self.vitals, self.gate, self._teller
        told = [to_all(self._how_far())] if watched else []
        if vitals is not None:
            moves = not gate.paused and not self._is_finished and self.is_open
            vitals.follow(gate.step, moves, teller.pace)
            vitals.see(teller.take_norms())
            if vitals.wants_look:
                gate.nudge()
            first = self.steering.levers.control.first
            told.append(to_all(vitals.message(teller.run, self._step, first)))
        return told

    def _how_far(self) -> RanksTold:
        run, pace = self._teller.run, self._teller.pace
        if self._ranks is None:
            return RanksTold(run=run, steps=[self._step], paces=[pace])
        steps, paces, ended = zip(*self._ranks.far, strict=True)
        left = [rank for rank, over in enumerate(ended) if over]
        done = [max(step - self.origin, 0) for step in steps]
        return RanksTold(run=run, steps=done, paces=[*paces], ended=left)

    def _ask(self, command: AnyCommand, asked_by: str, viewer: int) -> None:
        snapshots = self.steering.levers.snapshots
        if isinstance(command, Rewind) and command.step is None and snapshots:
            # Named here, so that all ranks go back to the same one.
            command = replace(command, step=snapshots.before_the_rise)
        order = PendingCommand(command, asked_by, viewer)
        if self._is_finished:
            self._refuse(order, "this training is over")
        elif self.gate.is_full(viewer) or (self._ranks is not None and self._ranks.is_full):
            self._refuse(order, "too many commands wait already")
        else:
            self._send(order)

    def _send(self, order: PendingCommand) -> None:
        if self._ranks is None:
            self.gate.post(order)
        else:
            self._ranks.ask(order)

    def _refuse(self, order: PendingCommand, why: str) -> None:
        if order.asked_by:
            self.steering.answer(order, why, done=False)
        elif self.steering.levers.snapshots is not None:
            self.steering.levers.snapshots.put_off()

    def _moved(self, path: Path) -> None:
        """Note that the socket has another path now: its folder was removed."""
        if self._written is not None and self._training.journal is None:
            self._written = Journal(path.with_suffix(".journal"))

    def _failed(self, error: BaseException) -> None:
        """Let training go on alone: nobody can end a pause any more."""
        self.gate.let_go()
        self._record_nothing()
        self.complain(f"this training cannot be watched any more: {in_words(error)}")

    # --- the end --------------------------------------------------------------------------

    def finish(self, outcome: Outcome, reason: str) -> None:
        """Say how a training is over after which another one may begin in this process."""
        self.steering.levers.control.detach()
        if self._device.waiting:
            self._teller.out.append(self._device.copy())
        self.owner, self._is_finished = FINISHED, True
        if self.records:
            self._teller.out.append(Finished(*self._reason(outcome, reason)))
        if self._server is not None:
            self._server.wake()

    def _reason(self, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        """Return how it ended, and why: somebody may have asked for it."""
        if outcome == "done" and self.steering.stopping:
            return "stopped", f"stopped after {self._step:,} steps, as asked"
        return outcome, reason

    def end(self, outcome: Outcome, reason: str) -> None:
        """Say how training is over, and close the socket."""
        if not self.is_open or os.getpid() != self._pid:
            return
        self.is_open = False
        atexit.unregister(self._at_exit)
        self.gate.attend_at = NEVER
        self.steering.levers.control.detach()
        if self._ranks is not None:
            self._ranks.end()
        outcome, reason = self._reason(outcome, reason)
        if self._server is not None:
            if self._device.waiting:
                self._teller.out.append(self._device.copy())
            self._server.close(
                lambda: self._teller.last_words(self._step, outcome, reason),
                waits=lambda: bool(self._teller.out),
            )
        self._record_nothing()

    def _at_exit(self) -> None:
        """Say how the program ended, where nobody has closed this."""
        self.end(*how_it_ended(getattr(sys, "last_value", None)))

    def forget(self) -> None:
        """Become nothing, in a process forked off the training."""
        if self._server is not None:
            self._server.forget()
        self._record_nothing()
        self.gate.attend_at = NEVER
        self._is_started, self.is_open = True, False

    def complain(self, text: str) -> None:
        """Say once what is wrong; never to the training."""
        if text not in self._said and len(self._said) < MAX_COMPLAINTS:
            self._said.add(text)
            say(text)


FINISHED = object()
"""Owns a channel whose training is over."""

MAX_COMPLAINTS = 20
"""Things that a training is told to be wrong with it, at most."""

CHANNELS: list[Channel] = []
"""Those of this process, oldest first: a process forked off it must leave them alone."""


def open_channels() -> list[Channel]:
    """Return the channels of this process that are not over, and forget the others."""
    CHANNELS[:] = [channel for channel in CHANNELS if channel.is_open]
    return [*CHANNELS]


def how_it_ended(error: BaseException | None) -> tuple[Outcome, str]:
    """Return how a training ended, and why in a sentence, from what ended it."""
    if error is None:
        return "done", "the program has ended"
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(error, SystemExit):
        return ("done" if not error.code else "failed"), f"exit code {error.code or 0}"
    return "failed", in_words(error)


def say(text: str) -> None:
    """Print a line for the person who started the training, above tqdm's bars if there are any."""
    line = f"lrtui: {text}"
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is not None and getattr(tqdm, "_instances", None):
        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)


FORKED: weakref.WeakSet[Any] = weakref.WeakSet()
"""What else is to be forgotten in a forked process: has a method ``forget``."""


def forget_all() -> None:
    """Leave the training alone, in a process forked off it, such as a worker that loads data."""
    for each in [*CHANNELS, *FORKED]:
        each.forget()
    CHANNELS.clear()


os.register_at_fork(after_in_child=forget_all)
