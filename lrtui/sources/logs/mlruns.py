"""MLflow's folder of a run: a file for each scalar, one for each parameter."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.reader import Event, Mark, Reader, in_turn, walk
from lrtui.sources.logs.rows import moment, number, whole
from lrtui.sources.settings import MAX_SETTINGS, MAX_VALUE, flat

META = "meta.yaml"


class MLflowFolder(Reader):
    """A folder ``mlruns/EXPERIMENT/RUN`` with ``metrics`` in it."""

    format, title = "mlruns", "MLflow"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        return (path / META).is_file() and (path / "metrics").is_dir()

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
        return in_turn(lambda: walk(self.path / "metrics"), self._scalar)

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


def first_line(path: Path) -> str:
    """Return the first line of a file; empty if it cannot be read."""
    with contextlib.suppress(OSError, ValueError), path.open(errors="replace") as file:
        return file.readline(MAX_VALUE).rstrip("\n")
    return ""
