"""Random numbers: the work beside a run has its own, so that the run has what it would alone."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch

State = tuple[Any, ...]


class RandomState:
    """A state of all generators of random numbers that people's code draws from.

    Within a ``with`` block it is in force, and goes on from where the last block ended.
    """

    def __init__(self) -> None:
        """Start with the state in force."""
        self._own: State = current()
        self._others: list[State] = []

    def __enter__(self) -> None:
        """Put it in force."""
        self._others.append(current())
        put_in_force(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Keep it, and put the one before back in force."""
        self._own = current()
        put_in_force(self._others.pop())


def current() -> State:
    """Return the state in force."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), devices, random.getstate(), np.random.get_state()


def put_in_force(state: State) -> None:
    """Put a state in force."""
    cpu, devices, python, numpy = state
    torch.set_rng_state(cpu)
    if devices is not None:
        torch.cuda.set_rng_state_all(devices)
    random.setstate(python)
    np.random.set_state(numpy)
