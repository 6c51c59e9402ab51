"""The runs as a table for other programs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lrtui.messages import State
from lrtui.session.export import export
from lrtui.session.session import Session
from tests.analysis.quadratics import progress


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_loss_is_written_with_the_rate_of_its_step(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, 3.0]))
    session.apply(State(run=1, step=1, paused=False, speed=None, lr=0.25, asked_by="viewer"))
    session.apply(progress(1, 2, [2.0, 1.5]))
    session.begin(50.0, 100)
    session.apply(progress(2, 0, [4.0, 1e38, None]))
    session.begin(0.7, 100)
    session.apply(progress(3, [10, 20], [0.5, 0.25]))
    path, rows = export(session.runs, tmp_path)
    assert (path.name, rows) == ("lrtui-runs.csv", 9)
    read = [(r["run"], r["step"], r["rate"], r["loss"]) for r in table(path)]
    assert read == [
        ("1", "0", "0.1", "4"),
        ("1", "1", "0.1", "3"),
        ("1", "2", "0.25", "2"),
        ("1", "3", "0.25", "1.5"),
        ("2", "0", "50", "4"),
        ("2", "1", "50", "1e+38"),
        ("2", "2", "50", "inf"),
        ("3", "10", "0.7", "0.5"),
        ("3", "20", "0.7", "0.25"),
    ]


def test_of_each_stretch_that_was_not_finite_the_first_is_written(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, None, None, 2.0, None, 1.0]))
    path, _ = export(session.runs, tmp_path)
    told = [(row["step"], row["loss"]) for row in table(path)]
    assert told == [("0", "4"), ("1", "inf"), ("3", "2"), ("4", "inf"), ("5", "1")]


def test_a_run_without_a_loss_has_no_row(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    assert export(session.runs, tmp_path)[1] == 0


def test_no_file_is_written_over(tmp_path: Path) -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0]))
    names = [export(session.runs, tmp_path)[0].name for _ in range(3)]
    assert names == ["lrtui-runs.csv", "lrtui-runs-2.csv", "lrtui-runs-3.csv"]


def test_a_folder_that_takes_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        export([], tmp_path / "none")
