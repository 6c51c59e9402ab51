"""Writes the messages of a source to a file, one JSON object a line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from lrtui.messages import AnyMessage, Command, Message, Printed, decode_message, encode
from lrtui.sources.source import Source
from lrtui.text.ascii_fallback import printable

STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Duplicated instead of opened: if one is a file, both writers must share its position."""


class Recorder(Source):
    """Forwards everything; an error of the file ends the recording, never the training."""

    def __init__(self, source: Source, path: Path, append: bool = False) -> None:
        """Create the file, or open a fifo, a device or a standard stream for writing.

        With ``append``, add to an existing file.

        Raises:
            OSError: it cannot be created, or exists already.
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
            self._write(b"\n")  # an incomplete line stays a line of its own

    def send(self, command: Command) -> None:
        """Forward a command."""
        self._source.send(command)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call, after writing them."""
        messages = self._source.poll(timeout)
        had_trouble = self.trouble
        self._record(messages)
        if self.trouble != had_trouble:
            messages.append(Printed(text=f"{self.trouble}; training goes on"))
        return messages

    @property
    def is_busy(self) -> bool:
        """See ``Source.is_busy``."""
        return self._source.is_busy

    @property
    def is_over(self) -> bool:
        """See ``Source.is_over``."""
        return self._source.is_over

    def note(self, message: Message) -> None:
        """Write a person's mark on a run."""
        self._record([message])

    def _record(self, messages: Sequence[Message]) -> None:
        if not messages or self.trouble:
            return
        try:
            self._write(b"".join(encode(message) + b"\n" for message in messages))
        except OSError as error:
            self.trouble = f"{printable(str(self._path))} is not complete: {error.strerror}"

    def _write(self, data: bytes) -> None:
        """Write everything, although a pipe or a full disk may accept only a part at a time."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """End the source and close the file."""
        self._source.close()
        self._file.close()


def is_cut_short(file: FileIO) -> bool:
    """Return whether the last line of a file is incomplete."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def kept(path: Path) -> Iterator[AnyMessage]:
    """Yield the messages of a file that sessions were appended to; none if it does not exist.

    Skip lines that are no messages, such as one cut short at the end of a session.

    Raises:
        OSError: it cannot be read.
        ValueError: nothing in it is a message.
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
