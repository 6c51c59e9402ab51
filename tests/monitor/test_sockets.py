"""Sockets are found wherever they were put, and come back where their folder has gone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lrtui.messages import Hold, sockets
from lrtui.sources import socket as source
from lrtui.sources.trainings import Connection, find
from tests.monitor.test_monitor import fit
from tests.monitor.trainings import Viewer, training, until


def test_a_path_of_as_many_bytes_as_a_socket_takes_and_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = sockets.MAX_SOCKET_PATH - len("/1.sock")
    folder = Path("/tmp") / ("x" * (room - len("/tmp/")))
    try:
        monkeypatch.setenv("LRTUI_DIR", str(folder))
        path = sockets.new_path(1)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))  # the system takes it
        path.unlink()
        with socket.socket(socket.AF_UNIX) as bound, pytest.raises(OSError, match="too long"):
            bound.bind(f"{path}x")  # and no longer one
        with pytest.raises(sockets.FolderError, match="too long a name for a socket"):
            sockets.new_path(11)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


ENVIRONMENTS = {
    "another runtime folder": {"XDG_RUNTIME_DIR": "{there}"},
    "another temporary folder": {"TMPDIR": "{there}", "XDG_RUNTIME_DIR": ""},
    "a folder of its own": {"LRTUI_DIR": "{there}/own"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.skipif(not sockets.PROC_UNIX.exists(), reason="only Linux lists all sockets")
def test_a_training_of_another_environment_is_found(name: str, tmp_path: Path) -> None:
    env = {key: value.format(there=tmp_path) for key, value in ENVIRONMENTS[name].items()}
    if "LRTUI_DIR" not in env:
        env["LRTUI_DIR"] = ""
    with training(*fit(tmp_path / "out"), env=env) as running:
        pid = str(running.process.pid)

        def listed() -> bool:
            clean = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LANG")}
            done = subprocess.run(
                [sys.executable, "-m", "lrtui", "watch", "--plain"],
                capture_output=True,
                text=True,
                check=False,
                env=clean,
            )
            return any(line.split()[:2] == [pid, "fit"] for line in done.stdout.splitlines())

        until(listed, "it is in the list")


def test_sockets_of_folders_that_others_can_open_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "unix"
    for mode in (0o700, 0o755):
        folder = tmp_path / f"{mode:o}"
        folder.mkdir(mode=mode)
        folder.chmod(mode)
        (folder / "1.sock").touch()
    lines = [f"0: 2 0 0 1 1 1 {tmp_path}/{mode}/1.new" for mode in ("700", "755", "none")]
    listing.write_text("\n".join(["Num RefCount", *lines, "0: 2 0 0 1 1 1 @abstract", ""]))
    monkeypatch.setattr(sockets, "PROC_UNIX", listing)
    monkeypatch.setattr(sockets, "candidates", lambda: iter(()))
    assert sockets.all_paths() == [tmp_path / "700" / "1.sock"]


@pytest.mark.slow
def test_a_training_whose_folder_is_removed_is_there_again(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        pid = running.process.pid
        first = running.viewer()
        assert first.tell(Hold(lr=0.05)).done
        shutil.rmtree(running.folder)
        until(lambda: bool(running.sockets()), "another socket", seconds=10)
        assert first.tell(Hold(lr=0.04)).done  # who watched goes on watching
        again = Viewer(running.sockets()[0])
        assert again.greeting.pid == pid
        assert again.tell(Hold(lr=0.03)).done
        again.close()
        assert pid in [each.pid for each in find()]
        assert running.sockets()[0].with_suffix(".journal").exists()


@pytest.mark.slow
def test_a_tunnel_that_breaks_is_not_called_a_crash(tmp_path: Path) -> None:
    # What ssh -L does: another process listens here and passes the bytes on.
    relay = (
        "import os, socket, sys, threading\n"
        "here = socket.socket(socket.AF_UNIX); here.bind(sys.argv[2] + '.new'); here.listen()\n"
        "os.rename(sys.argv[2] + '.new', sys.argv[2])\n"  # there once it listens
        "def pipe(a, b):\n"
        "    while d := a.recv(65536): b.sendall(d)\n"
        "while True:\n"
        "    a, _ = here.accept(); b = socket.socket(socket.AF_UNIX); b.connect(sys.argv[1])\n"
        "    for pair in ((a, b), (b, a)): threading.Thread(target=pipe, args=pair).start()\n"
    )
    with training(*fit(tmp_path / "out")) as running:
        here = running.folder.parent / "t.sock"
        command = [sys.executable, "-c", relay, str(running.socket()), str(here)]
        tunnel = subprocess.Popen(command)
        try:
            until(here.exists, "the tunnel")
            through = Connection(here)
            assert not through.is_local
            through.socket.close()
            straight = Connection(running.socket())
            assert straight.is_local
            straight.socket.close()
            from lrtui.sources.trainings import choose

            watching = source.SocketSource(choose(str(here)))
            until(lambda: any(m for m in watching.poll(0.1)), "messages")
            tunnel.kill()
            tunnel.wait()
            found: list[str] = []

            def ended() -> bool:
                found.extend(getattr(m, "reason", "") for m in watching.poll(0.1))
                return any(found)

            until(ended, "the end")
            assert "the connection to where it runs was lost" in next(filter(None, found))
            watching.close()
        finally:
            tunnel.kill()
            tunnel.wait()


def test_the_process_at_the_other_end_is_known() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert sockets.peer_of(one) == (os.getpid(), os.getuid())
