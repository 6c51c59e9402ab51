"""The part of protocol buffers that logs need: the fields of a message."""

from __future__ import annotations

from collections.abc import Iterator


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends.

    Raises:
        IndexError: it is cut short.
        ValueError: it is longer than any.
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number too long")


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and value of each field: an integer, or bytes that are not decoded.

    Raises:
        IndexError: the message is cut short.
        ValueError: it is no message.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of type {kind}")
        if at + size > end:
            raise IndexError("cut short")
        yield key >> 3, data[at : at + size]
        at += size
