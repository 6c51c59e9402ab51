"""A file of messages that grows, as ``lrtui run --save`` writes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.following import (
    ENTRIES,
    MIN_STALL,
    READ_SECONDS,
    Following,
    Growth,
    modified,
)
from lrtui.sources.logs.reader import Mark, Tail, lines
from lrtui.sources.record import SequenceCheck
from lrtui.sources.settings import of_command
from lrtui.text.ascii_fallback import printable

BEGINNING = b'{"type":"greeting",'
"""What a file of messages begins with."""

REPORT_SECONDS = 1.0
"""Seconds between two reports that nothing is added."""


def at_its_end(step: int) -> tuple[msg.Outcome, str]:
    """Return how and why a run ended, where its file does not say."""
    return "stopped", f"the file ends at step {step:,}"


class Followed(Following):
    """Forwards the messages of a file at once, and waits for more.

    A file that is not there yet is waited for; one that is replaced or cut is read from its
    beginning. What it shows cannot be steered.
    """

    def __init__(
        self,
        path: Path,
        *,
        once: bool = False,
        how_cut: Callable[[int], tuple[msg.Outcome, str]] = at_its_end,
    ) -> None:
        """Start at the beginning; with ``once``, end where the file ends instead of waiting.

        ``how_cut`` returns how and why a run ended, from its last step in a file without its end.
        """
        super().__init__()
        self._path, self._once, self._how_cut = path, once, how_cut
        self._name = printable(str(path))
        self._lines = lines(Tail(path, self._complain), lambda at: self._skip(at, "too long"))
        self._said: set[str] = set()
        self._sequence = SequenceCheck()
        self._offset = self._last = 0  # runs of files that this one has replaced; the last run
        self._who: tuple[int, float] | None = None  # process and start of the training
        self._is_anew = False
        self._grows = False  # whether what comes now was added since the file was opened
        self._growth = Growth(unknown=MIN_STALL)
        self._stalled, self._reported_at = 0.0, 0.0

    def finish(self) -> None:
        """End where the file ends: nobody writes to it any more."""
        self._once = True
        self._looked_at = 0.0

    def _read_on(self) -> None:
        until = time.monotonic() + READ_SECONDS
        for count, line in enumerate(self._lines, 1):
            if line is Mark.END:
                self._caught_up = self._grows = True
                break
            if line is Mark.AGAIN:
                self._sequence, self._is_anew = SequenceCheck(), True
            elif not isinstance(line, Mark):
                self._take(*line)
            if count % ENTRIES == 0 and time.monotonic() > until:
                break
        if self._caught_up and self._once:
            self._end()
        elif self._caught_up:
            self._watch_growth()

    def _take(self, at: int, line: str) -> None:
        """Apply a line of the file, which begins at byte ``at``."""
        try:
            message = msg.decode_message(line.encode())
            if message is not None:
                self._sequence.check(message)
        except ValueError as error:
            if line.strip():
                self._skip(at, str(error))
            return
        if message is None:
            return
        if isinstance(message, msg.Greeting):
            who = (message.pid, message.since)
            if self._is_anew and who != self._who:
                self._offset = self._last
            self._who, self._is_anew = who, False
            self.settings = of_command(message.command)
            message = replace(message, capabilities=[])
        if (number := getattr(message, "run", None)) is not None:
            message = replace(message, run=self._offset + number)
            self._last = max(self._last, self._offset + number)
        if isinstance(message, msg.Progress) and self._grows:
            self._growth.add(time.time(), message.last)
        self._messages.append(message)

    def _skip(self, at: int, why: str) -> None:
        self._complain(self._path, f" has a line at byte {at:,} that is left out: {why}", "line")

    def _complain(self, path: Path, problem: str, kind: str = "") -> None:
        """Say what is wrong with the file, each kind of problem once."""
        if (kind or problem) not in self._said:
            self._said.add(kind or problem)
            self._messages.append(msg.Printed(text=printable(f"{path}{problem}")))

    def _watch_growth(self) -> None:
        """Report how long the file has not grown, if that is unusual."""
        now = time.time()
        active = [*self._sequence.active.values()]
        if not active or now < self._reported_at + REPORT_SECONDS:
            return
        stalled = self._growth.stalled(modified(self._path))
        if stalled and (not self._stalled or stalled > 1.02 * self._stalled):
            self._reported_at, self._stalled = now, stalled
            doing = "nothing was added to the file; waiting"
            for track in active:
                run, steps = self._offset + track.started.run, [max(track.step, 0)]
                self._messages.append(
                    msg.Ranks(run=run, steps=steps, paces=[0.0], stalled=stalled, doing=doing)
                )
        if not stalled:
            self._stalled = 0.0

    def _end(self) -> None:
        self._is_over = True
        if not self._last:
            self.trouble = f"{self._name} has nothing to show yet"
        for run, track in self._sequence.active.items():
            step = max(track.step, 0)
            outcome, reason = self._how_cut(step)
            number = self._offset + run
            self._messages.append(
                msg.Ended(run=number, outcome=outcome, step=step, loss=track.loss, reason=reason)
            )
        self._sequence = SequenceCheck()


def is_followed(path: Path) -> bool:
    """Return whether a path is a file of messages."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return path.is_file() and file.read(len(BEGINNING)) == BEGINNING
    except OSError:
        return False
