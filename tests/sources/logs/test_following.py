"""Logs that grow, are cut, replaced and damaged while they are followed."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui import messages as msg
from lrtui.session.session import Session
from lrtui.sources import following
from lrtui.sources.logs import source as log_source
from lrtui.sources.logs.find import READERS, open_log
from lrtui.sources.logs.reader import Mark
from lrtui.sources.logs.source import LogSource
from tests.sources.logs.logs import (
    FILES,
    curve,
    events,
    everything,
    follow,
    read_now,
    record,
    run_of,
    scalar,
)
from tests.terminal import terminal

LINES = "".join(f'{{"step": {i}, "loss": {3 - i / 10}}}\n' for i in range(20)).encode()
KINDS = {
    "tensorboard": next((FILES / "tensorboardx").iterdir()).read_bytes(),
    "wandb": (FILES / "wandb" / "run.wandb").read_bytes(),
    "csv": (FILES / "dvclive" / "plots" / "metrics" / "lr.tsv").read_bytes(),
    "jsonl": LINES,
    "text": b"".join(b"step %d loss: %d.5\n" % (i, 9 - i) for i in range(9)),
}
"""What a file of each kind holds."""


@pytest.mark.parametrize("kind", KINDS)
def test_growing_by_pieces_gives_the_same_as_reading_at_once(kind: str, tmp_path: Path) -> None:
    whole, path = KINDS[kind], tmp_path / "x"
    path.write_bytes(whole)
    expected = read_now(READERS[kind](path))
    assert len(expected) >= 9
    # Byte by byte where a record or a line is likely to be cut, else larger pieces.
    at, rng, cuts = 0, random.Random(0), [0]
    while at < len(whole):
        at += 1 if at < 300 else rng.randint(1, len(whole) // 200 + 2)
        cuts.append(min(at, len(whole)))
    path.write_bytes(b"")
    reader, found = READERS[kind](path), []
    events_ = reader.entries()
    with path.open("ab", buffering=0) as file:
        for begin, end in pairwise(cuts):
            file.write(whole[begin:end])
            for event in events_:
                if event is Mark.END:
                    break
                if not isinstance(event, Mark):
                    found.append(event)
    assert found == expected
    assert reader.troubles == []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_cut_or_flipped_never_raises_and_what_was_whole_is_read(
    kind: str, data: st.DataObject
) -> None:
    whole = KINDS[kind][:40_000]
    at = data.draw(st.integers(0, len(whole) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(whole)
        expected = read_now(READERS[kind](path))
        path.write_bytes(whole[:at])
        cut = read_now(READERS[kind](path), 8)
        assert cut == expected[: len(cut)]
        flipped = bytearray(whole)
        flipped[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(flipped)
        source = LogSource(READERS[kind](path), [], once=True)
        everything(source)
        if kind == "tensorboard":
            found = read_now(READERS[kind](path), 12)
            assert [each for each in found if each not in expected] == []
            assert len(found) >= len(expected) - 3


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=600), kind=st.sampled_from([*READERS]))
def test_noise_is_never_an_error(noise: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(noise)
        everything(LogSource(READERS[kind](path), [], once=True))


# --- while it is followed -------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(log_source, "SETTLE_SECONDS", 0.03)


@pytest.mark.usefixtures("quick")
class TestFollowed:
    def start(self, path: Path, kind: str | None = None) -> tuple[LogSource, Session]:
        source, session = LogSource(*open_log(path, kind)), Session()
        follow(source, session, 0.3)
        return source, session

    def losses(self, session: Session) -> list[tuple[int, float]]:
        return curve(session.current) if session.current is not None else []

    @pytest.mark.slow
    def test_a_file_that_comes_later_and_grows(self, tmp_path: Path) -> None:
        path = tmp_path / "metrics.csv"
        source, session = self.start(path)
        assert session.current is None
        path.write_text("step,loss\n0,3\n1,2")
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 3.0)]
        with path.open("a") as file:
            file.write(".5\n2,2\n")
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 3.0), (1, 2.5), (2, 2.0)]
        assert session.is_on

    @pytest.mark.slow
    def test_a_file_that_is_cut_or_replaced_is_read_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        path.write_bytes(LINES)
        source, session = self.start(path)
        assert len(self.losses(session)) == 20
        path.write_bytes(LINES.splitlines(keepends=True)[0])
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 3.0)]
        (tmp_path / "new").write_text('{"step": 0, "loss": 9}\n{"step": 5, "loss": 8}\n')
        os.replace(tmp_path / "new", path)
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 9.0), (5, 8.0)]
        path.unlink()
        follow(source, session, 0.1)
        assert len(session.runs) == 1

    def test_a_rotated_log_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "out.log"
        path.write_text("step 1 loss 3\nstep 2 loss 2\n")
        source, session = self.start(path)
        path.rename(tmp_path / "out.log.1")
        path.write_text("step 3 loss 1\n")
        follow(source, session, 0.3)
        assert self.losses(session) == [(1, 3.0), (2, 2.0), (3, 1.0)]

    @pytest.mark.slow
    def test_zeros_of_a_network_disk_are_waited_for(self, tmp_path: Path) -> None:
        lines, event = tmp_path / "x.jsonl", tmp_path / "events.out.tfevents.1"
        for path, data in ((lines, LINES), (event, events([(i, 3 - i / 10) for i in range(20)]))):
            half = len(data) // 2
            path.write_bytes(data[:half] + bytes(len(data) - half))
            source, session = self.start(path)
            before = self.losses(session)
            assert 8 <= len(before) < 12
            path.write_bytes(data)
            follow(source, session, 0.3)
            assert len(self.losses(session)) == 20

    @pytest.mark.slow
    def test_steps_that_go_back_void_what_came_after(self, tmp_path: Path) -> None:
        path = tmp_path / "events.out.tfevents.1"
        path.write_bytes(events([(i, 3.0) for i in range(10)]))
        source, session = self.start(path)
        with path.open("ab") as file:
            file.write(events([(5, 1.0), (6, 1.0)]))
        follow(source, session, 0.3)
        with path.open("ab") as file:
            file.write(events([(6, 0.5), (3, 0.25), (4, 0.25)]))
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 3.0), (1, 3.0), (2, 3.0), (3, 0.25), (4, 0.25)]

    def test_a_better_loss_that_comes_later(self, tmp_path: Path) -> None:
        path = tmp_path / "out.log"
        path.write_text("step 0: train loss 9, val loss 8\n")
        source, session = self.start(path)
        assert self.losses(session) == [(0, 9.0)]
        with path.open("a") as file:
            file.write("iter 0: loss 7\niter 1: loss 6\n")
        follow(source, session, 0.3)
        assert self.losses(session) == [(0, 7.0), (1, 6.0)]
        assert session.current is not None
        assert session.current.live is not None
        assert {*session.current.live.scalars} == {"train loss", "val loss"}

    @pytest.mark.slow
    def test_a_new_event_file_in_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "events.out.tfevents.1").write_bytes(events([(0, 3.0)]))
        source, session = self.start(tmp_path)
        (tmp_path / "events.out.tfevents.2").write_bytes(events([(1, 2.0)]))
        follow(source, session, 1.5)
        assert self.losses(session) == [(0, 3.0), (1, 2.0)]

    @pytest.mark.slow
    def test_a_database_that_is_being_written(self, tmp_path: Path) -> None:
        path = tmp_path / "p.db"
        shutil.copy(FILES / "trackio" / "p.db", path)
        writer = sqlite3.connect(path)
        writer.execute("PRAGMA journal_mode=WAL")
        source, session = self.start(path)
        (columns,) = writer.execute("SELECT * FROM metrics ORDER BY rowid DESC LIMIT 1").fetchall()
        names = [row[1] for row in writer.execute("PRAGMA table_info(metrics)")]
        row = dict(zip(names, columns, strict=True)) | {"id": None, "step": 60}
        row["metrics"] = json.dumps({"train/loss": 0.125})
        row |= {"log_id": "new"} if "log_id" in row else {}
        marks = ", ".join("?" * len(row))
        writer.execute(f"INSERT INTO metrics ({', '.join(row)}) VALUES ({marks})", [*row.values()])
        writer.commit()
        follow(source, session, 0.4)
        assert self.losses(session)[-1] == (60, 0.125)
        assert writer.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        writer.close()

    def test_no_growth_is_waiting_not_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "events.out.tfevents.1"
        path.write_bytes(b"".join(scalar(i, "loss", 1.0, time.time() - 100) for i in range(3)))
        _, session = self.start(path)
        run = session.current
        assert run is not None
        assert run.is_on
        assert run.live is not None
        assert "nothing was added to the log" in run.live.stall
        assert run.live.stall.startswith("no step for 98 s")


def test_a_damaged_event_file_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    pieces = [scalar(i, "loss", 1.0 + i) for i in range(5)]
    pieces[1] = bytes([pieces[1][0] ^ 1]) + pieces[1][1:]  # its length
    pieces[3] = pieces[3][:20] + b"\xff" + pieces[3][21:]  # what it says
    path.write_bytes(record(b"\x1a\x0dbrain.Event:2") + b"".join(pieces))
    reader, _ = open_log(path)
    assert [entry[0] for entry in read_now(reader, 12)] == [0, 2, 4]
    at = len(record(b"\x1a\x0dbrain.Event:2")) + len(pieces[0])
    assert reader.troubles == [f"{path} is damaged at byte {at:,}; the rest is read"]


@pytest.mark.slow
def test_a_large_log_delays_no_frame_and_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(events((i, 1.0 + i % 7) for i in range(30_000)))
    source = LogSource(*open_log(path))
    reported, held, polls = 0, 0, []
    while reported < 29_990:
        began = time.thread_time()
        for message in source.poll(0):
            if isinstance(message, msg.Progress):
                reported = message.last
        polls.append(time.thread_time() - began)
        held = max(held, source._gathered.steps_held())
    assert sorted(polls)[len(polls) * 9 // 10] < 0.1
    assert held < 10_000
    assert run_of(path).step == 29_999


# --- as a person sees it --------------------------------------------------------------------


def watch(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lrtui", "watch", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    path = tmp_path / "out.log"
    path.write_text("step 0 loss 3\n")
    process = watch(str(path), "--plain", "--every", "1")
    yield path, process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_scalar_is_shown_within_a_second(followed: tuple[Path, subprocess.Popen[str]]) -> None:
    path, process = followed
    assert process.stdout is not None
    while "step      0  loss 3" not in process.stdout.readline():
        pass
    began = time.monotonic()
    with path.open("a") as file:
        file.write("step 1 loss 2.5\n")
    while "step      1  loss 2.5" not in process.stdout.readline():
        pass
    assert time.monotonic() - began < 1


@pytest.mark.slow
def test_as_text_json_and_saved_to_be_replayed(tmp_path: Path) -> None:
    path, saved = FILES / "tensorflow2", tmp_path / "saved"
    done = watch(str(path), "--once", "--save", str(saved)).communicate(timeout=60)
    assert "step     49  loss 9" in done[0].splitlines()[-3] or "run 1  stopped" in done[0]
    assert "the log ends at step" in done[0]
    assert done[1] == ""
    text, _ = watch(str(path), "--once", "--json").communicate(timeout=60)
    objects = [json.loads(line) for line in text.splitlines()]
    assert objects[0]["capabilities"] == []
    assert objects[-1]["type"] == "summary"
    replayed = subprocess.run(
        [sys.executable, "-m", "lrtui", "replay", str(saved), "--plain"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert replayed.stdout.splitlines()[-2:] == done[0].splitlines()[-2:]


@pytest.mark.slow
def test_bad_input_is_one_sentence_and_code_2(tmp_path: Path) -> None:
    for words, why in {
        (str(tmp_path),): "is a log that lrtui knows",
        (str(tmp_path / "no" / "x.csv"),): "there is no such file, nor its folder",
        (str(tmp_path), "--pattern", "("): "not a regular expression",
        (str(tmp_path), "--pattern", "x"): "a group named loss is needed",
        ("--once",): "need the path of a log",
        (str(tmp_path), "--format", "cats"): "invalid choice",
        (str(tmp_path), "--format", "csv", "--pattern", "(?P<loss>.)"): "is for printed lines",
        (str(tmp_path), "--format", "csv"): "is a folder, and --format csv needs a file",
        (str(tmp_path / "x"), "--format", "csv", "--once"): "x has nothing to show yet",
    }.items():
        process = watch(*words, "--plain")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 2
        assert not out or words[-1] == "--once"
        assert why in err
        assert "Traceback" not in err


@pytest.mark.slow
def test_on_the_screen_nothing_is_steered_and_a_key_turns_to_the_next_scalar(
    tmp_path: Path,
) -> None:
    path = tmp_path / "metrics.csv"
    rows = [f"{i},{3 - i / 99},0.01,{0.01 * i},{i},7" for i in range(99)]
    path.write_text("\n".join(["step,loss,lr,val_loss,speed,depth", *rows]) + "\n")
    with terminal("watch", str(path), "--theme", "nord") as screen:
        screen.wait_for(r"\(val 0.98\)")
        screen.wait_for("scalar speed")
        footer = screen.text.splitlines()[-1]
        assert "l scalar" in footer
        assert not any(word in footer for word in ("pause", "restart", "hold", "stop"))
        screen.type("l")
        screen.wait_for("scalar depth")
        screen.type("0.5\r")
        screen.wait_for("nothing can be trained here")
        with path.open("a") as file:
            file.write("200,0.5,0.01,,1,7\n")
        screen.wait_for("step 200", 3)
        screen.type("q")
        assert screen.wait_for_end() == 0
