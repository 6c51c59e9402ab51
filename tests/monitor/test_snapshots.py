"""Which snapshots are kept, and what going back brings back."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from lrtui.monitor import memory
from lrtui.monitor.publisher import Began, Publisher
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.snapshots import MAX_SNAPSHOTS, MIN_INTERVAL, TIME_SHARE, NoRoom, Snapshots


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
    assert snapshots.before_rise == 30
    assert snapshots.go_back(None) == 30
    assert snapshots.steps == [10, 20, 30]  # what came after it is gone


@pytest.mark.slow
def test_few_are_kept_dense_of_late_and_the_best_however_long_ago() -> None:
    model, optimizer = model_and_optimizer()
    snapshots = Snapshots([model, optimizer])
    for step in range(1, 2001):
        snapshots.take(step, 0.5 if step == 700 else 1.0)
    kept = snapshots.steps
    assert len(kept) <= MAX_SNAPSHOTS
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
    assert snapshots.due - time.monotonic() >= max(0.05 / TIME_SHARE, MIN_INTERVAL) - took
    before = snapshots.due
    snapshots.take(1, None)  # of the same step there is one
    assert snapshots.steps == [1]
    assert snapshots.due == before


class Counting(nn.Module):
    """Keeps more than its state says."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)
        self.register_buffer("mask", torch.zeros(3), persistent=False)
        self.steps, self.seen, self.best = 0, [0.5], {"loss": 1.0}
        self.average = torch.zeros(2)
        self.loader = object()  # not a value: left alone

    def move(self) -> None:
        with torch.no_grad():
            self.inner.weight += 1
            self.average += 1
            self.mask.add_(1)  # type: ignore[operator]
        self.steps += 1
        self.seen.append(float(self.steps))
        self.best["loss"] /= 2


def test_what_the_state_leaves_out_is_taken_back_as_well() -> None:
    model = Counting()
    loader, average, mask = model.loader, model.average, model.mask
    model.move()
    snapshots = Snapshots([model])
    weight = model.inner.weight.clone()
    snapshots.take(1, 1.0)
    for _ in range(3):
        model.move()
    assert snapshots.go_back(1) == 1
    assert (model.steps, model.seen, model.best) == (1, [0.5, 1.0], {"loss": 0.5})
    assert model.average.tolist() == [1.0, 1.0]
    assert torch.equal(model.inner.weight, weight)
    assert torch.equal(model.mask, torch.ones(3))  # type: ignore[arg-type]
    # In place, for whoever else holds them.
    assert model.average is average
    assert model.mask is mask
    assert model.loader is loader
    model.move()
    snapshots.go_back(1)  # what was taken back then is not what is kept
    assert model.seen == [0.5, 1.0]


def test_weights_that_are_not_finite_are_no_snapshot_and_push_none_out() -> None:
    model, optimizer = model_and_optimizer()
    snapshots = Snapshots([model, optimizer])
    for step in range(1, MAX_SNAPSHOTS + 1):
        snapshots.take(step, 1.0)
    kept = snapshots.steps
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    for step in range(100, 130):
        with pytest.raises(ValueError, match="not all weights are finite"):
            snapshots.take(step, 1.0)
    assert snapshots.steps == kept
    assert snapshots.go_back(None) == kept[-1]
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_a_mask_of_infinities_is_no_weight() -> None:
    model = nn.Linear(2, 1)
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    snapshots = Snapshots([model])
    snapshots.take(1, 1.0)
    assert snapshots.steps == [1]


def test_all_take_at_most_a_quarter_of_what_would_be_free(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(100, 10)  # 4,040 bytes
    one = 4040
    taken = [0]

    def free() -> int:
        return 20 * one - taken[0]

    monkeypatch.setattr("lrtui.monitor.snapshots.free_memory", free)
    snapshots = Snapshots([model])
    for step in range(1, 30):
        snapshots.take(step, 1.0)
        taken[0] = one * len(snapshots.steps)
    assert len(snapshots.steps) == 5  # a quarter of 20
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # ranks that share the host
    taken[0] *= 4
    snapshots.take(30, 1.0)
    assert len(snapshots.steps) == 1


def test_where_none_fits_that_is_said_once_with_both_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Linear(1000, 1000)
    snapshots = Snapshots([model])
    snapshots.take(1, 1.0)
    monkeypatch.setattr("lrtui.monitor.snapshots.free_memory", lambda: 4_000_000)
    with pytest.raises(NoRoom, match=r"one takes 4 MB, and 25% of the host's free memory is 2 MB"):
        snapshots.take(2, 1.0)
    assert snapshots.due == float("inf")  # and is not tried again
    with pytest.raises(ValueError, match="no snapshots, so there is no going back"):
        snapshots.go_back(None)


def test_the_free_memory_is_that_of_the_host_or_of_a_tighter_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = memory.free_memory()
    assert host is not None
    available = psutil.virtual_memory().available
    assert host <= 1.2 * available
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("5000\n")
    used.write_text("2000\n")
    monkeypatch.setattr(memory, "CGROUPS", ((str(limit), str(used)),))
    assert memory.free_memory() == 3000
    limit.write_text("max\n")
    assert (memory.free_memory() or 0) > 3000


def test_a_snapshot_of_a_rise_that_has_begun_is_none_from_before_it() -> None:
    teller = Publisher(Began("t", "SGD", False))
    teller.losses.extend([1.7] * 16)
    before = teller.level
    assert before == 1.7
    teller.losses.extend([50.0, 900.0, 4000.0, 9000.0])
    assert (teller.level or 0) > 100  # though half of the last 20 are as low as ever
    snapshots = Snapshots([Slow()])
    snapshots.take(10, before)
    snapshots.take(20, teller.level)
    assert snapshots.before_rise == 10
