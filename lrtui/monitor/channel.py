"""Connects the trainings of one process to viewers and other ranks.

Trainings use a channel one after another, each as a run of its own: folds of a cross-validation, a
range test before the fit, a notebook cell run again.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import signal
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from torch import Tensor

from lrtui import messages as msg
from lrtui.messages.sockets import new_path
from lrtui.monitor import saving, stderr_tail
from lrtui.monitor.alarms import Alarms
from lrtui.monitor.command_queue import NEVER, PendingCommand
from lrtui.monitor.device import MAX_WAITING, DeviceRows, number_of
from lrtui.monitor.journal import Journal
from lrtui.monitor.levers import Levers, Steering
from lrtui.monitor.options import RunOptions
from lrtui.monitor.publisher import Addressed, Began, Finished, Publisher, to_all
from lrtui.monitor.ranks import Ranks, number_of_ranks
from lrtui.monitor.rate_try import RateTry
from lrtui.monitor.saving import SavedFile
from lrtui.monitor.server import Server
from lrtui.monitor.stack import find_blocker
from lrtui.monitor.stalls import Stalls
from lrtui.monitor.tape import Tape
from lrtui.monitor.vitals import Vitals
from lrtui.text.errors import in_words

PROGRESS_SECONDS = 0.25
"""Seconds between two progress reports of a try."""


@dataclass(frozen=True)
class Training:
    """A training to show; for the fields see ``Monitor``, ``optimizer`` is in words."""

    name: str
    optimizer: str
    levers: Levers
    options: RunOptions
    full_batch: bool

    @property
    def began(self) -> Began:
        """The event of its beginning."""
        return Began(self.name, self.optimizer, self.full_batch, self.options.on_spike)


class Channel:
    """Shows the trainings of this process, one after another, and carries out commands on them.

    Attributes:
        owner: the Monitor whose steps are shown.
        queue: of commands; counts the steps of all runs.
        origin: steps counted when the current run began.
        records: whether to record rows: only on rank 0, and only if they can be shown.
        add_row: records a row.
        is_open: false once the channel has ended.
        vitals: ``None`` before the first step or if switched off.
    """

    def __init__(self, training: Training) -> None:
        """Open nothing before the first step."""
        self.owner: object = None
        self.origin = 0
        self.records = self.is_open = True
        self._pid = os.getpid()
        self._training = training
        self._size = 1
        self._server: Server | None = None
        self._ranks: Ranks | None = None
        self._journal: Journal | None = None
        self._saved: SavedFile | None = None
        self._is_started = self._is_finished = False
        self._complained: set[str] = set()
        self.vitals: Vitals | None = None
        self._last_vitals: msg.Vitals | None = None
        self._last_greeting: tuple[int, list[msg.Capability]] | None = None
        self._publisher = Publisher(training.began)
        self.steering = Steering(training.levers, self._publish)
        self.queue = self.steering.queue
        self.queue.attend_at = 0  # to open the socket at the first step
        self._stalls: Stalls | None = None
        self._device = DeviceRows()
        self._progress_due = 0.0
        self.add_row: Callable[[Any], None] = self._publisher.outbox.append
        CHANNELS.append(self)

    # --- in the training thread -----------------------------------------------------------

    def defer_row(self, row: Any) -> None:
        """Record a row through the device queue, as all are after the first device number."""
        self._device.waiting.append(row)
        if len(self._device.waiting) >= MAX_WAITING:
            self._copy_rows()

    def add_late(self, scalars: dict[str, Any]) -> None:
        """Add scalars to the step that was recorded last."""
        if not self.records or self._is_finished:
            return
        numbers = {name: number_of(value) for name, value in scalars.items()}
        if any(isinstance(number, Tensor) for number in numbers.values()):
            self.add_row = self.defer_row
        self.add_row((self.steering.step, None, None, None, numbers))

    def _copy_rows(self) -> None:
        """Start to copy the rows waiting on a device, if any."""
        if self._device.waiting:
            self._publisher.outbox.append(self._device.copy())

    def attend(self) -> None:
        """Do what is due after this step."""
        try:
            if not self._is_started:
                self._start()
            if self.vitals is not None and self.vitals.search_due:
                self.vitals.search_script()
            with self.steering.tries.hidden():
                self._copy_rows()
        except Exception as error:
            self.records = False
            self._device.waiting.clear()
            self.complain(f"this training cannot be watched: {in_words(error)}")
        self.steering.tries.after_step()
        self.queue.attend()
        if self.vitals is not None:
            self.vitals.due = 0  # the rate may have been changed

    def begin(self, owner: object, training: Training) -> None:
        """Show another training from its next step on; the previous one is over."""
        if self.owner is not None:
            self.steering.levers.control.detach()
            self._copy_rows()
            self.origin = self.queue.step
            self.steering.begin(training.levers, self.origin)
            # Through the outbox, to stay in order with the rows.
            self._publisher.outbox.append(training.began)
        training.levers.control.reattach()
        if self.vitals is not None:
            self.vitals.follow(training.levers, self.origin)
        self.owner, self._training, self._is_finished = owner, training, False

    def accepts(self, size: int) -> bool:
        """Return whether a training of that many ranks can use this channel."""
        return self.is_open and (not self._is_started or self._size == size)

    def _publish(self, message: Addressed) -> None:
        """Publish a message at once."""
        self._publisher.outbox.append(message)
        if self._server is not None:
            self._server.wake()

    def _start(self) -> None:
        self._is_started = True
        if os.getpid() != self._pid:
            self.records = False
            return
        atexit.register(self._at_exit)
        rank, self._size = number_of_ranks()
        self._publisher.ranks = self._size
        self._stalls = stalls = Stalls()
        if self._size > 1:
            self._ranks = Ranks(
                self.queue, rank, self._size, self._refuse, self.steering.why_not, stalls
            )
            self.steering.tries.agree = self._ranks.agree
        if rank:
            self._record_nothing()
            return
        options = self._training.options
        try:
            path = new_path(self._pid)
            self._journal = Journal(options.journal or path.with_suffix(".journal"))
            spikes = self._journal.path.with_suffix(".spikes.jsonl")
            self._publisher.watch_spikes(Alarms(spikes, self._warn))
            self._saved = saving.take(self.complain)
            self._server = Server(
                path,
                greet=self._greet,
                history=self._history,
                collect=self._collect,
                on_command=self._on_command,
                on_error=self._on_error,
                on_move=self._socket_moved,
                saved=self._saved,
            )
        except OSError as error:
            self._record_nothing()
            self.complain(f"this training cannot be watched: {error}")
        else:
            say(f"lrtui watch {self._pid} shows this training")
            if self._saved is not None:
                end_cleanly_on_sigterm()
            stderr_tail.remove_stale(path.parent)
            if options.vitals:
                self.vitals = Vitals(self.queue, self.complain, self.add_late, options.own_batch)
                self.vitals.follow(self.steering.levers, self.origin)

    def _record_nothing(self) -> None:
        """Record no more rows, since nobody can read them."""
        self.records = False
        self._device.waiting.clear()
        self._publisher.outbox.clear()
        if self.vitals is not None:
            self.vitals.close()
            self.vitals = None

    # --- in the server's thread -----------------------------------------------------------

    def _collect(self, watched: bool) -> list[Addressed]:
        publisher, queue = self._publisher, self.queue
        if self._device.waiting:
            queue.nudge()
        replays = self.steering.tries.is_replaying
        publisher.alone = self.steering.levers.alone
        messages = publisher.collect(queue.paused or replays, watched)
        self.steering.levers.control.last_known = publisher.scheduled
        if self.vitals is not None and self.vitals.sees_all != publisher.sees_all:
            self.vitals.sees_all, self.vitals.due = publisher.sees_all, 0
        begun = next((i for i, m in enumerate(messages) if isinstance(m[0], msg.Started)), None)
        if begun is not None:
            messages.insert(begun + 1, to_all(replace(self.steering.state(), run=publisher.run)))
        if (greeting := self._greeting_if_changed()) is not None:
            messages.append(to_all(greeting))
        if (journal := self._journal) is not None:
            wrong = [journal.write(m) for m, _, _ in messages if isinstance(m, msg.Steered)]
            messages += [to_all(msg.Printed(text=text)) for text in wrong if text]
        if (running := self.steering.tries.running) is not None:
            messages += self._progress_of(running)
        if publisher.count_pace(queue.step, paused=queue.paused, replays=replays):
            self.steering.pace = publisher.pace
            messages += self._once_a_second(watched)
        snapshots = self.steering.levers.snapshots
        due = snapshots is not None and time.monotonic() >= snapshots.due
        if snapshots is not None and due and not queue.paused and not self._is_finished:
            snapshots.due = math.inf  # until this one is taken
            self._send(PendingCommand(msg.TakeSnapshot(level=publisher.level)))
        return messages

    def _progress_of(self, running: RateTry) -> list[Addressed]:
        """Return the progress of a try, if a report is due."""
        now = time.monotonic()
        if now < self._progress_due:
            return []
        self._progress_due = now + PROGRESS_SECONDS
        return [to_all(running.progress(self._publisher.run))]

    def _greet(self) -> msg.Greeting:
        return self._publisher.greeting(self.steering.step, self.steering.capabilities)

    def _history(self) -> list[msg.AnyMessage]:
        """Return the messages so far, and what is sent once a second as it was last."""
        messages, vitals = self._publisher.history(self.steering.state()), self._last_vitals
        if self._is_finished:
            return messages
        last = [vitals] if vitals is not None and vitals.run == self._publisher.run else []
        return [*messages, self._ranks_message(), *last]

    def _greeting_if_changed(self) -> msg.Greeting | None:
        """Return a new greeting if the run or its capabilities have changed."""
        now = (self._publisher.run, self.steering.capabilities)
        before, self._last_greeting = self._last_greeting, now
        return self._greet() if before not in (None, now) else None

    def _once_a_second(self, watched: bool) -> list[Addressed]:
        """Return the messages sent once a second: ranks and vitals."""
        vitals, queue, publisher = self.vitals, self.queue, self._publisher
        waits = queue.paused or self.steering.tries.is_replaying
        moves = not waits and not self._is_finished and self.is_open
        if self._stalls is not None:
            self._stalls.track(queue.step, moves=moves)
        if publisher.alarms is not None:
            publisher.alarms.reap()
        if stderr_tail.TAIL is not None and self._server is not None and self.is_open:
            stderr_tail.TAIL.save(self._server.path.with_suffix(".stderr"))
        messages = [to_all(self._ranks_message())] if watched else []
        if vitals is not None:
            vitals.plan_search(moves)
            if vitals.search_due:
                queue.nudge()
            messages.append(to_all(self._read(vitals)))
        return messages

    def _read(self, vitals: Vitals) -> msg.Vitals:
        """Return the vitals as they are now."""
        steering, run = self.steering, self._publisher.run
        vitals.add_norms(self._publisher.pop_norms())
        self._last_vitals = vitals.message(run, steering.step, steering.levers.control.first)
        return self._last_vitals

    def _final_messages(self, outcome: msg.Outcome, reason: str) -> list[msg.AnyMessage]:
        """Return the last messages: how things stood at the end, and why it ended."""
        ended = self._publisher.final_messages(self.steering.step, outcome, reason)
        return [self._read(self.vitals), *ended] if self.vitals is not None and ended else ended

    def _ranks_message(self) -> msg.Ranks:
        run, pace = self._publisher.run, self._publisher.pace
        message = msg.Ranks(run=run, steps=[self.steering.step], paces=[pace])
        doing = []
        if self._ranks is not None:
            steps, paces, ended, doing = map(list, zip(*self._ranks.progress, strict=True))
            done = [max(step - self.origin, 0) for step in steps]
            left = [rank for rank, over in enumerate(ended) if over]
            message = msg.Ranks(run=run, steps=done, paces=paces, ended=left)
        if self._stalls is None or not (stalled := self._stalls.seconds):
            return message
        doing = [self._stalls.doing(), *doing[1:]]
        blocker = find_blocker(doing)
        return replace(message, stalled=stalled, blocker=blocker, doing=doing[blocker or 0])

    def _on_command(self, command: msg.AnyCommand, asked_by: str, viewer: int) -> None:
        if isinstance(command, msg.Cancel | msg.Stop):
            self.steering.tries.cancel_soon()
        snapshots = self.steering.levers.snapshots
        if isinstance(command, msg.Rewind) and command.step is None and snapshots:
            # Chosen here, so that all ranks go back to the same snapshot.
            command = replace(command, step=snapshots.before_rise)
        pending = PendingCommand(command, asked_by, viewer)
        if self._is_finished:
            self._refuse(pending, "this training is over")
        elif self.queue.is_full(viewer) or (self._ranks is not None and self._ranks.is_full):
            self._refuse(pending, "too many commands wait already")
        else:
            self._send(pending)

    def _send(self, pending: PendingCommand) -> None:
        if self._ranks is None:
            self.queue.post(pending)
        else:
            self._ranks.submit(pending)

    def _refuse(self, pending: PendingCommand, why: str) -> None:
        if pending.asked_by:
            self.steering.answer(pending, why, done=False)
        elif self.steering.levers.snapshots is not None:
            self.steering.levers.snapshots.postpone()

    def _socket_moved(self, path: Path) -> None:
        """Let the journal follow the socket to another folder."""
        if self._journal is not None and not self._training.options.journal:
            self._journal = Journal(path.with_suffix(".journal"))
            if self._publisher.alarms is not None:
                self._publisher.alarms.path = path.with_suffix(".spikes.jsonl")

    def _on_error(self, error: BaseException) -> None:
        """Release the training after an error of the server, as nobody could resume it."""
        self.queue.release_all()
        self._record_nothing()
        self.complain(f"this training can no longer be watched: {in_words(error)}")

    def _warn(self, text: str) -> None:
        """Print a sentence to the terminal of the training and to all viewers."""
        self.complain(text)
        self._publisher.outbox.append(to_all(msg.Printed(text=text)))

    # --- the end --------------------------------------------------------------------------

    def finish(self, outcome: msg.Outcome, reason: str = "") -> None:
        """Report the end of a training, and wait for another one of this process."""
        self.steering.tries.drop("the training is over")
        self.steering.levers.control.detach()
        self._copy_rows()
        self.owner, self._is_finished = FINISHED, True
        if self.records:
            self._publisher.outbox.append(Finished(*self._reason(outcome, reason)))
        if self._server is not None:
            self._server.wake()

    def _reason(self, outcome: msg.Outcome, reason: str) -> tuple[msg.Outcome, str]:
        """Return how and why the training ended, also if a viewer stopped it."""
        if outcome == "done" and self.steering.stopping:
            return "stopped", f"stopped after {self.steering.step:,} steps, as asked"
        return outcome, reason or f"ended after {self.steering.step:,} steps"

    def end(self, outcome: msg.Outcome, reason: str = "") -> None:
        """Report the end of the training, and close the socket."""
        if not self.is_open or os.getpid() != self._pid:
            return
        self.is_open = False
        self.steering.tries.drop("the training is over")
        atexit.unregister(self._at_exit)
        self.queue.attend_at = NEVER
        self.steering.levers.control.detach()
        if self._ranks is not None:
            self._ranks.end()
        outcome, reason = self._reason(outcome, reason)
        if self._server is not None:
            self._copy_rows()
            self._server.close(
                lambda: self._final_messages(outcome, reason),
                is_waiting=lambda: bool(self._publisher.outbox),
            )
            saving.give_back(self._saved)
            with contextlib.suppress(OSError):
                self._server.path.with_suffix(".stderr").unlink()
        if self._publisher.alarms is not None:
            self._publisher.alarms.close()
        self._record_nothing()

    def _at_exit(self) -> None:
        """Report the end of a program that has not closed its Monitor."""
        self.end(*how_it_ended(getattr(sys, "last_value", None)))

    def after_fork(self) -> None:
        """Become a no-op in a forked child."""
        if self._server is not None:
            self._server.close_connections()
        if Tape.active is not None:
            Tape.active.switch_off()
        self._record_nothing()
        self.queue.attend_at = NEVER
        self._is_started, self.is_open = True, False

    def complain(self, text: str) -> None:
        """Print a warning, each only once."""
        if text not in self._complained and len(self._complained) < MAX_COMPLAINTS:
            self._complained.add(text)
            say(text)


FINISHED = object()
"""Owner of a channel whose training is over."""

MAX_COMPLAINTS = 20
"""Most warnings of a training."""

CHANNELS: list[Channel] = []
"""Channels of this process, oldest first; forked children must not use them."""


def open_channels() -> list[Channel]:
    """Return the open channels of this process, and forget the others."""
    CHANNELS[:] = [channel for channel in CHANNELS if channel.is_open]
    return [*CHANNELS]


def how_it_ended(error: BaseException | None) -> tuple[msg.Outcome, str]:
    """Return how a program ended, and why in a sentence, from the error that ended it."""
    if error is None:
        return "done", "the program has ended"
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(error, SystemExit):
        return ("done" if not error.code else "failed"), f"exit code {error.code or 0}"
    return "failed", in_words(error)


def end_cleanly_on_sigterm() -> None:
    """Report the end of the trainings on SIGTERM, unless the script handles it itself."""
    with contextlib.suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, on_sigterm)


def on_sigterm(number: int, frame: object) -> None:
    """Report the end of the trainings, then end as the signal would have."""
    for channel in open_channels():
        channel.end("stopped", "ended by SIGTERM")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def say(text: str) -> None:
    """Print a line to the terminal of the training, above any tqdm bars."""
    line = f"lrtui: {text}"
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is not None and getattr(tqdm, "_instances", None):
        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)


AFTER_FORK: weakref.WeakSet[Any] = weakref.WeakSet()
"""Further objects whose method ``after_fork`` is called in a forked child."""


def after_fork() -> None:
    """Disable everything in a forked child, such as a worker that loads data."""
    for each in [*CHANNELS, *AFTER_FORK]:
        each.after_fork()
    CHANNELS.clear()
    saving.forget()
    if signal.getsignal(signal.SIGTERM) is on_sigterm:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=after_fork)
