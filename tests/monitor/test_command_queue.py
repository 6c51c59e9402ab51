"""Where training meets those that steer it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from lrtui.messages import Hold, Pause, Resume
from lrtui.monitor.command_queue import MAX_WAITING, NEVER, CommandQueue, PendingCommand


class Training:
    """Steps of a loop, and the step after which each order was carried out."""

    def __init__(self) -> None:
        self.done: list[tuple[int, object]] = []
        self.queue = CommandQueue(self.carry_out)

    def carry_out(self, pending: PendingCommand) -> None:
        self.done.append((self.queue.step, pending.command))
        if isinstance(pending.command, Pause):
            self.queue.paused = True
        if isinstance(pending.command, Resume):
            self.queue.paused = False

    def step(self) -> None:
        self.queue.step += 1
        if self.queue.step >= self.queue.attend_at:
            self.queue.attend()

    def in_a_thread(self, steps: int) -> threading.Thread:
        def run() -> None:
            for _ in range(steps):
                self.step()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end
        time.sleep(0.001)


@given(st.lists(st.integers(0, 30), max_size=10))
def test_each_order_is_carried_out_after_its_step_and_training_attends_no_more(
    steps: list[int],
) -> None:
    training = Training()
    for number, at in enumerate(steps, 1):
        training.queue.post(PendingCommand(Hold(id=number, lr=1.0), at=at))
    for _ in range(40):
        training.step()
    assert {(at, c.id) for at, c in training.done} == {  # type: ignore[attr-defined]
        (max(at, 1), number) for number, at in enumerate(steps, 1)
    }
    assert training.queue.attend_at == NEVER


def test_a_pause_holds_and_what_comes_meanwhile_is_done_at_once() -> None:
    training = Training()
    training.queue.post(PendingCommand(Pause()))
    thread = training.in_a_thread(5)
    until(lambda: len(training.done) == 1)
    training.queue.post(PendingCommand(Hold(lr=1.0)))
    until(lambda: len(training.done) == 2)
    assert training.queue.step == 1
    training.queue.post(PendingCommand(Resume()))
    thread.join(20)
    assert [at for at, _ in training.done] == [1, 1, 1]
    assert training.queue.step == 5


def test_a_step_that_was_asked_for_ends_in_a_pause() -> None:
    training = Training()
    training.queue.pause_at = training.queue.attend_at = 3
    thread = training.in_a_thread(10)
    until(lambda: training.queue.paused)
    assert training.queue.step == 3
    training.queue.release_all()
    thread.join(20)
    assert training.queue.step == 10


def test_a_promise_is_kept_until_there_is_an_order() -> None:
    training = Training()
    training.in_a_thread(10**12)  # more than it will come to
    until(lambda: training.queue.step > 0)
    for _ in range(20):
        promised = training.queue.promise(2)
        assert training.queue.step <= promised
        until(lambda: training.queue.step == promised)  # noqa: B023
        time.sleep(0.005)
        assert training.queue.step == promised  # it waits there
        training.queue.post(PendingCommand(Hold(lr=1.0), at=promised + 3))
        until(training.queue.__class__.is_idle.fget.__get__(training.queue))  # type: ignore[attr-defined]
        assert training.done[-1][0] == promised + 3
    training.queue.promise(2)
    training.queue.cancel_promise()
    before = training.queue.step
    until(lambda: training.queue.step > before + 10)
    training.queue.post(PendingCommand(Pause()))
    until(lambda: training.queue.paused)
    assert training.queue.promise(2) == training.queue.step  # it is held already


def test_an_error_in_an_order_reaches_training_and_leaves_the_gate_usable() -> None:
    class Interrupted(BaseException):
        pass

    def carry_out(pending: PendingCommand) -> None:
        raise Interrupted

    queue = CommandQueue(carry_out)
    queue.post(PendingCommand(Hold(lr=1.0)))
    queue.step = 1
    try:
        queue.attend()
    except Interrupted:
        pass
    else:
        raise AssertionError
    assert queue.is_idle
    assert queue.promise(2) == 3


def test_so_many_orders_wait_and_no_more() -> None:
    queue = CommandQueue(lambda pending: None)
    for _ in range(MAX_WAITING):
        assert not queue.is_full(1)
        queue.post(PendingCommand(Hold(lr=1.0), viewer=1))
    assert queue.is_full(1)
    assert not queue.is_full(2)


def test_a_promise_does_not_reach_beyond_a_pause_that_is_due() -> None:
    # Or ranks that pause there would wait for one another: no later step will come.
    queue = CommandQueue(lambda pending: None)
    queue.step, queue.pause_at, queue.attend_at = 5, 6, 6
    assert queue.promise(2) == 6
    assert queue.attend_at == 6
    queue.step = 6
    assert queue.promise(2) == 6
