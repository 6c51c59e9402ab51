"""The trainer process, started and watched."""

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

DETAILS = 8
"""Lines of the trainer's stderr that are kept to say why it failed."""

PRINTS_PER_SECOND = 50
"""Printed lines that are passed on in a second; more are counted."""

LONGEST_PRINT = 4096
"""Bytes of a printed line that are read at a time."""

STUCK_SECONDS = 5.0
"""Seconds without an answer from which on another run is started in a new process."""

QUEUE_SIZE = 1000
"""Messages that may wait to be polled; a trainer that is further ahead is held up."""

Process = subprocess.Popen[bytes]


class ProcessSource(Source):
    """The trainer process. It is started at once, and again by the first run after it failed."""

    def __init__(self, settings: ProblemSettings, command: Sequence[str] | None = None) -> None:
        """Start the process.

        Args:
            settings: of the problem.
            command: how the process is started; the settings are added to it as JSON.
        """
        self._settings = settings
        # -P: a torch.py that lies in the user's folder is not torch.
        command = command or (sys.executable, "-P", "-m", "lrtui.trainer")
        self._command = [*command, msg.encode(settings).decode()]
        self._messages: Queue[tuple[Process, msg.AnyMessage]] = Queue(QUEUE_SIZE)
        self._is_over = False  # whether the last message of the process was polled
        self._asked_at: float | None = None  # when a run was asked for that has not started yet
        self._process = self._spawn()

    def _spawn(self) -> Process:
        # A session of its own: the terminal's signals are for us, who end it by its stdin.
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def send(self, command: msg.Command) -> None:
        """Send a command; one that starts a run also starts the process, if it is gone.

        So it does where the process has not answered the last one: a person's file may go round
        in a circle, and is mended meanwhile.
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
                return  # it was started with that problem
        if isinstance(command, msg.Start):
            self._asked_at = monotonic()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is just ending; _listen reports it
            self._process.stdin.write(msg.encode(command) + b"\n")
            self._process.stdin.flush()

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages since the last call, see ``Source.poll``."""
        messages: list[msg.AnyMessage] = []
        try:
            while True:
                wait = timeout != 0 and not messages and not self._is_over
                process, message = self._messages.get(wait, timeout if wait else None)
                # What a process that was replaced left behind is about runs that are over.
                if process is self._process:
                    messages.append(message)
                    if isinstance(message, msg.Started | msg.Unusable):
                        self._asked_at = None
                    self._is_over = isinstance(message, msg.Failed)
        except Empty:
            return messages

    def close(self) -> None:
        """End the process: by the end of its input, and by force if that is not enough."""
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended before us
            process.stdin.close()
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self, process: Process) -> None:
        """Forward the messages of the process, and how it ended."""
        assert process.stdout is not None
        tail: deque[str] = deque(maxlen=DETAILS)
        printed = Thread(target=self._pass_on_prints, args=(process, tail), daemon=True)
        printed.start()
        reason = ""
        with process.stdout as pipe:
            for line in pipe:
                try:
                    if (message := msg.decode_message(line)) is not None:
                        self._messages.put((process, message))
                except ValueError as error:
                    text = line.decode(errors="replace").strip()
                    said = f"something that is not a message ({error}): {text!r:.80}"
                    reason = f"the trainer sent {said}"
                    process.kill()
                    break
        code = process.wait()
        printed.join(1)
        reason = reason or f"the trainer ended: {how_ended(code)}"
        self._messages.put((process, msg.Failed(reason=reason, details=[*tail])))

    def _pass_on_prints(self, process: Process, tail: deque[str]) -> None:
        assert process.stderr is not None
        counted_from, count = monotonic(), 0
        with process.stderr as pipe:
            while line := pipe.readline(LONGEST_PRINT):
                text = line.decode(errors="replace").rstrip()
                tail.append(text)
                now = monotonic()
                if now > counted_from + 1:
                    if count > PRINTS_PER_SECOND:
                        self._messages.put((process, left_out(count - PRINTS_PER_SECOND)))
                    counted_from, count = now, 0
                count += 1
                if count <= PRINTS_PER_SECOND:
                    self._messages.put((process, msg.Printed(text=text)))
                elif count == PRINTS_PER_SECOND + 1:
                    told = f"(over {PRINTS_PER_SECOND} lines in a second: the others are counted)"
                    self._messages.put((process, msg.Printed(text=told)))
        if count > PRINTS_PER_SECOND:
            self._messages.put((process, left_out(count - PRINTS_PER_SECOND)))


def left_out(count: int) -> msg.Printed:
    """Say how many printed lines are not told."""
    return msg.Printed(text=f"({count:,} more line{'s' if count > 1 else ''} printed)")


def how_ended(code: int) -> str:
    """Say how a process ended, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
