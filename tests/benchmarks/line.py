"""Bytes a second that the program writes, by pane, and what that comes to on slow lines."""

from __future__ import annotations

import re
import statistics
from collections import Counter

from tests.terminal import SlowLine, Terminal, terminal

SECONDS = 4.5
KEYS = 10
PIECE = re.compile(rb"\x1b\[(\d*);?(\d*)([A-Za-z])|\x1b\[\?[\d;]+[A-Za-z]|[\x20-\xff]")
PANES = ("learning rate", "fit", "loss", "bowl", "runs", "log")


def regions(lab: Terminal) -> dict[str, tuple[int, int, int, int]]:
    """Left, top, right and bottom of each pane, as its border shows on the screen."""
    found = {}
    lines = lab.screen.display
    for name in PANES:
        for top, line in enumerate(lines):
            left = line.find(f"╭─ {name} ")
            if left >= 0:
                right = line.index("╮", left)
                bottom = next(y for y in range(top, len(lines)) if lines[y][left] == "╰")
                found[name] = (left, top, right, bottom)
    return found


def by_pane(lab: Terminal, written: bytes) -> Counter[str]:
    """Bytes by the pane in which the cursor was as they came."""
    places = regions(lab)
    counted: Counter[str] = Counter()
    x = y = 0
    for match in PIECE.finditer(written):
        first, second, kind = match.groups()
        if kind == b"H":
            x, y = int(second or 1) - 1, int(first or 1) - 1
        elif kind == b"C":
            x += int(first or 1)
        name = "the rest"
        for pane, (left, top, right, bottom) in places.items():
            if left <= x <= right and top <= y <= bottom:
                name = pane
        counted[name] += len(match[0])
        if kind is None and (len(match[0]) > 1 or not 0x80 <= match[0][0] < 0xC0):
            x += len(match[0]) == 1
    return counted


def bytes_a_second(*arguments: str) -> None:
    """Print what a run writes, and what comes afterwards while it is paused."""
    with terminal(*arguments) as lab:
        lab.wait_for(r"step [1-9][\d,]*/")
        before = len(lab.raw)
        lab.drain(SECONDS)
        written = lab.raw[before:]
        counted = by_pane(lab, written)
        lab.type(" ")
        lab.read(1)
        before = len(lab.raw)
        lab.drain(2)
        print(
            f"line, lrtui {' '.join(arguments)}: {len(written) / SECONDS / 1000:.1f} kB/s; "
            + ", ".join(
                f"{name} {size / SECONDS / 1000:.2f}" for name, size in counted.most_common()
            )
            + f"; {len(lab.raw) - before} bytes in two seconds after that"
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
