"""Sessions saved by the real program and shown on the real screen."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lrtui.messages import Ended, Printed, decode_message, encode
from lrtui.sources.replay import Replay
from tests.in_process import session
from tests.terminal import gone, terminal

pytestmark = pytest.mark.slow

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold]red[/]\r\nnew line"


def saved(path: Path, *lrs: float) -> Path:
    path.write_bytes(b"".join(encode(message) + b"\n" for message in session(*lrs)))
    return path


def test_a_replay_starts_no_trainer_and_imports_no_torch(tmp_path: Path) -> None:
    file = saved(tmp_path / "runs.jsonl", 0.1)
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    with terminal("replay", str(file), env={"PYTHONPATH": str(tmp_path)}) as lab:
        lab.wait_for(r"1\s+0\.1\s+▶")
        assert lab.trainers() == []


def test_a_replay_on_the_screen(tmp_path: Path) -> None:
    with terminal("replay", str(saved(tmp_path / "runs.jsonl", 0.1, 0.7, 1.01))) as lab:
        lab.wait_for(r"step [1-9]\d*/100")
        lab.type(" ")
        lab.wait_for("‖ paused")
        lab.drain(0.3)
        held = lab.text
        lab.drain(0.5)
        assert lab.text == held
        step = int(held.split("step ")[1].split("/")[0])
        for i in range(3):
            lab.type(".")
            lab.wait_for(f"step {step + i + 1}/100")
        lab.type(" ++++++")
        lab.wait_for(r"2\s+0\.7\s+(⇄|✓)")
        lab.wait_for(r"3\s+1\.01\s+✕ diverged")
        lab.type("q")
        assert lab.wait_for_end() == 0


def test_text_from_a_file_cannot_control_the_terminal(tmp_path: Path) -> None:
    file = saved(tmp_path / "hostile", 0.1)
    lines = file.read_bytes().splitlines(keepends=True)
    hostile = [
        Printed(text=HOSTILE),
        Ended(run=1, outcome="diverged", step=100, loss=0.1, reason=HOSTILE),
    ]
    file.write_bytes(b"".join([*lines[:-1], *(encode(m) + b"\n" for m in hostile)]))
    with terminal("replay", str(file), "--speed", "max") as lab:
        lab.wait_for(r"\[bold\]red\[/\]")
        lab.read(0.5)
        assert b"owned\x07" not in lab.raw
        assert b"\x1b[31m" not in lab.raw


def test_a_crash_loses_at_most_the_last_line(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    with terminal("--speed", "max", "--steps", "1000000000", "--save", str(file)) as lab:
        lab.wait_for(r"0\.1\s+✓ settled")
        trainers = lab.trainers()
        lab.process.kill(signal.SIGKILL)
        assert gone(trainers, 2)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) > 3
    for line in lines[:-1]:
        decode_message(line)
    replay = Replay(file, None)
    told = []
    while new := replay.poll(None):
        told += new
    replay.close()
    ended = [m for m in told if isinstance(m, Ended)]
    assert ended[-1].reason.startswith("the file ends at step")
