"""A file of the commands that took effect, one JSON object a line."""

from __future__ import annotations

from pathlib import Path

from lrtui.messages import Steered, encode


class Journal:
    """Written as commands take effect; a file that fails is told once, and costs nothing more."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet: most trainings are never steered.

        Args:
            path: of the file; what is in it already stays.
        """
        self.path = path
        self._failed = False

    def write(self, steered: Steered) -> str:
        """Add a command.

        Returns:
            What went wrong, in a sentence, the first time that anything did; else nothing.
        """
        if self._failed:
            return ""
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(encode(steered) + b"\n")
        except OSError as error:
            self._failed = True
            return f"the journal {self.path} is not complete: {error.strerror}; steering goes on"
        return ""
