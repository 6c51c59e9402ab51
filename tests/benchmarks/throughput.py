"""Steps a second flat out with the screen open, over the post's bare loop."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.terminal import Terminal, terminal

ROUNDS = 5
SECONDS = 3.0
HERE = Path(__file__).parents[2]

BARE = """
import sys, time, torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
n, seconds = int(sys.argv[1]), float(sys.argv[2])
x = torch.ones(n, 2)
x[:, 0].uniform_(-1., 1.)
y = x @ torch.tensor([3., 2.]) + torch.rand(n)
a = nn.Parameter(torch.tensor([-1., 1.]))
lr = 0.1

def mse(y_hat, y):
    return ((y_hat - y) ** 2).mean()

def update():
    y_hat = x @ a
    loss = mse(y, y_hat)
    if t % 10 == 0:
        print(loss.item(), file=sys.stderr)
    loss.backward()
    with torch.no_grad():
        a.sub_(lr * a.grad)
        a.grad.zero_()

for t in range(2000):
    update()
t, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    update()
    t += 1
print(t / (time.perf_counter() - start))
"""


def bare(points: int) -> float:
    """Steps a second of the post's loop in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(points), str(SECONDS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return float(done.stdout)


def step(lab: Terminal) -> int:
    """The step that the screen shows."""
    found = re.search(r"step ([\d,]+)/", lab.text)
    assert found, lab.text
    return int(found[1].replace(",", ""))


def with_screen(*arguments: str, shown: str = "◆", folder: Path = HERE) -> float:
    """Steps a second that the open screen shows.

    Args:
        arguments: the problem and its options.
        shown: what is there once torch is loaded, the ruler drawn, and the run on its way.
        folder: the checkout that is run.
    """
    where = {"cwd": str(folder), "env": {"PYTHONPATH": str(folder)}}
    with terminal(*arguments, "--speed", "max", "--steps", "1000000000", **where) as lab:
        lab.wait_for(shown)
        lab.read(1)
        first, start = step(lab), time.perf_counter()
        lab.drain(SECONDS)
        seconds = time.perf_counter() - start
        return (step(lab) - first) / seconds


def main() -> None:
    """Print the ratios."""
    for points in (100, 10_000):
        ratios, rates = [], []
        for _ in range(ROUNDS):
            before, here, after = bare(points), with_screen("--points", str(points)), bare(points)
            ratios.append(2 * here / (before + after))
            rates.append(here)
        print(
            f"throughput, {points:,} points: {statistics.median(ratios):.2f} of the bare loop "
            f"({min(ratios):.2f} to {max(ratios):.2f}; {statistics.median(rates):,.0f} steps/s)"
        )


if __name__ == "__main__":
    main()
