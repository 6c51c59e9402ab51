"""Numbers on a device: none is waited for, all arrive, and none piles up."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import lrtui
from lrtui.messages import AnyCommand, Hold, Progress, Release, Scale
from lrtui.monitor import channel as channels
from lrtui.monitor.device import MAX_WAITING, DeviceRows
from lrtui.monitor.losses import LossFinder
from tests.monitor.late import DELAY, LateTensor, Module, Synchronised, late
from tests.monitor.trainings import Viewer, until

ONE = torch.tensor(1.0)


@pytest.fixture(autouse=True)
def private_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / "s"))
    yield
    for channel in channels.open_channels():
        channel.end("done", "the test is over")


def optimizer(**settings: Any) -> torch.optim.Optimizer:
    w = torch.nn.Parameter(torch.ones(2))
    w.grad = torch.zeros(2)
    return torch.optim.SGD([w], **{"lr": 0.1, **settings})


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Callable[[], Viewer]]:
    """Returns what opens a viewer of the training, which is closed with the test."""
    opened: list[Viewer] = []

    def view() -> Viewer:
        opened.append(Viewer(next((tmp_path / "s").glob("*.sock"))))
        opened[-1].wait_for(lambda: bool(opened[-1].messages), "that it is heard")
        return opened[-1]

    yield view
    for viewer in opened:
        viewer.close()


def test_the_device_of_these_tests_is_as_strict_as_a_real_one() -> None:
    number = late(ONE)
    for wait in (number.item, lambda: float(number), lambda: bool(number > 0), number.cpu):
        with pytest.raises(Synchronised):
            wait()


def arrived(rows: Callable[[], Any]) -> Any:
    assert rows() is None  # not yet
    until(lambda: rows() is not None, "numbers")
    return rows()


def test_rows_arrive_in_order_with_what_is_a_number_already() -> None:
    rows = DeviceRows()
    rows.waiting = [
        (1, late(ONE), 0.1, None, {"a": late(2 * ONE), "b": 3.0}),
        (2, 5.0, 0.1, late(4 * ONE), {}),
    ]
    found = arrived(rows.copy())
    assert found == [(1, 1.0, 0.1, None, {"a": 2.0, "b": 3.0}), (2, 5.0, 0.1, 4.0, {})]
    assert rows.waiting == []


def test_the_event_is_one_of_the_tensors_device_whichever_is_the_current_one() -> None:
    before = len(Module.streams)
    rows = DeviceRows()
    rows.waiting = [(1, late(ONE), 0.1, 0.1, {})]
    rows.copy()
    assert Module.streams[before:] == (torch.device("meta"),)


@pytest.mark.parametrize("close", [True, False])
def test_the_last_rows_arrive(close: bool, view: Callable[[], Viewer]) -> None:
    steps = optimizer()
    monitor = lrtui.Monitor(steps)
    monitor.step(late(ONE))
    watching = view()
    for step in range(2, 8):
        steps.step()
        monitor.step(late(step * ONE), twice=late(2 * step * ONE))
    if close:
        monitor.close()
    else:  # as at the end of the program
        monitor._channel._at_exit()
    watching.read_all()
    assert watching.column("loss") == {step: float(step) for step in range(1, 8)}
    assert watching.column("twice")[7] == 14.0
    assert watching.ended() is not None


def test_a_metric_of_any_shape_is_answered_once_in_words(
    view: Callable[[], Viewer], capsys: pytest.CaptureFixture[str]
) -> None:
    steps = optimizer()
    monitor = lrtui.Monitor(steps)
    for step in range(1, 40):
        steps.step()
        vector: Any = late(torch.ones(3))
        monitor.step(late(step * ONE), vector=vector, here=torch.ones(2, 2), none=torch.ones(0))
        monitor.step(step + 0.5, text="x")  # type: ignore[arg-type]
    watching = view()
    monitor.close()
    watching.read_all()
    assert len(watching.column("loss")) == 78
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot" in line]
    assert [line.split(":")[1].strip() for line in said] == [
        "vector cannot be shown",
        "here cannot be shown",
        "none cannot be shown",
        "text cannot be shown",
    ]
    assert "it has 3 elements, a scalar has one" in said[0]


def losses_alive(make: Callable[[int], None], steps: int) -> int:
    """How many tensors of the device are alive after some steps."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    new = LateTensor.__new__

    def counted(cls: Any, inner: Tensor) -> Any:
        made = new(cls, inner)
        alive.add(made)
        return made

    LateTensor.__new__ = counted  # type: ignore[method-assign]
    try:
        for step in range(steps):
            make(step)
    finally:
        LateTensor.__new__ = staticmethod(new)  # type: ignore[method-assign]
    gc.collect()
    return len(alive)


def test_nothing_piles_up_on_a_rank_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoRanks:
        def __init__(self, *_: object) -> None:
            pass

        def end(self) -> None:
            pass

    monkeypatch.setattr(channels, "number_of_ranks", lambda: (1, 2))
    monkeypatch.setattr(channels, "Ranks", NoRanks)
    monitor = lrtui.Monitor(optimizer())
    assert losses_alive(lambda step: monitor.step(late(ONE), other=late(ONE)), 3000) < 10


def test_nothing_piles_up_without_a_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / "no" / "such" / "place"))
    monitor = lrtui.Monitor(optimizer())
    assert losses_alive(lambda step: monitor.step(late(ONE)), 3000) < 10


@pytest.mark.slow
def test_nothing_piles_up_after_a_failure_nor_after_the_end() -> None:
    monitor = lrtui.Monitor(optimizer())
    monitor.step(late(ONE))
    monitor._channel._on_error(RuntimeError("broken"))
    assert losses_alive(lambda step: monitor.step(late(ONE)), 3000) < 10
    monitor.close()
    assert losses_alive(lambda step: monitor.step(late(ONE)), 3000) < 10


def test_few_wait_whatever_the_pace() -> None:
    monitor = lrtui.Monitor(optimizer())
    monitor.step(late(ONE))
    device = monitor._channel._device
    most = 0
    for _ in range(3 * MAX_WAITING):
        monitor.step(late(ONE))
        most = max(most, len(device.waiting))
    assert most < MAX_WAITING


class Strict(Tensor):
    """A tensor that nobody may compare: on a device, that would wait for it."""

    def __eq__(self, other: object) -> Any:
        raise Synchronised("a comparison")

    __hash__ = Tensor.__hash__


def test_a_scaled_loss_is_found_without_a_comparison_of_tensors() -> None:
    failed: list[Exception] = []
    finder = LossFinder(on_error=failed.append)
    try:
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        w = torch.nn.Parameter(torch.ones(2))
        steps = torch.optim.SGD([w], 0.1)
        found = []
        for factor in (1.0, float("inf"), 2.0):
            loss = (factor * (w.detach() * w).sum()).as_subclass(Strict)
            others = [scaler.scale(loss) for _ in range(3)]  # kept, and never used
            torch.autograd.backward(others[1])
            found.append(finder.end_step(steps))
        assert found == [2.0, float("inf"), 4.0]
        assert failed == []
    finally:
        finder.close()


def test_a_rate_on_the_device_is_held_scaled_and_told(view: Callable[[], Viewer]) -> None:
    w = torch.nn.Parameter(torch.ones(2))
    w.grad = torch.zeros(2)
    steps = torch.optim.SGD([w], lr=0.1)
    rate = LateTensor(torch.tensor(0.1))
    steps.param_groups[0]["lr"] = rate
    used: list[float] = []
    monitor = lrtui.Monitor(steps)
    steps.register_step_pre_hook(lambda *_: used.append(rate.inner.item()))
    steps.step = lambda: [hook(steps, (), {}) for hook in steps._optimizer_step_pre_hooks.values()]  # type: ignore
    monitor.step(1.0)
    watching = view()

    def take(count: int) -> None:
        for _ in range(count):
            steps.step()
            for hook in [*steps._optimizer_step_post_hooks.values()]:
                hook(steps, (), {})
            monitor.step(1.0)
            time.sleep(0.002)

    commands: list[AnyCommand] = [Hold(lr=0.05), Scale(by=0.5), Release()]
    for command in commands:
        number = watching.send(command)

        def answered(number: int = number) -> bool:
            take(5)
            watching.read(0.01)
            return watching.answer(number) is not None

        until(answered, "an answer")
    take(5)
    assert rate.inner.item() == pytest.approx(0.1)
    assert {round(lr, 6) for lr in used} == {0.1, 0.05, 0.025}
    monitor.close()
    watching.read_all()
    told = [lr for lr in watching.column("lr").values() if lr is not None]
    assert {round(lr, 6) for lr in told} == {0.1, 0.05, 0.025}


def test_numbers_that_take_their_time_hold_nobody_up(view: Callable[[], Viewer]) -> None:
    steps = optimizer()
    monitor = lrtui.Monitor(steps)
    monitor.step(late(ONE))
    watching = view()
    begun = time.perf_counter()
    for _ in range(20):
        monitor.step(late(ONE))
    assert time.perf_counter() - begun < 20 * DELAY / 2
    watching.wait_for(
        lambda: any(isinstance(message, Progress) for message in watching.messages), "rows"
    )
