"""Spikes are written down where a training runs, a command is run, and the training is the same."""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lrtui.analysis.history import Row
from lrtui.monitor.alarms import MAX_RECORDS, Alarms
from tests import forks
from tests.monitor.trainings import script, training, until


def rows(first: int, losses: list[float], norm: float | None = 1.0, rate: float = 0.1) -> list[Row]:
    others = {} if norm is None else {"grad_norm": norm}
    return [Row(first + i, loss, rate, None, others) for i, loss in enumerate(losses)]


CALM = [1.0 + 0.01 * (k % 7) for k in range(300)]


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "4711.spikes.jsonl"


def test_a_spike_of_the_loss_is_written_with_the_steps_before_it(path: Path) -> None:
    alarms = Alarms(path, pytest.fail)
    alarms.begin(3, "fit", None)
    alarms.add(rows(1, CALM))
    assert not path.exists()
    alarms.add(rows(301, [5.0] * 6, norm=None))
    alarms.add(rows(307, [math.nan, 5.0]))
    (found,) = written(path)
    assert (found["run"], found["name"], found["kind"], found["step"]) == (3, "fit", "loss", 301)
    assert found["word"] == ""
    assert found["level"] == pytest.approx(1.03, abs=0.01)
    assert found["height"] == 5.0
    assert abs(found["time"] - time.time()) < 60
    assert found["steps"] == [*range(179, 307)]
    assert found["loss"] == [*CALM[-122:], *[5.0] * 6]
    assert found["norm"] == [1.0] * 122 + [None] * 6
    assert found["rate"] == [0.1] * 128


def test_a_bad_batch_and_a_raised_rate_are_named(path: Path) -> None:
    alarms = Alarms(path, pytest.fail)
    alarms.begin(1, "fit", None)
    alarms.add(rows(1, CALM))
    alarms.add(rows(301, [9.0], norm=40.0))
    alarms.add(rows(302, [5.0] * 6 + CALM))
    alarms.add(rows(700, [1.0] * 3, rate=0.4))
    alarms.add(rows(703, [5.0] * 6, rate=0.4))
    found = [(each["kind"], each["word"], each["step"]) for each in written(path)]
    assert found == [
        ("norm", "", 301),
        ("loss", "bad batch", 301),
        ("loss", "rate raised", 703),
    ]
    assert written(path)[0]["height"] == pytest.approx(40.0)
    assert written(path)[0]["level"] == pytest.approx(1.0)


def test_the_file_does_not_grow_without_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.monitor.alarms.MAX_RECORDS", 2)
    said: list[str] = []
    alarms = Alarms(path, said.append)
    for run in range(5):
        alarms.begin(run, "fit", None)
        alarms.add(rows(1, [*CALM, *[5.0] * 6]))
    assert len(written(path)) == 2
    assert said == [f"{path} has 2 spikes; no more are written"]
    assert MAX_RECORDS == 1000


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    alarms = Alarms(tmp_path / "no" / "folder", said.append)
    for run in range(3):
        alarms.begin(run, "fit", None)
        alarms.add(rows(1, [*CALM, *[5.0] * 6]))
    assert said == [
        f"spikes are not written to {tmp_path / 'no' / 'folder'}: No such file or directory"
    ]


def test_the_command_knows_the_spike_and_is_run_at_most_once_a_minute(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("lrtui.monitor.alarms.time.monotonic", lambda: now)
    out = tmp_path / "out"
    command = f"sh -c 'echo $LRTUI_STEP $LRTUI_KIND $LRTUI_NAME $LRTUI_FILE >> {out}'"
    alarms = Alarms(path, pytest.fail)
    for run, seconds in enumerate((0, 59.0, 2.0)):
        now += seconds
        alarms.begin(run, f"fit {run}", command)
        alarms.add(rows(1, [*CALM, *[5.0] * 6]))
    until(lambda: out.exists() and out.read_text().count("\n") == 2, "the commands")
    assert sorted(out.read_text().splitlines()) == [
        f"301 loss fit 0 {path}",
        f"301 loss fit 2 {path}",
    ]
    until(lambda: not zombies(alarms), "their end")


def zombies(alarms: Alarms) -> list[Any]:
    alarms.reap()
    return alarms._commands


def test_nobody_waits_for_the_command_and_it_is_in_a_session_of_its_own(path: Path) -> None:
    alarms = Alarms(path, pytest.fail)
    alarms.begin(1, "fit", "sleep 100")
    begun = time.monotonic()
    alarms.add(rows(1, [*CALM, *[5.0] * 6]))
    alarms.reap()
    (process,) = alarms._commands
    assert os.getsid(process.pid) == process.pid
    alarms.close()
    assert time.monotonic() < begun + 5
    os.kill(process.pid, signal.SIGKILL)  # process.kill() no longer does: it was let go of
    os.waitpid(process.pid, 0)


@pytest.mark.parametrize("command", ["/no/such", "", "'open"])
def test_a_command_that_cannot_be_run_is_said_once(path: Path, command: str) -> None:
    said: list[str] = []
    alarms = Alarms(path, said.append)
    alarms.begin(1, "fit", command or " ")
    alarms.add(rows(1, [*CALM, *[5.0] * 6, *CALM, *[5.0] * 6]))
    assert len(said) == 1
    assert "cannot be run" in said[0]
    assert len(written(path)) == 2


@pytest.mark.slow
def test_a_training_with_spikes_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    plain, watched, told = tmp_path / "plain", tmp_path / "watched", tmp_path / "told"
    forks.run([sys.executable, script("spiky"), str(plain)], input=b"\n", check=True, timeout=100)
    on_spike = ["--on-spike", f"sh -c 'echo $LRTUI_KIND $LRTUI_STEP > {told}'"]
    journal = tmp_path / "log.journal"
    options = ["--journal", str(journal), *on_spike]
    with training("-m", "lrtui", "run", *options, script("spiky"), str(watched)) as running:
        until(watched.exists, "its end")  # nobody watches it
        path = tmp_path / "log.spikes.jsonl"
        until(lambda: len(written(path)) >= 3, "the spikes")
        until(told.exists, "the command")
        running.begin()
        assert running.wait() == 0
    assert json.loads(watched.read_text()) == json.loads(plain.read_text())
    assert told.read_text() == "norm 300\n"
    norm, bad, raised = written(path)[:3]
    assert (norm["kind"], norm["step"], norm["word"]) == ("norm", 300, "")
    assert (bad["kind"], bad["step"], bad["word"]) == ("loss", 300, "bad batch")
    assert raised["word"] == "rate raised"
    assert 700 <= raised["step"] <= 710
    losses = json.loads(plain.read_text())["losses"]
    float32 = dict(zip(bad["steps"], bad["loss"], strict=True))
    assert float32 == {step: losses[step - 1] for step in bad["steps"]}


@pytest.mark.slow
def test_a_command_that_is_not_there_does_not_disturb(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(
        "-m", "lrtui", "run", "--on-spike", "/no/such x", script("spiky"), str(out)
    ) as it:
        until(lambda: out.exists() and "cannot be run" in it.output(), "a sentence")
        it.begin()
        assert it.wait() == 0
        said = "on a spike, '/no/such x' cannot be run: No such file or directory; the training "
        assert it.output().count(said) == 1
        assert stat.S_IMODE(it.folder.stat().st_mode) == 0o700
        assert len([*it.folder.glob("*.spikes.jsonl")]) == 1
