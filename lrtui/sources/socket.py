"""A running training, connected through its socket."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.settings import of_command
from lrtui.sources.source import Source
from lrtui.sources.trainings import Connection, Training, find

RETRY_SECONDS = 1.0
"""Seconds between two attempts to reconnect."""

MAX_READ = 1 << 22
"""Bytes read at a time."""

PF_EXITING = 0x4
"""Flag of Linux for a process that ends or has ended."""

LAST_LINES, MAX_TAIL = 3, 1 << 14
"""Lines shown of what a process that is gone printed to standard error; most bytes read of it."""


class SocketSource(Source):
    """Follows a training, then waits for another of the same name and folder, as a new run."""

    def __init__(self, training: Training, *, read_only: bool = False) -> None:
        """Connect; with ``read_only``, send no commands.

        Raises:
            OSError: it is gone, or does not answer.
            ValueError: the socket is not a training's.
        """
        self._path = training.path
        self._read_only = read_only
        self._offset = self._run = 0  # runs of earlier trainings; the last run
        self._step = 0
        self._loss: float | None = None
        self._is_running = False
        self._retry_at = 0.0
        self._connection: Connection | None = None
        self._greeting: msg.Greeting | None = None
        self._data = b""
        self._messages: list[msg.AnyMessage] = []
        self._adopt(Connection(self._path))

    def send(self, command: msg.Command) -> None:
        """Send a command, dropped while disconnected or read-only."""
        if not self._read_only:
            self._write(command)

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """See ``Source.poll``."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._connection is None:
                if timeout is not None:
                    self._reconnect()
            else:
                left = None if until is None else max(until - time.monotonic(), 0)
                self._read(0 if self._messages else left)
            over = self._connection is None and timeout is None
            late = until is not None and time.monotonic() >= until
            if self._messages or over or late:
                messages, self._messages = self._messages, []
                return messages
            if self._connection is None:
                time.sleep(0.02)

    @property
    def is_over(self) -> bool:
        """Whether the training is gone; it may come back."""
        return self._connection is None

    def close(self) -> None:
        """Disconnect; the training continues."""
        if self._connection is not None:
            self._connection.socket.close()
            self._connection = None

    def _adopt(self, connection: Connection) -> None:
        greeting = connection.greeting
        previous = self._greeting
        if previous is None or (previous.pid, previous.since) != (greeting.pid, greeting.since):
            self._offset = self._run
        self._is_local = connection.is_local
        self.settings = of_command(greeting.command)
        self._greeting, self._connection, self._data = greeting, connection, connection.rest
        self._is_running = True
        if self._read_only:
            greeting = replace(greeting, capabilities=[])
        self._messages.append(greeting)
        connection.socket.setblocking(False)
        self._write(msg.Watch())

    def _write(self, command: msg.Command) -> None:
        if self._connection is not None:
            # A lost or stuck connection shows when reading.
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
        """Return a message with this side's number of the run."""
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
                self._run, self._is_running = max(self._run, number), True
                self._step, self._loss = 0, None
            case msg.Ended():
                self._is_running = self._is_running and number < self._run
        return replace(message, run=number)

    def _lose(self) -> None:
        """Handle the end of the connection: reconnect, or report the training as lost."""
        assert self._connection is not None
        self._connection.socket.close()
        self._connection = None
        with contextlib.suppress(OSError, ValueError):
            connection = Connection(self._path)
            if self._greeting is not None and connection.greeting.since == self._greeting.since:
                self._adopt(connection)  # it has only dropped this viewer
                return
            connection.socket.close()
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if not self._is_running:
            return
        self._is_running = False
        assert self._greeting is not None
        if not self._is_local:
            how = "the connection to where it runs was lost"
        elif has_ended(self._greeting.pid):
            how = "it was killed or crashed"
            if lines := last_lines(self._path.with_suffix(".stderr")):
                text = "\n".join(["its last lines on standard error:", *lines])
                self._messages.append(msg.Printed(text=text))
        else:
            how = "it no longer answers"
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

    def _reconnect(self) -> None:
        """Reconnect if the training is back, or another of its name and folder has begun."""
        if time.monotonic() < self._retry_at or self._greeting is None:
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        was = self._greeting
        with contextlib.suppress(OSError, ValueError):
            self._adopt(Connection(self._path, 0.1))
            return
        with contextlib.suppress(OSError, ValueError):
            there = self._path.parent
            for training in find():
                now = training.greeting
                # In the same folder of sockets if that still exists, as names are not unique.
                if there.exists() and training.path.parent != there.resolve():
                    continue
                if now is not None and (now.name, now.folder) == (was.name, was.folder):
                    self._path = training.path
                    self._adopt(Connection(self._path))
                    return


def last_lines(path: Path, *, ours: bool = False) -> list[str]:
    """Return the last lines of what a training printed, without ours; empty if unknown."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - MAX_TAIL, 0))
            text = file.read(MAX_TAIL).decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip() for line in text.splitlines()]
    left_out = () if ours else ("lrtui: ",)
    return [line for line in lines if line and not line.startswith(left_out)][-LAST_LINES:]


def has_ended(pid: int) -> bool:
    """Return whether a process of this machine has ended or is about to; false if unknown."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return True
    except OSError:
        return False  # another user's, or a system without /proc
    # Its sockets are closed some time before it is a zombie.
    return bool(int(stat.rpartition(")")[2].split()[6]) & PF_EXITING)
