"""``left`` is what the script would compute itself, and measuring it changes nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lrtui.monitor.headroom import FIRST_STEP, PAIRS, Headroom

Make = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "nesterov": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.003, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.001),
}


def fit(make: Make, steps: int, measured: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train a network; return the reading, and all that a training consists of."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(5, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 1)
    )
    optimizer = make(model.parameters())
    headroom = Headroom(optimizer, print) if measured else None
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
        headroom = Headroom(optimizer, print)
        for _ in range(FIRST_STEP + PAIRS + 2):
            optimizer.zero_grad()
            loss: Any = 0.5 * (weight**2).sum()
            loss.backward()
            optimizer.step()
        assert headroom.reading is not None
        return float(headroom.reading["left"])

    # On ½w² the gradient after a step is 1 − lr of the one before.
    for lr in (0.01, 0.5, 1.5):
        assert left(lr) == pytest.approx(1 - lr, abs=1e-4)


def test_it_rests_for_as_long_as_keeps_it_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr("lrtui.monitor.headroom.time.perf_counter", lambda: clock["now"])
    weight = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([weight], 0.1)
    headroom = Headroom(optimizer, print)
    real = headroom._sample

    def slow() -> None:
        clock["now"] += 0.002
        real()

    monkeypatch.setattr(headroom, "_sample", slow)
    readings = 0
    for _ in range(3000):
        clock["now"] += 0.010
        weight.grad = torch.ones(3)
        optimizer.step()
        readings += headroom.reading is not None
        headroom.reading = None
    # A burst costs 28 × 2 ms: once in about 560 steps of 10 ms.
    assert 4 <= readings <= 6
    assert 0.002 * 28 * readings <= 0.0115 * 3000 * 0.010


def test_what_cannot_be_measured_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = nn.Parameter(torch.ones(2))
    lbfgs: Any = torch.optim.LBFGS([weight], 0.1)
    headroom = Headroom(lbfgs, print)

    def closure() -> Any:
        lbfgs.zero_grad()
        loss: Any = (weight**2).sum()
        loss.backward()
        return loss

    for _ in range(FIRST_STEP + PAIRS + 5):
        lbfgs.step(closure)
    assert headroom.reading is None
    monkeypatch.setattr("lrtui.monitor.headroom.free_memory", lambda: 10)
    optimizer = torch.optim.SGD([weight], 0.1)
    small = Headroom(optimizer, print)
    for _ in range(FIRST_STEP + PAIRS + 5):
        weight.grad = torch.ones(2)
        optimizer.step()
    assert small.reading is None
    small.detach()
    assert not optimizer._optimizer_step_pre_hooks


def test_what_fails_in_the_midst_is_complained_of_once() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.1)
    complaints: list[str] = []
    headroom = Headroom(optimizer, complaints.append)
    for step in range(FIRST_STEP + PAIRS):
        if step == FIRST_STEP + 5:  # the script resizes a layer under the optimizer
            weight.data = torch.ones(3)
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert headroom.reading is None
    assert len(complaints) == 1
    assert "slope left" in complaints[0]
    headroom.detach()
