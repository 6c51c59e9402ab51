"""A session is saved as it comes, and nothing that happens to the file stops the training."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lrtui.messages import Ended, Marked, Printed, Start, encode
from lrtui.session.session import Session
from lrtui.sources.fake import FakeSource
from lrtui.sources.recorder import Recorder, kept
from lrtui.sources.replay import Replay
from tests.in_process import InProcess
from tests.screen.fake import descent, greeting

START = Start(run=1, lr=0.1, steps=100, speed=None)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_every_message_is_written_before_it_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    recorder = Recorder(InProcess(), file)
    told = []
    for number in (1, 2):
        recorder.send(Start(run=number, lr=0.1, steps=20, speed=None))
        told += recorder.poll()
        assert file.read_bytes() == b"".join(encode(message) + b"\n" for message in told)
    recorder.close()
    assert recorder.trouble == ""
    assert any(isinstance(message, Ended) for message in told)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text("precious")
    with pytest.raises(FileExistsError):
        Recorder(InProcess(), file)
    assert file.read_text() == "precious"


def test_a_fifo_is_written_to(fifo: Path) -> None:
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()), daemon=True)
    reader.start()
    recorder = Recorder(InProcess(), fifo)
    recorder.send(START)
    told = recorder.poll()
    recorder.close()
    reader.join(10)
    assert read[0].count(b"\n") == len(told)


def test_a_reader_of_a_fifo_that_goes_away(fifo: Path) -> None:
    reader = threading.Thread(target=lambda: fifo.open("rb").close(), daemon=True)
    reader.start()
    recorder = Recorder(InProcess(), fifo)
    reader.join(10)
    recorder.send(START)
    told = recorder.poll()
    recorder.close()
    assert isinstance(told[-1], Printed)
    assert "Broken pipe" in recorder.trouble


def test_standard_output_may_be_a_file_that_others_write_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(InProcess(), Path("/dev/stdout"))
    os.write(1, b"before\n")
    told = recorder.poll()
    os.write(1, b"after\n")
    recorder.close()
    os.write(1, b"still open\n")
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "before"
    assert lines[-2:] == ["after", "still open"]
    assert len(lines) == len(told) + 3


def test_a_full_disk_is_reported_at_once_and_stops_nothing() -> None:
    recorder = Recorder(InProcess(), Path("/dev/full"))
    recorder.send(START)
    told = recorder.poll()
    assert isinstance(told[-1], Printed)
    assert "/dev/full is not complete: No space left on device" in told[-1].text
    assert "training goes on" in told[-1].text
    assert any(isinstance(m, Ended) for m in told)
    recorder.send(Start(run=2, lr=0.1, steps=100, speed=None))
    told = recorder.poll()
    assert any(isinstance(m, Ended) for m in told)
    assert not any(isinstance(m, Printed) for m in told)
    assert "No space left" in recorder.trouble
    recorder.close()


def test_a_saved_session_is_replayed_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    recorder = Recorder(InProcess(), file)
    recorder.send(START)
    ended = recorder.poll()[-1]
    recorder.close()
    replay = Replay(file, None)
    told = []
    while new := replay.poll(None):
        told += new
    replay.close()
    assert told[-1] == ended
    assert replay.trouble == ""


@pytest.mark.parametrize("path", ["", "none/runs.jsonl"])
def test_where_no_file_can_be_made(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"."):
        Recorder(InProcess(), tmp_path / path)


def test_a_file_that_is_kept_grows_and_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    for number in (1, 2):
        session = Session()
        session.open_again(kept(path))
        assert [run.number for run in session.runs] == [*range(1, number)]
        run = session.begin(0.1 * number, 10)
        told = [greeting(), *descent(Start(run=run.number, lr=run.lr, steps=10, speed=None))]
        source = Recorder(FakeSource(told, lambda _: ()), path, append=True)
        source.poll()
        source.note(Marked(run=number, name=f"run {number}"))
        source.close()
        with path.open("ab") as file:
            file.write(b'{"type":"progress","run":')  # killed while it wrote
    session = Session()
    session.open_again(kept(path))
    assert [(run.number, run.name, run.outcome) for run in session.runs] == [
        (1, "run 1", "done"),
        (2, "run 2", "done"),
    ]


def test_another_file_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("no session\n")
    with pytest.raises(ValueError, match=r"poem\.txt is not a saved session"):
        [*kept(path)]
    assert [*kept(tmp_path / "none.jsonl")] == []
