"""How much longer a step could be before it raised the loss of its own batch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrtui.monitor.own_batch import FARTHEST, STEPS, OwnBatch, crossing
from lrtui.monitor.rate_control import RateControl

pytestmark = pytest.mark.usefixtures("recorded_alone")


def test_the_crossing_of_a_parabola() -> None:
    def line(slope: float, bend: float) -> tuple[float, float, float]:
        start, middle, end = (5 + slope * s + bend * s * s for s in (0.0, 0.5, 1.0))
        return start, middle, end

    assert crossing(*line(-3, 1)) == pytest.approx(3)
    assert crossing(*line(-1, 2)) == pytest.approx(0.5)
    assert crossing(*line(1, 2)) == 0
    assert crossing(*line(-1, -2)) == FARTHEST
    assert crossing(float("inf"), 0, 1) == 0


@pytest.mark.parametrize("lr", [0.02, 0.3])
def test_it_is_that_of_the_closed_form(lr: float) -> None:
    torch.manual_seed(3)
    model = nn.Linear(6, 1).double()
    optimizer = torch.optim.SGD(model.parameters(), lr)
    own = OwnBatch(RateControl(optimizer), print)
    own.due = 0
    slopes, bends = [], []
    for step in range(1, 60):
        recorded = own._tape is not None
        x, y = torch.randn(16, 6).double(), torch.randn(16, 1).double()
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]
        if recorded:  # L(w − s·lr·g) = L(w) − s·lr·|g|² + s²·lr²·gᵀHg/2
            gradient = torch.cat([p.grad.flatten() for p in model.parameters()])  # type: ignore[union-attr]
            ones = torch.cat([x, torch.ones(16, 1).double()], 1)
            hessian = 2 * ones.T @ ones / 16
            slopes.append(-lr * float(gradient @ gradient))
            bends.append(lr**2 * float(gradient @ hessian @ gradient) / 2)
        optimizer.step()
        own.after_step(step)
        own.due = 0
        if own.reading is not None:
            break
    assert len(slopes) == STEPS
    assert own.reading is not None
    assert own.reading["own"] == pytest.approx(-sum(slopes) / sum(bends), rel=1e-6)


def test_it_is_measured_anew_once_the_rate_was_set_by_hand() -> None:
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    control = RateControl(optimizer)
    control.attach(optimizer)
    own = OwnBatch(control, print)
    readings = []
    for step in range(1, 100):
        own.due = 0
        optimizer.zero_grad()
        loss = F.mse_loss(model(torch.randn(16, 6)), torch.randn(16, 1))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        own.after_step(step)
        if step == 10:  # some were measured at the old rate
            control.scale_by(10)
        if own.reading is not None:
            readings.append((step, own.reading["own"]))
            own.reading = None
    (first, at_ten), *others = readings
    assert first > 10 + STEPS
    assert all(reading == pytest.approx(at_ten, rel=0.9) for _, reading in others)


@pytest.mark.parametrize("sees_all", [False, True])
def test_it_keeps_to_its_share_of_the_time(sees_all: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0, "forward": 0.001}
    monkeypatch.setattr("lrtui.monitor.own_batch.time.perf_counter", lambda: clock["now"])

    class Slow(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            clock["now"] += clock["forward"]
            return super().forward(x)

    model, x, y = Slow(6, 1), torch.randn(16, 6), torch.randn(16, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    own = OwnBatch(RateControl(optimizer), print, sees_all=sees_all)
    spent, readings = 0.0, 0
    for step in range(1, 400_000):
        if step < own.due and own._tape is None:  # nothing looks at the step
            clock["now"] += 0.001
            continue
        x = x if sees_all else torch.randn(16, 6)
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        began, clock["forward"] = clock["now"], 0.005  # many steps' time for a measurement
        own.after_step(step, loss.detach())
        spent, clock["forward"] = spent + clock["now"] - began, 0.001
        readings += own.reading is not None
        own.reading = None
    assert readings > 2
    # As much again is for the recording, which takes no time here.
    assert 0.001 * clock["now"] < spent < 0.0035 * clock["now"]
