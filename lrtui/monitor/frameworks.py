"""What an unchanged script says of itself in the frames that call its optimizer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

NOT_THE_SCRIPT = (
    "lrtui.",
    "torch.",
    "lightning.",
    "pytorch_lightning.",
    "transformers.",
    "accelerate.",
)
"""Modules whose own names for an optimizer would tell nobody anything."""


def frames() -> Iterator[FrameType]:
    """Yield the frames of this thread, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def variable_of(thing: object) -> str | None:
    """Return the name under which the code that runs now knows something, ``None`` for none."""
    for frame in frames():
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(NOT_THE_SCRIPT):
            continue
        found = dict(frame.f_locals)
        for name, value in found.items():
            if value is thing and name != "self":
                return name
        for name, value in dict(getattr(found.get("self"), "__dict__", {})).items():
            if value is thing:
                return str(name)
    return None


def ask_trainer_to_end() -> str | None:
    """Have the framework that trains end as it does by itself: at a safe point, with what follows.

    Returns:
        Its name, ``None`` where no framework is known to train here.
    """
    for frame in frames():
        trainer = frame.f_locals.get("self")
        module = type(trainer).__module__
        if is_a(trainer, "transformers.trainer", "Trainer"):
            trainer.control.should_training_stop = True  # type: ignore[union-attr]
            return "transformers' Trainer"
        if module.startswith(("lightning.pytorch.", "pytorch_lightning.")):
            found: Any = getattr(trainer, "trainer", trainer)
            if is_a(found, "lightning.pytorch.trainer.trainer", "Trainer") or is_a(
                found, "pytorch_lightning.trainer.trainer", "Trainer"
            ):
                found.should_stop = True
                return "Lightning's Trainer"
    return None


def is_a(thing: object, module: str, name: str) -> bool:
    """Return whether something is of a class, without importing where that is from."""
    return any(c.__module__ == module and c.__name__ == name for c in type(thing).__mro__)
