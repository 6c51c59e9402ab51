"""The real training loop, held against float64 numpy, and the commands it carries out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import pytest
import torch

from lrtui.messages import (
    AnyCommand,
    Curvature,
    Ended,
    Message,
    Pause,
    Problem,
    Progress,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Started,
    Step,
    Stop,
    Sweep,
    Swept,
)
from lrtui.problems.line import sample
from lrtui.trainer.worker import Worker

M = TypeVar("M", bound=Message)


def run(rate: float, steps: int = 100, problem: Problem | None = None) -> list[Message]:
    """Carries out one run, flat out."""
    told: list[Message] = []
    worker = Worker(problem or Problem(), SimpleQueue(), told.append)
    assert worker.train(Start(run=1, rate=rate, steps=steps, speed=None)) is None
    return told


def losses(told: list[Message], number: int = 1) -> list[float]:
    found: list[float] = []
    for m in told:
        if isinstance(m, Progress) and m.run == number:
            assert m.step == len(found)
            found += [math.nan if loss is None else loss for loss in m.losses]
    return found


def last(told: list[Message], kind: type[M]) -> M:
    return [m for m in told if isinstance(m, kind)][-1]


class Server:
    """The worker in a thread of its own."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.inbox: SimpleQueue[AnyCommand] = SimpleQueue()

        def serve() -> None:
            Worker(Problem(), self.inbox, self.told.append).serve()

        threading.Thread(target=serve, daemon=True).start()
        self.wait(lambda: any(isinstance(m, Curvature) for m in self.told))

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not done():
            assert time.monotonic() < end, self.told[-3:]
            time.sleep(0.002)

    def step(self, number: int = 1) -> int:
        return len(losses(self.told, number)) - 1

    def ended(self, number: int) -> Ended | None:
        return next((m for m in self.told if isinstance(m, Ended) and m.run == number), None)


def test_the_data_is_the_posts() -> None:
    x, y = sample(Problem(points=100, seed=3))
    torch.manual_seed(3)
    expected = torch.ones(100, 2)
    expected[:, 0].uniform_(-1.0, 1.0)
    assert torch.equal(x, expected)
    assert torch.equal(y, expected @ torch.tensor([3.0, 2.0]) + torch.rand(100))


@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_noise(noise: str) -> None:
    x, y = sample(Problem(points=100_000, noise=noise))  # type: ignore[arg-type]
    rest = (y - x @ torch.tensor([3.0, 2.0])).double()
    mean, deviation = (0.5, 12**-0.5) if noise == "uniform" else (0.0, 1.0)
    assert rest.mean().item() == pytest.approx(mean, abs=0.02)
    assert rest.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.7, 1.01])
def test_every_loss_is_that_of_float64_descent(rate: float) -> None:
    x, y = (t.double().numpy() for t in sample(Problem()))
    a = np.array([-1.0, 1.0])
    found = losses(run(rate))
    assert len(found) == 101
    for loss in found:
        assert loss == pytest.approx(((x @ a - y) ** 2).mean(), rel=2e-5)
        a -= rate * 2 / len(y) * x.T @ (x @ a - y)


def test_it_ends_at_the_least_squares_solution() -> None:
    x, y = (t.double().numpy() for t in sample(Problem()))
    best, (floor,), *_ = np.linalg.lstsq(x, y, rcond=None)
    told = run(0.7)
    assert last(told, Progress).weights == pytest.approx(best, rel=1e-5)
    ended = last(told, Ended)
    assert (ended.outcome, ended.step) == ("done", 100)
    assert ended.loss == pytest.approx(floor / len(y), rel=1e-5)


def test_past_the_limit_it_diverges_though_finite() -> None:
    told = run(1.01)
    ended = last(told, Ended)
    assert (ended.outcome, ended.step) == ("diverged", 100)
    assert ended.loss == losses(told)[-1]
    assert "1.01" in ended.reason
    assert f"{ended.loss:.4g}" in ended.reason


@pytest.mark.parametrize("rate", [50.0, 1e30, 1e300])
def test_the_first_loss_that_is_not_finite_ends_it(rate: float) -> None:
    told = run(rate, steps=2000)
    found = losses(told)
    ended = last(told, Ended)
    assert ended.outcome == "diverged"
    assert ended.step == len(found) - 1
    assert not math.isfinite(found[-1])
    assert all(map(math.isfinite, found[:-1]))
    assert ended.loss == found[-2]
    assert f"at step {ended.step}" in ended.reason


def test_progress_is_batched() -> None:
    told = run(0.1, steps=5000)
    assert sum(isinstance(m, Progress) for m in told) < 200
    assert len(losses(told)) == 5001


def test_pause_step_resume() -> None:
    server = Server()
    server.inbox.put(Start(run=1, rate=0.1, steps=10**6, speed=200.0))
    server.wait(lambda: server.step() >= 5)
    server.inbox.put(Pause())
    time.sleep(0.1)
    held = server.step()
    spent = last(server.told, Progress).seconds
    time.sleep(0.15)
    assert server.step() == held
    for k in (1, 2, 3):
        server.inbox.put(Step())
        server.wait(lambda k=k: server.step() == held + k)  # type: ignore[misc]
    time.sleep(0.1)
    assert server.step() == held + 3
    for _ in range(5):  # no step is lost where keys come faster than they are read
        server.inbox.put(Step())
    server.wait(lambda: server.step() == held + 8)
    time.sleep(0.1)
    assert server.step() == held + 8
    assert last(server.told, Progress).seconds < spent + 0.1  # pauses do not count
    server.inbox.put(Resume())
    server.wait(lambda: server.step() > held + 10)
    server.inbox.put(Stop())
    server.wait(lambda: server.ended(1) is not None)
    assert last(server.told, Ended).outcome == "stopped"


def test_the_rate_set_on_the_way_counts_from_its_step_on() -> None:
    server = Server()
    server.inbox.put(Start(run=1, rate=0.1, steps=10**6, speed=100.0))
    server.wait(lambda: server.step() >= 3)
    server.inbox.put(SetRate(0.3))
    server.wait(lambda: last(server.told, Progress).rate == 0.3)
    server.wait(lambda: server.step() >= 20)
    server.inbox.put(Stop())
    server.wait(lambda: server.ended(1) is not None)
    changed = next(m.step for m in server.told if isinstance(m, Progress) and m.rate == 0.3)
    x, y = (t.double().numpy() for t in sample(Problem()))
    a = np.array([-1.0, 1.0])
    for k, loss in enumerate(losses(server.told)):
        assert loss == pytest.approx(((x @ a - y) ** 2).mean(), rel=2e-5)
        a -= (0.3 if k + 1 >= changed else 0.1) * 2 / len(y) * x.T @ (x @ a - y)


def test_a_start_ends_the_run_before() -> None:
    server = Server()
    for number in range(1, 31):  # as a key held down does it
        server.inbox.put(Start(run=number, rate=0.1, steps=50, speed=None))
    server.wait(lambda: server.ended(30) is not None)
    started = [m.run for m in server.told if isinstance(m, Started)]
    ended = [m.run for m in server.told if isinstance(m, Ended)]
    assert started == ended == list(range(1, 31))
    order = [m.run for m in server.told if isinstance(m, Started | Progress | Ended)]
    assert order == sorted(order)
    assert last(server.told, Ended).outcome == "done"


def test_the_pace_is_kept_and_can_be_changed() -> None:
    server = Server()
    server.inbox.put(Start(run=1, rate=0.1, steps=40, speed=100.0))
    server.wait(lambda: server.ended(1) is not None)
    # Never faster than asked; how much slower depends on the machine.
    assert 0.39 <= last(server.told, Progress).seconds < 2
    server.inbox.put(Start(run=2, rate=0.1, steps=100_000, speed=1.0))
    server.wait(lambda: server.step(2) >= 0)
    server.inbox.put(SetSpeed(None))
    server.wait(lambda: server.step(2) > 100)
    server.inbox.put(Stop())
    server.wait(lambda: server.ended(2) is not None)


def test_commands_without_a_run_are_harmless() -> None:
    server = Server()
    for command in (Pause(), Resume(), Step(), Stop(), SetRate(0.5), SetSpeed(3.0)):
        server.inbox.put(command)
    server.inbox.put(Start(run=1, rate=0.7, steps=10, speed=None))
    server.wait(lambda: server.ended(1) is not None)
    assert last(server.told, Ended).outcome == "done"


def test_the_path_has_the_weights_of_the_first_steps() -> None:
    told = run(0.3, steps=400)
    path = [w for m in told if isinstance(m, Progress) for w in m.path]
    assert len(path) == 256
    x, y = (t.double().numpy() for t in sample(Problem()))
    a = np.array([-1.0, 1.0])
    for weights in path:
        assert weights == pytest.approx(a, rel=1e-4, abs=1e-5)
        a -= 0.3 * 2 / len(y) * x.T @ (x @ a - y)


def test_a_sweep_is_done_in_the_gaps_of_a_paced_run() -> None:
    server = Server()
    rates = [0.001 * 1.1**k for k in range(64)]
    server.inbox.put(Start(run=1, rate=0.1, steps=60, speed=40.0))
    server.inbox.put(Sweep(rates=rates, steps=100))
    server.wait(lambda: any(isinstance(m, Swept) for m in server.told))
    assert server.ended(1) is None  # it did not wait for the run's end
    server.wait(lambda: server.ended(1) is not None)
    assert last(server.told, Progress).seconds < 60 / 40 * 1.5
    swept = last(server.told, Swept)
    assert swept.rates == rates
    assert len(swept.losses) == len(swept.settled_at) == 64


def test_a_sweep_comes_while_another_run_is_flat_out() -> None:
    server = Server()
    server.inbox.put(Start(run=1, rate=0.1, steps=10**7, speed=None))
    server.inbox.put(Sweep(rates=[0.1, 0.7], steps=5))
    server.wait(lambda: any(isinstance(m, Swept) for m in server.told))
    server.inbox.put(Stop())
    server.wait(lambda: server.ended(1) is not None)
