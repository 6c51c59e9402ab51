"""Time from a key to its sign on the screen while training flat out, over the same while paused."""

from __future__ import annotations

import random
import re
import statistics
import time

from tests.terminal import Terminal, terminal

KEYS = 300
BLOCKS = 3


def key_times(lab: Terminal, count: int) -> list[float]:
    """Return the seconds from each key to the bytes that show it in the field."""
    times: list[float] = []
    rng = random.Random(0)
    while len(times) < count:
        lab.type("\x1b")
        lab.read(0.5)  # Esc is told from a sequence by waiting
        lab.type(typed := "77777")
        lab.read(0.5)
        for digit in "123456":
            # At no fixed place between two frames, and without parsing: that takes time too.
            pause = time.perf_counter() + 0.05 + 0.1 * rng.random()
            while time.perf_counter() < pause:
                lab.read_bytes(0.01)
            typed += digit
            # The field begins in the seventh cell of the second row; only what differs is sent.
            place = rb"\x1b\[2;%dH(\x1b\[[\d;]*m)*%s" % (6 + len(typed), digit.encode())
            start = time.perf_counter()
            lab.type(digit)
            got = b""
            while not re.search(place, got):
                got += lab.read_bytes()
                assert time.perf_counter() < start + 5, got
            times.append(time.perf_counter() - start)
    lab.type("\x1b")
    lab.read(0.5)
    return times


def main() -> None:
    """Print the ratio."""
    running: list[float] = []
    paused: list[float] = []
    with terminal("--speed", "max", "--steps", "1000000000") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        lab.read(1)
        for _ in range(BLOCKS):
            running += key_times(lab, KEYS // BLOCKS)
            lab.type(" ")
            lab.wait_for("‖ paused")
            lab.read(0.5)
            paused += key_times(lab, KEYS // BLOCKS)
            lab.type(" ")
            lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
    slow, quick = (statistics.quantiles(times, n=20)[-1] for times in (running, paused))
    print(
        f"key to screen, 95th percentile: {slow / quick:.2f} of that while paused "
        f"({1e3 * slow:.0f} ms against {1e3 * quick:.0f} ms; medians "
        f"{1e3 * statistics.median(running):.0f} and {1e3 * statistics.median(paused):.0f} ms)"
    )


if __name__ == "__main__":
    main()
