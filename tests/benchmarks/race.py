"""Races: their time over that of one run, the cursor beside them, and what they write a second."""

from __future__ import annotations

import random
import re
import statistics
import time
from queue import SimpleQueue

from tests.terminal import Terminal, terminal

RATES = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
STEPS = 20_000
ROUNDS = 5
SECONDS = 4.5
KEYS = 100


def race_over_one() -> None:
    """Print the time of eight rates of the line fit in step, over one rate alone."""
    import torch

    from lrtui.messages import Entrant, Race, Start
    from lrtui.messages.problem_settings import ProblemSettings
    from lrtui.trainer.loop import Trainer

    torch.set_num_threads(1)
    trainer = Trainer(ProblemSettings(), SimpleQueue(), lambda _: None, lambda _: None)
    entrants = [Entrant(run=i, lr=lr) for i, lr in enumerate(RATES, 1)]
    kinds = {
        "one": [Start(run=1, lr=0.1, steps=STEPS, speed=None)],
        "race": Race(entrants=entrants, steps=STEPS, speed=None).starts(),
    }
    ratios = []
    for _ in range(ROUNDS):
        took = {}
        for kind, starts in kinds.items():
            begun = time.perf_counter()
            trainer.train(*starts)
            took[kind] = time.perf_counter() - begun
        ratios.append(took["race"] / took["one"])
    print(
        f"eight rates raced on the line fit, flat out, over one rate alone: "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def written() -> None:
    """Print the bytes a second of a race of eight at 20 steps a second."""
    rates = [word for lr in RATES for word in ("--lr", f"{lr:g}")]
    with terminal("--race", *rates, "--speed", "20", "--steps", "1000") as lab:
        lab.wait_for(r"step [1-9][\d,]*/")
        lab.read(2)
        before, since = len(lab.raw), time.monotonic()
        lab.drain(SECONDS)
        rate = (len(lab.raw) - before) / (time.monotonic() - since)
    print(f"a race of eight at 20 steps a second, 120 x 36: {rate / 1000:.1f} kB/s")


def cursor_times(lab: Terminal, count: int) -> list[float]:
    """Return the seconds from each key that moves the cursor to the bytes that show it."""
    rng = random.Random(0)
    times = []
    lab.type("\x1b[D")
    readout = r"step [\d,]+ +rate \S+ loss"
    lab.wait_for(readout)
    # Only what differs is sent, and of this row only the cursor's step, rate and loss do.
    row = next(y for y, text in enumerate(lab.screen.display) if re.search(readout, text))
    place = rb"\x1b\[%d;\d+H" % (row + 1)
    for i in range(count):
        pause = time.perf_counter() + 0.05 + 0.1 * rng.random()
        while time.perf_counter() < pause:
            lab.read_bytes(0.01)
        start, got = time.perf_counter(), b""
        lab.type("\x1b[D" if i % 20 < 10 else "\x1b[C")
        while not re.search(place, got):
            got += lab.read_bytes()
            assert time.perf_counter() < start + 5, got[-500:]
        times.append(time.perf_counter() - start)
    lab.type("\x1b")
    lab.read(0.5)
    return times


def cursor() -> None:
    """Print the time of a cursor key while training flat out, over the same while paused."""
    running: list[float] = []
    paused: list[float] = []
    with terminal("--speed", "max", "--steps", "1000000000") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        lab.read(3)
        for _ in range(2):
            running += cursor_times(lab, KEYS // 2)
            lab.type(" ")
            lab.wait_for("‖ paused")
            lab.read(0.5)
            paused += cursor_times(lab, KEYS // 2)
            lab.type(" ")
            lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
    slow, quick = (statistics.quantiles(times, n=20)[-1] for times in (running, paused))
    print(
        f"cursor key to screen, 95th percentile: {slow / quick:.2f} of that while paused "
        f"({1e3 * slow:.0f} ms against {1e3 * quick:.0f} ms)"
    )


def main() -> None:
    """Print all three."""
    race_over_one()
    written()
    cursor()
