"""Keeps the last lines that a script prints to standard error, for when its process is killed.

Only what Python code writes to ``sys.stderr`` is seen: the stream and its descriptor are not
replaced, so that progress bars look the same.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

MAX_CHARACTERS = 4000
"""Characters kept."""

OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\r\n])")
"""Text that a progress bar has overwritten."""

STALE_SECONDS = 3600.0
"""Age at which the file of a process that is gone is removed."""


class StderrTail:
    """The end of what this process has written to ``sys.stderr``, as ``text``."""

    def __init__(self) -> None:
        """Start empty."""
        self.text = ""
        self._saved: tuple[Path | None, str] = (None, "")

    def attach(self, stream: Any) -> None:
        """Keep what is written to a stream from now on."""
        write = stream.write

        @functools.wraps(write)
        def kept_write(text: str) -> Any:
            written = write(text)
            kept = self.text + text
            if "\r" in text:
                kept = OVERWRITTEN.sub("", kept)
            self.text = kept[-MAX_CHARACTERS:]
            return written

        stream.write = kept_write

    def save(self, path: Path) -> None:
        """Write the text to a private file if it is new."""
        now = (path, self.text)
        if now == self._saved or not self.text:
            return
        self._saved = now
        new = path.with_suffix(".stderr.new")
        with contextlib.suppress(OSError):
            opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(opened, "w", encoding="utf-8", errors="replace") as file:
                file.write(self.text)
            new.replace(path)


TAIL: StderrTail | None = None
"""The tail of this process, ``None`` outside ``lrtui run``."""


def keep_tail() -> None:
    """Keep what this process writes to ``sys.stderr`` from now on."""
    global TAIL
    if TAIL is None and sys.stderr is not None:
        tail = StderrTail()
        with contextlib.suppress(AttributeError):  # the stream is read-only
            tail.attach(sys.stderr)
            TAIL = tail


def remove_stale(folder: Path) -> None:
    """Remove files of processes that were killed long ago."""
    for path in folder.glob("*.stderr"):
        with contextlib.suppress(OSError, ValueError):
            if path.stat().st_mtime > time.time() - STALE_SECONDS:
                continue
            try:
                os.kill(int(path.name.partition(".")[0]), 0)
            except ProcessLookupError:
                path.unlink()
