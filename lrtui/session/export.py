"""The runs of a session as a table for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from lrtui.session.run import Run
from lrtui.text.file_names import unused
from lrtui.text.rates import rate_text

STEM = "lrtui-runs"
"""Name of the files, before a number and the suffix."""

COLUMNS = ("run", "name", "optimizer", "step", "rate", "loss")


def export(runs: Iterable[Run], folder: Path, suffix: str = ".csv") -> tuple[Path, int]:
    """Write the losses of runs to a new file: run, name, optimizer, step, rate, loss.

    A run of more than 4,096 steps has the largest and the smallest loss of each of many equal
    stretches, see ``LossSeries``. Of each stretch of losses that were not finite it has the first,
    ``inf`` in CSV and ``null`` in JSON.

    With the suffix ``.json``, write one object a run. Return the file, and how many losses it has.

    Raises:
        OSError: it cannot be written.
    """
    path = unused(folder, STEM, suffix)
    written = [(run, [*rows(run)]) for run in runs]
    with path.open("x", newline="", encoding="utf-8") as file:
        if suffix == ".json":
            json.dump([as_object(run, found) for run, found in written if found], file)
        else:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for run, found in written:
                for step, rate, loss in found:
                    table.writerow([run.number, run.name, run.by, step, rate, loss])
    return path, sum(len(found) for _, found in written)


def as_object(run: Run, found: Sequence[tuple[int, str, str]]) -> dict[str, object]:
    """Return a run as JSON has it."""
    return {
        "run": run.number,
        "name": run.name,
        "problem": run.facts.name if run.facts else "",
        "optimizer": run.by,
        "verdict": run.verdict()[0],
        "steps": [step for step, _, _ in found],
        "rates": [float(rate) for _, rate, _ in found],
        "losses": [None if loss == "inf" else float(loss) for _, _, loss in found],
    }


def rows(run: Run) -> Iterable[tuple[int, str, str]]:
    """Yield a run's losses, each with the rate of the step that led to it."""
    if run.series is None:
        return
    changes = [*run.changes]
    rate = rate_text(run.first_lr)
    steps, losses = run.series.curve()
    finite = [(int(step), f"{loss:.9g}") for step, loss in zip(steps, losses, strict=True)]
    lost = [(first, "inf") for first, _ in run.series.non_finite()]
    for step, loss in sorted([*finite, *lost], key=lambda row: row[0]):
        while changes and step > changes[0][0]:
            rate = rate_text(changes.pop(0)[1])
        if run.live is not None and run.rates is not None:
            rate = rate_text(run.lr_at(step))
        yield step, rate, loss
