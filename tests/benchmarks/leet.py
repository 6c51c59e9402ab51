"""Seconds to the first chart of an offline W&B run, beside ``wandb leet``, in turns; and bytes.

pip install wandb
python -m tests.benchmarks leet
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal import Terminal

ROUNDS = 15
SECONDS = 2.0
"""Seconds after the first chart in which bytes are counted as well."""

CHART = re.compile("[\u2801-\u28ff]")
DOTS = 30
"""Cells with dots that make a chart."""

ANSWERS = ((b"\x1b]11;?", "\x1b]11;rgb:0000/0000/0000\x07"), (b"\x1b[c", "\x1b[?62c"))
"""Further questions that a terminal answers: its background, and what it is."""

WRITE = """
import math, random, sys, wandb
run = wandb.init(mode="offline", dir=sys.argv[1], settings=wandb.Settings(silent=True))
for step in range(500):
    run.log({"loss": 3 * math.exp(-step / 150) + 0.1 * random.random(), "lr": 1e-3})
run.finish()
"""


def first_chart(command: list[str]) -> tuple[float, int]:
    """Return the seconds until a chart has come, and the bytes until ``SECONDS`` after it."""
    began = time.perf_counter()
    terminal = Terminal(command=command)
    try:
        asked = [0] * len(ANSWERS)
        while len(CHART.findall(terminal.raw.decode(errors="ignore"))) < DOTS:
            terminal.read_bytes(0.01)
            for i, (question, answer) in enumerate(ANSWERS):
                for _ in range(terminal.raw.count(question) - asked[i]):
                    terminal.type(answer)
                    asked[i] += 1
            assert time.perf_counter() < began + 30, terminal.raw
        took = time.perf_counter() - began
        terminal.drain(SECONDS)
        return took, len(terminal.raw)
    finally:
        terminal.close()


def main() -> None:
    """Print the medians and their ratio."""
    if (wandb := shutil.which("wandb")) is None:
        print("wandb is not installed: nothing is measured")
        return
    python = Path(wandb).with_name("python")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-c", WRITE, folder], check=True, capture_output=True)
        (run,) = Path(folder).glob("wandb/offline-run-*")
        ours = [sys.executable, "-m", "lrtui", "watch", str(run)]
        theirs = [wandb, "leet", str(run)]
        pairs = [(first_chart(ours), first_chart(theirs)) for _ in range(ROUNDS)]
    (seconds, sent), (of_leet, sent_by_leet) = (
        (statistics.median(each[0] for each in side), statistics.median(each[1] for each in side))
        for side in zip(*pairs, strict=True)
    )
    print(
        f"first chart of a W&B run over that of wandb leet: {seconds / of_leet:.2f} "
        f"({seconds:.2f} s against {of_leet:.2f} s); bytes until {SECONDS:g} s later: "
        f"{sent / sent_by_leet:.2f} ({sent:,.0f} against {sent_by_leet:,.0f})"
    )


if __name__ == "__main__":
    main()
