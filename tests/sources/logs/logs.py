"""What the tests of logs share: files of real writers, an event file of one's own, reading."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable
from pathlib import Path

from lrtui import messages as msg
from lrtui.session.run import Run
from lrtui.session.session import Session
from lrtui.sources.logs.find import open_log
from lrtui.sources.logs.reader import Entry, Mark, Purge, Reader
from lrtui.sources.logs.source import LogSource

FILES = Path(__file__).parent / "files"
STEPS = 60
"""Of each of the logs in the folder; see ``make_files.py``."""

REAL = {
    "tensorboard": FILES / "tensorboardx",
    "wandb": FILES / "wandb" / "run.wandb",
    "dvclive": FILES / "dvclive",
    "trackio": FILES / "trackio" / "p.db",
    "mlflow": FILES / "mlflow" / "mlflow.db",
    "mlruns": FILES / "mlruns" / "0" / "run",
}


def session_of(path: Path, kind: str | None = None) -> tuple[Session, list[str]]:
    """A session with all that a log holds now, and what was said."""
    source = LogSource(*open_log(path, kind), once=True)
    return everything(source)


def everything(source: LogSource) -> tuple[Session, list[str]]:
    session, said = Session(), []
    while messages := source.poll(None):
        for message in messages:
            message = msg.decode_message(msg.encode(message)) or message
            session.apply(message)
            if isinstance(message, msg.Printed):
                said.append(message.text)
    return session, said


def run_of(path: Path, kind: str | None = None) -> Run:
    run = session_of(path, kind)[0].current
    assert run is not None
    return run


def curve(run: Run) -> list[tuple[int, float]]:
    assert run.series is not None
    return [(int(step), float(loss)) for step, loss in zip(*run.series.curve(), strict=True)]


def read_now(reader: Reader, ends: int = 1) -> list[Entry | Purge]:
    """The entries until the end was reached so many times."""
    found: list[Entry | Purge] = []
    for event in reader.entries():
        if event is Mark.END:
            ends -= 1
            if not ends:
                break
        elif event is Mark.AGAIN:
            found.clear()
        elif not isinstance(event, Mark):
            found.append(event)
    return found


def follow(source: LogSource, session: Session, seconds: float) -> None:
    """Apply what comes within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for message in source.poll(0.05):
            session.apply(message)


def crc(data: bytes) -> int:
    """The checksum of TensorBoard's records, bit by bit as it is defined."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", crc(length)) + data + struct.pack("<I", crc(data))


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def scalar(step: int, tag: str | bytes, value: float, wall: float = 1.6e9) -> bytes:
    """An event of one scalar, as SummaryWriter writes it."""
    name = tag if isinstance(tag, bytes) else tag.encode()
    summary = field(1, field(1, name) + b"\x15" + struct.pack("<f", value))
    event = b"\x09" + struct.pack("<d", wall + step) + b"\x10" + varint(step) + field(5, summary)
    return record(event)


def events(losses: Iterable[tuple[int, float]], tag: str = "train/loss") -> bytes:
    return b"".join(scalar(step, tag, loss) for step, loss in losses)
