"""The process of one run, and those that it starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")


class Job:
    """A process in a session of its own, out of reach of the terminal's signals.

    Attributes:
        code: its exit code, ``None`` while it is on; negative for a signal.
    """

    def __init__(self, words: Sequence[str], log: Path, cwd: str, env: Mapping[str, str]) -> None:
        """Start it; what it prints is added to a file.

        Raises:
            OSError: it cannot be started.
        """
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **env},
                start_new_session=True,
            )
        self._groups: set[int] = set()

    @property
    def code(self) -> int | None:
        """See the class."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it by force, with all that it has started."""
        self._send(signal.SIGKILL)
        self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        """Send a signal to its process groups, including those seen at an earlier signal.

        Launchers give their workers sessions of their own.
        """
        if self._process.poll() is None:
            self._groups |= {self._process.pid, *groups_below(self._process.pid)}
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)


def groups_below(pid: int) -> set[int]:
    """Return the process groups of a process's descendants, as far as ``/proc`` lists them."""
    children: dict[int, list[tuple[int, int]]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            _, parent, group = path.read_text().rpartition(")")[2].split()[:3]
            children.setdefault(int(parent), []).append((int(path.parent.name), int(group)))
    found: set[int] = set()
    pids = [pid]
    while pids:
        for child, of_child in children.get(pids.pop(), []):
            found.add(of_child)
            pids.append(child)
    return found - {os.getpgrp()}


def devices() -> list[str]:
    """Return the GPUs that a run may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    if own is not None:
        return [name for name in own.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(i) for i, _ in enumerate(s for s in listed.splitlines() if s.startswith("GPU "))]
