"""Makes all ranks carry out a command after the same step.

Rank 0 publishes a command in the store of torch.distributed. Each rank then names a step and
promises not to go beyond it before it has the answer. Rank 0 answers with the largest of these, and
all carry out the command there. This runs in a thread of its own, so that it also works while the
training sits in an all-reduce: no deadlock. A rank that waits for too long cancels; the store
accepts only the first answer, so all see the same.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import msgspec
import torch.distributed as dist

from lrtui.messages import AnyCommand
from lrtui.monitor.command_queue import MAX_WAITING, CommandQueue, PendingCommand
from lrtui.monitor.recent_steps import WINDOW_STEPS, RecentSteps
from lrtui.monitor.stalls import Stalls

POLL_SECONDS = 0.05
"""Seconds between two polls for a command."""

ANSWER_POLL_SECONDS = 0.002
"""Seconds between two polls for an answer."""

RANK_TIMEOUT = 10.0
"""Seconds that a rank waits for the others."""

VOTE_TIMEOUT = 300.0
"""Seconds that a rank waits for the others' votes: they may still be in their replays."""

STEPS_AHEAD = 2
"""Steps that a rank may take while it waits for an answer."""

END_TIMEOUT = 2.0
"""Seconds that the end of a training waits for the thread."""

REPORT_SECONDS = 1.0
"""Seconds between two progress reports of a rank."""

ENDED = -1
"""Promise of a rank that takes no more steps."""

JOIN_TIMEOUT = 2.0
"""Seconds after this rank's start in which the others must appear."""

MONITORS = count()
"""Numbers the trainings of this process, in the same order on each rank."""

RankProgress = tuple[int, float, bool, str]
"""A rank's step, its steps a second, whether it has ended, and what it does while it stalls."""


def number_of_ranks() -> tuple[int, int]:
    """Return the rank of this process and the number of ranks."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class Ranks:
    """Agrees with the other ranks on commands, in a thread of its own.

    Attributes:
        progress: of each rank, known to rank 0 only.
    """

    def __init__(
        self,
        queue: CommandQueue,
        rank: int,
        size: int,
        refuse: Callable[[PendingCommand, str], None],
        why_not: Callable[[AnyCommand], str],
        stalls: Stalls,
    ) -> None:
        """Start the thread; ``refuse`` is called on rank 0 with a command not agreed on, and why.

        ``why_not`` is that of ``Steering``.
        """
        self.progress: list[RankProgress] = [(0, 0.0, False, "")] * size
        self._paces = [RecentSteps() for _ in range(size)]
        self._stalls, self._doing = stalls, ""
        self._queue, self._rank, self._size, self._refuse = queue, rank, size, refuse
        self._why_not = why_not
        self._present = {rank}
        self._join_until = time.monotonic() + JOIN_TIMEOUT
        store = own_connection(dist.distributed_c10d._get_default_store())
        name = f"lrtui {next(MONITORS)}"
        self._store = dist.PrefixStore(name, store)  # type: ignore[attr-defined]
        self._requests: SimpleQueue[PendingCommand] = SimpleQueue()
        self._votes: Any = None  # the training thread's own connection
        self._vote_numbers = count()
        self._ended = False
        self._reported = 0.0
        self._thread = Thread(target=self._run, name="lrtui ranks", daemon=True)
        self._thread.start()

    def submit(self, pending: PendingCommand) -> None:
        """Make all ranks carry out a command; called on rank 0."""
        self._requests.put(pending)

    def agree(self, objection: str) -> str:
        """Return the objection of any rank, empty for none; called in the training thread of each.

        Raises:
            TimeoutError: a rank does not answer.
        """
        if self._votes is None:
            self._votes = own_connection(self._store)
        number, until = next(self._vote_numbers), time.monotonic() + VOTE_TIMEOUT
        self._votes.set(f"vote {number} {self._rank}", objection)
        found = ""
        for rank in range(self._size):
            while not self._votes.check([key := f"vote {number} {rank}"]):
                if time.monotonic() > until:
                    raise TimeoutError(f"rank {rank} does not answer")
                time.sleep(ANSWER_POLL_SECONDS)
            if (why := self._votes.get(key).decode()) and not found:
                found = why if rank == self._rank else f"rank {rank}: {why}"
        return found

    @property
    def is_full(self) -> bool:
        """Whether too many commands wait for agreement."""
        return self._requests.qsize() >= MAX_WAITING

    def end(self) -> None:
        """Report that this rank takes no more steps."""
        self._ended = True
        with contextlib.suppress(Exception):  # the store may be gone, and all commands with it
            self._store.set(f"ended {self._rank}", "1")
        self._queue.cancel_promise()
        # A thread still in the store when the interpreter ends would abort the process.
        self._thread.join(END_TIMEOUT)

    # --- in the thread ----------------------------------------------------------------

    def _run(self) -> None:
        number, pending = 0, None
        try:
            self._store.set(f"here {self._rank}", "1")
            while not self._ended:
                if (pending := self._next(number)) is None:
                    continue
                if self._rank == 0 and (why := self._missing()):
                    self._refuse(pending, why)  # no rank waits for an answer that cannot come
                    continue
                self._agree(number, pending)
                number += 1
        except Exception as error:  # for example, the process with the store is gone
            self._queue.release_all()
            self._refuse_all(pending, f"the ranks can no longer agree: {type(error).__name__}")
        finally:
            self._queue.release_all()

    def _missing(self) -> str:
        """Return which ranks do not run lrtui, empty once all have appeared.

        Wait for ranks that may still start; the training continues meanwhile.
        """
        while True:
            for rank in range(self._size):
                if rank not in self._present and self._store.check([f"here {rank}"]):
                    self._present.add(rank)
            missing = [str(rank) for rank in range(self._size) if rank not in self._present]
            if not missing or self._ended:
                return ""
            if time.monotonic() > self._join_until:
                return (
                    f"lrtui is not in rank {', '.join(missing)}: start all ranks by torchrun … "
                    "-m lrtui run, or give each a Monitor or the callback"
                )
            time.sleep(POLL_SECONDS)

    def _refuse_all(self, pending: PendingCommand | None, why: str) -> None:
        """On rank 0, refuse a command and all that follow, so that each is answered."""
        while self._rank == 0 and not self._ended:
            if pending is not None:
                self._refuse(pending, why)
            pending = self._next_asked()

    def _next_asked(self) -> PendingCommand | None:
        """Return the next command of a viewer, ``None`` if none arrives for a while."""
        try:
            return self._requests.get(timeout=POLL_SECONDS)
        except Empty:
            return None

    def _next(self, number: int) -> PendingCommand | None:
        """Return the next command, ``None`` if none arrives for a while."""
        self._report()
        if self._rank == 0:
            return self._next_asked()
        key = f"command {number}"
        if not self._store.check([key]):
            time.sleep(POLL_SECONDS)
            return None
        command = msgspec.json.decode(self._store.get(key), type=AnyCommand)
        return PendingCommand(command)

    def _agree(self, number: int, pending: PendingCommand) -> None:
        """Agree with the other ranks on a step, and queue the command for it."""
        if self._rank == 0:
            self._store.set(f"command {number}", msgspec.json.encode(pending.command).decode())
        promised = ENDED if self._ended else self._queue.promise(STEPS_AHEAD)
        why_unable = "" if self._ended else self._why_not(pending.command)
        self._store.set(f"promise {number} {self._rank}", f"{promised} {why_unable}")
        until = time.monotonic() + RANK_TIMEOUT
        if self._rank == 0:
            answer, why = self._gather(number, until)
            self._store.compare_set(f"answer {number}", "", answer)
        key = f"answer {number}"
        while not self._store.check([key]):
            if self._ended:
                return
            if time.monotonic() > until + 1:
                self._store.compare_set(key, "", "cancelled")
            time.sleep(ANSWER_POLL_SECONDS)
        found = self._store.get(key).decode()
        if found == "cancelled":
            self._queue.cancel_promise()
            if self._rank == 0:
                self._refuse(pending, why or "the ranks did not agree in time")
            return
        if promised == ENDED or self._ended:
            self._queue.cancel_promise()
            return
        self._queue.post(
            PendingCommand(pending.command, pending.asked_by, pending.viewer, int(found))
        )
        # Carry it out before agreeing on the next one, which must see its pause.
        while not self._ended and not self._queue.is_idle:
            time.sleep(ANSWER_POLL_SECONDS)

    def _gather(self, number: int, until: float) -> tuple[str, str]:
        """Return the step at which all can carry it out, or ``cancelled`` and why."""
        steps: dict[int, int] = {}
        why_not = ""
        while True:
            for rank in range(self._size):
                if rank in steps:
                    continue
                if self._store.check([key := f"promise {number} {rank}"]):
                    promised, _, why = self._store.get(key).decode().partition(" ")
                    steps[rank] = int(promised)
                    if why and not why_not:
                        why_not = f"rank {rank}: {why}"
                elif self._store.check([f"ended {rank}"]):
                    steps[rank] = ENDED
            if len(steps) == self._size:
                if why_not:  # the ranks would diverge
                    return "cancelled", why_not
                last = max(steps.values())
                return (str(last), "") if last != ENDED else ("cancelled", "training has ended")
            if self._ended:
                return "cancelled", "training has ended"
            if time.monotonic() > until:
                missing = ", ".join(str(r) for r in range(self._size) if r not in steps)
                why = f"no answer within {RANK_TIMEOUT:g} s from rank {missing}"
                return "cancelled", why
            time.sleep(ANSWER_POLL_SECONDS)

    def _report(self) -> None:
        """Report this rank's progress to rank 0; on rank 0, read it of all once a second."""
        now = time.monotonic()
        if now < self._reported + (REPORT_SECONDS / 4 if self._rank else REPORT_SECONDS):
            return
        self._reported = now
        if self._rank:
            self._store.set(f"far {self._rank}", str(self._queue.step))
            self._stalls.track(self._queue.step, moves=not self._queue.paused)
            doing = self._stalls.doing() if self._stalls.seconds else ""
            if doing != self._doing:
                self._doing = doing
                self._store.set(f"doing {self._rank}", doing)
            return
        for rank in range(self._size):
            step, ended, doing = self._queue.step, self._ended, ""
            if rank:
                if not self._store.check([key := f"far {rank}"]):
                    continue
                step = int(self._store.get(key))
                ended = self._store.check([f"ended {rank}"])
                if self._stalls.seconds and self._store.check([key := f"doing {rank}"]):
                    doing = self._store.get(key).decode()
            if self._queue.paused:
                self._paces[rank].clear()
            self._paces[rank].add(now, step)
            pace = self._paces[rank].pace(now, WINDOW_STEPS)
            self.progress[rank] = (step, pace, ended, doing)


def own_connection(store: Any) -> Any:
    """Return a second connection to a store, so that polling never blocks the training's own."""
    if hasattr(store, "clone"):
        return store.clone()
    while isinstance(store, dist.PrefixStore):  # type: ignore[attr-defined]
        store = store.underlying_store
    if isinstance(store, dist.TCPStore):  # type: ignore[attr-defined]
        return dist.TCPStore(store.host, store.port, is_master=False, wait_for_workers=False)  # type: ignore[attr-defined]
    return store
