"""Files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.reader import Event, Mark, Reader
from lrtui.sources.logs.rows import Rows


class JsonLines(Reader):
    """One JSON object a step."""

    format, title = "jsonl", "JSON lines"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        first, newline, _ = head.lstrip().partition(b"\n")
        if not newline:  # a long line
            return first.startswith(b'{"')
        return bool(as_object(first.decode(errors="replace")))

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        rows = Rows()

        for line in self.lines(self.path):
            if isinstance(line, Mark):
                yield line
                continue
            at, text = line
            row = as_object(text)
            if row is None:
                if text.strip() and len(self.troubles) < 3:
                    self.complain(self.path, f" has no JSON object at byte {at:,}; it is left out")
            elif (entry := rows.entry(row)) is not None:
                yield entry


def as_object(text: str) -> dict[str, object] | None:
    """Return a line as an object; ``None`` if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
