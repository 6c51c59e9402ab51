"""The runs of a session as a table for other programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from lrtui.run.rate import rate_text
from lrtui.run.session import Run

STEM = "lrtui-runs"
"""How the files are called."""


def export(runs: Iterable[Run], folder: Path) -> tuple[Path, int]:
    """Writes the losses of runs to a new CSV file: run, step, rate, loss.

    A run of more than 4,096 steps has the largest and the smallest loss of each of many equal
    stretches, see ``LossSeries``. A loss that was not finite is ``inf``.

    Args:
        runs: those that have losses are written.
        folder: where the file goes.

    Returns:
        The file, and how many rows it has.

    Raises:
        OSError: it cannot be written.
    """
    rows = 0
    path = unused(folder)
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run", "step", "rate", "loss"])
        for run in runs:
            if run.series is None:
                continue
            changes = [*run.changes]
            rate = rate_text(run.first_rate)
            steps, losses = run.series.curve()
            for step, loss in zip(steps.astype(int).tolist(), losses.tolist(), strict=True):
                while changes and step >= changes[0][0]:
                    rate = rate_text(changes.pop(0)[1])
                table.writerow([run.number, step, rate, "inf" if loss != loss else f"{loss:.9g}"])
                rows += 1
    return path, rows


def unused(folder: Path) -> Path:
    """Returns a file that is not there yet."""
    path, number = folder / f"{STEM}.csv", 1
    while path.exists():
        number += 1
        path = folder / f"{STEM}-{number}.csv"
    return path
