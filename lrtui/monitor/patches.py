"""Patches functions of torch while a training is watched."""

from __future__ import annotations

from typing import Any


class Patches:
    """Patched attributes and their originals."""

    def __init__(self) -> None:
        """Patch nothing yet."""
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def patch(self, owner: Any, name: str, new: Any) -> None:  # noqa: ANN401
        """Replace an attribute."""
        self._undo.append((owner, name, new, getattr(owner, name)))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Restore the originals, except where other code has patched since."""
        while self._undo:
            owner, name, new, old = self._undo.pop()
            if getattr(owner, name) is new:
                setattr(owner, name, old)
