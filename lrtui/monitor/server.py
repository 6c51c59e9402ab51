"""Serves the socket of a training in a thread of its own, never blocking on a viewer."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

from lrtui.messages import AnyCommand, AnyMessage, Watch, decode_command, encode
from lrtui.messages.sockets import new_path
from lrtui.monitor.publisher import Addressed, to_all
from lrtui.monitor.saving import SavedFile
from lrtui.monitor.viewers import MAX_READ, Viewer

TICK_SECONDS = 0.1
"""Seconds between two reports."""

IDLE_SECONDS = 0.5
"""The same without viewers."""

MAX_VIEWERS = 64
"""Most connections at a time; further ones are closed."""

MAX_ACCEPTED = 16
"""Most connections accepted between two reports."""

GREETING_TIMEOUT = 10.0
"""Seconds after which a connection that has sent no command is closed."""

DRAIN_SECONDS = 0.3
"""Seconds that viewers have at the end to read the last messages."""

LAST_ROWS_SECONDS = 1.0
"""Seconds that the last numbers from a device have at the end to arrive."""

QUICK_POLL_SECONDS = 0.005
"""Seconds between two polls for them."""

SOCKET_CHECK_SECONDS = 4.0
"""Seconds between two checks that the socket still exists."""


class Server:
    """Serves the viewers of one process."""

    def __init__(
        self,
        path: Path,
        *,
        greet: Callable[[], AnyMessage],
        history: Callable[[], list[AnyMessage]],
        collect: Callable[[bool], list[Addressed]],
        on_command: Callable[[AnyCommand, str, int], None],
        on_error: Callable[[BaseException], None],
        on_move: Callable[[Path], None],
        saved: SavedFile | None = None,
    ) -> None:
        """Open the socket and start the thread.

        Args:
            path: of the socket.
            greet: returns the first message of a connection.
            history: returns the messages so far.
            collect: returns new messages, given whether anybody watches.
            on_command: called with a command, the name and the number of its viewer.
            on_error: called with an error that ends the thread.
            on_move: called with the socket's new path after its folder was removed.
            saved: file that all messages are saved to, ``None`` for none.

        Raises:
            OSError: the socket cannot be opened.
        """
        self.path = path
        self._saved = saved
        self._greet, self._history, self._collect, self._on_command = (
            greet,
            history,
            collect,
            on_command,
        )
        self._on_error, self._on_move = on_error, on_move
        self._viewers: dict[int, Viewer] = {}
        self._count = self._accepted = 0
        self._final_messages: Callable[[], list[AnyMessage]] | None = None
        self._is_waiting: Callable[[], bool] = bool
        self._check_at = monotonic() + SOCKET_CHECK_SECONDS
        self._socket = listen_at(path)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._thread = Thread(target=self._run, name="lrtui", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Make the server report at once; safe from any thread."""
        with contextlib.suppress(OSError):  # the pipe is full or closed
            os.write(self._write_end, b"!")

    def close(
        self, final_messages: Callable[[], list[AnyMessage]], is_waiting: Callable[[], bool]
    ) -> None:
        """Send the remaining and the final messages, then close the socket.

        ``is_waiting`` returns whether numbers from a device have yet to arrive.
        """
        self._is_waiting, self._final_messages = is_waiting, final_messages
        self.wake()
        self._thread.join(2 * (DRAIN_SECONDS + LAST_ROWS_SECONDS))
        with contextlib.suppress(OSError):
            self.path.unlink()

    def close_connections(self) -> None:
        """Close the socket and all connections, as a forked child must those of its parent."""
        self._socket.close()
        for viewer in self._viewers.values():
            viewer.close()

    # --- in the thread ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                self._serve(selector)
        except BaseException as error:
            self._on_error(error)
        finally:
            if self._saved is not None:
                self._saved.write()
            self.close_connections()

    def _serve(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._read_end, selectors.EVENT_READ)
        if self._saved is not None:
            self._saved.add([self._greet(), *self._history()])
        due = 0.0
        while self._final_messages is None:
            ready = selector.select(max(due - monotonic(), 0))
            for key, events in ready:
                if key.fileobj is self._socket:
                    self._accept(selector)
                elif isinstance(key.data, Viewer):
                    if events & selectors.EVENT_READ:
                        self._read_commands(key.data)
                    if events & selectors.EVENT_WRITE:
                        key.data.flush()
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._read_end, 4096)
                    due = 0.0
            if (now := monotonic()) >= due:
                watched = any(v.watching for v in self._viewers.values())
                self._send(self._collect(watched or self._saved is not None))
                due = now + (TICK_SECONDS if self._viewers else IDLE_SECONDS)
                self._begin_tick(selector, now)
            self._update_viewers(selector)
        self._send(self._collect(True))
        end = monotonic() + LAST_ROWS_SECONDS
        while self._is_waiting() and monotonic() < end:
            sleep(QUICK_POLL_SECONDS)
            self._send(self._collect(True))
        self._send([to_all(message) for message in self._final_messages()])
        end = monotonic() + DRAIN_SECONDS
        while any(v.waiting and not v.gone for v in self._viewers.values()) and monotonic() < end:
            selector.select(0.02)
            for viewer in self._viewers.values():
                viewer.flush()

    def _bind_anew(self, selector: selectors.BaseSelector) -> None:
        """Open another socket if this one's path is gone.

        Its folder is removed when its owner logs out, while a training under nohup continues.
        """
        try:
            if self.path.exists():
                return
            path = new_path(os.getpid())
            opened = listen_at(path)
        except OSError:
            return  # try again at the next check
        with contextlib.suppress(KeyError):
            selector.unregister(self._socket)
        self._socket.close()
        self._socket, self.path = opened, path
        self._on_move(path)

    def _begin_tick(self, selector: selectors.BaseSelector, now: float) -> None:
        """Reset the limits of the last tick, check the socket and drop silent connections."""
        self._accepted = 0
        if now >= self._check_at:
            self._check_at = now + SOCKET_CHECK_SECONDS
            self._bind_anew(selector)
        if self._socket.fileno() not in selector.get_map():
            selector.register(self._socket, selectors.EVENT_READ)
        for viewer in self._viewers.values():
            viewer.bytes_read = 0
            if (
                now > viewer.since + GREETING_TIMEOUT
                and not viewer.watching
                and not viewer.has_asked
            ):
                viewer.gone = True

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            selector.unregister(self._socket)  # until the next tick: out of descriptors, say
            return
        self._accepted += 1
        if self._accepted >= MAX_ACCEPTED:
            selector.unregister(self._socket)
        connection.setblocking(False)
        self._count += 1
        try:
            if len(self._viewers) >= MAX_VIEWERS:
                raise PermissionError("too many")
            viewer = Viewer(connection, self._count)
        except OSError:
            connection.close()
            return
        self._viewers[viewer.number] = viewer
        selector.register(connection, selectors.EVENT_READ, viewer)
        viewer.send(encode(self._greet()) + b"\n")

    def _read_commands(self, viewer: Viewer) -> None:
        for line in viewer.lines():
            try:
                command = decode_command(line)
            except ValueError:
                viewer.gone = True
                return
            if isinstance(command, Watch) and not viewer.watching:
                viewer.watching = True
                self._send(self._collect(True))  # before the history, which will include it
                self._send_history(viewer)
            elif command is not None and not isinstance(command, Watch):
                viewer.has_asked = True
                self._on_command(command, viewer.name, viewer.number)

    def _send_history(self, viewer: Viewer) -> None:
        viewer.has_history = True
        viewer.send_history(b"".join(encode(message) + b"\n" for message in self._history()))

    def _send(self, messages: list[Addressed]) -> None:
        if self._saved is not None:
            self._saved.add(message for message, _, _ in messages)
        if not messages or not self._viewers:
            return
        data = b"".join(encode(message) + b"\n" for message, _, _ in messages)
        answered = {viewer for _, _, viewer in messages}
        for viewer in self._viewers.values():
            if viewer.number in answered:
                for message, answer, number in messages:
                    if number == viewer.number:
                        viewer.send(encode(answer) + b"\n")
                    elif viewer.has_history:
                        viewer.send(encode(message) + b"\n")
            elif viewer.has_history:
                viewer.send(data)

    def _update_viewers(self, selector: selectors.BaseSelector) -> None:
        """Drop closed connections; register the others for what they can do now."""
        for viewer in [*self._viewers.values()]:
            if viewer.behind and not viewer.waiting and viewer.watching:
                self._send_history(viewer)
            if viewer.gone:
                if viewer.events_wanted:
                    selector.unregister(viewer.connection)
                viewer.close()
                del self._viewers[viewer.number]
                continue
            events = selectors.EVENT_READ if viewer.bytes_read < MAX_READ else 0
            events |= selectors.EVENT_WRITE if viewer.waiting else 0
            if events != viewer.events_wanted:
                if viewer.events_wanted:
                    selector.unregister(viewer.connection)
                if events:
                    selector.register(viewer.connection, events, viewer)
                viewer.events_wanted = events


def listen_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path in a private folder.

    Raises:
        OSError: it cannot be opened.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Renamed after listen(): viewers remove sockets that refuse connections.
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        opened.bind(os.fspath(new))
        # Not by umask, which all threads of the training share.
        new.chmod(0o600)
        opened.listen(16)
        new.rename(path)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
