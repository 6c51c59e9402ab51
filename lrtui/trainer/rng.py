"""Separate random states, for runs trained in step and for work beside a run."""

from __future__ import annotations

import io
import random
import sys
from typing import Any

import numpy as np
import torch


class RngStream:
    """Random states that are entered and left.

    A ``with`` block continues from the random states at the end of the last block, and restores
    those of the surrounding code afterwards.
    """

    def __init__(self, device: str, seed: int = 0) -> None:
        """Seed the first block; ``device`` is one whose generator is used as well."""
        self._seed = seed
        self._device = None if device == "cpu" else getattr(torch, device)
        self._inside: list[Any] | None = None
        self._outside: list[Any] = []

    def __enter__(self) -> None:
        self._outside = self._states()
        if self._inside is None:
            random.seed(self._seed)
            np.random.seed(self._seed % 2**32)  # numpy's largest seed
            # torch.manual_seed takes a millisecond and also seeds devices that do not exist.
            torch.default_generator.manual_seed(self._seed)
            if self._device is not None:
                self._device.manual_seed(self._seed)
        else:
            self._restore(self._inside)

    def __exit__(self, *raised: object) -> None:
        self._inside = self._states()
        self._restore(self._outside)

    def _states(self) -> list[Any]:
        """Return the states of Python's, numpy's, torch's and the device's generators."""
        states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
        return states if self._device is None else [*states, self._device.get_rng_state()]

    def _restore(self, states: list[Any]) -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if self._device is not None:
            self._device.set_rng_state(states[3])


class IsolatedRng(RngStream):
    """Isolates work between two steps of a training: separate random states, and no prints."""

    def __enter__(self) -> None:
        super().__enter__()
        self._printed = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = io.StringIO()

    def __exit__(self, *raised: object) -> None:
        sys.stdout, sys.stderr = self._printed
        super().__exit__(*raised)
