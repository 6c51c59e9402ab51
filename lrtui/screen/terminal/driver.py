"""Textual's driver with an eye on the line: few bytes, and no more than the terminal takes."""

from __future__ import annotations

import os
from asyncio import TimerHandle
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from lrtui.screen.terminal.probe import STDERR, erases, keeps_up
from lrtui.screen.terminal.screen_diff import ScreenDiff, harmless

if TYPE_CHECKING:
    from lrtui.screen.app import LrtuiApp

ALTERNATE = "\x1b[?1049h"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""What textual puts around a drawing where the terminal can show all of it at once."""
QUESTION = "\x1b[6n"
"""Where is the cursor? A terminal answers when it has taken in all that was sent before."""

WINDOW = 2000
"""Bytes that may be on their way unanswered before the next are held back."""
FIRST_FRAME = 6500
"""The same in the first second, when nothing is known of the terminal yet."""
SILENT = 3000
"""The same for a terminal that has not answered in it."""
CHUNK = 1000
"""Bytes after which a drawing is cut, so that a key is answered in the middle of a large one."""
SLOWEST = 2000
"""Bytes a second that any line is taken to carry, were it never to answer."""
HOLD = 0.3
"""Seconds after which what is held is sent all the same."""
LAST_ANSWER = 0.5
"""Seconds to wait for it on leaving: what comes later would be typed into the shell."""


class LineDriver(LinuxDriver):
    """Sends the terminal what differs from what it shows, when it has taken in the last of it.

    A pseudo-terminal, sshd and the network hold many seconds of a slow line's output, so that
    the terminal can be written to says little. Its answers say what it has seen.
    """

    def __init__(
        self,
        app: LrtuiApp,
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Makes the driver; textual does."""
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        app.lab.line = self
        self._diff = ScreenDiff(erases=erases())
        self._on = False
        self._at_once = False
        self._timer: TimerHandle | None = None
        self._answers = False
        self._unanswered = 0.0
        self._after_question = 0
        self._asked = False
        self._answered = Event()
        self._since = self._looked_at = 0.0
        self._held_until = 0.0

    @property
    def is_free(self) -> bool:
        """Whether nothing that was drawn has to wait: only then is it worth drawing more."""
        return self._held_until > 0 or not self._diff.differs or self._wait() <= 0

    def hold(self) -> None:
        """Sends nothing until the next frame is drawn: panes that have moved are still empty."""
        self._held_until = monotonic() + HOLD

    def release(self) -> None:
        """Sends what was drawn."""
        self._held_until = 0.0
        self._stop_waiting()

    def redraw(self) -> None:
        """Sends everything anew: the terminal may show something else."""
        self._diff.forget()
        self._send_soon()

    def write(self, data: str) -> None:
        """Draw a frame, or pass on anything else unchanged.

        Nobody can tell what an unknown sequence does to the screen. What was drawn before it is
        sent before it, and whatever is drawn after it is sent whole.
        """
        if data in (BEGIN, END):
            self._at_once = True
        elif self._diff.draw(data):
            self._send_soon()
        elif data == ALTERNATE:
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
        """Takes the terminal, unless it has it: SIGCONT may come without a stop before it."""
        if self._on:
            return
        self._on = True
        self._since = monotonic()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """Gives the terminal back."""
        self._on = False
        if self._asked and self._answers:
            self._answered.wait(LAST_ANSWER)
        self._asked = False
        super().stop_application_mode()

    def process_message(self, message: Message) -> None:
        """Takes the terminal's answers out of what it says; runs in textual's input thread."""
        if isinstance(message, events.CursorPosition):
            self._answered.set()
            self._loop.call_soon_threadsafe(self._take_answer)
        else:
            super().process_message(message)

    def _take_answer(self) -> None:
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
        changes = self._diff.changes(*os.get_terminal_size(STDERR), CHUNK)
        if not changes:
            return
        size = len(changes.encode())
        self._unanswered += size
        if self._asked:
            self._after_question += size
        else:
            changes += QUESTION
            self._asked = True
            self._answered.clear()
            self._after_question = 0
        super().write(BEGIN + changes + END if self._at_once else changes)

    def _wait(self) -> float:
        """Returns for how many seconds to send nothing."""
        now = monotonic()
        carried = SLOWEST * (now - self._looked_at)
        self._unanswered, self._looked_at = max(self._unanswered - carried, 0.0), now
        if now < self._held_until:
            return self._held_until - now
        if not keeps_up(STDERR):
            return 0.05
        if self._answers and not self._asked:
            return 0.0  # what comes next brings a question along
        first = FIRST_FRAME if now < self._since + 1 else SILENT
        window = WINDOW if self._answers else first
        return max(self._unanswered - window, 0.0) / SLOWEST
