"""What a script printed last is known after its process was killed, and its stream is the same."""

from __future__ import annotations

import io
import os
import stat
import time
from pathlib import Path

import pytest

from lrtui.messages import AnyMessage, Ended, Printed
from lrtui.monitor.stderr_tail import MAX_CHARACTERS, StderrTail, remove_stale
from lrtui.sources.socket import SocketSource, has_ended, last_lines
from lrtui.sources.trainings import Training
from tests.monitor.trainings import script, training, until


@pytest.mark.slow
def test_the_stream_gets_everything_and_the_end_is_kept(tmp_path: Path) -> None:
    stream, tail, path = io.StringIO(), StderrTail(), tmp_path / "7.stderr"
    tail.attach(stream)
    text = "".join(f"line {k}\n" for k in range(10_000))
    assert print(text, file=stream, end="") is None
    assert stream.write("ab\udcff") == 3
    assert stream.getvalue() == text + "ab\udcff"
    assert tail.text == stream.getvalue()[-MAX_CHARACTERS:]
    with pytest.raises(TypeError):
        stream.write(3)  # type: ignore[arg-type]
    tail.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert last_lines(path) == ["line 9998", "line 9999", "ab?"]
    path.unlink()
    tail.save(path)
    assert not path.exists()  # nothing is new
    print("\r10%\r20%\nlrtui: ours\n", file=stream)
    tail.save(path)
    assert last_lines(path) == ["line 9998", "line 9999", "20%"]
    for percent in range(10_000):
        print(f"{percent}%", end="\r", file=stream)
    tail.save(path)
    assert last_lines(path) == ["line 9999", "20%", "9999%"]
    assert [*tmp_path.iterdir()] == [path]


def test_what_was_left_long_ago_is_removed(tmp_path: Path) -> None:
    gone, own, fresh = (tmp_path / f"{pid}.stderr" for pid in (2**22 + 5, os.getpid(), 2**22 + 6))
    for path in (gone, own, fresh):
        path.touch()
        if path is not fresh:
            os.utime(path, (0, time.time() - 4000))
    remove_stale(tmp_path)
    assert {*tmp_path.iterdir()} == {own, fresh}


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "no") == []
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert last_lines(tmp_path / "link") == []


def test_a_process_has_ended_from_when_it_begins_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_ended(os.getpid())
    child = os.posix_spawn("/bin/true", ["true"], {})
    until(lambda: has_ended(child), "its end")  # a zombie until it is waited for
    os.waitpid(child, 0)
    assert has_ended(child)
    # Where the system takes long to take its memory apart: its sockets are closed already.
    ending = "7 (a) b) R 1 7 7 0 -1 4194564 1 0 0 0"
    monkeypatch.setattr(Path, "read_text", lambda path: ending)
    assert has_ended(os.getpid())
    monkeypatch.setattr(Path, "read_text", lambda path: ending.replace("4194564", "4194560"))
    assert not has_ended(os.getpid())


@pytest.mark.slow
def test_the_last_lines_of_a_process_that_was_killed_are_shown() -> None:
    with training("-m", "lrtui", "run", script("killed"), "kill") as running:
        source = SocketSource(Training(running.socket(), None))
        found: list[AnyMessage] = []

        def over() -> bool:
            found.extend(source.poll(0))
            return Ended in map(type, found)

        until(over, "its end")
        source.close()
        printed, ended = [m for m in found if isinstance(m, Printed | Ended)]
        assert isinstance(printed, Printed)
        assert isinstance(ended, Ended)
        first, *lines = printed.text.splitlines()
        assert first == "its last lines on standard error:"
        assert lines[1] == "RuntimeError: something odd"
        assert "%|" in lines[2]  # the progress bar, up to a second before
        kept = [path.read_text() for path in running.folder.glob("*.stderr")]
        assert len(kept) == 1
        for text in ("ünusual", "one line\nanother\n", "RuntimeError: something odd"):
            assert text in kept[0]
        assert "tty False True" in running.output()


@pytest.mark.slow
def test_a_clean_end_leaves_nothing() -> None:
    with training("-m", "lrtui", "run", script("killed"), "end") as running:
        until(lambda: bool([*running.folder.glob("*.stderr")]), "its lines")
        assert running.wait() == 0
        assert [path.suffix for path in running.folder.iterdir()] == []
