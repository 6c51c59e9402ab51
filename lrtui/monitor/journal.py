"""A file of the commands and what they did, one JSON object a line."""

from __future__ import annotations

import os
from pathlib import Path

from lrtui.messages import Steered, encode


class Journal:
    """Appends commands to a file; after an error it gives up."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Set the path; the file is created by the first command, as most trainings get none."""
        self.path = Path(path)
        self._failed = False

    def write(self, steered: Steered) -> str:
        """Append a command; return the first error in a sentence, else an empty text."""
        if self._failed:
            return ""
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(encode(steered) + b"\n")
        except OSError as error:
            self._failed = True
            return f"the journal {self.path} is not complete: {error.strerror}; steering goes on"
        return ""
