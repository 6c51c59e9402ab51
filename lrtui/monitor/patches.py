"""Patches functions of torch while a training is watched."""

from __future__ import annotations

from typing import Any


class Watching:
    """State of the watching of this process.

    Attributes:
        is_paused: true during a replay, whose steps are not the training's.
    """

    def __init__(self) -> None:
        """Watch."""
        self.is_paused = False


WATCHING = Watching()


class Patches:
    """Patched attributes and their originals."""

    def __init__(self) -> None:
        """Patch nothing yet."""
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def patch(self, owner: Any, name: str, new: Any) -> None:
        """Replace an attribute that ``owner``, a class or module, defines itself."""
        self._undo.append((owner, name, new, vars(owner)[name]))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Restore the originals, except where other code has patched since."""
        while self._undo:
            owner, name, new, old = self._undo.pop()
            if vars(owner)[name] is new:
                setattr(owner, name, old)
