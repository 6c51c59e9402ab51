"""Databases of trackio and MLflow: SQLite, only read."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lrtui.sources.logs.mlruns import ENDINGS
from lrtui.sources.logs.reader import Ending, Entry, Event, Mark, Reader
from lrtui.sources.logs.rows import Rows, moment, number, whole
from lrtui.sources.settings import flat

MAGIC = b"SQLite format 3\0"
OF_RUNS = "SELECT run_uuid, name, lifecycle_stage FROM runs"
ROWS = 2000
"""Rows that are read at a time."""


class Database(Reader):
    """A table of metrics; of several runs in it, reads the one written last."""

    columns: frozenset[str]
    """Some of the columns of its table of metrics."""

    key: str
    """The column that identifies a run."""

    latest: str
    """The column that is largest in the row written last."""

    def __init__(self, path: Path) -> None:
        """See ``Reader``."""
        super().__init__(path)
        self._id = ""  # of the run that is read

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        if not head.startswith(MAGIC):
            return False
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path)) as database:
            found = database.execute("SELECT name FROM pragma_table_info('metrics')").fetchall()
            return cls.columns <= {name for (name,) in found}
        return False

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        rows = Rows()
        last = -1
        while True:
            found: list[Any] = []
            ending = None
            try:
                with contextlib.closing(connect(self.path)) as database:
                    if not self._id:
                        self._id, self.run = next(iter(self._newest(database)), ("", ""))
                    if self._id:
                        ending = self._ending(database)  # before what it had written by then
                        found = self._rows(database, last)
                        self.settings = self.settings or self._settings(database)
            except sqlite3.OperationalError:
                pass  # locked, or not there yet
            except sqlite3.Error as error:
                self.complain(self.path, f": {error}")
            for row in found:
                last = row[0]
                if (entry := self._entry(rows, row)) is not None:
                    yield entry
            self.ending = ending if len(found) < ROWS else None
            yield Mark.BUSY if len(found) == ROWS else Mark.END

    def runs(self) -> list[Reader]:
        """See ``Reader.runs``; the one that was written last comes first."""
        found: list[Reader] = []
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(self.path)) as database:
            for run in self._newest(database):
                found.append(reader := type(self)(self.path))
                reader._id, reader.run = run
        return found or [self]

    def _newest(self, database: sqlite3.Connection) -> list[tuple[str, str]]:
        """Return identifiers and names of the runs, the one that was written last first."""
        by = f"SELECT {self.key} FROM metrics GROUP BY {self.key} ORDER BY max({self.latest}) DESC"
        return [(str(run), str(run)) for (run,) in database.execute(by) if run]

    def _ending(self, database: sqlite3.Connection) -> Ending | None:
        """Return how the training ended, ``None`` while the database does not say."""
        return None

    def _settings(self, database: sqlite3.Connection) -> dict[str, str]:
        """Return the configuration of the run, empty where there is none."""
        with contextlib.suppress(sqlite3.Error, ValueError, RecursionError):
            return flat(self._configuration(database))
        return {}  # an older form of the database

    @abstractmethod
    def _configuration(self, database: sqlite3.Connection) -> dict[str, object]:
        """Return the configuration of the run.

        Raises:
            sqlite3.Error: there is no table of it.
            ValueError: it cannot be read.
        """

    @abstractmethod
    def _rows(self, database: sqlite3.Connection, last: int) -> list[Any]:
        """Return rows of the run after the last one; the first column numbers them."""

    @abstractmethod
    def _entry(self, rows: Rows, row: Any) -> Entry | None:  # noqa: ANN401
        """Return a row as an entry."""


class Trackio(Database):
    """The file ``PROJECT.db`` of a project."""

    format, title = "trackio", "trackio"
    columns = frozenset({"run_name", "step", "metrics", "timestamp"})
    key, latest = "run_name", "rowid"

    def _configuration(self, database: sqlite3.Connection) -> dict[str, object]:
        found = database.execute("SELECT config FROM configs WHERE run_name = ?", (self._id,))
        texts = [text for (text,) in found]
        return dict(json.loads(texts[-1])) if texts else {}

    def _rows(self, database: sqlite3.Connection, last: int) -> list[Any]:
        return database.execute(
            "SELECT rowid, step, metrics, timestamp FROM metrics "
            "WHERE run_name = ? AND rowid > ? ORDER BY rowid LIMIT ?",
            (self._id, last, ROWS),
        ).fetchall()

    def _entry(self, rows: Rows, row: Any) -> Entry | None:  # noqa: ANN401
        _, step, text, timestamp = row
        try:
            values = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            return None
        if not isinstance(values, dict):
            return None
        return rows.entry(values | {"step": step, "timestamp": timestamp})


class MLflow(Database):
    """The file ``mlflow.db``."""

    format, title = "mlflow", "MLflow"
    columns = frozenset({"key", "value", "run_uuid", "step", "timestamp"})
    key, latest = "run_uuid", "timestamp"

    def _newest(self, database: sqlite3.Connection) -> list[tuple[str, str]]:
        about = {run: (name or run, stage) for run, name, stage in database.execute(OF_RUNS)}
        found = [(run, *about.get(run, (run, ""))) for run, _ in super()._newest(database)]
        return [(run, name) for run, name, stage in found if stage != "deleted"]

    def _ending(self, database: sqlite3.Connection) -> Ending | None:
        by = "SELECT status FROM runs WHERE run_uuid = ?"
        return ENDINGS.get(*database.execute(by, (self._id,)).fetchone() or ("",))

    def _configuration(self, database: sqlite3.Connection) -> dict[str, object]:
        by = "SELECT key, value FROM params WHERE run_uuid = ?"
        return dict(database.execute(by, (self._id,)).fetchall())

    def _rows(self, database: sqlite3.Connection, last: int) -> list[Any]:
        return database.execute(
            "SELECT rowid, step, key, value, timestamp, is_nan FROM metrics "
            "WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?",
            (self._id, last, ROWS),
        ).fetchall()

    def _entry(self, rows: Rows, row: Any) -> Entry | None:  # noqa: ANN401
        _, step, key, value, timestamp, is_nan = row
        found, at = float("nan") if is_nan else number(value), whole(step)
        if found is None or at is None:
            return None
        return at, {str(key): found}, moment(timestamp)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database to read it, though another process writes it.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    # Neither create a missing file nor wait for a lock.
    address = f"file:{quote(str(path.absolute()))}"
    try:
        database = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=0.01)
        database.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.OperationalError:
        if Path(f"{path}-wal").exists():
            raise
        # In a read-only folder, where nobody can write.
        database = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, timeout=0.01)
    return database
