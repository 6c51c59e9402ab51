"""What a script shows of itself is what it computed, and costs it nothing."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset, dataloader

from lrtui.messages import Ended
from lrtui.messages import Vitals as Told
from lrtui.monitor.command_queue import CommandQueue
from lrtui.monitor.frameworks import find_epochs, find_total
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.vitals import Vitals, settings_of
from tests import forks
from tests.monitor.trainings import Viewer, script, training

QUEUE = CommandQueue(lambda pending: None)


@pytest.fixture
def vitals() -> Any:
    QUEUE.step = 0
    made = Vitals(QUEUE, print)
    yield made
    made.close()


def take(vitals: Vitals, step: int) -> None:
    """Take a step, as a Monitor does."""
    QUEUE.step = step
    if step >= vitals.due:
        vitals.take()


SCALES_APART = hasattr(nn.utils.clip_grad, "_clip_grads_with_norm_")
"""Whether torch scales gradients in a function of its own, as since 2.6: it is found there."""


def test_the_norm_is_that_of_the_clipping_however_its_name_was_imported(vitals: Vitals) -> None:
    layer = nn.Linear(3, 1)
    for clip in (*([clip_grad_norm_] if SCALES_APART else []), nn.utils.clip_grad_norm_):
        layer.weight.grad = torch.tensor([[3.0, 0.0, 4.0]])
        layer.bias.grad = torch.zeros(1)
        clip(layer.parameters(), 0.5)
        assert float(vitals.norm) == 5.0
        assert vitals.limit == 0.5
        assert float(layer.weight.grad.norm()) == pytest.approx(0.5, rel=1e-5)


def test_what_was_replaced_is_put_back() -> None:
    name = "_clip_grads_with_norm_" if SCALES_APART else "clip_grad_norm_"
    clip, following = getattr(nn.utils.clip_grad, name), dataloader._BaseDataLoaderIter.__next__
    made = Vitals(QUEUE, print)
    assert getattr(nn.utils.clip_grad, name) is not clip
    made.close()
    assert getattr(nn.utils.clip_grad, name) is clip
    assert dataloader._BaseDataLoaderIter.__next__ is following


def test_the_share_of_clipped_steps(vitals: Vitals) -> None:
    vitals.limit = 1.0
    vitals.add_norms([0.5, 2.0, None, 3.0, 0.1])
    assert vitals.message(1, 5, None).clipped == 0.5
    vitals.limit = math.inf  # only the norm is wanted
    assert vitals.message(1, 5, None).clipped is None


def test_under_a_limit_that_changes_no_share_is_told(vitals: Vitals) -> None:
    weight = nn.Parameter(torch.ones(1))
    for step in range(1, 9):
        weight.grad = torch.ones(1)
        nn.utils.clip_grad_norm_([weight], 1.0 / step if step < 5 else 0.5)
        take(vitals, step)
        vitals.add_norms([1.0])
        expected = 0.0 if step == 1 else None if step <= 5 else 1.0
        assert vitals.message(1, step, None).clipped == expected


def test_the_number_of_steps_by_a_name_of_the_script(vitals: Vitals) -> None:
    config = SimpleNamespace(max_iters=600)
    found = find_total(10)
    assert found is not None
    assert (found.steps, found.by) == (config.max_iters, "max_iters, as the script says")
    assert find_total(600) is None  # it has taken these
    del config
    assert find_total(10) is None
    num_epochs, epoch = 7, 3
    assert find_epochs() == num_epochs
    del num_epochs
    assert find_epochs() is None
    max_epoch = 9
    assert find_epochs() == max_epoch
    assert epoch == 3


def test_the_number_of_steps_by_a_progress_bar() -> None:
    tqdm = pytest.importorskip("tqdm")
    with tqdm.tqdm(total=250, disable=False, file=io.StringIO()) as bar:
        bar.update(40)
        found = find_total(40)
        assert found is not None
        assert (found.steps, found.is_sure) == (250, True)
        assert find_total(7) is None  # the bar counts something else


def test_epochs_are_counted_and_give_the_number_of_steps(vitals: Vitals) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(20, 1)), batch_size=4)
    num_epochs, step = 6, 0
    for epoch in range(3):
        for _ in loader:
            step += 1
            take(vitals, step)
        with torch.no_grad():  # an evaluation is no epoch
            assert len([*loader]) == 5
        vitals.search_script()
        told = vitals.message(1, step, None)
        assert (told.epoch, told.epochs) == (epoch + 1, num_epochs)
    assert told.total == 30


@pytest.mark.parametrize("batches", [1, 5])
def test_an_evaluation_with_gradients_is_no_epoch(vitals: Vitals, batches: int) -> None:
    # As by Ignite and skorch, which switch them off for each batch only.
    loader = DataLoader(TensorDataset(torch.zeros(20, 1)), batch_size=4)
    held_out = DataLoader(TensorDataset(torch.zeros(4 * batches, 1)), batch_size=4)
    step = 0
    for epoch in range(3):
        for at, _ in enumerate(loader):
            step += 1
            take(vitals, step)
            if at == 2:
                assert len([*held_out]) == batches
        assert len([*held_out]) == batches
        assert vitals.message(1, step, None).epoch == epoch + 1


def test_a_batch_drawn_ahead_of_its_step_is_one_of_its_epoch(vitals: Vitals) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(4, 1)), batch_size=4)
    for epoch in range(3):
        assert len([*loader]) == 1
        take(vitals, epoch + 1)
        assert vitals.message(1, epoch + 1, None).epoch == epoch + 1


def test_a_script_that_cannot_be_searched_is_complained_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("a property of the script")

    monkeypatch.setattr("lrtui.monitor.vitals.find_total", fail)
    complaints: list[str] = []
    made = Vitals(QUEUE, complaints.append)
    try:
        made.search_script()
        made.plan_search(True)
        assert not made.search_due
        assert len(complaints) == 1
        assert "a property of the script" in complaints[0]
    finally:
        made.close()


def test_what_is_in_force_besides_the_rate() -> None:
    weight = [nn.Parameter(torch.zeros(1))]
    adam = torch.optim.AdamW(weight, 0.1, betas=(0.9, 0.95), weight_decay=0.1)
    assert settings_of(adam) == "betas 0.9, 0.95, weight decay 0.1"
    assert settings_of(torch.optim.SGD(weight, 0.1, momentum=0.9)) == "momentum 0.9"
    assert settings_of(torch.optim.SGD(weight, 0.1)) == settings_of(None) == ""


def test_it_is_that_of_the_group_whose_rate_is_shown_as_it_is_now(vitals: Vitals) -> None:
    one, two, three = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups: list[dict[str, Any]] = [
        {"params": [one], "lr": 0.01, "weight_decay": 0.3},
        {"params": [two], "lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.0},
        {"params": [three], "lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.2},
    ]
    adam = torch.optim.AdamW(groups)
    assert vitals.message(1, 5, adam).settings == "betas 0.8, 0.9, weight decay 0.2"
    adam.param_groups[2]["betas"] = (0.85, 0.9)  # the script has a schedule of them
    assert vitals.message(1, 6, adam).settings == "betas 0.85, 0.9, weight decay 0.2"
    adam.param_groups[0]["lr"] = 0.2
    assert vitals.message(1, 7, adam).settings == "betas 0.9, 0.999, weight decay 0.3"


@pytest.mark.parametrize(("scale", "shown"), [(1.0, 0.5), (0.5, 0.25)])
def test_of_prodigy_the_rate_is_that_times_its_estimate(scale: float, shown: float) -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 1.0)
    optimizer.param_groups[0] |= {"d": 0.5, "d0": 1e-6, "betas": (0.9, 0.99)}
    control = RateControl(optimizer)
    control.attach(optimizer)
    if scale != 1:
        control.scale_by(scale)
    optimizer.step()
    assert control.in_force == shown
    assert settings_of(optimizer) == "betas 0.9, 0.99"


def last(viewer: Viewer) -> Told | None:
    found = [m for m in viewer.messages if isinstance(m, Told)]
    return found[-1] if found else None


@pytest.mark.skipif(not SCALES_APART, reason="the script imports the function by name")
@pytest.mark.slow
def test_an_unchanged_script_shows_what_it_computed_and_is_not_changed(tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    command = [script("vitals"), str(plain), "60", "0.0004"]
    forks.run([sys.executable, *command], input=b"\n", check=True, timeout=100)
    command[1] = str(watched)
    with training("-m", "lrtui", "run", *command) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: 600 in viewer.column("grad_norm"), "the last step")
        told = next(m for m in viewer.messages if isinstance(m, Told) and m.total is not None)
        assert (told.total, told.epochs) == (600, 60)
        assert told.total_by == "60 epochs, as the script says"
        assert told.clip_limit == 1.0
        assert told.settings == "betas 0.9, 0.95, weight decay 0.1"
        assert told.memory is not None
        assert 5e7 < told.memory < 5e9
        waits = [m.data_wait for m in viewer.messages if isinstance(m, Told) and m.data_wait]
        assert max(waits) > 0.3  # 8 samples of 0.4 ms a step
        norms = viewer.column("grad_norm")
        running.begin()
        assert running.wait() == 0
    mine, its = json.loads(watched.read_text()), json.loads(plain.read_text())
    assert mine == its  # norms, weights, buffers and random states, to the last bit
    seen = [norm for _, norm in sorted(norms.items()) if norm is not None]
    float32 = [float(torch.tensor(norm)) for norm in its["norms"]]
    assert len(seen) > 100
    assert set(seen) <= {*its["norms"], *float32}


SHORT = """
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0); net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.01)
loader = DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=4); num_epochs = 12
for epoch in range(num_epochs):
    for (x,) in loader:
        optimizer.zero_grad(); loss = (net(x) - 9).square().mean(); loss.backward()
        if epoch < 10: torch.nn.utils.clip_grad_norm_(net.parameters(), 15)
        optimizer.step()
    if epoch == 0: input()
"""


@pytest.mark.slow
def test_at_the_end_they_are_those_of_the_last_step(tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text(SHORT)
    with training("-m", "lrtui", "run", str(path)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: last(viewer) is not None, "the first ones")
        running.begin()
        assert running.wait() == 0
        viewer.read_all()
        told = last(viewer)
        assert told is not None
        assert (told.epoch, told.epochs) == (12, 12)
        norms = {s: norm for s, norm in viewer.column("grad_norm").items() if norm is not None}
        assert max(norms) == 20  # of a step without clipping there is none
        high = [norm > 15 for norm in norms.values()]
        assert 0 < sum(high) < len(high)
        assert told.clipped == sum(high) / len(high)
        assert isinstance(viewer.messages[-1], Ended)


@pytest.mark.slow
def test_they_can_be_left_out(tmp_path: Path) -> None:
    command = [script("vitals"), str(tmp_path / "out"), "30"]
    with training("-m", "lrtui", "run", "--no-vitals", *command) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: 300 in viewer.column("loss"), "the last step")
        assert last(viewer) is None
        assert viewer.column("grad_norm") == {}
        running.begin()
        assert running.wait() == 0
