"""MLflow's folder of a run: a file for each scalar, one for each parameter."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.reader import LIST_SECONDS, Ending, Event, Mark, Reader, by_step, walk
from lrtui.sources.logs.rows import moment, number, whole
from lrtui.sources.settings import MAX_SETTINGS, MAX_VALUE, flat, of_yaml

META = "meta.yaml"

LOOK_SECONDS = 2 * LIST_SECONDS
"""Seconds between two looks at whether the training has ended; files are listed in between."""

ENDINGS: dict[str, Ending] = {
    "FINISHED": "done", "FAILED": "failed", "KILLED": "stopped",
    "3": "done", "4": "failed", "5": "stopped",
}  # fmt: skip
"""How a training ended, by the status of its run: a word in a database, a number in a file."""


class MLflowFolder(Reader):
    """A folder ``mlruns/EXPERIMENT/RUN`` with ``metrics`` in it."""

    format, title = "mlruns", "MLflow"
    named_by_run = True

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        found = about(path) if (path / "metrics").is_dir() else {}
        return bool(found) and found.get("lifecycle_stage") != "deleted"

    def __init__(self, path: Path) -> None:
        """Read the parameters, and the name that MLflow gave to the run."""
        super().__init__(path)
        found: dict[str, object] = {}
        for file in sorted(walk(path / "params"))[:MAX_SETTINGS]:
            found[file.relative_to(path / "params").as_posix()] = first_line(file)
        self.settings = flat(found)
        self.run = first_line(path / "tags" / "mlflow.runName")

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        ended, looked_at = ending(self.path), -LOOK_SECONDS
        for event in by_step(lambda: walk(self.path / "metrics"), self._scalar):
            if event is Mark.END and time.monotonic() > looked_at + LOOK_SECONDS:
                self.ending = ended  # all that it had written when that was looked up has been read
                ended, looked_at = ending(self.path), time.monotonic()
            yield event

    def _scalar(self, path: Path) -> Iterator[Event]:
        """Yield the values of a scalar: lines of milliseconds, value and step."""
        name = path.relative_to(self.path / "metrics").as_posix()

        for line in self.lines(path):
            if isinstance(line, Mark):
                yield line
                continue
            when, value, step = [*line[1].split(), "", "", ""][:3]
            at, found = whole(step or "0"), number(value)
            if at is not None and found is not None:
                yield at, {name: found}, moment(number(when))


def ending(path: Path) -> Ending | None:
    """Return how the training of a folder ended, ``None`` if it has not."""
    return ENDINGS.get(about(path).get("status", ""))


def about(path: Path) -> dict[str, str]:
    """Return what MLflow says of the run in a folder; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return of_yaml((path / META).read_text(errors="replace"))
    return {}


def first_line(path: Path) -> str:
    """Return the first line of a file; empty if it cannot be read."""
    with contextlib.suppress(OSError, ValueError), path.open(errors="replace") as file:
        return file.readline(MAX_VALUE).rstrip("\n")
    return ""
