"""TensorBoard event files: records with checksums, of protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lrtui.sources.logs.protobuf import fields, varint
from lrtui.sources.logs.reader import (
    TRIES,
    Event,
    Mark,
    Purge,
    Reader,
    Tail,
    in_turn,
    may_come,
    walk,
)
from lrtui.sources.settings import flat

MAX_RECORD = 1 << 16
"""Most bytes of a record that is read; larger ones are images and graphs."""

MAX_SHAPES = 10_000
"""Records of the usual shape that are recognised by their first bytes."""

PARTS = {"train", "training", "val", "valid", "validation", "eval", "test", "dev"}
"""Folders that are parts of one run, as Keras writes them."""

STEP, SUMMARY, SESSION_LOG = 2, 5, 7
SESSION_START = 1
HPARAMS = b"_hparams_/session_start_info"
FLOAT, DOUBLE = 1, 2
"""Data types of a tensor."""

LENGTH, CHECK, SHORT, LONG = (struct.Struct(form) for form in ("<Q", "<I", "<f", "<d"))


@cache
def crc_table() -> list[int]:
    """Return the table of CRC-32C for two bytes at a time."""
    one = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        one.append(byte)
    return [
        one[(one[pair & 255] ^ pair >> 8) & 255] ^ one[pair & 255] >> 8 for pair in range(1 << 16)
    ]


def masked_crc(data: bytes) -> int:
    """Return the checksum of a record as it is stored."""
    table = crc_table()
    size = len(data)
    crc = 0xFFFFFFFF
    for pair in memoryview(data)[: size & ~1].cast("H"):
        crc = table[(crc ^ pair) & 0xFFFF] ^ (crc >> 16)
    if size & 1:
        # The odd byte at the end, bit by bit.
        crc ^= data[-1]
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def header(size: int) -> bytes:
    """Return the header of a record of a given size."""
    length = LENGTH.pack(size)
    return length + CHECK.pack(masked_crc(length))


def size_of(head: bytes) -> int | None:
    """Return the size of the record with a header of twelve bytes; ``None`` if it is not one."""
    (size,) = LENGTH.unpack_from(head)
    if size <= MAX_RECORD:
        return size if header(size) == head else None
    return size if masked_crc(head[:8]) == CHECK.unpack_from(head, 8)[0] else None


class TensorBoard(Reader):
    """A run: an event file, or a folder with several, also in folders below."""

    format, title = "tensorboard", "TensorBoard events"

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        return len(head) >= 12 and (size_of(head[:12]) or MAX_RECORD) < MAX_RECORD

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        if not self.path.is_dir():
            return self._file(self.path)
        return in_turn(lambda: sorted(filter(is_event_file, walk(self.path))), self._file)

    def _file(self, path: Path) -> Iterator[Event]:
        """Yield the entries of an event file."""
        below = path.parent.relative_to(self.path).as_posix() if self.path != path else "."
        prefix = "" if below == "." else f"{below}/"
        shapes: dict[bytes, str] = {}
        tail = Tail(path, self.complain)
        data = b""
        tries, damaged = 0, False
        while True:
            more = tail.read()
            if more is None:
                yield Mark.AGAIN
                data = b""
                continue
            if not more:
                yield Mark.END
                continue
            data += more
            begin, at, end = tail.position - len(data), 0, len(data)
            while end - at >= 12:
                size = size_of(data[at : at + 12])
                if size is not None and size > MAX_RECORD:
                    tail.position, at = begin + at + size + 16, end
                    break
                stop = at + 16 + (size or 0)
                if size is not None and stop > end:
                    break
                if size is None or data[stop - 4 : stop] != CHECK.pack(
                    masked_crc(data[at + 12 : stop - 4])
                ):
                    if tries < TRIES or may_come(data):
                        # A network disk may have yet to deliver it.
                        tries += 1
                        tail.position, at = begin + at, end
                        yield Mark.END
                        break
                    if not damaged:
                        self.complain(path, f" is damaged at byte {begin + at:,}; the rest is read")
                    damaged = True
                    stop = next_record(data, at + 1) if size is None else stop
                    at = stop
                    continue
                tries = 0
                yield from self._event(data[at + 12 : stop - 4], prefix, shapes)
                at = stop
            data = data[at:]
            yield Mark.BUSY

    def _event(self, event: bytes, prefix: str, shapes: dict[bytes, str]) -> Iterator[Event]:
        """Yield what an event logs: nearly always one scalar, in a record of the same shape."""
        try:
            # wall_time, step, summary with one simple_value that is its last field
            if event[:1] == b"\x09" and event[9:10] == b"\x10":
                step, at = varint(event, 10)
                if (name := shapes.get(event[at:-4])) is not None:
                    yield step, {name: SHORT.unpack(event[-4:])[0]}, LONG.unpack(event[1:9])[0]
                    return
            wall, step, summary, resumes = 0.0, 0, b"", False
            for field, value in fields(event):
                if field == 1 and isinstance(value, bytes) and len(value) == 8:
                    wall = LONG.unpack(value)[0]
                elif field == STEP and isinstance(value, int):
                    step = value
                elif field == SUMMARY and isinstance(value, bytes):
                    summary = value
                elif field == SESSION_LOG and isinstance(value, bytes):
                    resumes = (1, SESSION_START) in fields(value)
            found = {prefix + name: number for name, number in scalars(summary)}
            if HPARAMS in summary:
                self.settings |= flat(dict(hparams(summary)))
        except (IndexError, ValueError):
            return  # unknown content, as the checksum is right
        if resumes:
            yield Purge(step)
        if found:
            yield step, found, wall
        if len(found) == 1 and event[-5:-4] == b"\x15" and len(shapes) < MAX_SHAPES:
            _, at = varint(event, 10) if event[9:10] == b"\x10" else (0, 9)
            if event[at : at + 1] == b"\x2a":
                shapes[event[at:-4]] = next(iter(found))


def is_event_file(path: Path) -> bool:
    """Return whether a file has the name of an event file."""
    return ".tfevents." in path.name


def next_record(data: bytes, at: int) -> int:
    """Return where the next record begins, from ``at`` on; near the end if nowhere."""
    for begin in range(at, len(data) - 11):
        if data[begin + 4 : begin + 8] == b"\0\0\0\0" and size_of(data[begin : begin + 12]):
            return begin
    return max(len(data) - 11, at)


def scalars(summary: bytes) -> Iterator[tuple[str, float]]:
    """Yield tag and value of the scalars of a summary."""
    for field, value in fields(summary):
        if field != 1 or not isinstance(value, bytes):
            continue
        tag, found = "", None
        for number, part in fields(value):
            if number == 1 and isinstance(part, bytes):
                tag = part.decode(errors="replace")
            elif number == 2 and isinstance(part, bytes) and len(part) == 4:
                found = SHORT.unpack(part)[0]
            elif number == 8 and isinstance(part, bytes):
                found = of_tensor(part)
        if found is not None:
            yield tag, found


def hparams(summary: bytes) -> Iterator[tuple[str, object]]:
    """Yield name and value of a run's hyperparameters, which a plugin keeps in a summary."""
    for info in inside(summary, 1, 9, 1, 2, 3, 1):
        pair = dict(fields(info))
        name, value = pair.get(1), pair.get(2)
        if isinstance(name, bytes) and isinstance(value, bytes):
            for kind, content in fields(value):  # a number, a text or a truth value
                if kind == 2 and isinstance(content, bytes) and len(content) == LONG.size:
                    yield name.decode(errors="replace"), LONG.unpack(content)[0]
                elif kind == 3 and isinstance(content, bytes):
                    yield name.decode(errors="replace"), content.decode(errors="replace")
                elif kind == 4:
                    yield name.decode(errors="replace"), bool(content)


def inside(message: bytes, *path: int) -> Iterator[bytes]:
    """Yield the messages nested in a message along a path of field numbers."""
    if not path:
        yield message
        return
    for field, value in fields(message):
        if field == path[0] and isinstance(value, bytes):
            yield from inside(value, *path[1:])


def of_tensor(tensor: bytes) -> float | None:
    """Return the value of a scalar tensor; ``None`` for any other."""
    kind: object = None
    found: list[float] = []
    for field, value in fields(tensor):
        if field == 1:
            kind = value
        elif field == 2 and value:  # its shape: a scalar has none
            return None
        elif isinstance(value, bytes) and (field, kind) in ((4, FLOAT), (5, FLOAT)):
            found += [v for (v,) in SHORT.iter_unpack(value[: len(value) & ~3])]
        elif isinstance(value, bytes) and (field, kind) in ((4, DOUBLE), (6, DOUBLE)):
            found += [v for (v,) in LONG.iter_unpack(value[: len(value) & ~7])]
    return found[0] if len(found) == 1 else None
