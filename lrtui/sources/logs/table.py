"""Tables of comma- or tab-separated values, as Lightning, Keras and fastai write them."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrtui.sources.logs.names import is_held_out, loss_rank
from lrtui.sources.logs.reader import Event, Mark, Reader
from lrtui.sources.logs.rows import STEP_NAMES, Rows, number

BOM = codecs.BOM_UTF8.decode()
MAX_COLUMNS = 100_000


class Table(Reader):
    """A file with a header, and a row for each step or epoch."""

    format, title = "csv", "CSV"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        first, _, rest = head.decode(errors="replace").partition("\n")
        names = split(first, delimiter(first))
        if path.suffix in (".csv", ".tsv") and not rest:
            return is_header(names)  # no row yet
        second = split(rest.partition("\n")[0], delimiter(first))
        return (
            is_header(names) and len(names) > 1 and any(number(cell) is not None for cell in second)
        )

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        return table_entries(self, self.path, "")


def table_entries(reader: Reader, path: Path, name: str) -> Iterator[Event]:
    """Yield the entries of a table; a second header replaces the first.

    ``name`` is that of the scalar in a file of one, empty to take the names in the header.
    """
    rows = Rows()
    names: list[str] = []
    apart = ","

    for line in reader.lines(path):
        if isinstance(line, Mark):
            yield line
            continue
        _, text = line
        if not names or is_header(cells := split(text, apart)):
            if text.strip():
                apart = delimiter(text)
                names = [cell.strip() for cell in split(text, apart)][:MAX_COLUMNS]
                if name and len(names) > 1:
                    names[-1] = name
            continue
        entry = rows.entry(dict(zip(names, cells, strict=False)))
        if entry is not None:
            yield entry


def delimiter(header: str) -> str:
    """Return what separates the columns of a table."""
    return max(",\t;", key=header.count)


def split(line: str, apart: str) -> Sequence[str]:
    """Return the cells of a line."""
    try:
        return next(csv.reader([line.rstrip("\r\n").removeprefix(BOM)], delimiter=apart), [])
    except csv.Error:
        return []


def is_header(cells: Sequence[str]) -> bool:
    """Return whether cells are names: of a step, or of a loss."""
    if any(number(cell) is not None for cell in cells):
        return False
    names = [cell.strip() for cell in cells]
    return any(
        name.lower() in STEP_NAMES or loss_rank(name) is not None or is_held_out(name)
        for name in names
    )
