"""``left`` is what the script would compute itself, and measuring it changes nothing."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lrtui.analysis.headroom import ROOM
from lrtui.analysis.history import UPDATE
from lrtui.messages import Gauge, Progress, State, Steered, Updates
from lrtui.monitor.frameworks import names_of
from lrtui.monitor.headroom import FIRST_STEP, PAIRS, Headroom
from lrtui.monitor.publisher import MAX_GAUGES, Addressed, Began, Publisher, to_all
from lrtui.monitor.rate_control import RateControl
from tests import forks
from tests.monitor.late import LateTensor
from tests.monitor.trainings import training

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
    before, after = weights[pairs[-1]], weights[pairs[-1] + 1]
    sizes = [p.numel() for p in parameters]
    moved = zip(torch.split(after - before, sizes), torch.split(before, sizes), strict=True)
    ratios = [float(u.norm() / w.norm()) for u, w in moved]
    names = [name for name, _ in model.named_parameters()]
    truth = {
        "left": across / along,
        "calm": statistics.median(cosines),
        "updates": dict(zip(names, ratios, strict=True)),
    }
    state = {
        "losses": losses,
        "model": [v.double().tolist() for v in model.state_dict().values()],
        "optimizer": [
            [v.double().tolist() for v in s.values() if torch.is_tensor(v)]
            for s in optimizer.state_dict()["state"].values()
        ],
        "rng": torch.get_rng_state().tolist(),
    }
    found = {**headroom.reading, "updates": headroom.updates} if headroom is not None else None  # type: ignore[dict-item]
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
    ratios = {name: float(ratio) for name, ratio in found["updates"].items()}
    assert {"0.weight", "1.bias", "4.weight"} < {*ratios}
    assert ratios == pytest.approx(truth["updates"], rel=1e-3)


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


def quadratic(weight: nn.Parameter) -> Callable[[], Any]:
    """Return the closure of half the squared length of a weight."""

    def closure() -> Any:
        weight.grad = None
        loss: Any = 0.5 * (weight**2).sum()
        loss.backward()
        return loss

    return closure


def test_with_a_closure_it_is_measured_once_that_has_computed_the_gradient() -> None:
    def readings(step_with: Callable[[Any, Any], Any]) -> list[dict[str, float]]:
        weight = nn.Parameter(torch.tensor([4.0, 3.0]))
        optimizer = torch.optim.SGD([weight], 0.5)
        headroom, control = gauge(optimizer)
        found = []
        for step in range(150):
            optimizer.param_groups[0]["lr"] = 0.001 * (step + 1)
            if step == FIRST_STEP + 3:
                control.scale_by(0.2)  # all pairs are at the new rate
            assert step_with(optimizer, quadratic(weight)) is not None
            headroom.after_step(step + 1)
            if headroom.reading is not None:
                found.append({name: float(value) for name, value in headroom.reading.items()})
                headroom.reading, headroom.due = None, step + 2
        return found

    def plainly(optimizer: Any, closure: Any) -> Any:
        loss = closure()
        optimizer.step()
        return loss

    expected = readings(plainly)
    assert len(expected) > 2
    assert readings(lambda optimizer, closure: optimizer.step(closure)) == expected
    assert readings(lambda optimizer, closure: optimizer.step(closure=closure)) == expected


def test_a_closure_that_is_called_again_ends_it() -> None:
    weight = nn.Parameter(torch.tensor([4.0, 3.0]))

    class Twice(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            closure()
            return super().step(closure)

    optimizer = Twice([weight], 0.1)
    headroom, control = gauge(optimizer)
    for step in range(FIRST_STEP + PAIRS + 5):
        optimizer.step(quadratic(weight))
        headroom.after_step(step + 1)
    assert (headroom.reading, control.observe) == (None, None)


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

    def slow(last_rate: float) -> None:
        clock["now"] += 0.002
        real(last_rate)

    def tick(*_: Any) -> None:
        clock["now"] += 0.010
        watched.append(control.observe is not None)

    monkeypatch.setattr(headroom, "_sample", slow)
    optimizer.register_step_post_hook(tick)
    readings = take(headroom, optimizer, 6000)
    # A measurement costs 28 × 2 ms: once in about 1,120 steps of 10 ms.
    assert 4 <= readings <= 6
    assert 0.002 * 28 * readings <= 0.006 * 6000 * 0.010
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
    monkeypatch.setattr("lrtui.monitor.memory.free_memory", lambda: 10)
    optimizer = torch.optim.SGD([weight], 0.1)
    small, control = gauge(optimizer)
    assert take(small, optimizer, FIRST_STEP + PAIRS + 5) == 0
    assert control.observe is None
    monkeypatch.setattr("lrtui.monitor.memory.free_memory", lambda: None)
    small, control = gauge(optimizer)
    assert take(small, optimizer, FIRST_STEP + PAIRS + 5) == 0
    monkeypatch.setattr("lrtui.monitor.memory.free_memory", lambda: 10**9)
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


SCRIPT = """
import json, sys, time, torch
from torch import nn
torch.manual_seed(2); torch.set_num_threads(1)
layers = nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1)
net = nn.Sequential(*layers)
optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.5)
losses = []
for step in range(150):
    x = torch.randn(64, 4)
    loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
    time.sleep(0.002)
state = [v.double().tolist() for v in net.state_dict().values()]
json.dump([losses, state, torch.rand(3).tolist()], open(sys.argv[1], "w"))
input()
"""


@pytest.mark.slow
def test_a_training_with_a_low_rate_has_room_and_is_not_changed(tmp_path: Path) -> None:
    path, plain, watched = (tmp_path / name for name in ("slope.py", "plain", "watched"))
    path.write_text(SCRIPT)
    command = [sys.executable, str(path), str(plain)]
    forks.run(command, input=b"\n", check=True, timeout=100)
    with training("-m", "lrtui", "run", str(path), str(watched)) as running:
        viewer = running.viewer()

        def gauges() -> list[Gauge]:
            return [m for m in viewer.messages if isinstance(m, Gauge)]

        viewer.wait_for(lambda: bool(gauges()), "a measurement")
        found = gauges()[0]
        assert (found.step, found.pairs, found.word) == (FIRST_STEP + PAIRS, PAIRS, ROOM)
        assert 0.3 <= found.left <= 1.1
        viewer.wait_for(lambda: 150 in viewer.column("loss"), "the last step")
        running.begin()
        assert running.wait() == 0
    assert watched.read_text() == plain.read_text()


@pytest.mark.slow
def test_of_one_optimizer_of_several_the_slope_gives_no_word(tmp_path: Path) -> None:
    one = "optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.5)"
    two = "a, b = [torch.optim.SGD(each, 1e-3) for each in ([net[0].weight], net[4].parameters())]"
    script = SCRIPT.replace(one, two).replace("optimizer.step()", "a.step(); b.step()")
    script = script.replace("optimizer.zero_grad()", "net.zero_grad()")
    path = tmp_path / "slope.py"
    path.write_text(script)
    with training("-m", "lrtui", "run", str(path), str(tmp_path / "out")) as running:
        viewer = running.viewer()

        def gauges() -> list[Gauge]:
            return [m for m in viewer.messages if isinstance(m, Gauge)]

        viewer.wait_for(lambda: bool(gauges()), "a measurement")
        assert gauges()[0].left > 0.3
        assert gauges()[0].word == ""
        viewer.wait_for(lambda: 150 in viewer.column("loss"), "the last step")
        running.begin()
        assert running.wait() == 0


def test_a_word_ends_with_the_rate_that_it_was_said_of() -> None:
    publisher = Publisher(Began("train.py", "SGD", full_batch=False))
    reading = {"slope left": 0.6, "slope calm": 0.1, "slope growth": 0.0, "slope pairs": 27.0}

    def words(*items: Any) -> list[str]:
        publisher.outbox.extend(items)
        sent = [m for m, _, _ in publisher.collect(paused=False, watched=True)]
        return [m.word for m in sent if isinstance(m, Gauge)]

    def steered(command: str, done: bool = True) -> Addressed:
        told = {"run": 1, "step": 50, "command": command, "text": "", "lr": 0.1}
        return to_all(Steered(**told, done=done, asked_by="a person", at=0.0))  # type: ignore[arg-type]

    assert words((47, 1.0, 0.1, 0.1, reading)) == [ROOM]
    assert words(steered("checkpoint"), steered("hold", done=False)) == []
    assert words(steered("hold"), steered("scale")) == [""]
    assert words((90, 1.0, 0.1, 0.1, reading | {"slope left": 0.27})) == [""]  # no longer kept on
    assert words((120, 1.0, 0.1, 0.1, reading)) == [ROOM]
    assert words((150, 1.0, 0.1, 0.1, reading | {"slope left": 0.27})) == [ROOM]
    assert words((151, 1.0, 0.1, 0.1, reading | {"slope left": math.nan})) == []
    state = State(run=1, step=151, paused=False, speed=None, lr=0.1)
    kept = [m.word for m in publisher.history(state) if isinstance(m, Gauge)]
    assert kept == [ROOM, "", "", ROOM, ROOM]
    everything = Publisher(Began("train.py", "SGD", full_batch=True))
    everything.outbox.append((47, 1.0, 0.1, 0.1, reading))
    assert [m.word for m, _, _ in everything.collect(False, False) if isinstance(m, Gauge)] == [""]


@pytest.mark.parametrize("calm", [0.98, -0.98])
def test_gradients_that_were_the_same_or_opposite_keep_it_silent_for_a_while(calm: float) -> None:
    """As of full batches at the edge of stability, where they swing between the two."""
    publisher = Publisher(Began("train.py", "SGD", full_batch=False))
    reading = {"slope left": 0.9, "slope calm": 0.4, "slope growth": 0.0, "slope pairs": 27.0}
    readings = [reading | {"slope calm": calm}, *[reading] * MAX_GAUGES]
    publisher.outbox.extend((step, 1.0, 0.1, 0.1, each) for step, each in enumerate(readings, 47))
    found = [m.word for m, _, _ in publisher.collect(False, False) if isinstance(m, Gauge)]
    assert found == [""] * MAX_GAUGES + [ROOM]


def test_of_a_loss_above_its_start_no_word_is_said() -> None:
    reading = {"slope left": 0.9, "slope calm": 0.1, "slope growth": 0.0, "slope pairs": 27.0}
    for height, said in ((0.9, ROOM), (3.0, "")):
        publisher = Publisher(Began("train.py", "SGD", full_batch=False))
        losses = [1 + 0.1 * (step % 3) for step in range(20)] + [height] * 30
        rows: list[Any] = [(step, loss, 0.1, 0.1, {}) for step, loss in enumerate(losses, 1)]
        publisher.outbox.extend([*rows[:-1], (*rows[-1][:4], reading)])
        found = [m for m, _, _ in publisher.collect(False, False) if isinstance(m, Gauge)]
        assert [gauge.word for gauge in found] == [said]


def test_a_training_whose_first_losses_are_not_finite_is_measured() -> None:
    reading = {"slope left": 0.9, "slope calm": 0.1, "slope growth": 0.0, "slope pairs": 27.0}
    publisher = Publisher(Began("train.py", "SGD", full_batch=False))
    losses = [math.inf] * 12 + [1.0] * 30
    rows: list[Any] = [(step, loss, 0.1, 0.1, {}) for step, loss in enumerate(losses, 1)]
    publisher.outbox.extend([*rows[:-1], (*rows[-1][:4], reading)])
    found = [m for m, _, _ in publisher.collect(False, False) if isinstance(m, Gauge)]
    assert [gauge.word for gauge in found] == [ROOM]


def test_names_are_those_of_the_module_that_holds_the_parameters() -> None:
    encoder, part = nn.Linear(2, 3), nn.Linear(3, 4)
    decoder = nn.Sequential(part, nn.Linear(4, 1))
    alone = nn.Parameter(torch.zeros(2, 5))
    parameters = [*encoder.parameters(), *decoder.parameters()]
    assert names_of([*decoder.parameters()]) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert names_of([part.weight, alone]) == ["0.weight", "1: 2 × 5"]
    found = names_of(parameters)
    assert found[:3] == ["encoder.weight", "encoder.bias", "decoder.0.weight"]
    assert len({*found}) == 6
    wrapped = nn.ModuleDict({"module": nn.ModuleDict({"_orig_mod": encoder})})
    assert names_of([encoder.bias], wrapped) == ["bias"]
    assert names_of([alone], wrapped) == ["0: 2 × 5"]


@pytest.mark.parametrize("count", [1, 2, 64, 65, 300])
def test_of_many_tensors_the_extremes_are_sent_and_some_between(count: int) -> None:
    publisher = Publisher(Began("train.py", "SGD", full_batch=False))
    reading = {"slope left": 0.6, "slope calm": 0.1, "slope growth": 0.0, "slope pairs": 27.0}
    ratios = {f"layer {(7 * i) % count}": 10.0 ** -(1 + (7 * i) % count / 50) for i in range(count)}
    updates = {UPDATE + name: ratio for name, ratio in ratios.items()}
    updates[UPDATE + "still at zero"] = math.inf
    publisher.outbox.append((47, 1.0, 0.1, 0.1, reading | updates))
    sent = [m for m, _, _ in publisher.collect(paused=False, watched=True)]
    (told,) = (m for m in sent if isinstance(m, Updates))
    assert (told.step, told.tensors, len(told.names)) == (47, count, min(count, 64))
    assert [ratios[name] for name in told.names] == told.ratios
    assert told.ratios[0] == max(ratios.values())
    assert told.ratios[-1] == min(ratios.values())
    assert told.median == statistics.median(ratios.values())
    places = [int(name.split()[1]) for name in told.names]  # the largest first
    gaps = {b - a for a, b in pairwise(places)}
    assert len(gaps) <= 2
    assert max(gaps, default=1) <= -(-count // 63)
    columns = [{*m.scalars} for m in sent if isinstance(m, Progress)]
    assert columns == [{"loss", "lr", "slope left"}]
    state = State(run=1, step=47, paused=False, speed=None, lr=0.1)
    assert told in publisher.history(state)


def test_on_a_device_it_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.monitor.headroom.free_bytes", lambda device: 10**9)
    generator = torch.Generator().manual_seed(5)
    gradients = [torch.ones(6) + 0.5 * torch.randn(6, generator=generator) for _ in range(60)]
    found = []
    for move in (lambda tensor: tensor, LateTensor):
        weight: Any = move(torch.zeros(6)).requires_grad_()
        optimizer = torch.optim.SGD([weight], 0.1, foreach=False)
        complaints: list[str] = []
        headroom, _ = gauge(optimizer, complaints.append)
        for step, gradient in enumerate(gradients):
            with torch.no_grad():
                weight.grad = move(gradient)
            optimizer.step()
            headroom.after_step(step + 1)
        assert complaints == []
        assert headroom.reading is not None
        reading = [*headroom.reading.values(), *headroom.updates.values()]
        assert len(reading) == 5
        values = [v.inner if isinstance(v, LateTensor) else v for v in reading]
        found.append([float(value) for value in values])
    assert found[0] == found[1]
