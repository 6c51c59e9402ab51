"""A training that is not ours, by its socket."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.source import Source
from lrtui.sources.trainings import Connection, Training, find

RETRY_SECONDS = 1.0
"""Seconds between two looks whether a training has come back."""

MAX_READ = 1 << 22
"""Bytes that are taken in at a time."""


class SocketSource(Source):
    """Follows a training; when it is over, waits for one of the same name and folder.

    Each training that comes is a run of its own.
    """

    def __init__(self, training: Training, *, read_only: bool = False) -> None:
        """Connect.

        Args:
            training: which.
            read_only: whether nothing can be asked of it.

        Raises:
            OSError: it is not there any more, or does not answer.
            ValueError: what is there is not a training.
        """
        self._path = training.path
        self._read_only = read_only
        self._offset = self._run = 0  # runs of trainings before this one; the last run so far
        self._step = 0
        self._loss: float | None = None
        self._is_on = False
        self._look_at = 0.0
        self._connection: Connection | None = None
        self._greeting: msg.Greeting | None = None
        self._data = b""
        self._messages: list[msg.AnyMessage] = []
        self._take_up(Connection(self._path))

    def send(self, command: msg.Command) -> None:
        """Send a command; nobody hears it while there is no training, or where only reading."""
        if not self._read_only:
            self._write(command)

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages since the last call.

        Args:
            timeout: seconds to wait for the first one; ``None`` waits until it comes or the
                training is over.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._connection is None:
                if timeout is not None:
                    self._look_again()
            else:
                left = None if until is None else max(until - time.monotonic(), 0)
                self._read(0 if self._messages else left)
            over = self._connection is None and timeout is None
            late = until is not None and time.monotonic() >= until
            if self._messages or over or late:
                told, self._messages = self._messages, []
                return told
            if self._connection is None:
                time.sleep(0.02)

    def close(self) -> None:
        """Leave; the training goes on."""
        if self._connection is not None:
            self._connection.socket.close()
            self._connection = None

    def _take_up(self, connection: Connection) -> None:
        greeting = connection.greeting
        known = self._greeting
        if known is None or (known.pid, known.since) != (greeting.pid, greeting.since):
            self._offset = self._run
        self._is_local = connection.is_local
        self._greeting, self._connection, self._data = greeting, connection, connection.rest
        self._is_on = True
        if self._read_only:
            greeting = replace(greeting, capabilities=[])
        self._messages.append(greeting)
        connection.socket.setblocking(False)
        self._write(msg.Watch())

    def _write(self, command: msg.Command) -> None:
        if self._connection is not None:
            # One that is gone, or so stuck that it takes no command, shows when reading.
            with contextlib.suppress(OSError):
                self._connection.socket.send(msg.encode(command) + b"\n")

    def _read(self, timeout: float | None) -> None:
        assert self._connection is not None
        link = self._connection.socket
        if not select.select([link], [], [], timeout)[0]:
            return
        taken = 0
        over = False
        while taken < MAX_READ:
            try:
                data = link.recv(1 << 18)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                over = True
                break
            taken += len(data)
            self._data += data
        *lines, self._data = self._data.split(b"\n")
        for line in lines:
            try:
                message = msg.decode_message(line)
            except ValueError:
                over = True
                break
            if message is not None:
                self._messages.append(self._translated(message))
        if over:
            self._lose()

    def _translated(self, message: msg.AnyMessage) -> msg.AnyMessage:
        """Return a message with the number that its run has here."""
        if isinstance(message, msg.Greeting) and self._read_only:
            return replace(message, capabilities=[])
        number = getattr(message, "run", None)
        if number is None:
            return message
        number += self._offset
        match message:
            case msg.Progress():
                self._step = message.last
                self._loss = next((v for v in message.losses[::-1] if v is not None), self._loss)
            case msg.Started():
                self._run, self._is_on = max(self._run, number), True
                self._step, self._loss = 0, None
            case msg.Ended():
                self._is_on = self._is_on and number < self._run
        return renumbered(message, number)

    def _lose(self) -> None:
        """Note that the connection is over; find out whether the training is."""
        assert self._connection is not None
        self._connection.socket.close()
        self._connection = None
        with contextlib.suppress(OSError, ValueError):
            connection = Connection(self._path)
            if self._greeting is not None and connection.greeting.since == self._greeting.since:
                self._take_up(connection)  # it has only cut this viewer off
                return
            connection.socket.close()
        self._look_at = time.monotonic() + RETRY_SECONDS
        if not self._is_on:
            return
        self._is_on = False
        assert self._greeting is not None
        if not self._is_local:
            how = "the connection to where it runs was lost"
        elif has_ended(self._greeting.pid):
            how = "it was killed or crashed"
        else:
            how = "it does not answer any more"
        reason = f"lost at step {self._step:,}: {how}; waiting for it to come back"
        self._messages.append(
            msg.Ended(
                run=max(self._run, 1),
                outcome="disconnected",
                step=self._step,
                loss=self._loss,
                reason=reason,
            )
        )

    def _look_again(self) -> None:
        """Take the training up where it has come back."""
        if time.monotonic() < self._look_at or self._greeting is None:
            return
        self._look_at = time.monotonic() + RETRY_SECONDS
        was = self._greeting
        with contextlib.suppress(OSError, ValueError):
            self._take_up(Connection(self._path, 0.1))
            return
        with contextlib.suppress(OSError, ValueError):
            there = self._path.parent
            for training in find():
                now = training.greeting
                # Where it was; or anywhere, once that folder has gone: names are not unique.
                if there.exists() and training.path.parent != there.resolve():
                    continue
                if now is not None and (now.name, now.folder) == (was.name, was.folder):
                    self._path = training.path
                    self._take_up(Connection(self._path))
                    return


def renumbered(message: msg.AnyMessage, run: int) -> msg.AnyMessage:
    """Return a message about a run, with another number of it."""
    return replace(message, run=run) if hasattr(message, "run") else message


def has_ended(pid: int) -> bool:
    """Return whether a process of this machine has ended, as far as can be told."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return True
    except OSError:
        return False  # not ours any more, or a system without /proc
    return stat.rpartition(")")[2].split()[0] in "ZX"  # nobody has asked how it ended yet
