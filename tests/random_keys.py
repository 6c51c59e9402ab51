"""Presses random keys and resizes a real pseudo-terminal, for as long as is asked for.

``python -m tests.random_keys --seconds 3600 --seed 1`` does so for an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import time
from tempfile import TemporaryDirectory

import psutil

from tests.terminal import Terminal

KEYS = [
    *"0123456789" * 2,
    *".,eE+-_x%äß漢",
    *"rRaAbBoOpPwWyYesShHqQ[]{}?mzixcEZu",
    *" \t\r\r\r\n\x1b\x10\x10\x0c\x7f",
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[H",
    "\x1b[F",
    "\x1b[Z",
    "\x1b[200~0.3\x1b[201~",
    "\x1b[200~paste\n\x1b[31m\x1b[201~",
]
SIZES = [(120, 36), (80, 24), (71, 19), (60, 14), (40, 12), (39, 11), (200, 60), (10, 3), (1, 1)]


def burst(rng: random.Random, columns: int, rows: int) -> str:
    """Return some keys that arrive in one write, or a click or two in one place."""
    if rng.random() < 0.2:
        x, y = rng.randint(1, columns), rng.randint(1, rows)
        click = f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m"
        return click * rng.choice([1, 1, 2])
    return "".join(rng.choices(KEYS, k=rng.choice([1, 1, 2, 3, 8])))


def wake(terminal: Terminal) -> None:
    """Continue the program where it was suspended, a command that can be found in the palette."""
    with contextlib.suppress(psutil.NoSuchProcess):
        program = psutil.Process(terminal.process.pid)
        if program.status() == psutil.STATUS_STOPPED:
            program.send_signal(signal.SIGCONT)


def press(seed: int, seconds: float, folder: str, *arguments: str) -> tuple[int, int]:
    """Press random keys, and start the program again whenever it was left.

    Args:
        seed: of the keys: the same give the same, though not at the same step of a run.
        seconds: how long.
        folder: where the program runs, since ``e`` writes files.
        arguments: of the program.

    Returns:
        How many writes of keys there were, and how often the program was started.

    Raises:
        AssertionError: it ended although nothing told it to, or not with code 0; says the keys.
    """
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    writes = started = 0
    while time.monotonic() < end:
        columns, rows = rng.choice(SIZES[:5])
        terminal = Terminal(*arguments, columns=columns, rows=rows, cwd=folder)
        started += 1
        history: list[str] = []
        try:
            terminal.drain(rng.choice([0.0, 0.5, 2.0]))
            while terminal.process.isalive() and time.monotonic() < end:
                if rng.random() < 0.1:
                    columns, rows = rng.choice(SIZES)
                    terminal.resize(columns, rows)
                    history.append(f"{columns}×{rows}")
                wake(terminal)
                keys = burst(rng, columns, rows)
                history.append(keys)
                try:
                    terminal.type(keys)
                except OSError:
                    break  # it has just ended; whether it was allowed to is seen below
                writes += 1
                terminal.drain(rng.choice([0.0, 0.01, 0.05, 0.2]))
            if terminal.process.isalive():
                terminal.resize(80, 24)
                for key in ("\x1b", "\x1b", "q"):  # out of what may be open, and out
                    terminal.drain(0.5)
                    wake(terminal)
                    with contextlib.suppress(OSError):
                        terminal.type(key)
            code = terminal.wait_for_end()
            said = terminal.raw[-3000:].decode(errors="replace")
            assert code == 0, f"seed {seed}: exit code {code} after {history[-20:]!r}\n{said}"
            assert b"Traceback" not in terminal.raw, f"seed {seed}: {history[-20:]!r}\n{said}"
        finally:
            terminal.close()
    return writes, started


def main() -> None:
    """Press keys as the command line says, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("arguments", nargs="*", help="of lrtui")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        writes, started = press(options.seed, options.seconds, folder, *options.arguments)
    print(f"{writes:,} writes of keys, {started} starts, nothing broke")


if __name__ == "__main__":
    main()
