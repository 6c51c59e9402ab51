"""The sharpness of a training whose steps all see the same data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from lrtui.messages import Gauge, Sharpness
from lrtui.monitor.command_queue import NEVER
from lrtui.monitor.own_batch import OwnBatch
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.sharpness import threshold_of
from tests import forks
from tests.monitor.trainings import training

pytestmark = pytest.mark.usefixtures("recorded_alone")


def measured(
    optimizer: Optimizer,
    losses: Callable[[int], Tensor],
    steps: int = 40,
    complain: Callable[[str], None] = print,
) -> tuple[list[dict[str, float]], OwnBatch]:
    """Train, measuring as often as can be; return the readings."""
    own, found = OwnBatch(RateControl(optimizer), complain, sees_all=True), []
    for step in range(1, steps):
        own.due = step if own.due < NEVER else NEVER
        optimizer.zero_grad()
        loss = losses(step)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        own.after_step(step, loss.detach())
        if own.reading is not None:
            found.append(own.reading)
            own.reading = None
    return found, own


@pytest.mark.parametrize(("momentum", "threshold"), [(0.0, 2.0), (0.9, 3.8)])
@pytest.mark.parametrize("frozen", [False, True])
def test_of_least_squares_it_is_that_of_the_closed_form(
    momentum: float, threshold: float, frozen: bool
) -> None:
    torch.manual_seed(3)
    model = nn.Linear(6, 1).double()
    model.bias.requires_grad_(not frozen)
    x, y = torch.randn(64, 6).double(), torch.randn(64, 1).double()
    optimizer = SGD(model.parameters(), 0.05, momentum=momentum)
    (first, *readings), _ = measured(optimizer, lambda step: F.mse_loss(model(x), y))
    ones = x if frozen else torch.cat([x, torch.ones(64, 1).double()], 1)
    largest = float(torch.linalg.eigvalsh(2 * ones.T @ ones / 64)[-1])
    assert first == {"full": 1.0}
    assert len(readings) > 2
    for reading in readings:
        assert reading["sharpness"] == pytest.approx(largest, rel=1e-2)
        assert abs(reading["sharpness"] - largest) <= reading["error"] + 1e-6
        assert reading["threshold"] == pytest.approx(threshold)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_of_a_network_it_is_that_of_its_whole_hessian(kind: type[Any]) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    x = torch.randn(32, 2)
    y = x.prod(1, keepdim=True)
    optimizer = kind(model.parameters(), 1e-12)  # the weights stay where they are
    readings, _ = measured(optimizer, lambda step: F.mse_loss(model(x), y), steps=120)
    names, weights = zip(*model.named_parameters(), strict=True)

    def loss(*parts: Tensor) -> Tensor:
        state = dict(zip(names, parts, strict=True))
        return F.mse_loss(torch.func.functional_call(model, state, (x,)), y)

    sizes = [w.numel() for w in weights]
    hessian = torch.autograd.functional.hessian(loss, tuple(weights))  # type: ignore[no-untyped-call]
    whole = torch.cat(
        [
            torch.cat([hessian[i][j].reshape(sizes[i], sizes[j]) for j in range(len(sizes))], 1)
            for i in range(len(sizes))
        ]
    )
    if kind is Adam:
        squares = torch.cat(
            [
                optimizer.state[w]["exp_avg_sq"].flatten()
                / (1 - 0.999 ** float(optimizer.state[w]["step"]))
                for w in weights
            ]
        )
        root = (squares.sqrt() + 1e-8).rsqrt()
        whole = root[:, None] * whole * root
    largest = float(torch.linalg.eigvalsh(whole.double())[-1])
    assert readings[-1]["sharpness"] == pytest.approx(largest, rel=0.02)


def test_of_gradients_that_are_too_coarse_there_is_none() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    x, y = torch.randn(64, 8), torch.randn(64, 1)

    def loss(step: int) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return F.mse_loss(model(x).float(), y)

    readings, _ = measured(SGD(model.parameters(), 1e-3), loss)
    assert [reading for reading in readings if "sharpness" in reading] == []


def test_where_each_step_has_a_batch_of_its_own_there_is_none() -> None:
    torch.manual_seed(1)
    model = nn.Linear(6, 1)
    x, y = torch.randn(4096, 6), torch.randn(4096, 1)

    def loss(step: int) -> Tensor:
        batch = torch.randint(0, 4096, (4000,))
        return F.mse_loss(model(x[batch]), y[batch])

    readings, own = measured(SGD(model.parameters(), 0.01), loss)
    assert readings == []
    assert own.due == NEVER


def test_without_a_known_threshold_it_is_only_known_that_the_data_are_the_same() -> None:
    model, x = nn.Linear(6, 1), torch.randn(64, 6)
    readings, own = measured(RMSprop(model.parameters()), lambda step: model(x).square().mean())
    assert readings == [{"full": 1.0}]
    assert own.due == NEVER


@pytest.mark.parametrize("kind", ["forward", "backward", "weight"])
def test_hooks_of_the_script_are_not_called_once_more(kind: str) -> None:
    model, x, calls = nn.Linear(6, 1), torch.randn(64, 6, requires_grad=True), []

    def hook(*args: Any) -> None:
        calls.append(1)

    if kind == "forward":
        model.register_forward_hook(hook)
    elif kind == "backward":
        model.register_full_backward_hook(hook)
    else:
        model.weight.register_hook(hook)  # type: ignore[no-untyped-call]
    steps = 20
    readings, own = measured(
        SGD(model.parameters(), 0.01), lambda step: model(x).square().mean(), steps
    )
    assert (readings, own.due, len(calls)) == ([], NEVER, steps - 1)


def test_an_error_of_the_script_in_it_is_said_and_ends_it() -> None:
    class Strict(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if not torch.is_grad_enabled():
                raise ValueError("not without gradients")
            return super().forward(x)

    model, x, said = Strict(6, 1), torch.randn(64, 6), list[str]()
    readings, own = measured(
        SGD(model.parameters(), 0.01), lambda step: model(x).square().mean(), complain=said.append
    )
    assert (readings, own.due) == ([], NEVER)
    assert len(said) == 1
    assert said[0].endswith("not without gradients")


def test_without_memory_for_the_eigenvectors_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x = nn.Linear(6, 1), torch.randn(64, 6)
    monkeypatch.setattr("lrtui.monitor.own_batch.free_bytes", lambda device: 5_000)
    readings, own = measured(SGD(model.parameters(), 0.01), lambda step: model(x).square().mean())
    assert (readings, own.due) == ([{"full": 1.0}], NEVER)


def test_the_threshold_of_optimizers() -> None:
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    assert threshold_of(SGD([a], 0.1)) == 2
    assert threshold_of(SGD([a], 0.1, momentum=0.5)) == 3
    assert threshold_of(SGD([a], 0.1, momentum=0.5, nesterov=True)) == 1.5
    assert threshold_of(AdamW([a], 0.1)) == pytest.approx(38)
    assert threshold_of(SGD([{"params": [a]}, {"params": [b]}], 0.1)) == 2
    unlike: list[dict[str, Any]] = [{"params": [a], "lr": 0.2}, {"params": [b]}]
    for unknown in (
        SGD(unlike, 0.1),
        SGD([a], 0.1, momentum=0.5, dampening=0.1),
        SGD([a], 0.1, maximize=True),
        RMSprop([a]),
        type("Mine", (SGD,), {})([a], 0.1),
    ):
        assert threshold_of(unknown) is None, unknown


SCRIPT = """
import sys, time, torch
torch.manual_seed(0); torch.set_num_threads(1)
x = torch.linspace(-1, 1, 64)[:, None]; y = torch.sin(4 * x)
net = torch.nn.Sequential(
    torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32), torch.nn.Tanh(),
    torch.nn.Linear(32, 1),
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
for step in range(int(sys.argv[2])):
    loss = torch.nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    time.sleep(float(sys.argv[3]))
torch.save(net.state_dict(), sys.argv[1])
input()
"""


@pytest.mark.slow
def test_a_network_at_the_edge_of_stability_has_two_over_its_rate(tmp_path: Path) -> None:
    """Full batches drive the sharpness there: Cohen et al., 2021."""
    path, watched, plain = (tmp_path / name for name in ("edge.py", "watched", "plain"))
    path.write_text(SCRIPT)
    with training("-m", "lrtui", "run", str(path), str(watched), "6000", "0.001") as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: 6000 in viewer.column("loss"), "the last step")
        running.begin()
        assert running.wait() == 0
    found = [m for m in viewer.messages if isinstance(m, Sharpness)]
    assert [m.threshold for m in found] == [2.0] * len(found)
    assert found[0].value * 0.2 < 3.0
    assert found[-1].value * 0.2 == pytest.approx(2, rel=0.1)
    assert {m.word for m in viewer.messages if isinstance(m, Gauge)} == {""}
    forks.run(
        [sys.executable, str(path), str(plain), "6000", "0"], input=b"\n", check=True, timeout=100
    )
    mine, its = torch.load(watched), torch.load(plain)
    assert all(torch.equal(mine[name], its[name]) for name in its)
