"""The socket of a training, served by a thread of its own: it waits for no viewer."""

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
from lrtui.monitor.viewers import MAX_READ, Viewer

TICK_SECONDS = 0.1
"""Seconds between two reports."""

IDLE_SECONDS = 0.5
"""The same while nobody watches."""

VIEWERS = 64
"""Connections at a time; more are turned away."""

MAX_ACCEPTED = 16
"""Connections that are taken between two reports."""

GREETING_TIMEOUT = 10.0
"""Seconds after which a connection that has asked for nothing is closed."""

LAST_WORDS = 0.3
"""Seconds that viewers have to take in how a training ended."""

LAST_ROWS = 1.0
"""Seconds that the last numbers of a device have to arrive."""

QUICK_POLL_SECONDS = 0.005
"""Seconds between two looks for them."""

SOCKET_CHECK_SECONDS = 4.0
"""Seconds between two looks whether the socket can still be found."""


class Server:
    """Serves the viewers of one training."""

    def __init__(
        self,
        path: Path,
        *,
        greet: Callable[[], AnyMessage],
        so_far: Callable[[], list[AnyMessage]],
        report: Callable[[bool], list[Addressed]],
        ask: Callable[[AnyCommand, str, int], None],
        failed: Callable[[BaseException], None],
        moved: Callable[[Path], None],
    ) -> None:
        """Open the socket and start the thread.

        Args:
            path: of the socket.
            greet: returns the first message of a connection.
            so_far: returns what one who comes late is told.
            report: returns what is new; is told whether anybody watches.
            ask: takes a command, who asked for it, and the number of that viewer.
            failed: is told what ended the thread, if anything did.
            moved: is told the new path of the socket, where its folder was removed.

        Raises:
            OSError: the socket cannot be opened.
        """
        self.path = path
        self._greet, self._so_far, self._report, self._ask = greet, so_far, report, ask
        self._failed, self._moved = failed, moved
        self._viewers: dict[int, Viewer] = {}
        self._count = self._accepted = 0
        self._last_words: Callable[[], list[AnyMessage]] | None = None
        self._waits: Callable[[], bool] = bool
        self._look_at = monotonic() + SOCKET_CHECK_SECONDS
        self._socket = listen_at(path)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._thread = Thread(target=self._run, name="lrtui", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Report at once; any thread may call this."""
        with contextlib.suppress(OSError):  # it is awake already, or gone
            os.write(self._write_end, b"!")

    def close(self, last_words: Callable[[], list[AnyMessage]], waits: Callable[[], bool]) -> None:
        """Report how it ended, then close the socket.

        Args:
            last_words: returns what is told last.
            waits: whether there is something to report that has not arrived yet.
        """
        self._waits, self._last_words = waits, last_words
        self.wake()
        self._thread.join(2 * (LAST_WORDS + LAST_ROWS))
        with contextlib.suppress(OSError):
            self.path.unlink()

    def forget(self) -> None:
        """Close, in a process forked off the training, what belongs to that alone."""
        self._socket.close()
        for viewer in self._viewers.values():
            viewer.close()

    # --- in the thread ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                self._serve(selector)
        except BaseException as error:
            self._failed(error)
        finally:
            self._socket.close()
            for viewer in self._viewers.values():
                viewer.close()

    def _serve(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._read_end, selectors.EVENT_READ)
        due = 0.0
        while self._last_words is None:
            ready = selector.select(max(due - monotonic(), 0))
            for key, events in ready:
                if key.fileobj is self._socket:
                    self._accept(selector)
                elif isinstance(key.data, Viewer):
                    if events & selectors.EVENT_READ:
                        self._hear(key.data)
                    if events & selectors.EVENT_WRITE:
                        key.data.flush()
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._read_end, 4096)
                    due = 0.0
            if (now := monotonic()) >= due:
                self._tell(self._report(any(v.watching for v in self._viewers.values())))
                due = now + (TICK_SECONDS if self._viewers else IDLE_SECONDS)
                self._begin_tick(selector, now)
            self._tidy(selector)
        self._tell(self._report(True))
        end = monotonic() + LAST_ROWS
        while self._waits() and monotonic() < end:
            sleep(QUICK_POLL_SECONDS)
            self._tell(self._report(True))
        self._tell([to_all(message) for message in self._last_words()])
        end = monotonic() + LAST_WORDS
        while any(v.waiting and not v.gone for v in self._viewers.values()) and monotonic() < end:
            selector.select(0.02)
            for viewer in self._viewers.values():
                viewer.flush()

    def _bind_anew(self, selector: selectors.BaseSelector) -> None:
        """Open another socket where this one cannot be found any more.

        Its folder goes with the login that it belongs to, and training goes on under nohup.
        """
        try:
            if self.path.exists():
                return
            path = new_path(os.getpid())
            opened = listen_at(path)
        except OSError:
            return  # there is no place for it now: look again later
        with contextlib.suppress(KeyError):
            selector.unregister(self._socket)
        self._socket.close()
        self._socket, self.path = opened, path
        self._moved(path)

    def _begin_tick(self, selector: selectors.BaseSelector, now: float) -> None:
        """Let everybody say something again."""
        self._accepted = 0
        if now >= self._look_at:
            self._look_at = now + SOCKET_CHECK_SECONDS
            self._bind_anew(selector)
        if self._socket.fileno() not in selector.get_map():
            selector.register(self._socket, selectors.EVENT_READ)
        for viewer in self._viewers.values():
            viewer.heard = 0
            if now > viewer.since + GREETING_TIMEOUT and not viewer.watching and not viewer.asked:
                viewer.gone = True

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            selector.unregister(self._socket)  # out of descriptors, say: until the next report
            return
        self._accepted += 1
        if self._accepted >= MAX_ACCEPTED:
            selector.unregister(self._socket)
        connection.setblocking(False)
        self._count += 1
        try:
            if len(self._viewers) >= VIEWERS:
                raise PermissionError("too many")
            viewer = Viewer(connection, self._count)
        except OSError:
            connection.close()
            return
        self._viewers[viewer.number] = viewer
        selector.register(connection, selectors.EVENT_READ, viewer)
        viewer.send(encode(self._greet()) + b"\n")

    def _hear(self, viewer: Viewer) -> None:
        for line in viewer.lines():
            try:
                command = decode_command(line)
            except ValueError:
                viewer.gone = True
                return
            if isinstance(command, Watch) and not viewer.watching:
                viewer.watching = True
                self._tell(self._report(True))  # before what was so far, or it comes twice
                self._tell_all(viewer)
            elif command is not None and not isinstance(command, Watch):
                viewer.asked = True
                self._ask(command, viewer.name, viewer.number)

    def _tell_all(self, viewer: Viewer) -> None:
        viewer.told = True
        viewer.tell_anew(b"".join(encode(message) + b"\n" for message in self._so_far()))

    def _tell(self, messages: list[Addressed]) -> None:
        if not messages or not self._viewers:
            return
        data = b"".join(encode(message) + b"\n" for message, _, _ in messages)
        answered = {viewer for _, _, viewer in messages}
        for viewer in self._viewers.values():
            if viewer.number in answered:
                for message, answer, number in messages:
                    if number == viewer.number:
                        viewer.send(encode(answer) + b"\n")
                    elif viewer.told:
                        viewer.send(encode(message) + b"\n")
            elif viewer.told:
                viewer.send(data)

    def _tidy(self, selector: selectors.BaseSelector) -> None:
        """Wait for what each connection is waited for, and drop those that are over."""
        for viewer in [*self._viewers.values()]:
            if viewer.behind and not viewer.waiting and viewer.watching:
                self._tell_all(viewer)
            if viewer.gone:
                if viewer.wanted:
                    selector.unregister(viewer.connection)
                viewer.close()
                del self._viewers[viewer.number]
                continue
            wanted = selectors.EVENT_READ if viewer.heard < MAX_READ else 0
            wanted |= selectors.EVENT_WRITE if viewer.waiting else 0
            if wanted != viewer.wanted:
                if viewer.wanted:
                    selector.unregister(viewer.connection)
                if wanted:
                    selector.register(viewer.connection, wanted, viewer)
                viewer.wanted = wanted


def listen_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path of a private folder.

    Raises:
        OSError: it cannot be opened.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Renamed after listen(): viewers remove sockets that refuse connections.
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        opened.bind(os.fspath(new))
        # Its folder is private already; umask would be that of all threads of the training.
        new.chmod(0o600)
        opened.listen(16)
        new.rename(path)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
