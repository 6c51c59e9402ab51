"""A real pseudo-terminal with lrtui in it, and the screen that a person would see."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

import pexpect
import psutil
import pyte

PATIENCE = 30.0
"""Seconds after which what is waited for is not coming: generous, for slow machines."""

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
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        first, *rest = command or (sys.executable, "-m", "lrtui", *arguments)
        self.process = pexpect.spawn(
            first,
            rest,
            dimensions=(rows, columns),
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
            timeout=PATIENCE,
        )
        self.process.delaybeforesend = None  # pexpect waits 50 ms before each key otherwise
        self.modes = termios.tcgetattr(self.process.child_fd)

    def read(self, seconds: float = 0.05) -> bytes:
        """Takes in what the program writes within so many seconds."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got += (new := self.read_some(left))
            if not new:
                break
        return got

    def read_some(self, seconds: float = 0.1) -> bytes:
        """Takes in what the program writes next, at the latest after so many seconds."""
        got = self.read_bytes(seconds)
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", got))
        return got

    def drain(self, seconds: float) -> None:
        """Reads for so many seconds and parses only then: parsing takes a core's time as well."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got += self.read_bytes(left)
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", got))

    def read_bytes(self, seconds: float = 0.1) -> bytes:
        """Returns what the program writes next, and leaves the screen as it was."""
        try:
            got: bytes = self.process.read_nonblocking(65536, seconds)
        except (pexpect.TIMEOUT, pexpect.EOF, OSError):
            return b""
        self.raw += got
        return got

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> None:
        """Waits until the screen shows what a regular expression finds."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"{pattern!r} did not appear:\n{self.text}"
            self.read()

    def wait_for_raw(self, piece: bytes, seconds: float = PATIENCE) -> None:
        """Waits until these bytes have been written."""
        end = time.monotonic() + seconds
        while piece not in self.raw:
            assert time.monotonic() < end, f"{piece!r} was not written: {self.raw[-500:]!r}"
            self.read()

    def type(self, keys: str) -> None:
        """Types keys."""
        self.process.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Gives the terminal another size."""
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def trainers(self) -> list[psutil.Process]:
        """The processes below the program."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_for_end(self, seconds: float = PATIENCE) -> int:
        """Waits until the program has ended, and returns how: its code, or minus its signal."""
        end = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < end, f"it goes on:\n{self.text}"
            self.read()
        self.read(0.2)
        if self.process.exitstatus is not None:
            return int(self.process.exitstatus)
        return -int(self.process.signalstatus or 0)

    def close(self) -> None:
        """Ends the program by force, and its children."""
        children = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = self.trainers()
        self.process.close(force=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@contextlib.contextmanager
def terminal(*arguments: str, **settings: object) -> Iterator[Terminal]:
    """Runs lrtui in a terminal for the length of a with block."""
    opened = Terminal(*arguments, **settings)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.close()


def gone(processes: Sequence[psutil.Process], seconds: float) -> bool:
    """Returns whether all these processes end within so many seconds."""
    end = time.monotonic() + seconds
    while any(map(alive, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def alive(process: psutil.Process) -> bool:
    """Returns whether a process has not ended; one that nobody has asked after yet has."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
