"""The runs of a session as a table for other programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from lrtui.run.rate import rate_text
from lrtui.run.run import Run

STEM = "lrtui-runs"
"""Name of the files, before a number and the suffix."""


def export(runs: Iterable[Run], folder: Path) -> tuple[Path, int]:
    """Write the losses of runs to a new CSV file: run, step, rate, loss.

    A run of more than 4,096 steps has the largest and the smallest loss of each of many equal
    stretches, see ``LossSeries``. Where the loss was not finite first, it is ``inf``.

    Args:
        runs: those that have losses are written.
        folder: where the file goes.

    Returns:
        The file, and how many rows it has.

    Raises:
        OSError: it cannot be written.
    """
    count = 0
    path = unused(folder)
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run", "step", "rate", "loss"])
        for run in runs:
            for row in rows(run):
                table.writerow(row)
                count += 1
    return path, count


def rows(run: Run) -> Iterable[tuple[int, int, str, str]]:
    """Yield a run's losses, each with the rate of the step that led to it."""
    if run.series is None:
        return
    changes = [*run.changes]
    rate = rate_text(run.first_lr)
    steps, losses = run.series.curve()
    told = [(int(step), f"{loss:.9g}") for step, loss in zip(steps, losses, strict=True)]
    if run.series.broken is not None:
        told = sorted([*told, (run.series.broken, "inf")], key=lambda row: row[0])
    for step, loss in told:
        while changes and step > changes[0][0]:
            rate = rate_text(changes.pop(0)[1])
        yield run.number, step, rate, loss


def unused(folder: Path) -> Path:
    """Return a path where there is no file yet."""
    path, number = folder / f"{STEM}.csv", 1
    while path.exists():
        number += 1
        path = folder / f"{STEM}-{number}.csv"
    return path
