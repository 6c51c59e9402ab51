"""Networks: flat out with the screen open, the edge, the forecast run ahead, sweeps in a batch."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from lrtui.messages import Ahead, Ended, Optimizer, Sharpness, Start, Started
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.networks import fit, network
from lrtui.problems.problem import Problem
from lrtui.sources.process import ProcessSource
from lrtui.trainer.many.sweep import sweep
from tests.benchmarks.throughput import with_screen

ROUNDS = 5
SECONDS = 3.0

BARE = """
import math, sys, time, torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.linspace(-2, 2, 64)[:, None]
y = torch.sin(math.pi * x) + 0.1 * torch.randn(64, 1)
model = nn.Sequential(
    nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
)
optimizer = torch.optim.SGD(model.parameters(), 0.039)
seconds = float(sys.argv[1])

def update():
    loss = nn.functional.mse_loss(model(x), y)
    loss.item()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

for _ in range(500):
    update()
t, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    update()
    t += 1
print(t / (time.perf_counter() - start))
"""


def bare() -> float:
    """Steps a second of a bare loop on the sine in a process of its own."""
    command = [sys.executable, "-c", BARE, str(SECONDS)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def flat_out() -> None:
    """Print how much of the bare loop is left."""
    ratios = []
    for _ in range(ROUNDS):
        before, here, after = bare(), with_screen("sine", shown="best tried"), bare()
        ratios.append(2 * here / (before + after))
    print(
        f"sine flat out, sharpness on: {statistics.median(ratios):.2f} of the bare loop "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def at_the_edge() -> None:
    """Print where the sharpness stays."""
    source = ProcessSource(ProblemSettings(name="edge"))
    source.send(Start(run=1, lr=0.1, steps=4000, speed=400.0))
    found: list[tuple[int, float]] = []
    while True:
        for message in source.poll(None):
            if isinstance(message, Sharpness):
                found.append((message.step, 0.1 * message.value))
            if isinstance(message, Ended):
                source.close()
                late = np.array([value for at, value in found if at >= 3000])
                print(
                    f"edge at 0.1, last quarter of 4,000 steps: lr·λ median {np.median(late):.3f}, "
                    f"{late.min():.3f} to {late.max():.3f} ({len(late)} measurements)"
                )
                return


def forecast() -> None:
    """Print how long after the start the forecast of 100 steps of the sine is there."""
    took = []
    for _ in range(ROUNDS):
        source = ProcessSource(ProblemSettings(name="sine"))
        source.send(Start(run=1, lr=0.039, steps=100, speed=20.0))
        started, done = 0.0, 0.0
        while not done:
            for message in source.poll(None):
                if isinstance(message, Started):
                    started = time.perf_counter()
                if isinstance(message, Ahead) and message.outcome:
                    done = time.perf_counter()
        source.close()
        took.append(done - started)
    print(
        f"forecast of 100 steps of sine at 20 steps/s: {1e3 * statistics.median(took):.0f} ms "
        f"after the start; the bare loop takes {1e5 / bare():.0f} ms"
    )


def perceptron() -> Problem:
    """Return a fit of 64 points by a network 1-64-1."""
    x = torch.linspace(-2, 2, 64)[:, None]
    y = torch.sin(2 * x)
    return fit(ProblemSettings(name="mlp"), x, y, lambda: network(1, 64, 1), target=0.0)


def one_rate(
    problem: Problem, make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
) -> float:
    """Seconds of 100 steps of a bare loop."""
    model, batches = problem.model(), problem.batches()
    optimizer = make([*model.parameters()])
    start = time.perf_counter()
    for _ in range(100):
        loss = problem.loss(model, next(batches))
        loss.item()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - start


def many_rates(problem: Problem, optimizer: Optimizer) -> float:
    """Seconds of 64 rates of 100 steps."""
    lrs = [float(lr) for lr in np.geomspace(1e-4, 0.3, 64)]
    start = time.perf_counter()
    for _ in sweep(problem, lrs, 100, optimizer, None):
        pass
    return time.perf_counter() - start


def batches() -> None:
    """Print how many times one rate 64 take."""
    torch.set_num_threads(1)
    problem = perceptron()
    for name, optimizer, make in (
        ("SGD", Optimizer(), lambda p: torch.optim.SGD(p, 0.01)),
        ("Adam", Optimizer(name="adam"), lambda p: torch.optim.Adam(p, 0.01)),
    ):
        one_rate(problem, make), many_rates(problem, optimizer)
        ratios = [many_rates(problem, optimizer) / one_rate(problem, make) for _ in range(ROUNDS)]
        print(f"64 rates of an MLP 64 with {name}: {statistics.median(ratios):.1f} times one rate")


def main() -> None:
    """Print all of it."""
    flat_out()
    at_the_edge()
    forecast()
    batches()


if __name__ == "__main__":
    main()
