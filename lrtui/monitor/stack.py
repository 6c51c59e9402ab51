"""Describes where a thread is, for a person whose training stalls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

WAITS = (
    ("torch/utils/data/", "waits for data"),
    ("torch/distributed/", "waits for other ranks"),
    ("torch/autograd/", "is in backward"),
    ("multiprocessing/", "waits for another process"),
    ("threading.py", "waits for a lock"),
    ("socket.py", "waits for the network"),
    ("ssl.py", "waits for the network"),
)
"""Parts of library file names, and what a thread in them does."""

FOR_OTHERS = ("waits for other ranks", "is in backward")
"""What a rank that waits for another does; DistributedDataParallel averages in backward."""

OURS = Path(__file__).parents[1].as_posix()
"""The folder of this package."""


def where(thread: int) -> str:
    """Describe what a thread does, and at which line of the script."""
    frame = sys._current_frames().get(thread)
    doing, line = "", ""
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        doing = doing or next((words for part, words in WAITS if part in file), "")
        is_library = "/site-packages/" in file or "/lib/python" in file
        is_library = is_library or file.startswith(("<", OURS))
        if not line and not is_library:
            line = f" in {Path(file).name}, line {frame.f_lineno}"
        frame = frame.f_back
    return f"{doing or 'runs'}{line}"


def find_blocker(doing: Sequence[str]) -> int | None:
    """Return the rank for which all others wait, from what each does; ``None`` if unknown."""
    busy = [rank for rank, text in enumerate(doing) if not text.startswith(FOR_OTHERS)]
    return busy[0] if len(busy) == 1 < len(doing) and doing[busy[0]] else None
