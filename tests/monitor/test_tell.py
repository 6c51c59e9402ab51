"""``lrtui tell`` and the list of ``lrtui watch``, as a script would use them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrtui.__main__ import main
from lrtui.commands.tell import parse_command
from lrtui.messages import (
    Adopt,
    AnyCommand,
    Cancel,
    Checkpoint,
    Hold,
    Pause,
    Release,
    Resume,
    Rewind,
    Scale,
    Step,
    Stop,
    Try,
)
from tests.monitor.test_monitor import at, fit
from tests.monitor.trainings import Running, training


def lrtui(running: Running | Path, *words: str) -> subprocess.CompletedProcess[str]:
    folder = running.folder if isinstance(running, Running) else running
    return subprocess.run(
        [sys.executable, "-m", "lrtui", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LRTUI_DIR": str(folder)},
    )


@pytest.mark.parametrize(
    ("words", "target", "command"),
    [
        (["lr", "0.05"], None, Hold(lr=0.05)),
        (["train.py", "lr", "1e-3"], "train.py", Hold(lr=1e-3)),
        (["4711", "scale", "0.5"], "4711", Scale(by=0.5)),
        (["release"], None, Release()),
        (["pause"], None, Pause()),
        (["resume"], None, Resume()),
        (["step"], None, Step()),
        (["checkpoint"], None, Checkpoint()),
        (["x", "rewind"], "x", Rewind()),
        (["rewind", "1,200"], None, Rewind(step=1200)),
        (["stop"], None, Stop()),
        (["try"], None, Try(factors=[0.5, 1, 2, 4])),
        (["x", "try", "2x", "0.3", "4×"], "x", Try(factors=[2, 0.3, 4])),
        (["cancel"], None, Cancel()),
        (["adopt", "2x"], None, Adopt(factor=2)),
    ],
)
def test_what_can_be_told(words: list[str], target: str | None, command: AnyCommand) -> None:
    assert parse_command(words, 100) == (target, command)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which command"),
        (["4711"], "which command"),
        (["4711", "stopp"], "'stopp' is not a command"),
        (["lr"], "lr takes 1 number"),
        (["lr", "0"], "more than 0"),
        (["lr", "nan"], "finite"),
        (["lr", "1", "2"], "lr takes 1 number"),
        (["scale", "-2"], "a factor such as 0.5 is needed"),
        (["scale", "1e9"], "a factor such as 0.5 is needed"),
        (["rewind", "soon"], "the step of a snapshot is needed"),
        (["stop", "now"], "stop takes no numbers"),
        (["try", "twice"], "a factor such as 0.5 is needed"),
        (["try", *"123456789"], "at most 8 factors"),
        (["adopt"], "adopt takes 1 number"),
    ],
)
def test_what_cannot_be_told(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_command(words, 100)


@pytest.mark.slow
def test_a_script_steers_a_training(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        running.socket()
        listed = lrtui(running, "watch", "--plain")
        assert listed.returncode == 0
        assert f"{running.process.pid}  fit " in listed.stdout
        greetings = map(json.loads, lrtui(running, "watch", "--json").stdout.splitlines())
        greeting = next(each for each in greetings if each["pid"] == running.process.pid)
        assert (greeting["pid"], greeting["name"]) == (running.process.pid, "fit")
        held = lrtui(running, "tell", "lr", "0.05")
        assert held.returncode == 0
        step = int(held.stdout.split(":")[0].removeprefix("step ").replace(",", ""))
        assert held.stdout.startswith(f"step {step:,}: rate held at 0.05; it is the largest of 2")
        assert lrtui(running, "tell", str(running.process.pid), "scale", "2").returncode == 0
        assert lrtui(running, "tell", "fit", "release").returncode == 0
        refused = lrtui(running, "tell", "rewind", "123456789")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "no snapshot of step 123,456,789" in refused.stderr
        for words, said, code in [
            (("lr", "0"), "more than 0", 2),
            (("nobody", "stop"), "no training is called 'nobody'", 1),
        ]:
            wrong = lrtui(running, "tell", *words)
            assert wrong.returncode == code
            assert said in wrong.stderr
            assert len(wrong.stderr.splitlines()) == 1
        stopped = lrtui(running, "tell", str(running.socket()), "stop")
        assert stopped.returncode == 0
        assert running.wait() == 0


@pytest.mark.slow
def test_a_training_that_does_not_answer(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: at(viewer) > 5, "steps")
        running.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert "does not answer" in lrtui(running, "watch", "--plain").stdout
        told = lrtui(running, "tell", str(running.process.pid), "stop", "--wait", "1")
        assert told.returncode == 1
        assert time.monotonic() - begun < 20
        running.process.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_several_trainings_are_told_apart(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as one:
        one.socket()
        env = {"LRTUI_DIR": str(one.folder)}
        with training(*fit(tmp_path / "other"), env=env) as other:
            end = time.monotonic() + 60
            while len(one.sockets()) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            pids = {str(each.process.pid) for each in (one, other)}
            listed = lrtui(one, "watch", "--plain").stdout.splitlines()
            assert sum(line.split()[0] in pids for line in listed) == 2
            which = lrtui(one, "tell", "stop")
            assert which.returncode == 2
            assert "there are 2 trainings, name one by its number" in which.stderr
            assert lrtui(one, "tell", str(other.process.pid), "stop").returncode == 0
            assert other.wait() == 0
            assert one.process.poll() is None


@pytest.mark.slow
def test_watched_as_lines_of_text_to_its_end(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out", steps=3000)) as running:
        running.socket()
        watching = subprocess.Popen(
            [sys.executable, "-m", "lrtui", "watch", "fit", "--plain", "--every", "500"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LRTUI_DIR": str(running.folder)},
        )
        assert watching.stdout is not None
        first = watching.stdout.readline()
        held = lrtui(running, "tell", "fit", "lr", "0.05")
        assert held.returncode == 0
        said = first + watching.communicate(timeout=100)[0]
        assert watching.returncode == 0
        rates = re.findall(r"^step +(\d+)  loss [\d.e-]+  rate ([\d.e-]+)$", said, re.MULTILINE)
        assert ("500", "0.0666667") in rates or ("3000", "0.05") in rates
        assert re.search(
            r"^step +\d+  rate held at 0\.05; .* \(\w+, pid \d+\)$", said, re.MULTILINE
        )
        assert "run 1  done: " in said
    with training(*fit(tmp_path / "out", steps=3000)) as running:
        running.socket()
        lines = lrtui(running, "watch", "fit", "--json").stdout.splitlines()
        kinds = [json.loads(line)["type"] for line in lines]
        assert kinds[:3] == ["greeting", "started", "state"]
        assert kinds[-2:] == ["ended", "summary"]


def test_with_nothing_running_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lrtui.sources.trainings.find", list)
    for words in (["tell", "stop"], ["watch", "--plain"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert "no training is running" in said
        assert said.count("\n") == 1
