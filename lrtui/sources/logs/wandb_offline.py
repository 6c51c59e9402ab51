"""Offline runs of Weights & Biases: a log of LevelDB, of protocol buffers with JSON in them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lrtui.sources.logs.protobuf import fields
from lrtui.sources.logs.reader import TRIES, Event, Mark, Reader, Tail, may_come
from lrtui.sources.logs.rows import Rows
from lrtui.sources.settings import flat

MAGIC, START = b":W&B", 7
BLOCK = 1 << 15
MAX_RECORD = 1 << 24
FULL, FIRST, LAST = 1, 2, 4
"""Chunks that are a record, begin or end one; others are in its middle."""
HISTORY, CONFIG, RUN, EXIT = 2, 5, 17, 18
RUN_CONFIG, EXIT_CODE = 4, 1
ITEM = 1
KEY, NESTED_KEY, VALUE_JSON = 1, 2, 16

CHUNK_HEAD = struct.Struct("<IHB")


class WandbOffline(Reader):
    """The file ``run-….wandb`` of a run."""

    format, title = "wandb", "W&B offline"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        return head.startswith(MAGIC)

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        rows = Rows()
        for record in self._records():
            if isinstance(record, Mark):
                yield record
                continue
            with suppress(IndexError, ValueError, RecursionError):  # not a known record
                for kind, content in fields(record):
                    if not isinstance(content, bytes):
                        continue
                    if kind == HISTORY and (entry := rows.entry(items(content))) is not None:
                        yield entry
                    elif kind == CONFIG:
                        self.settings |= flat(items(content))
                    elif kind == RUN:
                        for part, config in fields(content):
                            if part == RUN_CONFIG and isinstance(config, bytes):
                                self.settings |= flat(items(config))
                    elif kind == EXIT:
                        self.ending = "failed" if dict(fields(content)).get(EXIT_CODE) else "done"

    def _records(self) -> Iterator[bytes | Mark]:
        """Yield the records, each of one or several chunks; a chunk never crosses a block."""
        tail = Tail(self.path, self.complain)
        tail.position = START
        data, record = b"", b""
        tries, damaged = 0, False
        while True:
            more = tail.read()
            if more is None:
                yield Mark.AGAIN
                tail.position, data, record = START, b"", b""
                continue
            if not more:
                yield Mark.END
                continue
            data += more
            begin, at, end = tail.position - len(data), 0, len(data)
            while True:
                left = BLOCK - (begin + at) % BLOCK
                if left < CHUNK_HEAD.size and end - at >= left:
                    at += left
                    continue
                if end - at < CHUNK_HEAD.size:
                    break
                check, size, kind = CHUNK_HEAD.unpack_from(data, at)
                stop = at + CHUNK_HEAD.size + size
                fits = CHUNK_HEAD.size + size <= left
                if fits and stop > end:
                    break
                if not fits or zlib.crc32(data[at + 6 : stop]) != check or not kind:
                    if tries < TRIES or may_come(data):
                        # Zeros may be unwritten, or yet to be delivered by a network disk.
                        tries += 1
                        tail.position, at = begin + at, end
                        yield Mark.END
                        break
                    if not damaged:
                        self.complain(self.path, f" is damaged at byte {begin + at:,}")
                    damaged, record = True, b""
                    if end - at < left:
                        break
                    at += left
                    continue
                tries = 0
                piece = data[at + CHUNK_HEAD.size : stop]
                at = stop
                record = piece if kind in (FULL, FIRST) else record + piece
                if kind in (FULL, LAST):
                    yield record
                    record = b""
                elif len(record) > MAX_RECORD:
                    record = b""
            data = data[at:]
            yield Mark.BUSY


def items(record: bytes) -> dict[str, object]:
    """Return the values by name of a record of the history or the configuration.

    Raises:
        IndexError: it is cut.
        ValueError: it is no such record.
    """
    row: dict[str, object] = {}
    for number, item in fields(record):
        if number != ITEM or not isinstance(item, bytes):
            continue
        names, value = [], b""
        for part, content in fields(item):
            if not isinstance(content, bytes):
                continue
            if part in (KEY, NESTED_KEY):
                names.append(content.decode(errors="replace"))
            elif part == VALUE_JSON:
                value = content
        row["/".join(name for name in names if name)] = json.loads(value)
    return row
