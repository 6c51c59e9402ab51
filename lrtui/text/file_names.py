"""Names for the files that are written."""

from __future__ import annotations

from pathlib import Path


def unused(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path where there is no file yet: a number goes between name and suffix."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
