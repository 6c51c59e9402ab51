"""Names of new files."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path


def unused(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path without a file, with a number before the suffix if needed."""
    names = chain([f"{stem}{suffix}"], (f"{stem}-{number}{suffix}" for number in count(2)))
    return next(path for name in names if not (path := folder / name).exists())
