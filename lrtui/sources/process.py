"""Where messages come from: the trainer process, started and watched over."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from queue import Empty, Queue
from threading import Thread
from typing import Protocol

from lrtui.messages import (
    AnyMessage,
    Command,
    Failed,
    Printed,
    Problem,
    Start,
    decode_message,
    encode,
)

DETAILS = 8
"""Lines of the trainer's stderr that are kept to tell why it failed."""

WAITING = 1000
"""Messages that may wait to be polled; a trainer that is further ahead is held up."""


Process = subprocess.Popen[bytes]


class Source(Protocol):
    """Whatever answers commands with messages.

    Attributes:
        trains: whether it carries out runs; otherwise it shows those that were saved.
    """

    trains: bool

    def send(self, command: Command) -> None:
        """Sends a command, without waiting for its effect."""

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Returns the messages since the last call.

        Args:
            timeout: seconds to wait for the first one; ``None`` waits until it comes.
        """

    def close(self) -> None:
        """Ends the source."""


class Trainer:
    """The trainer process. It is started at once, and anew by the first run after it failed."""

    trains = True

    def __init__(self, problem: Problem, command: Sequence[str] | None = None) -> None:
        """Starts the process.

        Args:
            problem: what the runs are to learn.
            command: how the process is started, the problem as JSON added at its end.
        """
        # -P: a torch.py that lies in the user's folder is not torch.
        command = command or (sys.executable, "-P", "-m", "lrtui.trainer")
        self._command = [*command, encode(problem).decode()]
        self._messages: Queue[tuple[Process, AnyMessage]] = Queue(WAITING)
        self._process = self._spawn()

    def _spawn(self) -> Process:
        # A session of its own: the terminal's signals are for us, who end it by its stdin.
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def send(self, command: Command) -> None:
        """Sends a command; one that starts a run starts the process too, if it is gone."""
        if self._process.poll() is not None:
            if not isinstance(command, Start):
                return
            self.close()
            self._process = self._spawn()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(command) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it is just going; _listen tells of it

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Returns the messages since the last call, see ``Source.poll``."""
        messages: list[AnyMessage] = []
        try:
            while True:
                wait = timeout != 0 and not messages
                process, message = self._messages.get(wait, timeout if wait else None)
                # What a process that was replaced has left behind is about runs that are over.
                if process is self._process:
                    messages.append(message)
        except Empty:
            return messages

    def close(self) -> None:
        """Ends the process: by the end of its input, and by force if it does not go by that."""
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it went before us
            process.stdin.close()
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self, process: Process) -> None:
        """Passes on what the process says, and how it ended."""
        assert process.stdout is not None
        tail: deque[str] = deque(maxlen=DETAILS)
        printed = Thread(target=self._pass_on_prints, args=(process, tail), daemon=True)
        printed.start()
        reason = ""
        with process.stdout as pipe:
            for line in pipe:
                try:
                    self._messages.put((process, decode_message(line)))
                except ValueError as error:
                    text = line.decode(errors="replace").strip()
                    reason = f"the trainer sent what is no message ({error}): {text[:80]!r}"
                    process.kill()
                    break
        code = process.wait()
        printed.join(1)
        reason = reason or f"the trainer ended: {how(code)}"
        self._messages.put((process, Failed(reason, list(tail))))

    def _pass_on_prints(self, process: Process, tail: deque[str]) -> None:
        assert process.stderr is not None
        with process.stderr as pipe:
            for line in pipe:
                text = line.decode(errors="replace").rstrip()
                tail.append(text)
                self._messages.put((process, Printed(text)))


def how(code: int) -> str:
    """Says how a process ended, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
