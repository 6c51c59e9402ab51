"""Bytes a second that the program writes, and what that comes to on slow lines."""

from __future__ import annotations

import statistics

from tests.terminal import SlowLine, terminal

SECONDS = 4.5
KEYS = 10


def bytes_a_second(*arguments: str) -> None:
    """Print what a run writes, and what comes afterwards while it is paused."""
    with terminal(*arguments) as lab:
        lab.wait_for(r"step [1-9][\d,]*/")
        before = len(lab.raw)
        lab.drain(SECONDS)
        written = len(lab.raw) - before
        lab.type(" ")
        lab.read(1)
        before = len(lab.raw)
        lab.drain(2)
        print(
            f"line, lrtui {' '.join(arguments)}: {written / SECONDS / 1000:.1f} kB/s"
            f"; {len(lab.raw) - before} bytes in two seconds after that"
        )


def key_times(pace: float, answers: bool) -> None:
    """Print how long a key takes to show on a slow line, training flat out."""
    with terminal("--speed", "max", "--steps", "1000000000", answers=answers) as lab:
        line = SlowLine(lab, pace)
        line.wait_for("◆", 60)
        times = []
        for i in range(KEYS):
            typed = "7" * (i + 1)
            line.carry(0.3)
            lab.type("7")
            times.append(line.wait_for(f" rate {typed} ", 30))
        said = "answers" if answers else "says nothing"
        print(
            f"line of {pace / 1000:g} kB/s, a terminal that {said}: a key shows after "
            f"{statistics.median(times):.2f} s (at most {max(times):.2f})"
        )


def main() -> None:
    """Print all of it."""
    bytes_a_second()
    bytes_a_second("--speed", "max", "--steps", "1000000000")
    for pace in (8000.0, 2000.0):
        for answers in (True, False):
            key_times(pace, answers)


if __name__ == "__main__":
    main()
