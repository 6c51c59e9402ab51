"""One viewer's end of a socket: what it is sent and what it asks for, never waiting for it."""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
from time import monotonic

from lrtui.messages.sockets import peer_of

MAX_BACKLOG = 1 << 20
"""Bytes that a viewer may be behind; then it gets everything again once it has caught up."""

MAX_COMMAND = 1 << 16
"""Bytes of a command, at most."""

MAX_READ = 1 << 12
"""Bytes that are read of a viewer between two reports."""


class Viewer:
    """A connection that is never waited for.

    Attributes:
        number: told apart by.
        name: who is at the other end, in words.
        watching: whether it has asked to be told everything.
        told: whether it was told what was so far, so that what comes next makes sense to it.
        asked: whether it has sent a command.
        since: when it came.
        behind: whether it has missed something and must get everything again.
        gone: whether the connection is over.
        heard: bytes read since the last report.
        wanted: what its connection is waited for.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        """Take over a connection.

        Raises:
            PermissionError: another user is at its other end.
        """
        self.number = number
        self.name = who(connection)
        self.watching = self.told = self.asked = self.behind = self.gone = False
        self.since = monotonic()
        self.heard = 0
        self.wanted = selectors.EVENT_READ
        self.connection = connection
        self._room = MAX_BACKLOG
        self._out = bytearray()
        self._in = b""

    @property
    def waiting(self) -> bool:
        """Whether there is something that it has not taken yet."""
        return bool(self._out)

    def send(self, data: bytes) -> None:
        """Send whole lines, as far as the viewer takes them; cut it off where it is far behind."""
        if self.behind:
            return
        self._out += data
        self.flush()
        if len(self._out) > self._room:
            # The line that it has begun to get must be completed.
            del self._out[self._out.find(b"\n") + 1 :]
            self.behind = True

    def tell_anew(self, data: bytes) -> None:
        """Send all that was so far, however long that is."""
        self.behind = False
        self._room = MAX_BACKLOG + len(data)
        self.send(data)

    def flush(self) -> None:
        """Send what waits, as far as the viewer takes it."""
        try:
            while self._out:
                del self._out[: self.connection.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True

    def lines(self) -> list[bytes]:
        """Return the whole lines that have come."""
        try:
            data = self.connection.recv(MAX_READ)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.heard += len(data)
        *lines, self._in = (self._in + data).split(b"\n")
        self.gone = self.gone or not data or len(self._in) > MAX_COMMAND
        return lines

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self.connection.close()


def who(connection: socket.socket) -> str:
    """Return who is at the other end of a connection.

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
