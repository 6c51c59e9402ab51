"""``lrtui race`` as a person starts it: its lines, its screen, its end."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lrtui.__main__ import main
from tests.sources.race.test_source import command
from tests.terminal import gone, named, terminal

LRTUI = [sys.executable, "-m", "lrtui", "race"]


def below(folder: Path) -> list[psutil.Process]:
    """The processes that were started for the runs in a folder."""
    return named(f"{folder}/lr-", psutil.process_iter())


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is wrong with a command line, in one line."""
    try:
        code = main(["race", *words])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--", "python", "x.py"], "a learning rate is needed"),
        (["0.1"], "a command is needed, after --"),
        (["0.1", "0.1", "--", "python", "x.py", "{lr}"], "0.1 is given twice"),
        (["0.1", "--", "python", "x.py"], "the command needs {lr}"),
        (["0.1", "--", "bash", "{lr}"], "begin that with python or torchrun"),
        (["--seeds", "0", "0.1", "--", "python", "{lr}"], "a whole number from 1 to"),
        (["--resume", "x", "0.1"], "--resume FOLDER knows rates"),
        (["--resume", "/"], "/ is not the folder of a race"),
        (["0.1", "--jobs", "x", "--", "python", "{lr}"], "--jobs"),
    ],
)
def test_what_cannot_be_raced_is_said_in_a_sentence(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why in said(capsys, *words)


@pytest.mark.slow
def test_lines_and_json_end_with_the_table(tmp_path: Path) -> None:
    for form in ("--plain", "--json"):
        out = tmp_path / form
        words = ["0.1", "1", "--seeds", "1,5", "--jobs", "4", "--out", str(out), form]
        done = subprocess.run(
            [*LRTUI, *words, "--", *command("diverges"), "0.{seed}"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        found = done.stdout.splitlines()
        assert (out / "lr-0.1-s5.jsonl").exists()
        if form == "--json":
            last = json.loads(found[-1])
            assert (last["type"], last["best"], last["broke"]) == ("race", 0.1, [1.0])
            assert [row["seed"] for row in last["runs"]] == [1, 1, 5, 5]
            assert {json.loads(line)["type"] for line in found} >= {"joined", "ended", "summary"}
            continue
        head = next(i for i, line in enumerate(found) if line.startswith("    rate  seed verdict"))
        rows = [line.split()[:3] for line in found[head + 1 : head + 5]]
        assert [row[:2] for row in rows] == [["0.1", "1"], ["1", "1"], ["0.1", "5"], ["1", "5"]]
        assert [row[2] for row in rows][1::2] == ["diverged", "diverged"]
        assert "1 broke with 2 of 2 seeds: not finite since step 6" in found
        assert found[head - 1] == "all runs have ended"
        assert found[-1] == f"in {out}"
        assert max(map(len, found[head : head + 6])) <= 80


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_every_run_and_prints_the_table(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    out = tmp_path / "race"
    words = ["0.1", "0.2", "0.3", "--jobs", "2", "--out", str(out), "--plain"]
    race = subprocess.Popen(
        [*LRTUI, *words, "--", *command("family", "60")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert race.stdout is not None
    heard = ""
    while not all(f"run {number}  step" in heard for number in (1, 2)):
        heard += race.stdout.readline()
        assert race.poll() is None
    pids = [int(p.read_text().split("child ")[1]) for p in out.glob("*.log")]
    children = [*map(psutil.Process, pids)]
    race.send_signal(number)
    text, error = race.communicate(timeout=60)
    assert (race.returncode, error) == (code, "")
    assert below(out) == []
    assert len(children) == 2
    assert gone(children, 5)
    assert text.count(" stopped ") == 2
    assert "     0.3 not run" in text


AMID = """
import signal, sys
from lrtui.commands.cli import main
from lrtui.sources.logs.reader import Tail
read, calls = Tail._read, []
def interrupted(tail):
    calls.append(tail)
    if len(calls) == 30:
        signal.raise_signal(signal.SIGINT)
    return read(tail)
Tail._read = interrupted
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_signal_amid_a_look_at_a_run_ends_the_race_as_any(tmp_path: Path) -> None:
    out = tmp_path / "race"
    words = ["race", "0.1", "0.2", "0.3", "--jobs", "2", "--out", str(out), "--plain"]
    done = subprocess.run(
        [sys.executable, "-c", AMID, *words, "--", *command("ends", "60")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout.count(" stopped ") == 2
    assert "     0.3 not run" in done.stdout


@pytest.mark.slow
def test_what_is_ignored_ends_no_race(tmp_path: Path) -> None:
    out = tmp_path / "race"
    words = ["0.1", "--out", str(out), "--plain", "--", *command("ends", "2")]
    race = subprocess.Popen(
        [*LRTUI, *words], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as under nohup
    )  # fmt: skip
    assert race.stdout is not None
    while "run 1  step" not in race.stdout.readline():
        assert race.poll() is None
    race.send_signal(signal.SIGHUP)
    text, _ = race.communicate(timeout=60)
    assert race.returncode == 0, text
    assert "all runs have ended" in text


@pytest.mark.slow
def test_on_the_screen_a_rate_is_typed_and_the_way_out_ends_all(tmp_path: Path) -> None:
    out = tmp_path / "race"
    words = ("0.1", "0.2", "--jobs", "2", "--out", str(out), "--", *command("ends", "60"))
    with terminal("race", *words, columns=80, rows=24) as lab:
        lab.wait_for(r"race · 2 rates")
        lab.wait_for(r"lr-0\.2 +0\.2")
        lab.wait_for(r"0-9 add a rate")
        lab.type("0.7\r")
        lab.wait_for(r"race · 3 rates")
        lab.type("S")
        lab.wait_for(r"S again stops the training cleanly")
        lab.type("S")
        lab.wait_for(r"lr-0\.7 +0\.7")
        lab.wait_for(r"■ stopped")
        lab.type("q")
        assert lab.wait_for_end() == 130
        lab.wait_for(rf"in {tmp_path}".replace(".", r"\."))
    assert below(out) == []
    assert sorted(p.name for p in out.glob("*.jsonl")) == [
        "lr-0.1.jsonl", "lr-0.2.jsonl", "lr-0.7.jsonl"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_real_script_trains_as_it_would_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "fit.py"
    script.write_text(
        "import sys, torch\n"
        "torch.manual_seed(0)\n"
        "w = torch.nn.Parameter(torch.ones(4))\n"
        "optimizer = torch.optim.SGD([w], float(sys.argv[1]))\n"
        "for step in range(60):\n"
        "    loss = (w * torch.randn(4)).pow(2).sum()\n"
        "    optimizer.zero_grad(); loss.backward(); optimizer.step()\n"
        "    print(step + 1, loss.item())\n"
    )
    out = tmp_path / "race"
    words = ["0.01", "0.1", "--jobs", "2", "--out", str(out), "--json", "--", sys.executable]
    done = subprocess.run(
        [*LRTUI, *words, "fit.py", "{lr}"],
        capture_output=True, text=True, timeout=100, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["step"] == 60
    for lr in ("0.01", "0.1"):
        monkeypatch.setattr(sys, "argv", ["fit.py", lr])
        runpy.run_path(str(script))
        alone = capsys.readouterr().out.split()
        steps = [int(step) for step in alone[::2]]
        saved: dict[int, float] = {}
        for line in (out / f"lr-{lr}.jsonl").read_text().splitlines():
            message = json.loads(line)
            if message["type"] == "progress":
                first = message["steps"]
                found = message["scalars"]["loss"]
                numbers = range(first, first + len(found)) if isinstance(first, int) else first
                saved |= zip(numbers, found, strict=True)
        assert saved == dict(zip(steps, map(float, alone[1::2]), strict=True))


@pytest.mark.slow
def test_a_signal_on_the_screen_leaves_nothing_behind_either(tmp_path: Path) -> None:
    out = tmp_path / "race"
    words = ("0.1", "--out", str(out), "--", *command("stubborn", "60"))
    with terminal("race", *words) as lab:
        lab.wait_for(r"lr-0\.1 .*falling")
        child = psutil.Process(int((out / "lr-0.1.log").read_text().split("child ")[1]))
        assert lab.process.pid is not None
        os.kill(lab.process.pid, signal.SIGTERM)
        assert lab.wait_for_end() == 143
        lab.wait_for(rf"in {tmp_path}")
    assert below(out) == []
    assert gone([child], 5)


def test_its_folder_and_its_files_can_be_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "race"
    words = ["0.1", "0.2", "--jobs", "2", "--out", str(out), "--plain", "--", *command("ends")]
    assert main(["race", *words]) == 0
    capsys.readouterr()
    assert main(["watch", str(out), "--once", "--plain"]) == 0
    text = capsys.readouterr().out
    assert [line[7:] for line in text.splitlines() if " is " in line] == [
        "is another, rate 0.05", "is another, rate 0.1"
    ]  # fmt: skip
    assert text.count("done: the program has ended") == 2
    assert main(["watch", str(out / "lr-0.2.jsonl"), "--once", "--plain"]) == 0
    text = capsys.readouterr().out
    assert "step      1  loss 0.18  rate 0.1" in text
    assert main(["replay", str(out / "lr-0.2.jsonl"), "--plain"]) == 0
    assert "step     10  loss 0.0697357  rate 0.1" in capsys.readouterr().out
