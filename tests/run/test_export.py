"""The runs as a table that other programs read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lrtui.messages import Progress
from lrtui.run.export import export
from lrtui.run.session import Session


def told(session: Session, step: int, losses: list[float | None], rate: float) -> None:
    run = session.current
    assert run is not None
    session.apply(
        Progress(
            run=run.number, rate=rate, step=step, losses=losses, weights=(1.0, 2.0), seconds=1.0
        )
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_loss_is_written_with_the_rate_of_its_step(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    told(session, 0, [4.0, 3.0], 0.1)
    told(session, 2, [2.0, 1.5], 0.25)
    session.begin(50.0, 100)
    told(session, 0, [4.0, 1e38, None], 50.0)
    path, rows = export(session.runs, tmp_path)
    assert (path.name, rows) == ("lrtui-runs.csv", 7)
    read = [(r["run"], r["step"], r["rate"], r["loss"]) for r in table(path)]
    assert read == [
        ("1", "0", "0.1", "4"),
        ("1", "1", "0.1", "3"),
        ("1", "2", "0.25", "2"),
        ("1", "3", "0.25", "1.5"),
        ("2", "0", "50", "4"),
        ("2", "1", "50", "1e+38"),
        ("2", "2", "50", "inf"),
    ]


def test_no_file_is_written_over(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    told(session, 0, [4.0], 0.1)
    names = [export(session.runs, tmp_path)[0].name for _ in range(3)]
    assert names == ["lrtui-runs.csv", "lrtui-runs-2.csv", "lrtui-runs-3.csv"]


def test_a_folder_that_takes_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        export([], tmp_path / "none")
