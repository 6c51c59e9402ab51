"""Over a real OpenSSH server, and in a real tmux."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.terminal import gone, named, terminal

pytestmark = pytest.mark.slow

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
HERE = Path(__file__).parent.parent

needs_sshd = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen")),
    reason="OpenSSH's sshd, ssh and ssh-keygen are not installed",
)
needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[psutil.Process, list[str]]]:
    """An SSH server on loopback with keys of its own, and the command that logs in."""
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(key, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv LANG COLORTERM\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (tmp_path / "log").open("w")
    assert SSHD
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
    login = ["ssh", "-tt", "-p", str(port), "-i", str(tmp_path / "user"), "-F", "none"]
    for option in ("StrictHostKeyChecking=no", f"UserKnownHostsFile={tmp_path}/known"):
        login += ["-o", option]
    login += ["-o", "LogLevel=ERROR", "-o", "SendEnv=LANG COLORTERM"]
    login.append(f"{getpass.getuser()}@127.0.0.1")
    wait_for_port(port, process, tmp_path / "log")
    yield psutil.Process(process.pid), login
    process.terminate()
    process.wait()
    log.close()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


LAB = f"cd {HERE} && exec {sys.executable} -m lrtui"


@needs_sshd
def test_over_ssh_until_the_connection_drops(
    server: tuple[psutil.Process, list[str]],
) -> None:
    sshd, login = server
    with terminal(command=[*login, f"{LAB} --steps 100000 --speed 200"]) as lab:
        lab.wait_for(r"1\s+0\.1\s+✓ settled")
        lab.type("0.7\r")
        lab.wait_for(r"2\s+0\.7\s+✓ settled\s.*\s8\s+8")
        lab.type("1.01\r")
        lab.wait_for(r"3\s+1\.01\s+↗ diverging")
        lab.resize(80, 24)
        lab.wait_for(r"past the limit 0\.999")
        assert all(len(line) <= 80 for line in lab.text.splitlines())
        programs = named("lrtui", sshd.children(recursive=True))
        assert len(programs) >= 2  # lrtui and its trainer, maybe a shell
        lab.process.kill(9)
        assert gone(programs, 5)


@needs_sshd
def test_over_ssh_left_in_good_order(server: tuple[psutil.Process, list[str]]) -> None:
    sshd, login = server
    with terminal(command=[*login, f"{LAB} --speed 200"]) as lab:
        lab.wait_for(r"1\s+0\.1\s+✓ settled")
        programs = sshd.children(recursive=True)
        lab.type("q")
        lab.wait_for(r"1  rate 0\.1")
        assert lab.wait_for_end(10) == 0
        assert gone(programs, 5)
        # No answer of the terminal came too late and was left for the shell.
        after = lab.raw.rpartition(b"\x1b[?1049l")[2]
        assert not re.search(rb"\d+;\d+R", after)


@needs_tmux
def test_in_tmux_detached_and_attached_at_another_size() -> None:
    tmux = ["tmux", "-u", "-L", f"lrtui-{uuid.uuid4().hex[:8]}", "-f", "/dev/null"]
    try:
        command = [*tmux, "new-session", "-s", "lab", f"{LAB} --steps 1000000 --speed 100"]
        with terminal(command=command) as lab:
            lab.wait_for(r"1\s+0\.1\s+✓ settled")
            lab.wait_for("→ cursor")
            lab.type("0.7\r")
            lab.wait_for(r"2\s+0\.7\s+✓ settled\s.*\s8\s+8")
            server = int(
                subprocess.run(
                    [*tmux, "display", "-p", "#{pid}"], capture_output=True, check=True
                ).stdout
            )
            programs = psutil.Process(server).children(recursive=True)
            lab.type("\x02d")
            lab.wait_for_end(10)
            lab.wait_for("detached")
        assert len(programs) >= 2
        assert all(p.is_running() for p in programs)
        with terminal(command=[*tmux, "attach"], columns=80, rows=24) as lab:
            # tmux shows its old screen first, cut at 80 columns: without the corner at the right.
            lab.wait_for(r"(?m)^╭ loss [^\n]*─╮\s*$")
            lab.wait_for("q quit")
            assert "→ cursor" not in lab.text  # the border has no room for it at 80 columns
            lab.wait_for(r"2\s+0\.7\s+✓ settled")
            lab.type("1.01\r")
            lab.wait_for(r"3\s+1\.01\s+↗ diverging")
            lab.type("q")
            lab.wait_for_end(10)
        assert gone(programs, 5)
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
