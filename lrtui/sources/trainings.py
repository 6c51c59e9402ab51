"""Finds this user's trainings on this machine by their sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from lrtui.messages import Greeting, decode_message
from lrtui.messages.sockets import all_paths, peer_of

GREETING_TIMEOUT = 1.0
"""Seconds that a training has to send its greeting."""


@dataclass(frozen=True)
class Training:
    """A training that can be watched.

    Attributes:
        path: of its socket.
        greeting: ``None`` if it does not answer, for example while stopped by a signal.
    """

    path: Path
    greeting: Greeting | None

    @property
    def number(self) -> str:
        """Its name in commands, which distinguishes trainings of one process."""
        return self.path.name.removesuffix(".sock")

    @property
    def pid(self) -> int:
        """Its process, 0 if unknown."""
        if self.greeting is not None:
            return self.greeting.pid
        first = self.path.name.partition(".")[0]
        return int(first) if first.isdigit() else 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.greeting.name if self.greeting is not None else "(does not answer)"


class Connection:
    """A connection to a training.

    Attributes:
        socket: connected.
        greeting: of the training.
        rest: data after the greeting.
        is_local: whether the training's process is connected directly, not through a tunnel.
    """

    def __init__(self, path: Path, patience: float = GREETING_TIMEOUT) -> None:
        """Connect.

        Raises:
            OSError: nobody listens or answers in time, or another user does.
            ValueError: the answer is not a training's.
        """
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(patience)
            until = time.monotonic() + patience
            while not self._connect(path):
                if time.monotonic() > until:
                    raise TimeoutError(f"{path} takes no more connections now")
                time.sleep(0.01)
            peer = peer_of(self.socket)
            if peer is not None and peer[1] not in (os.getuid(), 0):
                raise PermissionError(f"{path} is served by another user")
            data = b""
            while b"\n" not in data:
                if len(data) > 1 << 20 or time.monotonic() > until:
                    raise TimeoutError(f"{path} does not say who it is")
                if not (more := self.socket.recv(65536)):
                    raise ConnectionResetError(
                        f"{path} has closed the connection: it takes no more viewers, or it is a "
                        "tunnel to a training that is gone"
                    )
                data += more
            line, _, self.rest = data.partition(b"\n")
            greeting = decode_message(line)
            if not isinstance(greeting, Greeting):
                raise ValueError(f"{path} is not the socket of a training")
            self.greeting = greeting
            self.is_local = peer is not None and peer[0] == greeting.pid
        except BaseException:
            self.socket.close()
            raise

    def _connect(self, path: Path) -> bool:
        """Connect; return whether there was room in the queue."""
        try:
            self.socket.connect(os.fspath(path))
        except BlockingIOError:
            return False
        return True


class NoTraining(LookupError):
    """No training, or none of that name, is running."""


def find() -> list[Training]:
    """Return this user's trainings, oldest first; remove sockets of killed ones."""
    found = []
    for path in all_paths():
        try:
            connection = Connection(path)
            connection.socket.close()
            found.append(Training(path, connection.greeting))
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(OSError):
                path.unlink()
        except (OSError, ValueError):
            found.append(Training(path, None))
    return sorted(found, key=lambda training: training.greeting.since if training.greeting else 0)


def choose(target: str | None) -> Training:
    """Return the training with a process, number, name or socket; ``None`` for the only one.

    A name may leave its extension out.

    Raises:
        NoTraining: there is none.
        ValueError: there are several, which it lists, or the socket is no training's.
    """
    if target is not None and is_socket(target):
        try:
            connection = Connection(Path(target))
        except ConnectionRefusedError:
            raise NoTraining(f"nobody serves {target}: its training was killed") from None
        except OSError as error:
            raise ValueError(f"{target}: {error.strerror or error}") from error
        connection.socket.close()
        return Training(Path(target), connection.greeting)
    found = find()
    if target is not None:
        called = [each for each in found if target in (str(each.pid), each.number, each.name)]
        found = called or [each for each in found if target == Path(each.name).stem]
    if own := os.environ.get("LRTUI_DIR"):
        # Prefer the folder chosen for this shell.
        found = [each for each in found if each.path.parent == Path(own).resolve()] or found
    if len(found) == 1:
        return found[0]
    if not found:
        what = "no training is running" if target is None else f"no training is called {target!r}"
        raise NoTraining(f"{what}; lrtui watch lists those that have taken a step")
    there = ", ".join(f"{each.number} ({each.name})" for each in found)
    raise ValueError(f"there are {len(found)} trainings, name one by its number: {there}")


def is_socket(text: str) -> bool:
    """Return whether a text is the path of a socket."""
    try:
        return stat.S_ISSOCK(os.stat(text).st_mode)
    except (OSError, ValueError):
        return False
