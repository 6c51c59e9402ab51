"""The rate is changed where it is used: exact with every writer of it, and in no checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedulers

from lrtui.monitor.rate_control import RateControl

Step = Callable[[int], object]


def of(scheduler: Any) -> Step:
    return lambda _: scheduler.step()


def by_hand(optimizer: Optimizer) -> Step:
    """As people write it: a cosine that is written into the groups before each step."""

    def write(step: int) -> None:
        for group, base in zip(optimizer.param_groups, (0.1, 0.02), strict=True):
            lr = base * 0.5 * (1 + math.cos(math.pi * (step + 1) / 40))
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    return write


def sequential(o: Optimizer) -> Step:
    warm = schedulers.LinearLR(o, 0.1, 1.0, 8)
    return of(schedulers.SequentialLR(o, [warm, schedulers.CosineAnnealingLR(o, 25)], [8]))


def chained(o: Optimizer) -> Step:
    warm = schedulers.LinearLR(o, 0.1, 1.0, 8)
    return of(schedulers.ChainedScheduler([warm, schedulers.ExponentialLR(o, 0.9)]))


def plateau(o: Optimizer) -> Step:
    scheduler = schedulers.ReduceLROnPlateau(o, patience=3)
    return lambda _: scheduler.step(1.0)


WRITERS: dict[str, Callable[[Optimizer], Step]] = {
    "none": lambda o: lambda _: None,
    "step": lambda o: of(schedulers.StepLR(o, 7, 0.5)),
    "lambda": lambda o: of(schedulers.LambdaLR(o, lambda e: 1 / (1 + e))),
    "cosine": lambda o: of(schedulers.CosineAnnealingLR(o, 25, eta_min=1e-3)),
    "warm restarts": lambda o: of(schedulers.CosineAnnealingWarmRestarts(o, 8)),
    "linear": lambda o: of(schedulers.LinearLR(o, 0.1, 1.0, 20)),
    "one cycle": lambda o: of(schedulers.OneCycleLR(o, [0.1, 0.02], total_steps=40)),
    "sequential": sequential,
    "chained": chained,
    "plateau": plateau,
    "cyclic": lambda o: of(schedulers.CyclicLR(o, 1e-3, 0.1, 5, cycle_momentum=False)),
    "by hand": by_hand,
}


def rates_used(writer: str, as_tensor: bool, steer: Callable[[RateControl, int], object]) -> Any:
    """Return the rates that 30 steps were taken with, as the weights show them."""
    weights = [torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2)]
    rates = [torch.tensor(lr, dtype=torch.float64) if as_tensor else lr for lr in (0.1, 0.02)]
    groups = [{"params": [w], "lr": lr} for w, lr in zip(weights, rates, strict=True)]
    optimizer = torch.optim.SGD(groups, foreach=False)
    control = RateControl(optimizer)
    control.attach(optimizer)
    write = WRITERS[writer](optimizer)
    used = []
    for step in range(30):
        steer(control, step)
        before = [w.item() for w in weights]
        for w in weights:
            w.grad = -torch.ones(1, dtype=torch.float64)
        optimizer.step()
        used.append([w.item() - b for w, b in zip(weights, before, strict=True)])
        write(step)
    return used


def halve_and_release(control: RateControl, step: int) -> None:
    if step == 10:
        control.scale_by(0.5)
    if step == 20:
        control.release()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_halved_at_step_10_and_released_at_20(writer: str, as_tensor: bool) -> None:
    try:
        alone = rates_used(writer, as_tensor, lambda control, step: None)
    except Exception as error:  # torch itself does not take a tensor there
        pytest.skip(f"torch: {error}")
    steered = rates_used(writer, as_tensor, halve_and_release)
    for step in range(30):
        share = 0.5 if 10 <= step < 20 else 1.0
        assert steered[step] == pytest.approx([share * lr for lr in alone[step]], rel=1e-12)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_held_the_first_group_has_that_rate_and_the_other_keeps_its_ratio(as_tensor: bool) -> None:
    used = rates_used("cosine", as_tensor, lambda control, step: control.hold(0.3))
    alone = rates_used("cosine", as_tensor, lambda control, step: None)
    for (first, second), (base, other) in zip(used, alone, strict=True):
        assert first == pytest.approx(0.3, rel=1e-12)
        assert second == pytest.approx(0.3 * other / base, rel=1e-9)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_held_through_a_warm_up_that_begins_at_0(as_tensor: bool) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    lr = torch.tensor(0.0) if as_tensor else 0.0
    optimizer = torch.optim.SGD([weight], lr=lr, foreach=False)
    control = RateControl(optimizer)
    control.attach(optimizer)
    control.hold(0.25)
    weight.grad = -torch.ones(1)
    optimizer.step()
    assert weight.item() == 0.25


def test_scales_multiply_and_a_held_rate_is_scaled_too() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    control = RateControl(optimizer)
    control.scale_by(0.5)
    control.scale_by(0.5)
    assert control.now() == pytest.approx((0.025, 0.1))
    control.hold(0.04)
    control.scale_by(2)
    assert control.now() == pytest.approx((0.08, 0.1))
    control.release()
    assert control.now() == (0.1, 0.1)


def test_a_step_that_raises_leaves_no_trace_in_a_checkpoint_or_the_next_step() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    control = RateControl(optimizer)
    control.attach(optimizer)
    control.scale_by(0.5)

    def closure() -> float:
        raise RuntimeError("out of memory")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            optimizer.step(closure)
        assert optimizer.param_groups[0]["lr"] == 0.05
    assert optimizer.state_dict()["param_groups"][0]["lr"] == 0.1
    weight.grad = -torch.ones(1)
    optimizer.step()
    assert weight.item() == pytest.approx(0.05)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_other_optimizers_are_scaled_as_the_first() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    first, second = torch.optim.SGD(weights[:1], lr=0.1), torch.optim.SGD(weights[1:], lr=0.4)
    control = RateControl(first)
    control.attach(first)
    control.attach(second)
    control.hold(0.05)
    for weight, optimizer in zip(weights, (first, second), strict=True):
        weight.grad = -torch.ones(1)
        optimizer.step()
    assert [w.item() for w in weights] == pytest.approx([0.05, 0.2])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_steps_take_the_rate_and_are_not_compiled_again_for_each() -> None:
    counter = CompileCounter()
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = torch.optim.SGD([weight], lr=torch.tensor(0.5))
    control = RateControl(optimizer)
    control.attach(optimizer)
    step = torch.compile(lambda: optimizer.step(), backend=counter)
    expected, compiled = 1.0, []
    for number in range(12):
        if number >= 4:
            control.hold(0.01 * number)
        expected -= 0.5 if number < 4 else 0.01 * number
        step()
        compiled.append(counter.frame_count)
        assert weight.tolist() == pytest.approx([expected] * 2)
        assert float(optimizer.param_groups[0]["lr"]) == 0.5
    assert compiled[5] == compiled[-1]
