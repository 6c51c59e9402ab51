"""The connection to one viewer, which never blocks."""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
from time import monotonic

from lrtui.messages.sockets import peer_of

MAX_BACKLOG = 1 << 20
"""Bytes that a viewer may lag; beyond that it skips ahead and gets the history again."""

MAX_COMMAND = 1 << 16
"""Most bytes of a command."""

MAX_READ = 1 << 12
"""Most bytes read from a viewer between two reports."""


class Viewer:
    """A connection that never blocks.

    Attributes:
        number: identifies it.
        name: user and process at the other end.
        watching: whether it has sent ``Watch``.
        has_history: whether it was sent the history, which live updates build on.
        has_asked: whether it has sent another command.
        since: when it connected.
        behind: whether it has missed messages, and needs the history again.
        gone: whether the connection is over.
        bytes_read: since the last report.
        events_wanted: events it is registered for at the selector.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        """Take over a connection.

        Raises:
            PermissionError: its other end belongs to another user.
        """
        self.number = number
        self.name = who(connection)
        self.watching = self.has_history = self.has_asked = self.behind = self.gone = False
        self.since = monotonic()
        self.bytes_read = 0
        self.events_wanted = selectors.EVENT_READ
        self.connection = connection
        self._limit = MAX_BACKLOG
        self._out = bytearray()
        self._in = b""

    @property
    def waiting(self) -> bool:
        """Whether data waits to be sent."""
        return bool(self._out)

    def send(self, data: bytes) -> None:
        """Send whole lines, as far as the viewer reads; drop what exceeds the backlog."""
        if self.behind:
            return
        self._out += data
        self.flush()
        if len(self._out) > self._limit:
            # A line partly sent must be completed.
            del self._out[self._out.find(b"\n") + 1 :]
            self.behind = True

    def send_history(self, data: bytes) -> None:
        """Send the history, whatever its length."""
        self.behind = False
        self._limit = MAX_BACKLOG + len(data)
        self.send(data)

    def flush(self) -> None:
        """Send the data that waits, as far as the viewer reads."""
        try:
            while self._out:
                del self._out[: self.connection.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True

    def lines(self) -> list[bytes]:
        """Return the complete lines received."""
        try:
            data = self.connection.recv(MAX_READ)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.bytes_read += len(data)
        *lines, self._in = (self._in + data).split(b"\n")
        self.gone = self.gone or not data or len(self._in) > MAX_COMMAND
        return lines

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self.connection.close()


def who(connection: socket.socket) -> str:
    """Return the user and process at the other end of a connection.

    Raises:
        PermissionError: it is another user.
    """
    peer = peer_of(connection)
    if peer is None:
        return "a viewer"
    pid, uid = peer
    if uid not in (os.getuid(), 0):
        raise PermissionError("another user")
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"{name}, pid {pid}"
