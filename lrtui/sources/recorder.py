"""A source whose messages are also written to a file, one JSON object a line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from lrtui.messages import AnyMessage, Command, Message, Printed, decode_message, encode
from lrtui.sources.source import Source
from lrtui.text.ascii_fallback import printable

STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Duplicated, not opened: where one is a file, both writers must share its position."""


class Recorder(Source):
    """Passes everything on; a file that fails ends the recording, never the training."""

    def __init__(self, source: Source, path: Path, append: bool = False) -> None:
        """Create the file, or open a fifo, a device or a standard stream for writing.

        Args:
            source: whose messages are written.
            path: the file.
            append: whether to add to the file if it is there.

        Raises:
            OSError: it cannot be created, or a file is there already.
        """
        self._source = source
        self._path = path
        stream = STREAMS.get(str(path))
        special = path.exists() and not path.is_file()
        if stream is not None:
            self._file = FileIO(os.dup(stream), "w")
        else:
            self._file = FileIO(path, "w" if special else "a+" if append else "x")
        if append and not special and stream is None and is_cut_short(self._file):
            self._write(b"\n")  # what was being written when it ended stays a line of its own

    def send(self, command: Command) -> None:
        """Pass a command on."""
        self._source.send(command)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call, after they were written."""
        messages = self._source.poll(timeout)
        had_trouble = self.trouble
        self._record(messages)
        if self.trouble != had_trouble:
            messages.append(Printed(text=f"{self.trouble}; training goes on"))
        return messages

    def note(self, message: Message) -> None:
        """Write what a person has done with the runs."""
        self._record([message])

    def _record(self, messages: Sequence[Message]) -> None:
        if not messages or self.trouble:
            return
        try:
            self._write(b"".join(encode(message) + b"\n" for message in messages))
        except OSError as error:
            self.trouble = f"{printable(str(self._path))} is not complete: {error.strerror}"

    def _write(self, data: bytes) -> None:
        """Write all of it: a pipe or a full disk may take a part at a time."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """End the source and close the file."""
        self._source.close()
        self._file.close()


def is_cut_short(file: FileIO) -> bool:
    """Return whether the last line of a file has no end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def kept(path: Path) -> Iterator[AnyMessage]:
    """Yield the messages of a file that sessions were added to; none where there is no file yet.

    A line that is no message, as one cut short by the end of a session, is left out.

    Raises:
        OSError: it cannot be read.
        ValueError: nothing in it is a message; says so.
    """
    if not path.exists():
        return
    count = good = 0
    with path.open("rb") as file:
        for line in file:
            count += 1
            try:
                message = decode_message(line)
            except ValueError:
                continue
            good += 1
            if message is not None:
                yield message
    if count and not good:
        raise ValueError(f"{printable(str(path))} is not a saved session")
