"""Plain text and JSON, from the real program with the real trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lrtui.messages import AnyMessage, Ended, Failed, Printed, Problem, Start
from lrtui.sources.process import Trainer
from tests.terminal import gone


def lrtui(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lrtui", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        **settings,
    )


def test_the_lines_that_the_post_prints() -> None:
    done = lrtui("--plain", "--lr", "0.1")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("step")]
    assert steps == [str(k) for k in range(0, 101, 10)]


def test_every() -> None:
    out = lrtui("--plain", "--every", "33").stdout
    steps = [line.split()[1] for line in out.splitlines() if line.startswith("step")]
    assert steps == ["0", "33", "66", "99"]


def test_json_has_every_loss_and_a_summary_of_each_run() -> None:
    done = lrtui("--json", "--lr", "0.7", "--lr", "1.01", "--lr", "50", "--steps", "200")
    assert done.returncode == 0
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert messages[0]["type"] == "ready"
    summaries = [m for m in messages if m["type"] == "summary"]
    assert [(s["run"], s["rate"], s["reason"]) for s in summaries] == [
        (1, 0.7, "done"),
        (2, 1.01, "diverged"),
        (3, 50.0, "diverged"),
    ]
    for summary in summaries:
        losses: list[float | None] = []
        for m in messages:
            if m["type"] == "progress" and m["run"] == summary["run"]:
                assert m["step"] == len(losses)
                losses += m["losses"]
        assert len(losses) == summary["steps"] + 1
        known = [loss for loss in losses if loss is not None]
        assert summary["loss"] == known[-1]
        assert summary["steps_per_second"] > 0
        assert len(summary["weights"]) == 2
    assert losses[-1] is None
    assert summaries[0]["steps"] == 200


def test_only_the_rate_differs() -> None:
    out = lrtui("--json", "--lr", "0.7", "--lr", "0.1", "--lr", "0.7").stdout
    messages = [json.loads(line) for line in out.splitlines()]
    by_run: dict[int, list[float]] = {}
    for m in messages:
        if m["type"] == "progress":
            by_run.setdefault(m["run"], []).extend(m["losses"])
    assert by_run[1] == by_run[3]
    assert by_run[1][0] == by_run[2][0]


@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_losses_are_those_of_float64_descent_on_the_same_data(noise: str) -> None:
    arguments = ("--lr", "0.1", "--lr", "0.95", "--noise", noise, "--seed", "7", "--points", "50")
    messages = [json.loads(line) for line in lrtui("--json", *arguments).stdout.splitlines()]
    ready = messages[0]
    x = np.column_stack([ready["x"], np.ones(50)])
    y = np.array(ready["y"])
    for run, rate in [(1, 0.1), (2, 0.95)]:
        told = [v for m in messages if m["type"] == "progress" and m["run"] == run
                for v in m["losses"]]  # fmt: skip
        a = np.array([-1.0, 1.0])
        for loss in told:
            residual = x @ a - y
            assert loss == pytest.approx((residual**2).mean(), rel=2e-5)
            a -= rate * 2 / 50 * x.T @ residual


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m lrtui --plain --steps 20000 --every 1 | head -n 3",
        shell=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_a_trainer_that_fails_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch for you')")
    done = lrtui("--plain", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("lrtui: the trainer ended: exit code 1\n")
    assert "no torch for you" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_nobody_behind(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lrtui", "--plain", "--steps", "10000000", "--every", "100"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    trainers = psutil.Process(process.pid).children()
    assert trainers
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert err == b""
    assert gone(trainers, 1)


def test_the_summary_says_what_the_curve_means() -> None:
    out = lrtui("--json", "--lr", "0.7", "--lr", "0.01", "--lr", "1.01").stdout
    found = [m for m in map(json.loads, out.splitlines()) if m["type"] == "summary"]
    assert [m["verdict"] for m in found] == ["settled", "too slow", "diverged"]
    assert [m["settled_at"] for m in found] == [8, None, None]
    assert [m["forecast"] for m in found] == [8, 698, None]
    for m in found:
        assert m["evidence"]
        assert m["limit"] == pytest.approx(0.99918, abs=1e-4)
        assert m["best"] == pytest.approx(0.74403, abs=1e-4)


def test_a_sweep_as_a_table_and_as_json() -> None:
    arguments = ("sweep", "--from", "0.1", "--to", "1.6", "--count", "5", "--steps", "60")
    done = lrtui(*arguments)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["0.1", "0.2", "0.4", "0.8", "1.6"]
    assert lines[-1] == "limit 0.9992, best 0.744"
    told = json.loads(lrtui(*arguments, "--json").stdout)
    assert told["type"] == "sweep"
    assert told["rates"] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert told["verdicts"] == ["too slow", "settled", "settled", "settled", "diverged"]
    assert told["settled_at"][0] is None
    assert told["settled_at"][3] is not None
    assert len(told["losses"]) == 5
    assert told["limit"] == pytest.approx(0.99918, abs=1e-4)


def test_a_sweep_without_a_rate_between_its_ends() -> None:
    done = lrtui("sweep", "--from", "9")
    assert done.returncode == 2
    assert done.stderr == "lrtui: no rate lies from 9 to 4\n"


DIES_ONCE = """
import pathlib, runpy, sys
marker = pathlib.Path({marker!r})
if not marker.exists():
    marker.touch()
    sys.exit("oh")
runpy.run_module("lrtui.trainer", run_name="__main__")
"""


def test_what_a_dead_trainer_left_behind_is_not_held_against_the_next_run(tmp_path: Path) -> None:
    code = DIES_ONCE.format(marker=str(tmp_path / "died"))
    trainer = Trainer(Problem(), [sys.executable, "-c", code])
    assert gone(psutil.Process().children(), 10)  # and nobody has asked for what it said
    trainer.send(Start(run=1, rate=0.7, steps=10, speed=None))
    told: list[AnyMessage] = []
    while not any(isinstance(message, Ended | Failed) for message in told):
        told += trainer.poll(None)
    trainer.close()
    assert not any(isinstance(message, Failed | Printed) for message in told)
