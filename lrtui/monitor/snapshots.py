"""Snapshots of a training on the CPU, to go back to."""

from __future__ import annotations

import copy
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

BUDGET = 0.01
"""Share of the time that taking snapshots may cost."""

SHORTEST = 1.0
"""Seconds between two snapshots, at least."""

PUT_OFF = 30.0
"""Seconds after which one that could not be taken is tried again."""

KEPT = 10
"""Snapshots kept, where they are small: close together of late, further apart with age."""

LARGEST = 4 * 2**30
"""Bytes that they may take together; two are kept whatever they take."""

NEAR_BEST = 1.2
"""A snapshot is from before the loss rose if its level is at most that many times the lowest."""

LEFT_OUT = "the order of the data is not rewound"


class Stateful(Protocol):
    """What can be taken a snapshot of, such as a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take up a state."""


@dataclass(frozen=True)
class Snapshot:
    """What training goes on from.

    Attributes:
        step: steps taken.
        level: median of the last losses, infinite where there were none.
        states: of what is taken back, tensors on the CPU.
        chance: states of the random generators.
        nbytes: memory of its tensors.
    """

    step: int
    level: float
    states: list[Any]
    chance: list[Any]
    nbytes: int


class Snapshots:
    """Snapshots taken as often as a budget of time allows, of which few are kept.

    Attributes:
        due: when the next one is to be taken, by ``time.monotonic``.
        before_the_rise: step of the last one before the loss rose, ``None`` where there is none.
    """

    def __init__(self, parts: Sequence[Stateful]) -> None:
        """Take none yet.

        Args:
            parts: what is taken back: model, optimizers, schedules, the control of the rate.
        """
        self.due = 0.0
        self.before_the_rise: int | None = None
        self._parts = [*parts]
        self._ring: list[Snapshot] = []

    @property
    def steps(self) -> list[int]:
        """The steps of those that are kept, ascending."""
        return [snapshot.step for snapshot in self._ring]

    def _drop_one(self, now: int) -> None:
        """Drop the one that is missed least: the gap that it leaves is the smallest for its age.

        Never the last one before the loss rose, where there is another.
        """
        ring = self._ring
        steps = [0, *self.steps, now]
        gaps = [
            (math.inf if ring[i].step == self.before_the_rise else 0)
            + (steps[i + 2] - steps[i]) / (now - steps[i + 1] + 1)
            for i in range(len(ring))
        ]
        del ring[gaps.index(min(gaps))]

    def put_off(self) -> None:
        """Put off the next one: it could not be taken now."""
        self.due = time.monotonic() + PUT_OFF

    def _before_the_rise(self) -> int:
        best = min(snapshot.level for snapshot in self._ring)
        allowed = best + (NEAR_BEST - 1) * abs(best)
        return next(s.step for s in reversed(self._ring) if s.level <= allowed)

    def take(self, step: int, level: float | None) -> None:
        """Take one, and put off the next for as long as that took is worth.

        Args:
            step: steps taken.
            level: median of the last losses, ``None`` where there were none.
        """
        start = time.monotonic()
        if self._ring and self._ring[-1].step >= step:
            return
        states = [on_cpu(part.state_dict()) for part in self._parts]
        nbytes = sum(map(size, states))
        while len(self._ring) >= KEPT or (
            len(self._ring) >= 2 and sum(s.nbytes for s in self._ring) + nbytes > LARGEST
        ):
            self._drop_one(step)
        known = math.inf if level is None else level
        self._ring.append(Snapshot(step, known, states, chance(), nbytes))
        self.before_the_rise = self._before_the_rise()
        now = time.monotonic()
        self.due = now + max((now - start) / BUDGET, SHORTEST)

    def go_back(self, step: int | None) -> int:
        """Go back to a snapshot.

        Args:
            step: of the snapshot; ``None`` for the last one before the loss rose.

        Returns:
            Its step. Those taken after it are given up.

        Raises:
            ValueError: there is none of that step; says which there are.
        """
        wanted = self.before_the_rise if step is None else step
        found = next((s for s in self._ring if s.step == wanted), None)
        if found is None:
            there = ", ".join(f"{step:,}" for step in self.steps) or "none yet"
            of = "" if wanted is None else f" of step {wanted:,}"
            raise ValueError(f"no snapshot{of}; there are: {there}")
        for part, state in zip(self._parts, found.states, strict=True):
            part.load_state_dict(copy.deepcopy(state))
        restore_chance(found.chance)
        while self._ring[-1] is not found:
            self._ring.pop()
        self.before_the_rise = self._before_the_rise()
        return found.step


def on_cpu(state: Any) -> Any:  # noqa: ANN401 - whatever a state is made of
    """Return a copy of a state, its tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: on_cpu(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(map(on_cpu, state)) if type(state) in (list, tuple) else state
    return copy.deepcopy(state)


def size(state: Any) -> int:  # noqa: ANN401
    """Return the bytes of the tensors of a state."""
    if isinstance(state, Tensor):
        return state.nbytes
    if isinstance(state, dict):
        return sum(map(size, state.values()))
    return sum(map(size, state)) if isinstance(state, list | tuple) else 0


def chance() -> list[Any]:
    """Return the states of the random generators: torch's, Python's and numpy's."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    return [torch.get_rng_state(), cuda, random.getstate(), drawn]


def restore_chance(states: list[Any]) -> None:
    """Take up states of the random generators."""
    torch_state, cuda, python_state, drawn = states
    torch.set_rng_state(torch_state)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python_state)
    if drawn is not None:
        sys.modules["numpy"].random.set_state(drawn)
