"""A source whose messages are also written to a file, one JSON object a line."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from lrtui.ascii_fallback import printable
from lrtui.messages import AnyMessage, Command, Printed, encode
from lrtui.sources.source import Source

STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Duplicated, not opened: where one is a file, both writers must share its position."""


class Recorder(Source):
    """Passes everything on; a file that fails ends the recording, never the training."""

    def __init__(self, source: Source, path: Path) -> None:
        """Create the file, or open a fifo, a device or a standard stream for writing.

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
            self._file = FileIO(path, "w" if special else "x")

    def send(self, command: Command) -> None:
        """Pass a command on."""
        self._source.send(command)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call, after they were written."""
        messages = self._source.poll(timeout)
        if messages and not self.trouble:
            try:
                self._write(b"".join(encode(message) + b"\n" for message in messages))
            except OSError as error:
                name = printable(str(self._path))
                self.trouble = f"{name} is not complete: {error.strerror}"
                messages.append(Printed(text=f"{self.trouble}; training goes on"))
        return messages

    def _write(self, data: bytes) -> None:
        """Write all of it: a pipe or a full disk may take a part at a time."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """End the source and close the file."""
        self._source.close()
        self._file.close()
