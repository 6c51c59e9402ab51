"""``left`` is what the script would compute itself, and measuring it changes nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lrtui.monitor.headroom import FIRST_STEP, PAIRS, Headroom
from lrtui.monitor.rate_control import RateControl

Make = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "nesterov": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.003, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.001),
}


def gauge(
    optimizer: torch.optim.Optimizer, complain: Callable[[str], None] = print
) -> tuple[Headroom, RateControl]:
    control = RateControl(optimizer)
    control.attach(optimizer)
    return Headroom(control, complain), control


def fit(make: Make, steps: int, measured: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train a network; return the reading, and all that a training consists of."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(5, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 1)
    )
    optimizer = make(model.parameters())
    headroom = gauge(optimizer)[0] if measured else None
    weights, gradients, losses = [], [], []
    parameters = [*model.parameters()]

    def flat(tensors: Any) -> torch.Tensor:
        return torch.cat([t.detach().double().flatten() for t in tensors])

    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(16, 5, generator=generator)
        y = x[:, :1] * x[:, 1:2] + 0.1 * torch.randn(16, 1, generator=generator)
        optimizer.zero_grad()
        loss: Any = nn.functional.mse_loss(model(x), y)
        loss.backward()
        weights.append(flat(parameters))
        gradients.append(flat(p.grad for p in parameters))
        losses.append(loss.item())
        optimizer.step()
        if headroom is not None:
            headroom.after_step(step + 1)
    first = FIRST_STEP - 1  # the step of the first pair, from 0
    pairs = range(first, first + PAIRS)
    steps_ = [weights[t + 1] - weights[t] for t in pairs]
    along = sum(float(gradients[t] @ u) for t, u in zip(pairs, steps_, strict=True))
    across = sum(float(gradients[t + 1] @ u) for t, u in zip(pairs, steps_, strict=True))
    cosines = [
        float(nn.functional.cosine_similarity(gradients[t], gradients[t + 1], dim=0)) for t in pairs
    ]
    truth = {"left": across / along, "calm": statistics.median(cosines)}
    state = {
        "losses": losses,
        "model": [v.double().tolist() for v in model.state_dict().values()],
        "optimizer": [
            [v.double().tolist() for v in s.values() if torch.is_tensor(v)]
            for s in optimizer.state_dict()["state"].values()
        ],
        "rng": torch.get_rng_state().tolist(),
    }
    found = headroom.reading if headroom is not None else None
    return {"truth": truth, "found": found}, state


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_what_the_script_would_compute_and_changes_no_bit(name: str) -> None:
    make, steps = OPTIMIZERS[name], FIRST_STEP + PAIRS + 30
    reading, watched = fit(make, steps, measured=True)
    _, plain = fit(make, steps, measured=False)
    assert watched == plain
    found, truth = reading["found"], reading["truth"]
    assert found is not None
    assert found["pairs"] == PAIRS
    assert float(found["left"]) == pytest.approx(truth["left"], rel=1e-3, abs=1e-4)
    assert float(found["calm"]) == pytest.approx(truth["calm"], rel=1e-3, abs=1e-4)


def test_a_rate_that_overshoots_leaves_no_slope_and_a_small_one_nearly_all() -> None:
    def left(lr: float) -> float:
        weight = nn.Parameter(torch.tensor([4.0, 3.0]))
        optimizer = torch.optim.SGD([weight], lr)
        headroom, _ = gauge(optimizer)
        for step in range(FIRST_STEP + PAIRS + 2):
            optimizer.zero_grad()
            loss: Any = 0.5 * (weight**2).sum()
            loss.backward()
            optimizer.step()
            headroom.after_step(step + 1)
        assert headroom.reading is not None
        return float(headroom.reading["left"])

    # On ½w² the gradient after a step is 1 − lr of the one before.
    for lr in (0.01, 0.5, 1.5):
        assert left(lr) == pytest.approx(1 - lr, abs=1e-4)


def take(headroom: Headroom, optimizer: torch.optim.Optimizer, steps: int, since: int = 0) -> int:
    """Take steps along a gradient of ones; return how many measurements there were."""
    (weight,) = optimizer.param_groups[0]["params"]
    readings = 0
    for step in range(since, since + steps):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        headroom.after_step(step + 1)
        readings += headroom.reading is not None
        headroom.reading = None
    return readings


def test_it_rests_for_as_long_as_keeps_it_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr("lrtui.monitor.headroom.time.perf_counter", lambda: clock["now"])
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(3))], 0.1)
    headroom, control = gauge(optimizer)
    real = headroom._sample
    watched = []

    def slow() -> None:
        clock["now"] += 0.002
        real()

    def tick(*_: Any) -> None:
        clock["now"] += 0.010
        watched.append(control.observe is not None)

    monkeypatch.setattr(headroom, "_sample", slow)
    optimizer.register_step_post_hook(tick)
    readings = take(headroom, optimizer, 3000)
    # A measurement costs 28 × 2 ms: once in about 560 steps of 10 ms.
    assert 4 <= readings <= 6
    assert 0.002 * 28 * readings <= 0.0115 * 3000 * 0.010
    assert sum(watched) < 28 * 6  # at all other steps there is nothing to call


@pytest.mark.parametrize("change", ["hold", "release", "load_state_dict"])
def test_after_a_change_by_hand_all_pairs_are_new(change: str) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(3))], 0.1)
    headroom, control = gauge(optimizer)
    assert take(headroom, optimizer, 40) == 0  # in the midst of the first measurement
    argument = {"hold": (0.2,), "release": (), "load_state_dict": ({"held": 0.2, "scale": 1.0},)}
    getattr(control, change)(*argument[change])
    assert take(headroom, optimizer, PAIRS, 40) == 0
    assert take(headroom, optimizer, 1, 40 + PAIRS) == 1
    # Long before the next one is due, another change has it begin at once.
    headroom.due = 10_000
    getattr(control, change)(*argument[change])
    assert take(headroom, optimizer, PAIRS + 1, 100) == 0
    assert take(headroom, optimizer, 1, 101 + PAIRS) == 1


Shape = Callable[[int], float]


@pytest.mark.parametrize(
    ("make", "shape", "grows"),
    [
        (lambda p: torch.optim.SGD(p, 1.0), lambda step: 1.0, None),
        (lambda p: torch.optim.SGD(p, 1.0), lambda step: (step + 1) / 1000, 1 / 34),
        (lambda p: torch.optim.SGD(p, 1.0), lambda step: 0.99**step, None),
        (lambda p: torch.optim.RAdam(p, 1.0), lambda step: 1.0, 0.016),
    ],
    ids=["still", "warm-up", "decay", "RAdam"],
)
def test_growing_steps_are_seen_whatever_makes_them_grow(
    make: Make, shape: Shape, grows: float | None
) -> None:
    weight = nn.Parameter(torch.zeros(50))
    optimizer = make([weight])
    headroom, _ = gauge(optimizer)
    generator = torch.Generator().manual_seed(3)
    for step in range(FIRST_STEP + PAIRS):
        optimizer.param_groups[0]["lr"] = 0.01 * shape(step)
        weight.grad = torch.ones(50) + 0.5 * torch.randn(50, generator=generator)
        optimizer.step()
        headroom.after_step(step + 1)
    assert headroom.reading is not None
    growth = float(headroom.reading["growth"])
    if grows is None:
        assert growth <= 0.001
    else:  # the rate: from step 20 to 46 by a factor of 46 ÷ 20, a thirty-fourth each
        assert 0.7 * grows < growth < 1.5 * grows


def test_growth_since_the_measurement_before(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = nn.Parameter(torch.zeros(50))
    optimizer = torch.optim.SGD([weight], 0.1)
    headroom, _ = gauge(optimizer)
    found = []
    for step in range(700):
        # In a measurement lost in the noise; over 500 steps e, without any doubt.
        noise = 1 + 0.3 * ((step * 7919) % 13 - 6) / 6
        weight.grad = torch.full((50,), noise * 2.718281828 ** (step / 500))
        optimizer.step()
        headroom.after_step(step + 1)
        if headroom.reading is not None:
            found.append(float(headroom.reading["growth"]))
            headroom.reading = None
            headroom.due = 570
    assert found[0] <= 0.001
    assert found[1] == pytest.approx(1 / 500, rel=0.2)


def test_what_cannot_be_measured_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = nn.Parameter(torch.ones(2))
    lbfgs: Any = torch.optim.LBFGS([weight], 0.1)
    headroom, control = gauge(lbfgs)

    def closure() -> Any:
        lbfgs.zero_grad()
        loss: Any = (weight**2).sum()
        loss.backward()
        return loss

    for step in range(FIRST_STEP + PAIRS + 5):
        lbfgs.step(closure)
        headroom.after_step(step + 1)
    assert (headroom.reading, control.observe) == (None, None)
    monkeypatch.setattr("lrtui.monitor.headroom.free_memory", lambda: 10)
    optimizer = torch.optim.SGD([weight], 0.1)
    small, control = gauge(optimizer)
    assert take(small, optimizer, FIRST_STEP + PAIRS + 5) == 0
    assert control.observe is None
    table = nn.Embedding(5, 2, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), 0.1)
    complaints: list[str] = []
    headroom, _ = gauge(optimizer, complaints.append)
    for step in range(FIRST_STEP + PAIRS + 5):
        table(torch.tensor([step % 5])).sum().backward()
        optimizer.step()
        headroom.after_step(step + 1)
    assert (headroom.reading, complaints) == (None, [])


def test_what_fails_in_the_midst_is_complained_of_once() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.1)
    complaints: list[str] = []
    headroom, _ = gauge(optimizer, complaints.append)
    assert take(headroom, optimizer, FIRST_STEP + 5) == 0
    weight.data = torch.ones(3)  # the script resizes a layer under the optimizer
    assert take(headroom, optimizer, 2 * PAIRS, FIRST_STEP + 5) == 0
    assert len(complaints) == 1
    assert "slope left" in complaints[0]
    headroom.detach()
