"""Trainings in processes of their own, and viewers of them."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
from msgspec.structs import replace

from lrtui.messages import (
    AnyCommand,
    AnyMessage,
    Ended,
    Progress,
    Snapshots,
    Started,
    Steered,
    Tried,
    Watch,
    decode_message,
    encode,
)
from lrtui.sources.trainings import Connection
from tests.forks import Popen

SCRIPTS = Path(__file__).parent / "scripts"
PATIENCE = 60.0
"""Seconds after which what is waited for is not coming: generous, for slow machines."""


def until(found: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


class Running:
    """A training in a process of its own."""

    def __init__(self, folder: Path, command: Sequence[str], env: dict[str, str]) -> None:
        """Start it."""
        self.folder = folder
        self.viewers: list[Viewer] = []
        self.out = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = Popen[bytes](
            [sys.executable, *command],
            env={**os.environ, "LRTUI_DIR": str(folder), **env},
            stdout=self.out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,
        )

    def begin(self) -> None:
        """Let a script go on that waits for a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def sockets(self) -> list[Path]:
        return [*self.folder.glob("*.sock")]

    def socket(self) -> Path:
        """Wait until it can be watched; return its socket."""
        until(lambda: bool(self.sockets()) or self.process.poll() is not None, "a socket")
        assert self.sockets(), self.output()
        return self.sockets()[0]

    def output(self) -> str:
        self.out.seek(0)
        return self.out.read().decode()

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(seconds)

    def viewer(self) -> Viewer:
        """Return a new viewer, which is closed with this."""
        self.viewers.append(Viewer(self.socket()))
        return self.viewers[-1]

    def close(self) -> None:
        for viewer in self.viewers:
            viewer.close()
        if self.process.poll() is None:
            # Its ranks as well: torchrun gives each a session of its own.
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.out.close()


def step_in(text: str) -> int:
    """Return the first step that a sentence names, such as 1074 for ``back to step 1,074, …``."""
    return int(re.findall(r"step (\d+(?:,\d{3})*)", text)[0].replace(",", ""))


class Viewer:
    """Watches a training, and keeps all that it is told."""

    def __init__(self, path: Path, watch: bool = True) -> None:
        """Connect."""
        self.link = Connection(path, PATIENCE)
        self.greeting = self.link.greeting
        self.messages: list[AnyMessage] = []
        self._data = self.link.rest
        self._id = 0
        if watch:
            self.send(Watch())

    def send(self, command: AnyCommand) -> int:
        self._id += 1
        self.link.socket.sendall(encode(replace(command, id=self._id)) + b"\n")
        return self._id

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what comes within some seconds; return whether there will be more."""
        self.link.socket.settimeout(seconds)
        try:
            data = self.link.socket.recv(1 << 18)
        except TimeoutError:
            return True
        except ConnectionError:
            data = b""
        *lines, self._data = (self._data + data).split(b"\n")
        self.messages += [m for m in map(decode_message, lines) if m is not None]
        return bool(data)

    def wait_for(self, found: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not found():
            assert time.monotonic() < end, f"{what}: {self.messages[-5:]}"
            assert self.read() or found(), f"it ended before {what}: {self.messages[-5:]}"

    def wait_for_snapshot(self) -> None:
        self.wait_for(lambda: any(isinstance(m, Snapshots) for m in self.messages), "a snapshot")

    def tell(self, command: AnyCommand) -> Steered:
        """Send a command; return what came of it."""
        number = self.send(command)
        self.wait_for(lambda: self.answer(number) is not None, f"answer to {command}")
        answer = self.answer(number)
        assert answer is not None
        return answer

    def answer(self, number: int) -> Steered | None:
        answers = [m for m in self.messages if isinstance(m, Steered) and m.answers == number]
        return answers[0] if answers else None

    def result(self, number: int) -> Tried | Steered:
        """Return the result of a try, or why there is none."""
        found: list[Tried | Steered] = []

        def is_over() -> bool:
            found[:] = [
                m
                for m in self.messages
                if (isinstance(m, Tried) and m.answers == number)
                or (isinstance(m, Steered) and m.answers == number and not m.done)
            ]
            return bool(found)

        self.wait_for(is_over, "the result of a try")
        return found[0]

    def read_all(self) -> None:
        """Read to the end."""
        end = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < end, "it goes on"

    def column(self, name: str) -> dict[int, float | None]:
        """What was told of a scalar, by step."""
        found: dict[int, float | None] = {}
        for message in self.messages:
            if isinstance(message, Started):
                found = {}
            if isinstance(message, Progress) and name in message.scalars:
                found |= zip(message.numbered(), message.scalars[name], strict=True)
        return found

    def ended(self) -> Ended | None:
        found = [m for m in self.messages if isinstance(m, Ended)]
        return found[-1] if found else None

    def close(self) -> None:
        self.link.socket.close()


@contextlib.contextmanager
def training(*command: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    """Run a training for the length of a with block: the arguments of python."""
    with tempfile.TemporaryDirectory(prefix="lrtui-") as folder:
        running = Running(Path(folder) / "s", command, env or {})
        try:
            yield running
        finally:
            running.close()


def alone(folder: Path) -> dict[str, str]:
    """Return the environment of a viewer that sees nothing but ``$LRTUI_DIR``.

    Other tests may have trainings of the same name at the same time.
    """
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "import lrtui.messages.sockets as sockets\n"
        "sockets.PROC_UNIX = Path(os.devnull)\n"
        "sockets.candidates = lambda: iter([Path(os.environ['LRTUI_DIR'])])\n"
    )
    root = str(Path(__file__).parents[2])
    paths = [str(folder), root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def script(name: str) -> str:
    return str(SCRIPTS / f"{name}.py")
