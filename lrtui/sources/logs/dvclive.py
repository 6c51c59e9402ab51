"""DVCLive's folder: a table of tab-separated values for each scalar."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.reader import Event, Reader, by_step, walk
from lrtui.sources.logs.table import table_entries

METRICS = Path("plots", "metrics")


class DvcLive(Reader):
    """A folder with ``plots/metrics`` in it."""

    format, title = "dvclive", "DVCLive"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        return (path / METRICS).is_dir()

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        folder = self.path / METRICS

        def read(path: Path) -> Iterator[Event]:
            name = path.relative_to(folder).with_suffix("").as_posix()
            return table_entries(self, path, name)

        return by_step(lambda: [path for path in walk(folder) if path.suffix == ".tsv"], read)
