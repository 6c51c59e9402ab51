"""Saves to a file what a viewer would get, for ``lrtui run --save``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from msgspec.structs import replace

from lrtui.messages import AnyMessage, Ended, encode

WRITE_SECONDS = 0.5
"""Seconds between two writes, at least."""


class SavedFile:
    """A file of messages that only grows, by whole lines.

    It is opened again for each write, so that others on a network disk see what was written. An
    error of the disk ends the saving, and is reported once.
    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        """Create the file, which must not exist; other threads may call the methods.

        ``complain`` is called with a sentence about an error of the disk.
        """
        self._path = Path(os.path.abspath(path))  # the script may change its folder
        self._complain = complain
        self._lines: list[bytes] = []
        self._due = 0.0
        self._offset = self._last = 0  # runs of earlier trainings of the process; the last run
        self._failed = False
        self._open(os.O_CREAT | os.O_EXCL)

    def begin(self) -> None:
        """Continue with another training of the process, whose runs count from 1 again."""
        self._offset = self._last

    def add(self, messages: Iterable[AnyMessage]) -> None:
        """Add messages; write them if a write is due."""
        for message in messages:
            if (number := getattr(message, "run", None)) is not None:
                self._last = self._offset + number
                message = replace(message, run=self._last)
            self._lines.append(encode(message) + b"\n")
            if isinstance(message, Ended):
                self._due = 0.0
        if monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write what has been added."""
        if self._lines:
            data, self._lines = b"".join(self._lines), []
            self._due = monotonic() + WRITE_SECONDS
            self._open(0, data)

    def _open(self, flags: int, data: bytes = b"") -> None:
        """Open the file, and write everything: a disk may accept only a part at a time."""
        if self._failed:
            return
        try:
            opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | flags, 0o666)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(opened, view) :]
            finally:
                os.close(opened)
        except OSError as error:
            self._failed = True
            self._complain(f"{self._path} is not complete: {error.strerror}; training goes on")


PATH: Path | None = None
"""File named by ``lrtui run --save``, until a training of this process takes it."""

FILE: SavedFile | None = None
"""The file of this process, while no training uses it."""


def take(complain: Callable[[str], None]) -> SavedFile | None:
    """Return the file to save a new training to, ``None`` for none."""
    global PATH, FILE
    file, FILE = FILE, None
    if file is not None:
        file.begin()
    elif PATH is not None:
        file = SavedFile(PATH, complain)
        PATH = None
    return file


def give_back(file: SavedFile | None) -> None:
    """Keep a file for the next training of this process."""
    global FILE
    FILE = file


def forget() -> None:
    """Save nothing in a forked child."""
    global PATH, FILE
    PATH = FILE = None
