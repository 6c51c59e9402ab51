"""``trainer_state.json`` of transformers: rewritten with each checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.reader import Event, Mark, Reader
from lrtui.sources.logs.rows import Rows, whole

NAME = "trainer_state.json"
MAX_BYTES = 1 << 25


class TrainerState(Reader):
    """The file itself, or a folder of checkpoints, of which the newest counts."""

    format, title = "trainer_state", "transformers Trainer"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        return path.name == NAME or (head.lstrip()[:1] == b"{" and b'"log_history"' in head)

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        history: list[dict[str, object]] = []
        rows = Rows()
        seen: tuple[str, int, int] | None = None
        while True:
            try:
                path = self._newest()
                about = path.stat()
                now = (str(path), about.st_mtime_ns, about.st_size)
                if now != seen and about.st_size > MAX_BYTES:
                    self.complain(path, f" is larger than {MAX_BYTES:,} bytes")
                elif now != seen:
                    found = log_history(state := json.loads(path.read_bytes()))
                    self.total = whole(state.get("max_steps")) or self.total
                    step = whole(state.get("global_step")) or 0
                    if found[: len(history)] != history:
                        yield Mark.AGAIN
                        rows, history = Rows(), []
                    for row in found[len(history) :]:
                        if (entry := rows.entry(row)) is not None:
                            yield entry
                    history, seen = found, now
                    self.ending = "done" if self.total and step >= self.total else None
            except FileNotFoundError:
                pass  # not there yet
            except OSError as error:
                self.complain(self.path, f": {error.strerror}")
            except (ValueError, RecursionError, AttributeError):
                pass  # written just now
            yield Mark.END

    def _newest(self) -> Path:
        """Return the file of the last checkpoint."""
        if not self.path.is_dir():
            return self.path
        found = [*self.path.glob(NAME), *self.path.glob(f"checkpoint*/{NAME}")]
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=self.path / NAME)


def log_history(state: dict[str, object]) -> list[dict[str, object]]:
    """Return the rows that a state has."""
    found = state.get("log_history")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
