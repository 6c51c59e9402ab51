"""Time from a key to its sign on a line of 2 kB/s while training as fast as possible."""

from __future__ import annotations

import random
import statistics
import time

from tests.terminal import SlowLine, terminal

PACE = 2000
"""Bytes a second."""

KEYS = 60

FIRST = 5.0
"""Seconds that the first frame has to arrive."""


def main() -> None:
    """Print the median and the 95th percentile."""
    rng = random.Random(0)
    times: list[float] = []
    with terminal("--speed", "max", "--steps", "1000000000") as lab:
        line = SlowLine(lab, PACE)
        line.wait_for("◆", 30)
        until = time.monotonic() + FIRST
        while time.monotonic() < until:  # the first frame is most of 6 kB
            line.carry()
        for _ in range(KEYS // 5):
            typed = ""
            for digit in "73915":
                until = time.monotonic() + 0.3 + rng.random()
                while time.monotonic() < until:
                    line.carry()
                typed += digit
                lab.type(digit)
                times.append(line.wait_for(f" rate {typed} ", 10))
            lab.type("\x1b")
            until = time.monotonic() + 1
            while time.monotonic() < until:
                line.carry()
    print(
        f"key on a line of {PACE:,} bytes a second, flat out: median {statistics.median(times):.2f}"
        f" s, 95th percentile {statistics.quantiles(times, n=20)[-1]:.2f} s"
    )
