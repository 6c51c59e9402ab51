"""Ranks that train together carry out a command after the same step.

Nothing is exchanged while there is no command. When there is one, rank 0 publishes it in the store
of torch.distributed. Each rank's thread promises not to begin a step beyond one that it names
before it has the answer; rank 0 answers with the largest of these; all carry it out there. The
threads do this also while training sits in an all-reduce, so no rank waits for one that waits for
it. A rank that has waited for too long cancels: the store lets one answer win, so all see the same.
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

POLL_SECONDS = 0.05
"""Seconds between two looks for a command."""

ANSWER_POLL_SECONDS = 0.002
"""Seconds between two looks for an answer."""

RANK_TIMEOUT = 10.0
"""Seconds that a rank waits for the others."""

STEPS_AHEAD = 2
"""Steps that a rank may still take till there is an answer."""

END_TIMEOUT = 2.0
"""Seconds that the end of a training waits for the thread."""

REPORT_SECONDS = 1.0
"""Seconds between two reports of how far a rank is."""

ENDED = -1
"""What a rank promises that takes no more steps."""

JOIN_TIMEOUT = 2.0
"""Seconds after its own start that a rank may take to appear; later nobody is waited for."""

MONITORS = count()
"""Numbers the trainings of this process, in the same order on each rank."""

Far = tuple[int, float, bool]
"""How far a rank is: its step, its steps a second, whether it has ended."""


def number_of_ranks() -> tuple[int, int]:
    """Return the rank of this process, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class Ranks:
    """The agreement of one rank with the others, in a thread of its own.

    Attributes:
        far: how far each rank is, as rank 0 knows it.
    """

    def __init__(
        self,
        gate: CommandQueue,
        rank: int,
        size: int,
        refuse: Callable[[PendingCommand, str], None],
        unable: Callable[[AnyCommand], str],
    ) -> None:
        """Start the thread.

        Args:
            gate: of the training of this rank.
            rank: of this process.
            size: how many ranks there are.
            refuse: is told, on rank 0, what could not be agreed on, and why.
            unable: says why this rank cannot carry out a command, empty if it can.
        """
        self.far: list[Far] = [(0, 0.0, False)] * size
        self._gate, self._rank, self._size, self._refuse = gate, rank, size, refuse
        self._unable = unable
        self._here = {rank}
        self._join_until = time.monotonic() + JOIN_TIMEOUT
        store = own_connection(dist.distributed_c10d._get_default_store())
        name = f"lrtui {next(MONITORS)}"
        self._store = dist.PrefixStore(name, store)  # type: ignore[attr-defined]
        self._asked: SimpleQueue[PendingCommand] = SimpleQueue()
        self._ended = False
        self._reported = 0.0
        self._thread = Thread(target=self._run, name="lrtui ranks", daemon=True)
        self._thread.start()

    def ask(self, order: PendingCommand) -> None:
        """Have an order carried out by all ranks; on rank 0."""
        self._asked.put(order)

    @property
    def is_full(self) -> bool:
        """Whether too many orders wait for an agreement to take another."""
        return self._asked.qsize() >= MAX_WAITING

    def end(self) -> None:
        """Tell the others that this rank takes no more steps."""
        self._ended = True
        with contextlib.suppress(Exception):  # the store is gone, and nobody can ask any more
            self._store.set(f"ended {self._rank}", "1")
        self._gate.cancel_promise()
        # A thread that is in the store when the interpreter ends would abort the process.
        self._thread.join(END_TIMEOUT)

    # --- in the thread ----------------------------------------------------------------

    def _run(self) -> None:
        number, order = 0, None
        try:
            self._store.set(f"here {self._rank}", "1")
            while not self._ended:
                if (order := self._next(number)) is None:
                    continue
                if self._rank == 0 and (why := self._missing()):
                    self._refuse(order, why)  # nobody is held up for an answer that cannot come
                    continue
                self._agree(number, order)
                number += 1
        except Exception as error:  # such as that the process that kept the store is gone
            self._gate.let_go()
            self._refuse_all(order, f"the ranks cannot agree any more: {type(error).__name__}")
        finally:
            self._gate.let_go()

    def _missing(self) -> str:
        """Say which ranks lrtui has nothing in, empty once all have appeared.

        Those that may still come are waited for, while training goes on.
        """
        while True:
            for rank in range(self._size):
                if rank not in self._here and self._store.check([f"here {rank}"]):
                    self._here.add(rank)
            missing = [str(rank) for rank in range(self._size) if rank not in self._here]
            if not missing or self._ended:
                return ""
            if time.monotonic() > self._join_until:
                return (
                    f"lrtui is not in rank {', '.join(missing)}: start all ranks by torchrun … "
                    "-m lrtui run, or give each a Monitor or the callback"
                )
            time.sleep(POLL_SECONDS)

    def _refuse_all(self, order: PendingCommand | None, why: str) -> None:
        """Refuse an order and, on rank 0, all that follow, so that each is answered."""
        while self._rank == 0 and not self._ended:
            if order is not None:
                self._refuse(order, why)
            order = self._next_asked()

    def _next_asked(self) -> PendingCommand | None:
        """Return the next order that somebody asks for, ``None`` where none comes for a while."""
        try:
            return self._asked.get(timeout=POLL_SECONDS)
        except Empty:
            return None

    def _next(self, number: int) -> PendingCommand | None:
        """Return the next order, ``None`` where none comes for a while."""
        self._report()
        if self._rank == 0:
            return self._next_asked()
        key = f"command {number}"
        if not self._store.check([key]):
            time.sleep(POLL_SECONDS)
            return None
        command = msgspec.json.decode(self._store.get(key), type=AnyCommand)
        return PendingCommand(command)

    def _agree(self, number: int, order: PendingCommand) -> None:
        """Agree on a step with all other ranks, and have the order carried out there."""
        if self._rank == 0:
            self._store.set(f"command {number}", msgspec.json.encode(order.command).decode())
        promised = ENDED if self._ended else self._gate.promise(STEPS_AHEAD)
        why_not = "" if self._ended else self._unable(order.command)
        self._store.set(f"promise {number} {self._rank}", f"{promised} {why_not}")
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
            self._gate.cancel_promise()
            if self._rank == 0:
                self._refuse(order, why or "the ranks did not agree in time")
            return
        if promised == ENDED or self._ended:
            self._gate.cancel_promise()
            return
        self._gate.post(PendingCommand(order.command, order.asked_by, order.viewer, int(found)))
        # The next one is agreed on when this one was carried out: a pause must be there first.
        while not self._ended and not self._gate.is_idle:
            time.sleep(ANSWER_POLL_SECONDS)

    def _gather(self, number: int, until: float) -> tuple[str, str]:
        """Return the step at which all can do it; ``cancelled`` and why where there is none."""
        steps: dict[int, int] = {}
        unable = ""
        while True:
            for rank in range(self._size):
                if rank in steps:
                    continue
                if self._store.check([key := f"promise {number} {rank}"]):
                    promised, _, why = self._store.get(key).decode().partition(" ")
                    steps[rank] = int(promised)
                    if why and not unable:
                        unable = f"rank {rank}: {why}"
                elif self._store.check([f"ended {rank}"]):
                    steps[rank] = ENDED
            if len(steps) == self._size:
                if unable:  # or the ranks would not do the same
                    return "cancelled", unable
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
        """Tell rank 0 how far this rank is; on rank 0, hear it of all once a second."""
        now = time.monotonic()
        passed = now - self._reported
        if passed < (REPORT_SECONDS / 4 if self._rank else REPORT_SECONDS):
            return
        first = not self._reported
        self._reported = now
        if self._rank:
            self._store.set(f"far {self._rank}", str(self._gate.step))
            return
        for rank in range(self._size):
            step, ended = self._gate.step, self._ended
            if rank:
                if not self._store.check([key := f"far {rank}"]):
                    continue
                step = int(self._store.get(key))
                ended = self._store.check([f"ended {rank}"])
            pace = 0.0 if first else (step - self.far[rank][0]) / passed
            self.far[rank] = (step, max(pace, 0.0), ended)


def own_connection(store: Any) -> Any:  # noqa: ANN401 - torch does not say what it is
    """Return a connection to a store beside training's own, which waiting would hold up."""
    if hasattr(store, "clone"):
        return store.clone()
    while isinstance(store, dist.PrefixStore):  # type: ignore[attr-defined]
        store = store.underlying_store
    if isinstance(store, dist.TCPStore):  # type: ignore[attr-defined]
        return dist.TCPStore(store.host, store.port, is_master=False, wait_for_workers=False)  # type: ignore[attr-defined]
    return store
