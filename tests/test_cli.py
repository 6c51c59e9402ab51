"""The command line, and what becomes of a program whose streams are closed or full."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lrtui import __version__
from lrtui.__main__ import main
from lrtui.commands.cli import parse
from lrtui.commands.lab import LabOptions
from lrtui.commands.replay import ReplayOptions
from lrtui.commands.sweep import SweepOptions
from lrtui.commands.tour import TourOptions
from lrtui.messages import Optimizer
from lrtui.messages.problem_settings import BUILT_IN
from tests.terminal import gone

FIXTURES = Path(__file__).parent / "sources" / "fixtures"
REPLAY = ["replay", str(FIXTURES / "four-rates.jsonl"), "--no-ascii"]
COMMAND = [sys.executable, "-m", "lrtui"]


def lrtui(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        **settings,
    )


def in_shell(redirections: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirections}', "sh", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


# --- options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lr", "0"], "more than 0"),
        (["--lr", "-1"], "more than 0"),
        (["--lr", "nan"], "finite number"),
        (["--lr", "inf"], "finite number"),
        (["--lr", "1e999"], "too large"),
        (["--lr", "1e-999"], "too small"),
        (["--lr", "abc"], "'abc' is not a number"),
        (["--lr", ""], "a learning rate is needed"),
        (["--lr", "0.1", "--lr", "1,000"], "'1,000' can be read in two ways"),
        (["--lr", "1_0"], "not a number"),
        (["--lr"], "expected one argument"),
        (["--steps", "0"], "whole number from 1"),
        (["--steps", "1.5"], "whole number"),
        (["--steps", "9999999999"], "to 1,000,000,000"),
        (["--points", "1"], "whole number from 2"),
        (["--points", "100001"], "to 100,000"),
        (["--seed", "-1"], "whole number from 0"),
        (["--seed", "x" * 500], "whole number"),
        (["--every", "0"], "whole number from 1"),
        (["--fps", "0"], "whole number from 1"),
        (["--fps", "61"], "to 60"),
        (["--speed", "0"], "steps a second"),
        (["--speed", "fast"], "or max"),
        (["--speed", "nan"], "or max"),
        (["--noise", "pink"], "'pink'"),
        (["--nois"], "unrecognized arguments"),
        (["--frobnicate"], "unrecognized arguments"),
        (["--\x1b[31m"], "unrecognized arguments"),
        (["stray"], "no problem is called 'stray'; there are line, bowl"),
        (["lab"], "no problem is called 'lab'"),
        (["0.1"], "0.1 is a rate, not a problem: --lr 0.1 sets it"),
        (["nowhere.py"], "there is no file nowhere.py"),
        (["line", "sine"], "unrecognized arguments: sine"),
        (["--lr", "0.1", "sweep"], "sweep comes first, as in lrtui sweep"),
        (["sweep", "--lr=0.1"], "unrecognized arguments"),
        (["--optimizer", "lion"], "'lion'"),
        (["--momentum", "1"], "from 0 to below 1"),
        (["--betas", "0.9"], "two numbers from 0 to below 1"),
        (["--betas", "0.9,1.5"], "two numbers from 0 to below 1"),
        (["--optimizer", "adam", "--momentum", "0.9"], "--momentum is not for adam"),
        (["--momentum", "0.9", "--betas", "0.9,0.99"], "--betas is not for sgd"),
        (["--optimizer", "own", "--weight-decay", "1"], "--weight-decay is not for own"),
        (["--optimizer", "nesterov", "--momentum", "0"], "nesterov needs a momentum above 0"),
        (["--batch", "0"], "whole number from 1"),
        (["sweep", "--count", "0"], "whole number from 1"),
        (["sweep", "--from", "2", "--to", "1"], "--from is larger than --to"),
        (["sweep", "--from", "abc"], "not a number"),
        (["tour", "--pace", "0"], "a pace from 0.1 to 20"),
        (["tour"], "a tour needs a terminal"),
        (["replay"], "required: FILE"),
        (["replay", "/none\x1b[31m"], "No such file"),
        (["replay", "/"], "/: Is a directory"),
        (["replay", __file__], "line 1: not an lrtui message"),
    ],
)
def test_bad_input(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        sys.exit(main(arguments))
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("lrtui: ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()
    assert len(err) < 300


def options(*words: str) -> object:
    return parse(words)[2]


def test_what_is_usual() -> None:
    found = options()
    assert isinstance(found, LabOptions)
    assert found.lrs == [0.1]
    assert (found.setup.steps, found.speed, found.every, found.fps) == (100, 0.0, 10, 10)
    assert found.setup.optimizer == Optimizer()
    assert (found.save, found.plain, found.json) == (None, False, False)
    assert (found.setup.settings.points, found.setup.settings.noise) == (100, "uniform")


def test_problems_and_optimizers() -> None:
    def asked(*words: str) -> LabOptions:
        found = options(*words)
        assert isinstance(found, LabOptions)
        return found

    edge = asked("edge", "--seed", "4", "--batch", "5")
    assert (edge.setup.settings.name, edge.setup.settings.seed, edge.setup.settings.batch) == (
        "edge",
        4,
        5,
    )
    assert (edge.lrs, edge.setup.steps) == ([0.1], 4000)
    assert asked("edge", "--steps", "7").setup.steps == 7
    assert asked("--momentum", "0.5").setup.optimizer == Optimizer(momentum=0.5)
    nesterov = asked("--optimizer", "nesterov", "--weight-decay", "0.1").setup.optimizer
    assert nesterov == Optimizer(name="nesterov", momentum=0.9, weight_decay=0.1)
    adamw = asked("--optimizer", "adamw").setup.optimizer
    assert adamw == Optimizer(name="adamw", weight_decay=0.01)
    adam = asked("--optimizer", "adam", "--betas", "0.8,0.95").setup.optimizer
    assert adam == Optimizer(name="adam", betas=(0.8, 0.95))
    mine = str(Path(__file__).parent / "problems" / "files" / "plain.py")
    assert asked(mine).setup.optimizer == Optimizer(name="own")
    assert asked(mine, "--optimizer", "sgd").setup.optimizer == Optimizer()
    assert asked(mine, "--momentum", "0.9").setup.optimizer == Optimizer(momentum=0.9)


def test_the_problems_are_listed() -> None:
    said = lrtui("problems")
    assert said.returncode == 0
    assert [line.split()[0] for line in said.stdout.splitlines()][:7] == [*BUILT_IN]
    told = json.loads(lrtui("problems", "--json").stdout)
    assert told == {"type": "problems", "names": [*BUILT_IN]}


LATE = """\
import torch
from torch import nn
x = y = torch.linspace(-2, 2, 64)[:, None]
calls = 0
def model():
    global calls
    calls += 1
    if calls > 3:
        raise ValueError("no more")
    return nn.Linear(1, 1)
loss = nn.functional.mse_loss
"""


@pytest.mark.slow
def test_a_problem_that_cannot_be_used_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = 1 +\n")
    for arguments in (["mine.py", "--plain"], ["mine.py", "--json"], ["sweep", "mine.py"]):
        said = lrtui(*arguments, cwd=tmp_path)
        assert said.returncode == 2
        assert said.stderr == "lrtui: mine.py, line 1: SyntaxError: invalid syntax\n"
    (tmp_path / "late.py").write_text(LATE)
    said = lrtui("sweep", "late.py", "--count", "4", "--steps", "20", cwd=tmp_path)
    assert said.returncode == 2
    assert said.stderr == "lrtui: late.py, line 9: ValueError: no more\n"
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    said = lrtui("t.csv", "--plain", cwd=tmp_path)
    assert said.returncode == 2
    assert "--target says which column is predicted; columns of numbers: a, b" in said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("table", ["sweep", "heat"])
def test_a_file_without_an_optimizer_of_its_own_is_tabled_with_gradient_descent(table: str) -> None:
    mine = str(Path(__file__).parent / "problems" / "files" / "plain.py")
    found = lrtui(table, mine, "--steps", "5", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["optimizer"] == "sgd"


def test_what_is_asked_for() -> None:
    found = options("--lr", "0,5", "--lr", "1e-3", "--speed", "max", "--save", "x", "--seed", "7")
    assert isinstance(found, LabOptions)
    assert found.lrs == [0.5, 1e-3]
    assert found.speed is None
    assert found.save == Path("x")
    assert found.setup.settings.seed == 7


def test_every_command_has_its_own_options() -> None:
    assert isinstance(options("sweep", "--from", "0.1", "--to", "2"), SweepOptions)
    assert isinstance(options("tour", "--pace", "2"), TourOptions)
    replay = options("replay", "file", "--speed", "5")
    assert isinstance(replay, ReplayOptions)
    assert (replay.file, replay.speed) == (Path("file"), 5.0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"lrtui {__version__}\n"


@pytest.mark.parametrize("command", ["lab", "sweep", "heat", "tour", "replay", "watch"])
def test_help_shows_every_option(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as exit_:
        main(["--help"] if command == "lab" else [command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    parser, *_ = parse([] if command == "lab" else [command, *["file"] * (command == "replay")])
    shown = {name for action in parser._actions for name in action.option_strings}
    assert len(shown) > 5
    assert all(name in out for name in shown)
    assert all(len(line) <= 80 for line in out.splitlines())
    if command == "lab":
        assert "examples:" in out


# --- the program --------------------------------------------------------------------------


def test_a_replay_is_printed_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(REPLAY) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "run 3  diverged: at rate 1.2 the loss is 9.513e+08 after 30 steps" in out


def test_a_damaged_file_is_shown_as_far_as_it_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (FIXTURES / "four-rates.jsonl").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-50])
    assert main(["replay", str(tmp_path / "cut"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert "cut short" in err
    told = [json.loads(line) for line in out.splitlines()]
    assert sum(m["type"] == "summary" for m in told) == 4
    assert told[-1]["type"] == "printed"


@pytest.mark.slow
def test_the_whole_program(tmp_path: Path) -> None:
    """Trains with the real trainer, as other programs see it; a file called torch is no torch."""
    (tmp_path / "torch.py").write_text("raise SystemExit('not torch')")
    command = [sys.executable, "-P", "-m", "lrtui", "--plain", "--lr", "0.7", "--lr", "1.01"]
    done = subprocess.run(
        [*command, "--save", "saved"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "run 2  diverged: at rate 1.01 the loss is 125.8 after 100 steps" in done.stdout
    again = lrtui("replay", str(tmp_path / "saved"), "--plain")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == done.stdout


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text("precious")
    done = lrtui("--plain", "--save", str(file))
    assert done.returncode == 2
    assert "is there already; --save makes a new file" in done.stderr
    assert file.read_text() == "precious"


@pytest.mark.slow
def test_a_save_that_fails_is_reported_and_stops_nothing() -> None:
    done = lrtui("--plain", "--steps", "20", "--save", "/dev/full")
    assert done.returncode == 1
    assert done.stderr == "lrtui: /dev/full is not complete: No space left on device\n"
    lines = done.stdout.splitlines()
    told = next(i for i, line in enumerate(lines) if line.startswith("/dev/full is not complete"))
    assert any(line.startswith("step") for line in lines[told:])  # at once, and it goes on
    assert "all 20 steps taken" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_with_streams_closed(closed: str) -> None:
    done = in_shell(closed, *REPLAY)
    assert done.returncode == 0
    assert "run 4  diverged" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_with_standard_output_closed(closed: str) -> None:
    done = in_shell(closed, *REPLAY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_standard_input_closed_with_a_trainer() -> None:
    done = in_shell("<&-", "--plain", "--steps", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all 5 steps taken" in done.stdout


@pytest.mark.parametrize("form", ["--plain", "--json"])
def test_a_full_disk_is_an_error_in_one_line(form: str) -> None:
    done = in_shell(">/dev/full", *REPLAY, form)
    assert done.returncode == 1
    assert done.stderr == "lrtui: the output cannot be written: No space left on device\n"


def test_a_file_that_may_grow_no_more_is_an_error_in_one_line(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [*COMMAND, *REPLAY, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            preexec_fn=limit,
        )
    assert done.returncode == 1
    assert done.stderr == "lrtui: the output cannot be written: File too large\n"


def test_a_reader_that_goes_away_is_not_an_error() -> None:
    done = in_shell("| head -n 1", *REPLAY, "--every", "1")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_a_trainer_that_fails_is_reported_in_words(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch \\x1b[31m for you')")
    for words in (["--plain"], ["sweep"]):
        done = lrtui(*words, env={**os.environ, "PYTHONPATH": str(tmp_path)})
        assert done.returncode == 1
        assert done.stderr.startswith("lrtui: the trainer ended: exit code 1\n")
        assert "no torch  [31m for you" in done.stderr
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_nobody_behind(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--plain", "--steps", "10000000", "--every", "100"],
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


def test_interrupted_while_it_waits_for_the_reader_of_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    process = subprocess.Popen(
        [*COMMAND, "--plain", "--save", str(tmp_path / "fifo")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: bool(psutil.Process(process.pid).children()))
    trainers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert gone(trainers, 3)


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
