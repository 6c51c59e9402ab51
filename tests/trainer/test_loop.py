"""The real training loop, held against float64 numpy and torch.optim, and the commands it obeys."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import pairwise
from queue import SimpleQueue
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from lrtui.analysis.diagnosis import has_diverged
from lrtui.analysis.theory import Theory
from lrtui.messages import (
    AnyCommand,
    Ended,
    LineScene,
    Message,
    Optimizer,
    Pause,
    ProblemFacts,
    Progress,
    Quadratic,
    Resume,
    SetLr,
    SetSpeed,
    Start,
    Started,
    State,
    Step,
    Sweep,
    SweepResult,
)
from lrtui.messages.problem_settings import Noise, ProblemSettings
from lrtui.problems.line import LineFit
from lrtui.session.rate_axis import ruler_sweep
from lrtui.trainer.beginnings import begin
from lrtui.trainer.loop import Trainer, steps_at_once
from lrtui.trainer.run_loop import RunLoop
from tests.in_process import last, losses


def run(lr: float, steps: int = 100) -> list[Message]:
    """Carry out one run, as fast as possible."""
    told: list[Message] = []
    trainer = Trainer(ProblemSettings(), SimpleQueue(), told.append, lambda _: None)
    assert trainer.train(Start(run=1, lr=lr, steps=steps, speed=None)) is None
    return told


def values(told: list[Message], number: int = 1) -> list[float]:
    """The losses of a run, of which none may be missing."""
    found: list[float] = []
    for m in told:
        if isinstance(m, Progress) and m.run == number:
            assert m.steps == len(found)
            found += [math.nan if loss is None else loss for loss in m.losses]
    return found


def data() -> tuple[np.ndarray, np.ndarray]:
    problem = LineFit(ProblemSettings())
    return problem.x.double().numpy(), problem.y.double().numpy()


class Server:
    """The trainer in a thread of its own."""

    def __init__(self, settings: ProblemSettings | None = None) -> None:
        self.told: list[Message] = []
        self.inbox: SimpleQueue[AnyCommand] = SimpleQueue()
        self._ids = 0

        def serve() -> None:
            Trainer(
                settings or ProblemSettings(), self.inbox, self.told.append, lambda _: None
            ).serve()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        self.wait(lambda: any(isinstance(m, ProblemFacts) for m in self.told))

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not done():
            assert time.monotonic() < end, f"{self.told[-3:]}, it is at:\n{self.position()}"
            time.sleep(0.002)

    def position(self) -> str:
        """Where the trainer's thread is."""
        frame = sys._current_frames().get(self.thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else "its end"

    def step(self, number: int = 1) -> int:
        return len(losses([*self.told], number)) - 1

    def ended(self, number: int = 1) -> Ended | None:
        return next((m for m in [*self.told] if isinstance(m, Ended) and m.run == number), None)

    def states(self) -> list[State]:
        return [m for m in [*self.told] if isinstance(m, State)]

    def ask(self, command: AnyCommand) -> State:
        """Send a command and wait for its answer."""
        self.inbox.put(command)
        self.wait(lambda: any(state.answers == command.id for state in self.states()))
        return next(state for state in self.states() if state.answers == command.id)

    def stop(self, number: int = 1) -> None:
        """Start a run of one step instead of the current one."""
        self.inbox.put(Start(run=number + 1, lr=0.1, steps=1, speed=None))
        self.wait(lambda: self.ended(number + 1) is not None)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.inbox.put(Start(run=99, lr=0.1, steps=1, speed=None))


def test_the_data_is_the_posts() -> None:
    problem = LineFit(ProblemSettings(points=100, seed=3))
    torch.manual_seed(3)
    expected = torch.ones(100, 2)
    expected[:, 0].uniform_(-1.0, 1.0)
    assert torch.equal(problem.x, expected)
    assert torch.equal(problem.y, expected @ torch.tensor([3.0, 2.0]) + torch.rand(100))
    scene = problem.scene
    assert isinstance(scene, LineScene)
    assert scene.x == expected[:, 0].tolist()
    assert scene.y == problem.y.tolist()
    assert scene.true_weights == (3.0, 2.0)


@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_noise(noise: Noise) -> None:
    problem = LineFit(ProblemSettings(points=100_000, noise=noise))
    rest = (problem.y - problem.x @ torch.tensor([3.0, 2.0])).double()
    mean, deviation = (0.5, 12**-0.5) if noise == "uniform" else (0.0, 1.0)
    assert rest.mean().item() == pytest.approx(mean, abs=0.02)
    assert rest.std().item() == pytest.approx(deviation, rel=0.02)


def test_the_closed_form_is_that_of_numpy() -> None:
    problem = LineFit(ProblemSettings(seed=5))
    found = problem.quadratic
    assert found is not None
    x, y = problem.x.double().numpy(), problem.y.double().numpy()
    eigenvalues, vectors = np.linalg.eigh(2 / len(y) * x.T @ x)
    assert found.eigenvalues == pytest.approx(eigenvalues)
    assert np.abs(np.array(found.eigenvectors) @ vectors) == pytest.approx(np.eye(2), abs=1e-9)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    assert found.minimum == pytest.approx(best)
    assert found.min_loss == pytest.approx(((x @ best - y) ** 2).mean())
    theory = Theory.of(found)
    assert theory.max_stable_lr == pytest.approx(2 / eigenvalues[1])
    assert theory.minimax_lr == pytest.approx(2 / eigenvalues.sum())


@pytest.mark.parametrize("lr", [0.001, 0.1, 0.7, 1.01])
def test_every_loss_is_that_of_float64_descent(lr: float) -> None:
    x, y = data()
    a = np.array([-1.0, 1.0])
    found = values(run(lr))
    assert len(found) == 101
    for loss in found:
        assert loss == pytest.approx(((x @ a - y) ** 2).mean(), rel=2e-5)
        a -= lr * 2 / len(y) * x.T @ (x @ a - y)


def test_every_step_is_that_of_torch_optim() -> None:
    problem = LineFit(ProblemSettings())
    a = torch.nn.Parameter(torch.tensor([-1.0, 1.0]))
    optimizer = torch.optim.SGD([a], lr=0.7)
    training = begin(problem, 0.7, Optimizer())
    for _ in range(50):
        loss = torch.nn.functional.mse_loss(problem.x @ a, problem.y)
        assert training.loss == pytest.approx(loss.item(), rel=1e-6)
        assert training.weights() == pytest.approx(a.tolist(), rel=1e-6)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        training.steps(1)


def test_it_ends_at_the_least_squares_solution() -> None:
    x, y = data()
    best, (residual,), *_ = np.linalg.lstsq(x, y, rcond=None)
    told = run(0.7)
    assert last(told, Progress).weights == pytest.approx(best, rel=1e-5)
    ended = last(told, Ended)
    assert (ended.outcome, ended.step) == ("done", 100)
    assert ended.loss == pytest.approx(residual / len(y), rel=1e-5)


def test_past_the_limit_it_diverges_though_finite() -> None:
    told = run(1.01)
    ended = last(told, Ended)
    assert (ended.outcome, ended.step) == ("diverged", 100)
    assert ended.loss == values(told)[-1]
    assert "1.01" in ended.reason
    assert f"{ended.loss:.4g}" in ended.reason


@pytest.mark.parametrize("lr", [50.0, 1e30, 1e300])
def test_the_first_loss_that_is_not_finite_ends_it(lr: float) -> None:
    told = run(lr, steps=2000)
    found = values(told)
    ended = last(told, Ended)
    assert ended.outcome == "diverged"
    assert ended.step == len(found) - 1
    assert not math.isfinite(found[-1])
    assert all(map(math.isfinite, found[:-1]))
    assert ended.loss == found[-2]
    assert f"at step {ended.step}" in ended.reason


@pytest.mark.parametrize(
    ("loss", "first", "diverged"),
    [(1.0, 2.0, False), (2.0, 2.0, False), (2.1, 2.0, True), (None, 2.0, True), (math.inf, 2, True),
     (math.nan, 2.0, True)],
)  # fmt: skip
def test_what_has_diverged(loss: float | None, first: float, diverged: bool) -> None:
    assert has_diverged(loss, first) == diverged


def test_only_the_rate_differs() -> None:
    told: list[Message] = []
    trainer = Trainer(ProblemSettings(), SimpleQueue(), told.append, lambda _: None)
    for number, lr in enumerate((0.7, 0.1, 0.7), 1):
        trainer.train(Start(run=number, lr=lr, steps=50, speed=None))
    assert losses(told, 1) == losses(told, 3)
    assert losses(told, 1)[0] == losses(told, 2)[0]


@pytest.mark.slow
def test_progress_is_batched() -> None:
    told = run(0.1, steps=5000)
    reports = [m for m in told if isinstance(m, Progress)]
    assert reports[0].losses == values(told)[:1]  # the first loss is reported at once
    assert len(reports) <= 3 + reports[-1].seconds / 0.05
    assert len(values(told)) == 5001


def test_the_trajectory_has_the_weights_of_the_first_steps() -> None:
    told = run(0.3, steps=400)
    trajectory = [w for m in told if isinstance(m, Progress) for w in m.trajectory]
    assert len(trajectory) == 256
    x, y = data()
    a = np.array([-1.0, 1.0])
    for weights in trajectory:
        assert weights == pytest.approx(a, rel=1e-4, abs=1e-5)
        a -= 0.3 * 2 / len(y) * x.T @ (x @ a - y)


@pytest.mark.parametrize(
    ("wants_weights", "steps_per_sync", "took", "at_once"),
    [(False, 1, 1e-5, 10), (False, 1, 0.01, 1), (False, 1, math.inf, 1), (False, 50, 0.01, 50),
     (True, 1, 1e-5, 1), (True, 50, 1e-5, 1)],
)  # fmt: skip
def test_only_small_steps_are_taken_several_at_a_time(
    wants_weights: bool, steps_per_sync: int, took: float, at_once: int
) -> None:
    reporter = SimpleNamespace(wants_weights=wants_weights)
    loop = SimpleNamespace(steps_per_sync=steps_per_sync, reporter=reporter)
    assert steps_at_once([cast(RunLoop, loop)], took) == at_once


def test_the_first_step_is_taken_alone_however_fast() -> None:
    """Nobody knows how long it takes, and a command waits for all of a turn."""
    at: list[int] = []

    class Inbox(SimpleQueue):  # type: ignore[type-arg]
        def empty(self) -> bool:
            at.append(trained)
            return super().empty()

    trained = 0
    problem = ProblemSettings(name="moons")
    trainer = Trainer(problem, Inbox(), lambda _: None, lambda _: None)
    own: list[torch.optim.Optimizer] = []

    def count(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        nonlocal trained
        own.append(optimizer)
        trained += optimizer is own[0]  # not the steps of the look-ahead

    hook = register_optimizer_step_post_hook(count)
    trainer.train(Start(run=1, lr=0.1, steps=300, speed=None))
    hook.remove()
    looks = sorted({*at})
    assert looks[:2] == [0, 1]
    assert max(later - before for before, later in pairwise(looks)) >= 10


def test_a_run_that_starts_paused(server: Server) -> None:
    server.inbox.put(Start(id=1, run=1, lr=0.1, steps=50, speed=None, paused=True))
    server.wait(lambda: server.step() == 0)
    time.sleep(0.05)
    assert server.step() == 0
    assert server.states()[0].paused
    server.ask(Resume(id=2))
    server.wait(lambda: server.ended() is not None)


def test_pause_step_resume(server: Server) -> None:
    server.inbox.put(Start(run=1, lr=0.1, steps=10**6, speed=200.0))
    server.wait(lambda: server.step() >= 5)
    held = server.ask(Pause(id=1)).step
    assert server.step() == held
    spent = last(server.told, Progress).seconds
    time.sleep(0.15)
    assert server.step() == held
    for k in (1, 2, 3):
        assert server.ask(Step(id=1 + k)).paused
        server.wait(lambda k=k: server.step() == held + k)  # type: ignore[misc]
    time.sleep(0.05)
    assert server.step() == held + 3
    for _ in range(5):  # no step is lost where keys come faster than they are read
        server.inbox.put(Step())
    server.wait(lambda: server.step() == held + 8)
    time.sleep(0.05)
    assert server.step() == held + 8
    assert last(server.told, Progress).seconds < spent + 0.1  # pauses do not count
    assert not server.ask(Resume(id=9)).paused
    server.wait(lambda: server.step() > held + 10)
    server.stop()
    ended = server.ended()
    assert ended is not None
    assert ended.outcome == "stopped"


def test_every_command_is_answered_by_a_state(server: Server) -> None:
    start = Start(id=7, run=1, lr=0.1, steps=10**6, speed=100.0)
    first = server.ask(start)
    assert (first.step, first.paused, first.speed, first.lr) == (0, False, 100.0, 0.1)
    assert first.asked_by == ""
    assert isinstance(server.told[server.told.index(first) - 1], Started)
    assert server.ask(SetSpeed(id=8, speed=None)).speed is None
    assert server.ask(SetSpeed(id=9, speed=50.0)).speed == 50.0
    changed = server.ask(SetLr(id=10, lr=0.2))
    assert (changed.lr, changed.paused) == (0.2, False)
    assert changed.asked_by
    assert server.ask(Pause(id=11)).paused
    assert server.ask(SetLr(id=12, lr=0.3)).paused


def test_a_rate_changed_without_a_restart_counts_from_its_step_on(server: Server) -> None:
    server.inbox.put(Start(run=1, lr=0.1, steps=10**6, speed=100.0))
    server.wait(lambda: server.step() >= 3)
    changed = server.ask(SetLr(id=1, lr=0.3)).step
    assert changed >= 3
    server.wait(lambda: server.step() >= changed + 10)
    server.stop()
    x, y = data()
    a = np.array([-1.0, 1.0])
    for k, loss in enumerate(values(server.told)):
        assert loss == pytest.approx(((x @ a - y) ** 2).mean(), rel=2e-5)
        a -= (0.3 if k >= changed else 0.1) * 2 / len(y) * x.T @ (x @ a - y)


def test_a_start_ends_the_run_before(server: Server) -> None:
    for number in range(1, 31):  # as a key held down does it
        server.inbox.put(Start(run=number, lr=0.1, steps=50, speed=None))
    server.wait(lambda: server.ended(30) is not None)
    started = [m.run for m in server.told if isinstance(m, Started)]
    ended = [m.run for m in server.told if isinstance(m, Ended)]
    assert started == ended == list(range(1, 31))
    order = [m.run for m in server.told if isinstance(m, Started | State | Progress | Ended)]
    assert order == sorted(order)
    assert last(server.told, Ended).outcome == "done"


def test_the_speed_is_kept_and_can_be_changed(server: Server) -> None:
    server.inbox.put(Start(run=1, lr=0.1, steps=40, speed=100.0))
    server.wait(lambda: server.ended(1) is not None)
    # Never faster than asked; how much slower depends on the machine.
    assert 0.39 <= last(server.told, Progress).seconds < 2
    server.inbox.put(Start(run=2, lr=0.1, steps=100_000, speed=1.0))
    server.wait(lambda: server.step(2) >= 0)
    server.inbox.put(SetSpeed(speed=None))
    server.wait(lambda: server.step(2) > 100)


def test_commands_without_a_run_are_harmless(server: Server) -> None:
    for command in (Pause(), Resume(), Step(), SetLr(lr=0.5), SetSpeed(speed=3.0)):
        server.inbox.put(command)
    server.inbox.put(Start(run=1, lr=0.7, steps=10, speed=None))
    server.wait(lambda: server.ended(1) is not None)
    assert last(server.told, Ended).outcome == "done"


@pytest.mark.slow
def test_a_sweep_is_done_in_the_gaps_of_a_paced_run(server: Server) -> None:
    lrs = [0.001 * 1.1**k for k in range(64)]
    server.inbox.put(Start(run=1, lr=0.1, steps=60, speed=80.0))
    server.inbox.put(Sweep(lrs=lrs, steps=100))
    server.wait(lambda: any(isinstance(m, SweepResult) for m in server.told))
    assert server.ended(1) is None  # it did not wait for the run's end
    server.wait(lambda: server.ended(1) is not None)
    assert last(server.told, Progress).seconds < 60 / 80 * 1.5
    swept = last(server.told, SweepResult)
    assert swept.lrs == lrs
    assert len(swept.losses) == len(swept.settled_at) == 64


def test_a_new_sweep_takes_the_place_of_the_one_before(server: Server) -> None:
    server.inbox.put(Sweep(lrs=[0.1], steps=10**9))
    server.inbox.put(Sweep(lrs=[0.7], steps=20))
    server.wait(lambda: any(isinstance(m, SweepResult) for m in server.told))
    assert last(server.told, SweepResult).lrs == [0.7]


@pytest.mark.parametrize("points", [100, 100_000])
def test_the_ruler_comes_while_a_run_goes_as_fast_as_possible(points: int) -> None:
    server = Server(ProblemSettings(points=points))
    theory = Theory.of(last(server.told, Quadratic))
    server.inbox.put(Start(run=1, lr=0.1, steps=10**8, speed=None))
    begun = time.monotonic()
    facts = last(server.told, ProblemFacts)
    command = ruler_sweep(theory, Optimizer(), None, facts, 100)
    assert command is not None
    server.inbox.put(command)
    server.wait(lambda: any(isinstance(m, SweepResult) for m in server.told))
    assert time.monotonic() - begun < 5
    assert server.ended(1) is None
    server.stop()


@pytest.mark.slow
def test_torch_imports_what_optimizers_need_while_nothing_waits() -> None:
    """The line's own path needs none of it; the first other optimizer would wait for 1.4 s."""
    code = """
import sys, threading, time
from queue import SimpleQueue
from lrtui.messages import Start
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.trainer.loop import Trainer
trainer = Trainer(ProblemSettings(), SimpleQueue(), lambda _: None, lambda _: None)
before = "torch._dynamo" in sys.modules  # torch 2.4 imports it itself
trainer.train(Start(run=1, lr=0.1, steps=2000, speed=None))
print(("torch._dynamo" in sys.modules) == before)
trainer.train(Start(run=2, lr=0.1, steps=6, speed=20))
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(60)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    untouched, is_there = done.stdout.split()
    assert is_there == "True"
    assert untouched == "True" or torch.__version__ < "2.8"  # or torch does
