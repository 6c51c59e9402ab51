"""This checkout beside another commit, in turns: ``python -m tests.benchmarks.against COMMIT``."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.line import SECONDS
from tests.benchmarks.throughput import with_screen
from tests.terminal import terminal

ROUNDS = 7
HERE = Path(__file__).parents[2]


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder for the length of a with block."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "lrtui"
        subprocess.run(
            ["git", "-C", HERE, "worktree", "add", "--quiet", "--detach", folder, commit],
            check=True,
        )
        try:
            yield folder
        finally:
            subprocess.run(["git", "-C", HERE, "worktree", "remove", "--force", folder], check=True)


def steps_a_second(folder: Path, points: int) -> float:
    """Return the steps a second flat out, with the screen open."""
    return with_screen("--points", str(points), folder=folder)


def bytes_a_second(folder: Path) -> float:
    """Return what the default run writes to a terminal of 120 × 36, from its first step on."""
    with terminal(cwd=str(folder), env={"PYTHONPATH": str(folder)}) as lab:
        lab.wait_for(r"step [1-9][\d,]*/")
        before = len(lab.raw)
        lab.drain(SECONDS)
        return (len(lab.raw) - before) / SECONDS


def compare(commit: str) -> None:
    """Print the steps and the bytes a second of both, each the median of rounds taken in turns."""
    with checked_out(commit) as there:
        for title, measure in (
            ("steps/s, 100 points", lambda folder: steps_a_second(folder, 100)),
            ("steps/s, 10,000 points", lambda folder: steps_a_second(folder, 10_000)),
            ("bytes/s, the default run", bytes_a_second),
        ):
            here: list[float] = []
            before: list[float] = []
            for i in range(ROUNDS):
                for folder in (HERE, there) if i % 2 else (there, HERE):
                    (here if folder == HERE else before).append(measure(folder))
            ratios = [one / other for one, other in zip(here, before, strict=True)]
            print(
                f"{title}: {statistics.median(here):,.0f} over {statistics.median(before):,.0f} "
                f"of {commit}: {statistics.median(here) / statistics.median(before):.3f} "
                f"(in pairs {min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.benchmarks.against COMMIT")
    compare(sys.argv[1])
