"""A real pseudo-terminal with lrtui in it, and the screen that a person would see."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pexpect
import psutil
import pyte

PATIENCE = 30.0
"""Seconds after which what is waited for is not coming: generous, for slow machines."""

USUAL = {
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
    "LC_ALL": "",
    "XDG_CONFIG_HOME": str(Path(tempfile.gettempdir()) / "lrtui-tests"),
}
"""What a terminal tells a program by its environment; and that nobody has settings of their own."""

QUESTION = b"\x1b[6n"
"""Where is the cursor? Every terminal answers this."""

# Kitty's keyboard sequences, which pyte would print.
UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][\d;]*u")


class Terminal:
    """lrtui running in a pseudo-terminal of its own."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 120,
        rows: int = 36,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        answers: bool = True,
        cwd: str | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.answers = answers
        # The size is that of the terminal, not what pytest's workers have from another.
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        first, *rest = command or (sys.executable, "-m", "lrtui", *arguments)
        self.process = pexpect.spawn(
            first,
            rest,
            dimensions=(rows, columns),
            env={**inherited, **USUAL, **(env or {})},
            cwd=cwd,
            timeout=PATIENCE,
        )
        self.process.delaybeforesend = None  # pexpect waits 50 ms before each key otherwise
        self.modes = termios.tcgetattr(self.process.child_fd)

    def read(self, seconds: float = 0.05) -> bytes:
        """Take in what the program writes within some seconds."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got += (new := self.read_some(left))
            if not new:
                break
        return got

    def read_some(self, seconds: float = 0.1, most: int = 65536) -> bytes:
        """Take in what the program writes next, at the latest after a number of seconds."""
        got = self.read_bytes(seconds, most)
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", got))
        return got

    def drain(self, seconds: float) -> None:
        """Read for a number of seconds and parse only then: parsing takes a core's time as well."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got += self.read_bytes(left)
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", got))

    def read_bytes(self, seconds: float = 0.1, most: int = 65536) -> bytes:
        """Return what the program writes next, and leave the screen as it was."""
        try:
            got: bytes = self.process.read_nonblocking(most, seconds)
        except (pexpect.TIMEOUT, pexpect.EOF, OSError):
            return b""
        before = self.raw[1 - len(QUESTION) :]
        self.raw += got
        if self.answers:
            for _ in range((before + got).count(QUESTION)):
                self.process.send("\x1b[1;1R")
        return got

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> None:
        """Wait until the screen shows what a regular expression finds."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"{pattern!r} did not appear:\n{self.text}"
            self.read()

    def wait_for_raw(self, piece: bytes, seconds: float = PATIENCE) -> None:
        """Wait until these bytes have been written."""
        end = time.monotonic() + seconds
        while piece not in self.raw:
            assert time.monotonic() < end, f"{piece!r} was not written: {self.raw[-500:]!r}"
            self.read()

    def type(self, keys: str) -> None:
        """Type keys."""
        self.process.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def trainers(self) -> list[psutil.Process]:
        """The processes below the program."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_for_end(self, seconds: float = PATIENCE) -> int:
        """Wait until the program has ended, and return how: its code, or minus its signal."""
        end = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < end, f"it goes on:\n{self.text}"
            self.read()
        self.read(0.2)
        if self.process.exitstatus is not None:
            return int(self.process.exitstatus)
        return -int(self.process.signalstatus or 0)

    def close(self) -> None:
        """End the program by force, and its children."""
        children = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = self.trainers()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.close(force=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


class SlowLine:
    """Carries what a terminal is sent at a pace of its own, however fast it was written."""

    def __init__(self, lab: Terminal, pace: float) -> None:
        """Start to carry ``pace`` bytes a second."""
        self.lab, self.pace, self.room, self.since = lab, pace, 0.0, time.monotonic()

    def carry(self, seconds: float = 0.0) -> bool:
        """Let through what the time since the last call allows.

        Args:
            seconds: to wait for something to carry.

        Returns:
            Whether there was something.
        """
        end = time.monotonic() + seconds
        while True:
            time.sleep(0.01)
            now = time.monotonic()
            self.room = min(self.room + self.pace * (now - self.since), 0.05 * self.pace)
            self.since = now
            got = self.lab.read_some(0.001, most=int(self.room)) if self.room >= 1 else b""
            self.room -= len(got)
            if got or now >= end:
                return bool(got)

    def wait_for(self, pattern: str, seconds: float) -> float:
        """Return after how many seconds the screen shows what a regular expression finds."""
        start = time.monotonic()
        while not re.search(pattern, self.lab.text):
            waited = time.monotonic() - start
            assert waited < seconds, f"{pattern!r} not within {seconds} s:\n{self.lab.text}"
            self.carry()
        return time.monotonic() - start


@contextlib.contextmanager
def terminal(*arguments: str, **settings: object) -> Iterator[Terminal]:
    """Run lrtui in a terminal for the length of a with block."""
    opened = Terminal(*arguments, **settings)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.close()


def named(word: str, processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes, of those still running, whose command line contains a word."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since it was listed
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


def name_of(process: psutil.Process) -> str | None:
    """Return the name of a process, None once it has ended."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return None


def gone(processes: Sequence[psutil.Process], seconds: float) -> bool:
    """Return whether all these processes end within a number of seconds."""
    end = time.monotonic() + seconds
    while any(map(alive, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def alive(process: psutil.Process) -> bool:
    """Return whether a process has not ended; a zombie counts as ended."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
