"""Viewers that are slow, stuck, dead or hostile: none harms the training."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lrtui.messages import Greeting, Hold, Pause, Resume, Started, encode, sockets
from lrtui.monitor import server, viewers
from lrtui.monitor.viewers import MAX_BACKLOG
from tests.monitor.test_monitor import at, fit
from tests.monitor.trainings import Running, Viewer, training, until

pytestmark = pytest.mark.slow


def connect(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(20)
    link.connect(str(path))
    return link


QUICK = """
import runpy, sys
from lrtui.monitor import channel, server, viewers
viewers.MAX_BACKLOG, channel.PROGRESS_SECONDS, server.GREETING_TIMEOUT = 1 << 14, 0.02, 2.0
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A training that reports often and lets a viewer lag little, so that one that lags shows soon."""

SURELY_BEHIND = 1 << 18
"""Bytes told after which one that reads nothing is behind, whatever the system keeps for it."""


def told(viewer: Viewer) -> int:
    """Return how many bytes a viewer was told."""
    return sum(len(encode(message)) for message in viewer.messages)


def answers(running: Running) -> None:
    """A viewer that comes now is served within seconds."""
    viewer = running.viewer()
    assert viewer.tell(Hold(lr=0.05)).done
    viewer.close()


GARBAGE = {
    "bytes": b"\x00\xff\xfe" * 50_000,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a negative rate": b'{"type":"hold","lr":-1}\n',
    "an infinite rate": b'{"type":"hold","lr":1e999}\n',
    "no rate": b'{"type":"hold"}\n' * 1000,
    "depth": b"[" * 100_000 + b"\n",
    "watching again and again": b'{"type":"watch"}\n' * 10_000,
    "what is newer": b'{"type":"something newer","x":1}\n' * 1000,
    "many commands": b'{"type":"scale","by":1.0}\n' * 5000,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(name: str, tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        link = connect(running.socket())
        with contextlib.suppress(OSError):
            link.settimeout(2)
            link.sendall(GARBAGE[name])
        answers(running)
        link.close()
        answers(running)


def test_a_line_without_an_end(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        before = psutil.Process(running.viewer().greeting.pid).memory_info().rss
        link = connect(running.socket())
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 10**9:
                sent += link.send(b"x" * 65536)
        assert sent < 10**6  # it was thrown out
        answers(running)
        after = psutil.Process(running.process.pid).memory_info().rss
        assert after < before + 50e6
        link.close()


def test_thousands_of_connections(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        path = running.socket()
        process = psutil.Process(running.process.pid)
        files = process.num_fds()
        open_ = []
        end = time.monotonic() + 5
        tried = 0
        while tried < 3000 and time.monotonic() < end:
            tried += 1
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.setblocking(False)
            try:
                link.connect(str(path))
                open_.append(link)
            except BlockingIOError:
                link.close()
                time.sleep(0.001)
        assert process.num_fds() <= files + 80
        for link in open_:
            link.close()
        answers(running)


def test_connections_that_ask_for_nothing_are_closed(tmp_path: Path) -> None:
    with training("-c", QUICK, *fit(tmp_path / "out")) as running:
        links = [connect(running.socket()) for _ in range(10)]
        for link in links:
            while link.recv(65536):  # the greeting, then the end after some seconds
                pass
            link.close()
        answers(running)
    assert server.GREETING_TIMEOUT == 10.0


def test_what_waits_for_a_viewer_that_reads_nothing_takes_no_more_memory_than_it_may() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        one.setblocking(False)
        viewer = viewers.Viewer(one, 1)
        line = b"x" * 99_972 + b"\n"  # of which the system takes a part
        for _ in range(200):
            viewer.send(line)
            assert len(viewer._out) <= MAX_BACKLOG
        assert viewer.behind
        viewer.send_history(b"history\n")
        other.settimeout(0)
        got = b""
        while viewer.waiting or len(got) % len(line) != len(b"history\n"):
            got += other.recv(1 << 20)
            viewer.flush()
    assert got == line * (len(got) // len(line)) + b"history\n"  # whole lines, then all of it


def test_a_viewer_that_reads_nothing_is_told_anew(tmp_path: Path) -> None:
    with training("-c", QUICK, *fit(tmp_path / "out", steps=10**6, seconds=0)) as running:
        stuck, watching = running.viewer(), running.viewer()
        until(lambda: watching.read() and told(watching) > SURELY_BEHIND, "as much as that")
        far = at(watching)
        # It reads at last: what was so far comes again, whole and in order.
        until(lambda: stuck.read() and at(stuck) > far, "the stuck one has caught up")
        assert sum(isinstance(message, Started) for message in stuck.messages) == 2
        steps = [*stuck.column("loss")]
        assert steps == sorted(steps)
        assert steps[0] == 1


def test_a_viewer_that_is_killed_while_training_is_paused(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        viewer = running.viewer()
        paused = viewer.tell(Pause())
        viewer.close()
        time.sleep(0.2)
        other = running.viewer()
        assert other.tell(Resume()).step == paused.step
        other.wait_for(lambda: at(other) > paused.step + 5, "steps")


def test_a_viewer_that_is_stopped_by_a_signal(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        's.sendall(b\'{"type":"watch"}\\n\')\n'
        "print(len(s.recv(65536)), flush=True)\n"
        "while s.recv(65536): pass\n"
    )
    with training("-c", QUICK, *fit(tmp_path / "out", steps=10**6, seconds=0)) as running:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(running.socket())], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            viewer = running.viewer()
            until(lambda: viewer.read() and told(viewer) > SURELY_BEHIND, "as much as that")
            answers(running)
            far = at(viewer)
            until(lambda: viewer.read() and at(viewer) > far + 100, "100 steps")
            process.send_signal(signal.SIGCONT)
            answers(running)
        finally:
            process.kill()
            process.communicate()


def test_a_socket_answers_from_the_moment_that_it_is_there(tmp_path: Path) -> None:
    # Between bind and listen it would refuse, and a list of trainings would remove it as stale.
    seen = []

    class Slow(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            seen.append([path.name for path in tmp_path.glob("*.sock")])
            super().listen(backlog)

    path = tmp_path / "1.sock"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lrtui.monitor.server.socket.socket", Slow)
        serving = server.Server(
            path,
            greet=lambda: Greeting(program="p", pid=1, folder="/", title="t", capabilities=[]),
            history=list,
            collect=lambda watched: [],
            on_command=lambda command, asked_by, viewer: None,
            on_error=lambda error: None,
            on_move=lambda path: None,
        )
    assert seen == [[]]
    connect(path).close()
    serving.close(list, bool)


def test_another_user_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert viewers.who(one).endswith(f"pid {os.getpid()}")
        mine = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: mine + 1)
        if mine != 0:
            with pytest.raises(PermissionError):
                viewers.who(one)
        monkeypatch.setattr(struct, "unpack", lambda form, data: (1, mine + 2, 1))
        with pytest.raises(PermissionError):
            viewers.who(one)


# --- the folder ---------------------------------------------------------------------------


def test_the_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / "x"))
    assert sockets.new_path(1).parent == tmp_path / "x"
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(sockets.FolderError, match="belongs to another user"):
        sockets.new_path(1)


def test_a_link_a_file_and_an_open_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir(mode=0o755)
    for name, said in [
        ("link", "is not a folder"),
        ("file", "cannot be made: File exists"),
        ("open", f"can be opened by others: chmod 700 {tmp_path}/open"),
        ("no/such/place", "cannot be made: No such file or directory"),
    ]:
        monkeypatch.setenv("LRTUI_DIR", str(tmp_path / name))
        with pytest.raises(sockets.FolderError, match=said):
            sockets.new_path(1)


def test_a_path_that_is_too_long_for_a_socket_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(sockets.FolderError, match="too long a name for a socket"):
        sockets.new_path(1)


def test_without_lrtui_dir_it_is_in_the_runtime_folder_or_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRTUI_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert sockets.new_path(1).parent == tmp_path / "lrtui"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    uid = 123_456_789  # one that has no login
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(sockets, "check_private", lambda path: None)
    assert sockets.new_path(1).parent == tmp_path / f"lrtui-{uid}"


def test_a_viewer_is_unaffected_by_others(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        many: list[Viewer] = [running.viewer() for _ in range(8)]
        many[0].tell(Hold(lr=0.01))
        for viewer in many:
            viewer.wait_for(lambda v=viewer: at(v) > 200, "steps")  # type: ignore[misc]
