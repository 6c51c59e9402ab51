"""A driver for slow lines: it writes few bytes, and no more than the terminal keeps up with."""

from __future__ import annotations

import math
import os
from asyncio import TimerHandle
from codecs import getincrementaldecoder
from collections import deque
from functools import partial
from threading import Event
from time import monotonic

from textual import events
from textual.app import App
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from lrtui.screen.terminal.environment import wants_no_color
from lrtui.screen.terminal.probe import STDERR, erases, keeps_up
from lrtui.screen.terminal.screen_diff import ScreenDiff, harmless

ALTERNATE_SCREEN = ("\x1b[?1049h", "\x1b[?1049l")
"""Into the alternate screen and back: what was drawn is lost, and has to be sent again."""
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Textual's marks around a frame, for terminals with synchronised output."""
QUESTION = "\x1b[6n"
"""Cursor position report: the terminal answers once it has processed all output before it."""

MAX_UNANSWERED = 2000
"""Maximum unanswered bytes before further output waits."""
MIN_UNANSWERED = 250
"""The same for the slowest line, and while timing a round trip."""
MAX_BUFFERED_SECONDS = 0.1
"""Seconds of output in flight, for which a key has to wait."""
MIN_SAMPLES = 10
"""Answers needed to estimate bandwidth and round-trip time."""
REMEASURE_SECONDS = 10.0
"""Seconds after which the round trip is timed again."""
FIRST_FRAME = 6500
"""Maximum unanswered bytes in the first second, before the terminal can have answered."""
SILENT = 3000
"""Maximum unanswered bytes for a terminal that did not answer in the first second."""
MAX_CHUNK = 1000
"""Maximum bytes of a write: a key can be answered between two."""
MIN_BANDWIDTH = 2000
"""Assumed minimum bandwidth in bytes a second."""
ANSWER_TIMEOUT = 5.0
"""Seconds to wait for an answer: another terminal may be attached now."""
HOLD = 0.3
"""Maximum seconds to hold output."""
LAST_ANSWER = 0.5
"""Seconds to wait for the last answer on exit: the shell would take a later one for input."""


class LineDriver(LinuxDriver):
    """Writes only changed cells, and only once the terminal has processed earlier output.

    Whether the terminal can be written to says little about that: a pseudo-terminal, sshd and
    the network buffer many seconds of a slow line's output. So the terminal is asked for the
    cursor's position from time to time, and its answer shows how far it has got.
    """

    def __init__(
        self,
        app: App[object],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Make the driver; called by textual."""
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        app.line = self  # type: ignore[attr-defined] # see LrtuiApp
        self._diff = ScreenDiff(erases(), colors=not wants_no_color(os.environ))
        self._on = False
        self._at_once = False
        self._timer: TimerHandle | None = None
        self._answers = False
        self._unanswered = 0.0
        self._after_question = 0
        self._before_question = 0.0
        self._asked = False
        self._asked_at = 0.0
        self._seen: deque[tuple[float, float]] = deque(maxlen=MIN_SAMPLES)
        self._round_trips: deque[float] = deque(maxlen=MIN_SAMPLES)
        self._timed_at = -math.inf
        self._answered = Event()
        self._since = self._looked_at = 0.0
        self._held_until = 0.0

    @property
    def is_free(self) -> bool:
        """Whether output can be sent now; if not, drawing a frame is a waste."""
        return self._held_until > 0 or not self._diff.differs or self._wait() <= 0

    def hold(self) -> None:
        """Hold output until the next frame: panes that were just moved are still empty."""
        self._held_until = monotonic() + HOLD

    def release(self) -> None:
        """Stop holding output."""
        self._held_until = 0.0
        self._stop_waiting()

    def redraw(self) -> None:
        """Send the whole screen again: the terminal may show something else."""
        self._diff.forget()
        self._send_soon()

    def write(self, data: str) -> None:
        """Draw a frame, or pass on anything else unchanged.

        An unknown sequence may do anything to the screen. So what was drawn before it is sent
        before it, and whatever is drawn after it is sent whole.
        """
        if data in (BEGIN, END):
            self._at_once = True
        elif self._diff.draw(data):
            self._send_soon()
        elif data in ALTERNATE_SCREEN:
            super().write(data)
            self._diff.forget()
        elif harmless(data):
            super().write(data)
        else:
            while self._on and self._diff.differs:
                self._send_changes()
            super().write(data)
            self._unanswered += len(data.encode())
            self._diff.clear()

    def start_application_mode(self) -> None:
        """Enter application mode, unless in it: SIGCONT may come without a stop before it."""
        if self._on:
            return
        self._on = True
        self._since = monotonic()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """Leave application mode, after the last answer has come."""
        self._on = False
        if self._asked and self._answers:
            self._answered.wait(LAST_ANSWER)
        self._asked = False
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Read keys, also from a terminal that sends invalid UTF-8."""
        # Textual's decoder is strict, and a local name of this function.
        linux_driver.getincrementaldecoder = lambda encoding: partial(  # type: ignore[attr-defined]
            getincrementaldecoder(encoding), errors="replace"
        )
        super().run_input_thread()

    def process_message(self, message: Message) -> None:
        """Intercept the terminal's answers; called in textual's input thread."""
        if isinstance(message, events.CursorPosition):
            self._answered.set()
            self._loop.call_soon_threadsafe(self._take_answer)
        else:
            super().process_message(message)

    def _take_answer(self) -> None:
        if self._asked:
            now, size = monotonic(), self._before_question
            self._seen.append((now - self._asked_at, size))
            if size <= MIN_UNANSWERED + len(QUESTION):
                self._round_trips.append(now - self._asked_at)
                self._timed_at = now
        self._asked = False
        self._answers = True
        self._unanswered = min(self._unanswered, self._after_question)
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._send_soon()

    def _send_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(0, self._send)

    def _send(self) -> None:
        """Send as many changes as the line has room for."""
        self._timer = None
        while self._on and self._diff.differs:
            wait = self._wait()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._send)
                return
            self._send_changes()

    def _send_changes(self) -> None:
        """Send the next piece of the changes, with a question unless one is unanswered."""
        chunk = int(min(MAX_CHUNK, self._window()))
        changes = self._diff.changes(*os.get_terminal_size(STDERR), chunk)
        if not changes:
            return
        size = len(changes.encode())
        self._unanswered += size
        if self._asked:
            self._after_question += size
        else:
            changes += QUESTION
            self._asked, self._asked_at = True, monotonic()
            self._before_question = self._unanswered
            self._answered.clear()
            self._after_question = 0
        super().write(BEGIN + changes + END if self._at_once else changes)

    def _wait(self) -> float:
        """Return for how many seconds output has to wait."""
        now = monotonic()
        if not self._answers or now > self._asked_at + ANSWER_TIMEOUT:
            carried = MIN_BANDWIDTH * (now - self._looked_at)
            self._unanswered = max(self._unanswered - carried, 0.0)
        self._looked_at = now
        if now < self._held_until:
            return self._held_until - now
        if not keeps_up(STDERR):
            return 0.05
        if self._answers and not self._asked:
            return 0.0  # the next output includes a question
        first = FIRST_FRAME if now < self._since + 1 else SILENT
        window = self._window() if self._answers else first
        return max(self._unanswered - window, 0.0) / MIN_BANDWIDTH

    def _window(self) -> float:
        """Return how many bytes may be unanswered, from the measured bandwidth.

        That is what the line carries in a round trip and a tenth of a second, but at most twice
        what was sent at a time: an immediate answer to a few bytes proves little. Only answers to
        few bytes time the round trip, since others waited behind their own output.
        """
        if not self._answers:
            return MAX_UNANSWERED
        if monotonic() > self._timed_at + REMEASURE_SECONDS:
            return MIN_UNANSWERED
        allowed = min(self._round_trips) + MAX_BUFFERED_SECONDS
        carried = max(size * min(allowed / max(took, 1e-3), 2) for took, size in self._seen)
        return min(max(carried, MIN_UNANSWERED), MAX_UNANSWERED)
