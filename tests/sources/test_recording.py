"""Saved runs: kept as they come, shown again, and whatever else a file may hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrtui.messages import (
    AnyMessage,
    Ended,
    Message,
    Pause,
    Printed,
    Progress,
    Resume,
    SetSpeed,
    Start,
    Started,
    Step,
    Sweep,
    decode_message,
    encode,
)
from lrtui.run.session import Session
from lrtui.screen.bowl import bowl_chart, map_chart
from lrtui.screen.charts import fit_chart, loss_chart, sweep_chart
from lrtui.screen.ruler import ruler
from lrtui.screen.texts import header, runs_table, status
from lrtui.sources.recording import Recorder, Replay
from tests.screen.fake import FakeSource, curvature, descent, ready, swept
from tests.terminal import gone, terminal

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold]red[/]\r\nnew line"


def messages(*rates: float) -> list[Message]:
    """A session as a trainer tells it."""
    rates_swept = [0.001 * 1.3**i for i in range(32)]
    told: list[Message] = [ready(), curvature(), swept(Sweep(rates=rates_swept, steps=100))]
    for number, rate in enumerate(rates, 1):
        told += descent(number, rate, 100)
    return told


def written(path: Path, told: list[Message]) -> Path:
    path.write_bytes(b"".join(encode(message) + b"\n" for message in told))
    return path


def lrtui(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lrtui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **settings)  # type: ignore[call-overload,no-any-return]


def read(path: Path) -> tuple[list[AnyMessage], str]:
    """All that a replay tells, and what it says is wrong."""
    replay = Replay(path, None)
    told = []
    while new := replay.poll(None):
        told += new
    replay.close()
    return told, replay.trouble


def test_a_replay_prints_what_the_session_printed(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    rates = ("--lr", "0.1", "--lr", "0.7", "--lr", "1.01", "--lr", "50")
    live = lrtui("--plain", "--save", str(file), *rates)
    assert live.returncode == 0
    again = lrtui("replay", str(file), "--plain")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == live.stdout
    as_json = lrtui("replay", str(file), "--json").stdout
    losses = [v for m in map(json.loads, as_json.splitlines()) for v in m.get("losses", [])]
    kept = [v for m in map(json.loads, file.read_text().splitlines()) for v in m.get("losses", [])]
    assert losses == kept


def test_a_replay_starts_no_trainer_and_imports_no_torch(tmp_path: Path) -> None:
    file = written(tmp_path / "runs.jsonl", messages(0.1))
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    done = lrtui("replay", str(file), env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    with terminal("replay", str(file), env={"PYTHONPATH": str(tmp_path)}) as lab:
        lab.wait_for(r"1\s+0\.1\s+▶")
        assert lab.trainers() == []


def test_a_replay_on_the_screen(tmp_path: Path) -> None:
    file = written(tmp_path / "runs.jsonl", messages(0.1, 0.7, 1.01))
    with terminal("replay", str(file)) as lab:
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
        lab.type("0.5\r")
        lab.wait_for("a replay shows what was saved")
        lab.type("\x1b")
        lab.type(" ++++")
        lab.wait_for(r"2\s+0\.7\s+(⇄|✓)")
        lab.wait_for(r"3\s+1\.01\s+✕ diverged")
        lab.wait_for(r"✕ diverged: loss \d+\.\d at step 100")
        lab.type("b")
        lab.wait_for("✚ minimum")
        lab.type("w")
        lab.wait_for("steps to settle")
        lab.type("q")
        assert lab.wait_for_end() == 0


def test_pause_step_and_pace(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path / "runs.jsonl", messages(0.1)), 20.0)
    first = replay.poll()
    assert [type(m).__name__ for m in first][:4] == ["Ready", "Curvature", "Swept", "Started"]
    assert sum(isinstance(m, Progress) for m in first) == 1
    replay.send(Pause())
    replay.poll()
    time.sleep(0.2)
    assert replay.poll() == []
    replay.send(Step())
    (told,) = replay.poll()
    assert isinstance(told, Progress)
    assert len(told.losses) == 1
    assert replay.poll() == []
    replay.send(Resume())
    replay.send(SetSpeed(100.0))
    time.sleep(0.11)
    assert 5 <= len(replay.poll()) <= 25
    replay.send(SetSpeed(None))
    replay.send(Pause())
    assert replay.poll() == []
    replay.send(Step())
    replay.send(Step())
    assert len(replay.poll()) == 2
    replay.send(Resume())
    rest: list[AnyMessage] = []
    while new := replay.poll(None):
        rest += new
    assert isinstance(rest[-1], Ended)
    assert replay.over
    replay.close()


def test_a_report_of_many_steps_is_told_step_by_step_with_its_weights(tmp_path: Path) -> None:
    told, _ = read(written(tmp_path / "runs.jsonl", messages(0.3)))
    (whole,) = [m for m in messages(0.3) if isinstance(m, Progress)]
    steps = [m for m in told if isinstance(m, Progress)]
    assert [m.step for m in steps] == list(range(101))
    assert [m.losses[0] for m in steps] == whole.losses
    assert [m.weights for m in steps] == whole.path


def draw_everything(told: list[AnyMessage]) -> None:
    """Shows a session in every pane."""
    session = Session()
    for message in told:
        session.apply(message)
        if isinstance(message, Printed | Ended):
            continue
    run = session.current
    header(session, False, 20.0, 120)
    status(session, False, "", [], 116, 2)
    runs_table(session, False, None, 66, 10)
    ruler(session, 100, 0.1, 100, 2)
    if session.ready and session.bowl:
        for chart in (fit_chart, bowl_chart, map_chart):
            chart(session, 56, 14)
        session.advice()
        if session.swept:
            sweep_chart(session, 100, 100, 20)
    if run and run.series:
        for scale in ("linear", "log", "gap"):
            loss_chart(session, 56, 14, scale)


def test_a_file_cut_anywhere_keeps_what_stands_before(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", messages(0.1, 1.01)).read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, len(lines[0]) + 7, len(whole) - 1, len(whole) - 40):
        file = tmp_path / "cut"
        file.write_bytes(whole[:cut])
        number = whole[:cut].count(b"\n") + 1
        if number == 1:
            with pytest.raises(ValueError, match="cut, line 1: cut short"):
                Replay(file, None)
        elif cut == len(whole) - 1:  # only the line's end is missing: it can be read
            assert read(file)[1] == ""
        else:
            told, trouble = read(file)
            assert f"cut, line {number}: cut short" in trouble
            assert isinstance(told[-1], Printed)
            draw_everything(told)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just(HOSTILE),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_file_that_was_tampered_with_is_told_or_shown(
    tmp_path: Path, data: st.DataObject
) -> None:
    told = [json.loads(encode(message)) for message in messages(0.1, 1.01)]
    for _ in range(data.draw(st.integers(1, 3))):
        message = data.draw(st.sampled_from(told))
        key = data.draw(st.sampled_from(sorted(message)))
        old = message[key]
        if isinstance(old, list) and old and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(old) - 1))
            message[key] = [*old[:at], data.draw(values), *old[at + 1 :]]
        else:
            message[key] = data.draw(values)
    if data.draw(st.booleans()):
        told.insert(data.draw(st.integers(0, len(told))), data.draw(st.sampled_from(told)))
    file = tmp_path / "tampered"
    file.write_text("".join(json.dumps(message) + "\n" for message in told))
    try:
        shown, trouble = read(file)
    except ValueError as error:
        assert "tampered, line 1: " in str(error)
        return
    assert not trouble or "tampered, line " in trouble
    draw_everything(shown)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"root:x:0:0\n", "line 1: no message of lrtui (JSON is malformed"),
        (b"\x89PNG\r\n\x1a\n", "line 1: no message of lrtui"),
        (b'{"type":"stranger"}\n', "line 1: no message of lrtui (Invalid value 'stranger'"),
        (b'{"a":"\x1b[31m', "line 1: cut short"),
        (encode(Started(run=1, rate=0.1, steps=9)) + b"\n", "line 1: tells of a run before its"),
    ],
)
def test_what_is_no_saved_session_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(content)
    done = lrtui("replay", str(tmp_path / "file"))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        done = lrtui("replay", str(path))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr


def test_steps_must_follow_each_other(tmp_path: Path) -> None:
    told = messages(0.1)
    strange = Progress(run=1, rate=0.1, step=70, losses=[1.0], weights=(1.0, 1.0), seconds=1.0)
    _, trouble = read(written(tmp_path / "file", [*told[:-1], strange]))
    assert trouble.endswith(f"line {len(told)}: tells of step 70 after step 100, where 100 end")


def test_two_sessions_in_one_file_are_told_apart(tmp_path: Path) -> None:
    told = messages(0.1, 0.7)
    shown, trouble = read(written(tmp_path / "two", told + told))
    assert trouble.endswith(f"line {len(told) + 4}: run 1 comes after run 2")
    draw_everything(shown)


def test_a_run_without_a_finite_loss_is_drawn(tmp_path: Path) -> None:
    told = messages(0.1, 0.7)
    report = next(m for m in told if isinstance(m, Progress))
    nowhere = msgspec.structs.replace(report, losses=[None] * 101)
    shown, trouble = read(written(tmp_path / "f", [nowhere if m is report else m for m in told]))
    assert trouble == ""
    draw_everything(shown)


def test_a_huge_file_holds_nothing_up(tmp_path: Path) -> None:
    told = messages(0.1)[:3]
    steps = 40_000_000
    file = written(tmp_path / "huge", [*told, Started(run=1, rate=0.1, steps=steps)])
    with file.open("ab") as more:
        for i in range(2000):
            report = Progress(
                run=1,
                rate=0.1,
                step=20_000 * i,
                losses=[0.08] * 20_000,
                weights=(3.0, 2.5),
                seconds=float(i),
            )
            more.write(encode(report) + b"\n")
    assert file.stat().st_size > 150e6
    before = psutil.Process().memory_info().rss
    replay = Replay(file, None)
    longest, session = 0.0, Session()
    end = time.monotonic() + 2
    while time.monotonic() < end and not replay.over:
        start = time.monotonic()
        for message in replay.poll():
            session.apply(message)
        longest = max(longest, time.monotonic() - start)
    replay.close()
    assert session.current
    assert session.current.step > 100_000
    assert longest < 0.5
    assert psutil.Process().memory_info().rss - before < 100e6


def test_one_endless_line(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    with file.open("wb") as zeros:
        zeros.truncate(10**9)
    with pytest.raises(ValueError, match="line 1: longer than"):
        Replay(file, None)


def test_text_from_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    told: list[Message] = [
        *messages(0.1)[:-1],
        Printed(HOSTILE),
        Ended(run=1, outcome="diverged", step=100, loss=0.1, reason=HOSTILE),
    ]
    file = written(tmp_path / "hostile", told)
    done = lrtui("replay", str(file))
    assert done.returncode == 0
    assert "[31m[bold]red[/]" in done.stdout
    assert not any(c in done.stdout for c in "\x1b\x07\r")
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
    told, _ = read(file)
    ended = [m for m in told if isinstance(m, Ended)]
    assert ended[-1].reason.startswith("the file ends at step")


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text("precious")
    done = lrtui("--plain", "--save", str(file))
    assert done.returncode == 2
    assert "is there already; --save makes a new file" in done.stderr
    assert file.read_text() == "precious"


def test_a_disk_that_is_full_is_told_and_stops_nothing(tmp_path: Path) -> None:
    source = FakeSource()
    saving = Recorder(source, tmp_path / "runs.jsonl")
    saving._file.close()
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    saving._file = full
    saving.send(Start(run=1, rate=0.1, steps=100, speed=None))
    told = saving.poll()
    assert isinstance(told[-1], Printed)
    assert "is not complete: No space left on device" in told[-1].text
    assert any(isinstance(m, Ended) for m in told)
    saving.send(Start(run=2, rate=0.1, steps=100, speed=None))
    assert not any(isinstance(m, Printed) for m in saving.poll())
    saving.close()
