"""Finds spikes in the training process, logs them to a file, and runs a command on each.

Everything here runs in the server's thread, whether anybody watches or not.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from lrtui.analysis.history import Row
from lrtui.analysis.spikes import LEVEL_WINDOW, SpikeWatch, find_raise
from lrtui.messages.quantities import finite_or_none

MAX_RECORDS = 1000
"""Most spikes written by a process, at some 5 kB each."""

COMMAND_SECONDS = 60.0
"""Least seconds between two commands."""

PORTION = 16
"""Rows between two checks for a new spike."""


class SpikeRecord(msgspec.Struct, kw_only=True):
    """A spike as written to the file.

    Attributes:
        run, name: of the training.
        step: its first.
        time: when it was found, in seconds since 1970.
        kind: whether the loss or the gradient norm is far above its level.
        word: the cause of a spike of the loss: ``bad batch``, ``rate raised``, or empty.
        level: of the loss or norm before.
        height: the same now; ``None`` if it is not finite.
        steps, loss, norm, rate: the last steps; ``None`` where unknown or not finite.
    """

    run: int
    name: str
    step: int
    time: float
    kind: Literal["loss", "norm"]
    word: str
    level: float
    height: float | None
    steps: list[int]
    loss: list[float | None]
    norm: list[float | None]
    rate: list[float | None]


class Alarms:
    """Finds the spikes of the trainings of this process.

    Attributes:
        path: of the file that they are appended to; created by the first one.
    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        """Set the path; ``complain`` is called with a sentence if something cannot be done."""
        self.path = path
        self._complain = complain
        self._left = MAX_RECORDS
        self._run_next = 0.0
        self._commands: list[subprocess.Popen[bytes]] = []
        self.begin(1, "", None)

    def begin(self, run: int, name: str, command: str | None) -> None:
        """Begin a training; ``command`` is run when a spike begins."""
        self._run, self._name, self._command = run, name, command
        self._spikes = SpikeWatch()
        self._rows: deque[Row] = deque(maxlen=LEVEL_WINDOW)

    def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows."""
        for first in range(0, len(rows), PORTION):
            self._add(rows[first : first + PORTION])

    def _add(self, rows: Sequence[Row]) -> None:
        spikes, before = self._spikes, (self._spikes.last, self._spikes.norms.last)
        self._rows.extend(rows)
        losses = [None if row.loss != row.loss else row.loss for row in rows]
        norms = [row.others.get("grad_norm") for row in rows]
        spikes.add([row.step for row in rows], losses, norms)
        if (high := spikes.norms.last) is not before[1] and high is not None:
            self._note("norm", high.step, high.level, high.level * high.times, "")
        if (spike := spikes.last) is not before[0] and spike is not None:
            spike.raised = self._raised_before(spike.step)
            self._note("loss", spike.step, spike.level, spike.now, spike.cause)

    def _raised_before(self, step: int) -> tuple[int, float, float] | None:
        """Return the last rise of the rate before a step; see ``find_raise``."""
        before = (row for row in self._rows if row.step <= step)
        known = [(row.step, row.lr) for row in before if row.lr is not None]
        return find_raise([at for at, _ in known], [lr for _, lr in known])

    def _note(
        self, kind: Literal["loss", "norm"], step: int, level: float, height: float, word: str
    ) -> None:
        """Write a spike down, and run the command."""
        rows = self._rows
        record = SpikeRecord(
            run=self._run,
            name=self._name,
            step=step,
            time=time.time(),
            kind=kind,
            word=word,
            level=level,
            height=finite_or_none(height),
            steps=[row.step for row in rows],
            loss=[finite_or_none(row.loss) for row in rows],
            norm=[finite_or_none(row.others.get("grad_norm")) for row in rows],
            rate=[finite_or_none(row.lr) for row in rows],
        )
        if self._left > 0:
            self._left -= 1
            try:
                with self.path.open("ab", buffering=0) as file:
                    file.write(msgspec.json.encode(record) + b"\n")
            except OSError as error:
                self._left = 0
                self._complain(f"spikes are not written to {self.path}: {error.strerror}")
            else:
                if not self._left:
                    self._complain(f"{self.path} has {MAX_RECORDS:,} spikes; no more are written")
        if self._command and time.monotonic() >= self._run_next:
            self._run_command(self._command, step, kind)

    def _run_command(self, command: str, step: int, kind: str) -> None:
        """Start the command, without waiting for it."""
        self._run_next = time.monotonic() + COMMAND_SECONDS
        about = {
            "LRTUI_STEP": str(step),
            "LRTUI_FILE": str(self.path.absolute()),
            "LRTUI_KIND": kind,
            "LRTUI_NAME": self._name,
        }
        try:
            self._commands.append(
                subprocess.Popen(
                    shlex.split(command),
                    env={**os.environ, **about},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        except (OSError, ValueError, IndexError) as error:
            self._command = None
            why = getattr(error, "strerror", None) or error
            self._complain(f"on a spike, {command!r} cannot be run: {why}; the training goes on")

    def reap(self) -> None:
        """Forget the commands that have ended, so that they leave no zombies; never waits."""
        self._commands = [each for each in self._commands if each.poll() is None]

    def close(self) -> None:
        """Detach from the commands that still run."""
        self.reap()
        for each in self._commands:
            each.returncode = 0  # else Python warns of a process that still runs
        self._commands.clear()
