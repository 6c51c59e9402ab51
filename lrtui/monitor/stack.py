"""Describes where a thread is, for a person whose training stalls."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

AROUND = (("torch/utils/data/", "waits for data"), ("torch/autograd/", "is in backward"))
"""Parts of library file names, and what a thread in them does, even where they call the script."""

WITHIN = (
    ("torch/distributed/", "waits for other ranks"),
    ("multiprocessing/", "waits for another process"),
    ("threading.py", "waits for a lock"),
    ("socket.py", "waits for the network"),
    ("ssl.py", "waits for the network"),
)
"""The same of those that may have started the script, and tell only what it calls."""

FOR_OTHERS = ("waits for other ranks", "is in backward")
"""What a rank that waits for another does; DistributedDataParallel averages in backward."""

OURS = Path(__file__).parents[1].as_posix()
"""The folder of this package."""


def where(thread: int, *, computes: bool = True) -> str:
    """Describe what a thread does, and at which line of the script.

    ``computes``: whether it has used the processor of late, which counts where no library tells.
    """
    frame = sys._current_frames().get(thread)
    doing, line = "", ""
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        kinds = AROUND if line else AROUND + WITHIN
        doing = doing or next((words for part, words in kinds if part in file), "")
        is_library = "/site-packages/" in file or "/lib/python" in file
        is_library = is_library or file.startswith(("<", OURS))
        if not line and not is_library:
            line = f" in {Path(file).name}, line {frame.f_lineno}"
        frame = frame.f_back
    return f"{doing or ('runs' if computes else 'waits')}{line}"


def processor_seconds(native: int) -> float | None:
    """Return the seconds of a processor that a thread of this process has used.

    ``native`` is its ``threading.get_native_id()``. ``None`` where there is no ``/proc``, or the
    thread has ended.
    """
    try:
        with open(f"/proc/self/task/{native}/stat", "rb") as file:
            user, system = file.read().rpartition(b")")[2].split()[11:13]
    except OSError:
        return None
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def find_blocker(doing: Sequence[str]) -> int | None:
    """Return the rank for which all others wait, from what each does; ``None`` if unknown."""
    busy = [rank for rank, text in enumerate(doing) if not text.startswith(FOR_OTHERS)]
    return busy[0] if len(busy) == 1 < len(doing) and doing[busy[0]] else None
