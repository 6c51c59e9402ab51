"""Functions of torch replaced for as long as a training is watched."""

from __future__ import annotations

from typing import Any


class Patches:
    """Replaced attributes, and what they were before."""

    def __init__(self) -> None:
        """Replace nothing yet."""
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def patch(self, owner: Any, name: str, new: Any) -> None:  # noqa: ANN401
        """Replace an attribute."""
        self._undo.append((owner, name, new, getattr(owner, name)))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Put back what was replaced, unless somebody has replaced it since."""
        while self._undo:
            owner, name, new, old = self._undo.pop()
            if getattr(owner, name) is new:
                setattr(owner, name, old)
