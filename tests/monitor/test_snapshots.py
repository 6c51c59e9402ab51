"""Which snapshots are kept, and what going back brings back."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrtui.monitor.rate import RateControl
from lrtui.monitor.snapshots import BUDGET, KEPT, SHORTEST, Snapshots


class Slow:
    """Something whose state takes time to copy."""

    def state_dict(self) -> dict[str, Any]:
        time.sleep(0.05)
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        pass


def model_and_optimizer() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return model, torch.optim.Adam(model.parameters(), lr=0.1)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, steps: int) -> Any:
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 3) + random.random() + float(np.random.rand())
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def test_what_follows_a_snapshot_follows_again() -> None:
    model, optimizer = model_and_optimizer()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    control = RateControl(optimizer)
    control.scale_by(0.25)
    snapshots = Snapshots([model, optimizer, schedule, control])
    train(model, optimizer, schedule, 5)
    snapshots.take(5, 1.0)
    control.hold(3.0)
    first = train(model, optimizer, schedule, 7)
    assert snapshots.go_back(5) == 5
    assert train(model, optimizer, schedule, 7) == first
    assert (control.held, control.scale) == (None, 0.25)


def test_the_one_before_the_rise_is_the_newest_of_those_near_the_best() -> None:
    snapshots = Snapshots([Slow()])
    for step, level in ((10, 4.0), (20, 2.0), (30, 2.2), (40, 9.0)):
        snapshots.take(step, level)
    assert snapshots.before_the_rise == 30
    assert snapshots.go_back(None) == 30
    assert snapshots.steps == [10, 20, 30]  # what came after it is gone


def test_few_are_kept_dense_of_late_and_the_best_however_long_ago() -> None:
    model, optimizer = model_and_optimizer()
    snapshots = Snapshots([model, optimizer])
    for step in range(1, 2001):
        snapshots.take(step, 0.5 if step == 700 else 1.0)
    kept = snapshots.steps
    assert len(kept) <= KEPT
    assert kept[-1] == 2000
    assert 700 in kept
    assert sum(step > 1900 for step in kept) >= 3
    assert kept[0] < 1500


def test_what_is_not_there_is_named() -> None:
    snapshots = Snapshots([Slow()])
    with pytest.raises(ValueError, match="no snapshot; there are: none yet"):
        snapshots.go_back(None)
    snapshots.take(7, None)
    with pytest.raises(ValueError, match="no snapshot of step 8; there are: 7"):
        snapshots.go_back(8)


def test_the_next_one_is_put_off_for_as_long_as_this_one_is_worth() -> None:
    snapshots = Snapshots([Slow()])
    begin = time.monotonic()
    snapshots.take(1, None)
    took = time.monotonic() - begin
    assert snapshots.due - time.monotonic() >= max(0.05 / BUDGET, SHORTEST) - took
    before = snapshots.due
    snapshots.take(1, None)  # of the same step there is one
    assert snapshots.steps == [1]
    assert snapshots.due == before
