"""Ten logs of a million losses on one screen; and four that grow: bytes a second, delay.

python -m tests.benchmarks several
"""

from __future__ import annotations

import json
import random
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.benchmarks.logs import event
from tests.terminal import terminal

RUNS, POINTS, PART = 10, 1_000_000, 1000
GROWING, ROWS_A_SECOND, SECONDS = 4, 10, 15.0
LOOKS = 10


def write(path: Path, seed: int) -> None:
    """Write an event file with a loss at each step."""
    noise = random.Random(seed)
    with path.open("wb") as file:
        for first in range(0, POINTS, PART):
            values = (3 / (1 + s / 5e4) + 0.1 * noise.random() for s in range(first, first + PART))
            file.write(b"".join(event(first + i, b"train/loss", v) for i, v in enumerate(values)))


def ten(folder: Path) -> None:
    """Print the seconds to the first curves of ten logs, and the memory at the end of 30 s."""
    for run in range(RUNS):
        (folder / f"run{run}").mkdir(parents=True)
        write(folder / f"run{run}" / "events.out.tfevents.1.x", run)
    began = time.perf_counter()
    with terminal("watch", str(folder)) as screen:
        process = psutil.Process(screen.process.pid)
        while any(f" run{run} " not in screen.text for run in range(RUNS)):
            screen.read(0.05)
        first = time.perf_counter() - began
        most = 0
        while time.perf_counter() < began + 30:
            screen.read(0.2)
            most = max(most, process.memory_info().rss)
    print(f"{RUNS} logs of {POINTS:,} losses: first curves {first:.2f} s, {most / 1e6:.0f} MB")


def grow(folder: Path) -> None:
    """Print what four growing logs send to the terminal, and how late a new loss is there."""
    folder.mkdir()
    files = []
    for run in range(GROWING):
        (folder / f"run{run}").mkdir()
        files.append((folder / f"run{run}" / "log.jsonl").open("w"))
    over = threading.Event()
    noise = random.Random(0)
    step = 0

    def row(at: int) -> str:
        loss = 3 / (1 + at / 500) + 0.1 * noise.random()
        return json.dumps({"step": at, "loss": loss, "lr": 1e-3, "time": time.time()}) + "\n"

    for file in files:
        file.writelines(map(row, range(2000)))
        file.flush()
    step = 2000

    def writing() -> None:
        nonlocal step
        while not over.wait(1 / ROWS_A_SECOND):
            step += 1
            for file in files:
                file.write(row(step))
                file.flush()

    with terminal("watch", str(folder)) as screen:
        screen.wait_for("run3")
        thread = threading.Thread(target=writing)
        thread.start()
        screen.drain(5)
        before = len(screen.raw)
        screen.drain(SECONDS)
        sent = len(screen.raw) - before
        late = []
        for _ in range(LOOKS):
            wanted, began = step + 1, time.perf_counter()
            while max([0, *map(int, re.findall(r"\d+", shown(screen.text)))]) < wanted:
                screen.read(0.01)
            late.append(time.perf_counter() - began)
        over.set()
        thread.join()
    print(
        f"{GROWING} logs, {ROWS_A_SECOND} losses a second each: {sent / SECONDS / 1e3:.1f} kB/s, "
        f"a loss is there after {statistics.median(late):.2f} s (at most {max(late):.2f})"
    )


def shown(text: str) -> str:
    """Return the cells of the steps in the table, without their commas."""
    return " ".join(re.findall(r" (\d+,\d{3}) +now", text)).replace(",", "")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        grow(Path(name) / "grow")
        ten(Path(name) / "ten")


if __name__ == "__main__":
    main()
