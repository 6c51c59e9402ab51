"""The base of all readers of logs: entries, and files that grow, shrink and are replaced."""

from __future__ import annotations

import enum
import heapq
import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from lrtui.text.ascii_fallback import printable

CHUNK = 1 << 17
"""Bytes read at a time: few enough that a frame is never late."""

MAX_HEAD = 4096
"""Bytes at the beginning of a file that are compared to detect its rewriting."""

MAX_FILES = 1000
"""Files of one log."""

MAX_LINE = 1 << 22
"""Bytes of a line; a longer one is skipped."""

LIST_SECONDS = 1.0
"""Seconds between two searches for new files in a folder."""

TRIES = 3
"""Times that damaged data is read again, as a network disk may show zeros for a while."""


class Mark(enum.Enum):
    """What a reader yields besides entries.

    Attributes:
        END: everything there has been read; iterate on to look for more.
        BUSY: time has passed without an entry.
        AGAIN: a file was replaced or cut, and is read again from its beginning.
    """

    END = enum.auto()
    BUSY = enum.auto()
    AGAIN = enum.auto()


class Purge(NamedTuple):
    """The training was resumed: what was logged at this step and later ones is void."""

    step: int


Entry = tuple[int, Mapping[str, float], float]
"""A step, scalars by name, and when they were logged in seconds since 1970, 0 if unknown."""

Event = Entry | Purge | Mark

Ending = Literal["done", "failed", "stopped"]


class Reader(ABC):
    """Reads a log, and what is added to it.

    Attributes:
        format: its name on the command line.
        title: its name on the screen.
        named_by_run: whether the name of its run names it, since those in its path are of digits.
        path: of the file or folder.
        troubles: what is wrong with the log, each in a sentence, oldest first.
        total: steps that the training will take, ``None`` if the log does not say.
        settings: its configuration by name, as far as the log says.
        run: name of the run that is read, empty where a log has one.
        ending: how the training ended, ``None`` while the log does not say.
    """

    format: ClassVar[str]
    title: ClassVar[str]
    named_by_run: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self.path = path
        self.troubles: list[str] = []
        self.total: int | None = None
        self.settings: dict[str, str] = {}
        self.run = ""
        self.ending: Ending | None = None

    def runs(self) -> list[Reader]:
        """Return a reader of each run in the log: itself where there is one."""
        return [self]

    def lines(self, path: Path) -> Iterator[tuple[int, str] | Mark]:
        """Yield the complete lines of a text file of the log; say which are left out."""

        def too_long(at: int) -> None:
            self.complain(path, f" has a line at byte {at:,} that is too long; it is left out")

        return lines(Tail(path, self.complain), too_long)

    @abstractmethod
    def entries(self) -> Iterator[Event]:
        """Yield the entries from the beginning, without end."""

    @classmethod
    @abstractmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """Return whether a path is a log of this format.

        ``head`` has the first bytes of the file, and is empty for a folder.
        """

    def complain(self, path: Path, problem: str) -> None:
        """Record a problem of a file, once."""
        text = f"{printable(str(path))}{problem}"
        if text not in self.troubles and len(self.troubles) < MAX_FILES:
            self.troubles.append(text)


class Tail:
    """Reads a file piece by piece; opened again each time, so that network disks look again.

    Attributes:
        position: byte that is read next.
    """

    def __init__(self, path: Path, on_error: Callable[[Path, str], None]) -> None:
        """Start at the beginning."""
        self.position = 0
        self._path = path
        self._on_error = on_error
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self._head = b""

    def read(self) -> bytes | None:
        """Return the next bytes, none at the end; ``None`` if the file was replaced or cut."""
        try:
            return self._read()
        except FileNotFoundError:
            pass  # not there yet, or about to be replaced
        except OSError as error:
            self._on_error(self._path, f": {error.strerror}")
        return b""

    def _read(self) -> bytes | None:
        # A fifo that took the file's place must not block.
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        with open(handle, "rb", buffering=0) as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise OSError(0, "not a file any more")
            head = file.read(MAX_HEAD) or b""
            identity = (about.st_dev, about.st_ino)
            replaced = identity != self._identity or about.st_size < self._size
            # Zeros may be data that a network disk has yet to deliver.
            known = self._head.rstrip(b"\0")
            is_new = self._identity is not None and (replaced or not head.startswith(known))
            self._identity, self._size, self._head = identity, about.st_size, head
            if is_new:
                self.position = 0
                return None
            if self.position >= about.st_size:
                return b""
            file.seek(self.position)
            data = file.read(CHUNK) or b""
            self.position += len(data)
            return data


def may_come(data: bytes) -> bool:
    """Return whether data ends in zeros, as if a network disk had yet to deliver a block."""
    return not any(data[-8:])


def lines(tail: Tail, on_skip: Callable[[int], None]) -> Iterator[tuple[int, str] | Mark]:
    """Yield the complete lines of a growing text file, each with the byte where it begins.

    ``on_skip`` is called with the byte where a line begins that is too long.
    """
    rest = b""
    skips = False  # whether the rest of a line that is too long is skipped
    zeros = 0  # times that the same zeros were read
    while True:
        data = tail.read()
        if data is None:
            yield Mark.AGAIN
            rest, skips = b"", False
            continue
        if not data:
            yield Mark.END
            continue
        begin = tail.position - len(data) - len(rest)
        # A progress bar ends its lines by a return.
        *complete, last = (rest + data).replace(b"\r", b"\n").split(b"\n")
        again = False
        for line in complete:
            if b"\0" in line and zeros < TRIES:
                again = True
                break
            zeros = 0
            if skips:
                skips = False
            else:
                yield begin, line.decode(errors="replace")
            begin += len(line) + 1
        rest = last
        if again or last.endswith(b"\0"):
            # Not yet on this disk: read it again.
            zeros += 1
            tail.position, rest = begin, b""
            yield Mark.END
        elif len(rest) > MAX_LINE:
            if not skips:
                on_skip(begin)
            rest, skips = b"", True
        yield Mark.BUSY


def in_turn(
    found: Callable[[], Iterable[Path]], read: Callable[[Path], Iterator[Event]]
) -> Iterator[Event]:
    """Yield the entries of several files, each to its end, and those of files that appear later.

    ``found`` returns the files in the order of reading, ``read`` reads one.
    """
    for files in opened(found, read):
        for file in files:
            for event in file:
                if event is Mark.END:
                    break
                yield event
        yield Mark.END


def by_step(
    found: Callable[[], Iterable[Path]], read: Callable[[Path], Iterator[Event]]
) -> Iterator[Event]:
    """Yield the entries of files that have a scalar each, so that those of a step come together.

    ``found`` and ``read`` are those of ``in_turn``.
    """
    for files in opened(found, read):
        first: list[tuple[int, int, Event]] = []  # the next entry of each file, by step
        behind = [*range(len(files))]  # the files of which it is not known yet
        while behind or first:
            if not behind:
                _, file, event = heapq.heappop(first)
                yield event
                behind.append(file)
            event = next(files[behind[-1]])
            if not isinstance(event, Mark):
                heapq.heappush(first, (event[0], behind.pop(), event))
            elif event is Mark.END:
                behind.pop()
            else:
                yield event
        yield Mark.END


def opened(
    found: Callable[[], Iterable[Path]], read: Callable[[Path], Iterator[Event]]
) -> Iterator[list[Iterator[Event]]]:
    """Yield the files that there are, opened once, without end; see ``in_turn``."""
    files: dict[Path, Iterator[Event]] = {}
    listed_at = -LIST_SECONDS
    while True:
        if time.monotonic() - listed_at >= LIST_SECONDS:
            listed_at = time.monotonic()
            for path in found():
                if path not in files and len(files) < MAX_FILES:
                    files[path] = read(path)
        yield [*files.values()]


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in order, as many as a log may have; no links of folders."""
    count = 0
    for at, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > 10 * MAX_FILES:
                return
            yield Path(at) / name
