"""A TensorBoard event file of 100 MB: until its first curve, and until all of it is read.

Beside it, where the package is installed, tensorboard's own loader on the first tenth.
"""

from __future__ import annotations

import random
import struct
import tempfile
import time
from pathlib import Path

from lrtui import messages as msg
from lrtui.session.session import Session
from lrtui.sources.logs.find import open_log
from lrtui.sources.logs.source import LogSource
from lrtui.sources.logs.tensorboard import header, masked_crc
from tests.terminal import terminal

BYTES = 100_000_000
PART = BYTES // 10
TAGS = ("train/loss", "train/lr", "train/grad_norm", "perf/tokens_per_second")


def varint(number: int) -> bytes:
    """Return a number as protocol buffers have it."""
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def event(step: int, tag: bytes, value: float) -> bytes:
    """Return a record of one scalar."""
    scalar = b"\x0a" + varint(len(tag)) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + varint(len(scalar)) + scalar
    wall = struct.pack("<d", 1.7e9 + step / 10)
    data = b"\x09" + wall + b"\x10" + varint(step) + b"\x2a" + varint(len(summary)) + summary
    return header(len(data)) + data + struct.pack("<I", masked_crc(data))


def write(path: Path) -> int:
    """Write an event file; return how many scalars it has."""
    noise = random.Random(0)
    written = step = 0
    with path.open("wb") as file:
        while written < BYTES:
            values = (3 / (1 + step / 5e4) + 0.1 * noise.random(), 1e-3, noise.random(), 1e5)
            pairs = zip(TAGS, values, strict=True)
            written += file.write(b"".join(event(step, tag.encode(), v) for tag, v in pairs))
            step += 1
    return step * len(TAGS)


def read_all(path: Path) -> tuple[float, float]:
    """Return the seconds until a log is read and judged, and the longest of a poll."""
    began = time.perf_counter()
    source, session, longest = LogSource(*open_log(path), once=True), Session(), 0.0
    while True:
        before = time.perf_counter()
        messages: list[msg.AnyMessage] = source.poll(None)
        longest = max(longest, time.perf_counter() - before)
        for message in messages:
            session.apply(message)
        if not messages:
            return time.perf_counter() - began, longest


def own_loader(path: Path) -> float | None:
    """Return the seconds of tensorboard's own loader, ``None`` where it is not installed."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-not-found,unused-ignore]
            EventFileLoader,
        )
    except ImportError:
        return None
    began = time.perf_counter()
    for _ in EventFileLoader(str(path)).Load():
        pass
    return time.perf_counter() - began


def main() -> None:
    """Print all of it."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole" / "events.out.tfevents.1"
        part = Path(folder) / "part" / "events.out.tfevents.1"
        whole.parent.mkdir()
        part.parent.mkdir()
        count = write(whole)
        part.write_bytes(whole.read_bytes()[:PART])
        began = time.perf_counter()
        with terminal("watch", str(whole.parent)) as lab:
            while "q quit" not in lab.text:
                lab.read(0.005)
            frame = time.perf_counter() - began
            while "┤" not in lab.text:
                lab.read(0.005)
            first = time.perf_counter() - began
        took, longest = read_all(whole.parent)
        print(
            f"event file of {BYTES / 1e6:.0f} MB, {count:,} scalars: first curve on the screen "
            f"{first:.2f} s, the first frame {frame:.2f} s; all of it {took:.1f} s, at most "
            f"{1000 * longest:.0f} ms a poll"
        )
        ours, theirs = read_all(part.parent)[0], own_loader(part)
        if theirs is None:
            print("tensorboard is not installed: its own loader is not measured")
        else:
            ratio = ours / theirs
            print(
                f"first tenth, over tensorboard's loader: {ratio:.2f} ({ours:.1f}, {theirs:.1f} s)"
            )


if __name__ == "__main__":
    main()
