"""Starts the trainer process and watches it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from queue import Empty, Queue
from threading import Thread
from time import monotonic

from lrtui import messages as msg
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.sources.source import Source

MAX_DETAILS = 8
"""Last lines of the trainer's stderr kept to explain a failure."""

PRINTS_PER_SECOND = 50
"""Printed lines forwarded per second; more are only counted."""

MAX_PRINT = 4096
"""Bytes of a printed line read at a time."""

STUCK_SECONDS = 5.0
"""Seconds without an answer after which a new run starts in a new process."""

QUEUE_SIZE = 1000
"""Messages that may wait to be polled before the trainer is blocked."""

Process = subprocess.Popen[bytes]


class ProcessSource(Source):
    """The trainer process, started at once, and again by the first run after a failure."""

    def __init__(self, settings: ProblemSettings, command: Sequence[str] | None = None) -> None:
        """Start the process by a command line, with the settings appended as JSON."""
        self._settings = settings
        # -P: a torch.py in the user's folder is not torch.
        command = command or (sys.executable, "-P", "-m", "lrtui.trainer")
        self._command = [*command, msg.encode(settings).decode()]
        self._messages: Queue[tuple[Process, msg.AnyMessage]] = Queue(QUEUE_SIZE)
        self._is_over = False  # whether Failed, the last message of the process, was polled
        self._asked_at: float | None = None  # when the run that has not started yet was asked for
        self._process = self._spawn()

    def _spawn(self) -> Process:
        # In a session of its own, out of reach of the terminal's signals: we end it by its stdin.
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def send(self, command: msg.Command) -> None:
        """Send a command; a run also restarts a process that is gone or stuck.

        A person's file may loop forever, and may have been fixed since.
        """
        if isinstance(command, msg.Load):
            self._settings = command.problem
            self._command[-1] = msg.encode(command.problem).decode()
        waited = monotonic() - (self._asked_at or monotonic())
        stuck = self._settings.is_file and waited > STUCK_SECONDS
        if self._process.poll() is not None or (stuck and isinstance(command, msg.Start)):
            if not isinstance(command, msg.Start | msg.Load):
                return
            self.close()
            self._process = self._spawn()
            self._is_over = False
            if isinstance(command, msg.Load):
                return  # already part of its command line
        if isinstance(command, msg.Start):
            self._asked_at = monotonic()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the process has ended; _listen reports it
            self._process.stdin.write(msg.encode(command) + b"\n")
            self._process.stdin.flush()

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """See ``Source.poll``."""
        messages: list[msg.AnyMessage] = []
        try:
            while True:
                wait = timeout != 0 and not messages and not self._is_over
                process, message = self._messages.get(wait, timeout if wait else None)
                # Messages of a replaced process are about runs that are over.
                if process is self._process:
                    messages.append(message)
                    if isinstance(message, msg.Started | msg.Unusable):
                        self._asked_at = None
                    self._is_over = isinstance(message, msg.Failed)
        except Empty:
            return messages

    def close(self) -> None:
        """Close the input of the process, and kill it if it does not end."""
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            process.stdin.close()
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self, process: Process) -> None:
        """Forward the messages of the process, and report its end."""
        assert process.stdout is not None
        tail: deque[str] = deque(maxlen=MAX_DETAILS)
        printed = Thread(target=self._forward_prints, args=(process, tail), daemon=True)
        printed.start()
        reason = ""
        has_begun = False
        with process.stdout as pipe:
            for line in pipe:
                try:
                    if (message := msg.decode_message(line)) is not None:
                        has_begun = True
                        self._messages.put((process, message))
                except ValueError as error:
                    text = line.decode(errors="replace").strip()
                    if not has_begun:  # printed by what a person's Python does as it starts
                        self._messages.put((process, msg.Printed(text=text)))
                        continue
                    problem = f"something that is not a message ({error}): {text!r:.80}"
                    reason = f"the trainer sent {problem}"
                    process.kill()
                    break
        code = process.wait()
        printed.join(1)
        reason = reason or f"the trainer ended: {how_ended(code)}"
        self._messages.put((process, msg.Failed(reason=reason, details=[*tail])))

    def _forward_prints(self, process: Process, tail: deque[str]) -> None:
        assert process.stderr is not None
        counted_from, count = monotonic(), 0
        with process.stderr as pipe:
            while line := pipe.readline(MAX_PRINT):
                text = line.decode(errors="replace").rstrip()
                tail.append(text)
                now = monotonic()
                if now > counted_from + 1:
                    if count > PRINTS_PER_SECOND:
                        self._messages.put((process, omission(count - PRINTS_PER_SECOND)))
                    counted_from, count = now, 0
                count += 1
                if count <= PRINTS_PER_SECOND:
                    self._messages.put((process, msg.Printed(text=text)))
                elif count == PRINTS_PER_SECOND + 1:
                    text = f"(over {PRINTS_PER_SECOND} lines in a second: the others are counted)"
                    self._messages.put((process, msg.Printed(text=text)))
        if count > PRINTS_PER_SECOND:
            self._messages.put((process, omission(count - PRINTS_PER_SECOND)))


def omission(count: int) -> msg.Printed:
    """Return a message about printed lines left out."""
    return msg.Printed(text=f"({count:,} more line{'s' if count > 1 else ''} printed)")


def how_ended(code: int) -> str:
    """Describe the end of a process by its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
