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
from torch import Tensor, nn

from lrtui.monitor.memory import MEMORY_SHARE, free_memory, ranks_of_this_host
from lrtui.text.amounts import bytes_text

TIME_SHARE = 0.01
"""Share of the time that taking snapshots may cost."""

SHORTEST = 1.0
"""Seconds between two snapshots, at least."""

RETRY_SECONDS = 30.0
"""Seconds after which one that could not be taken is tried again."""

MAX_SNAPSHOTS = 10
"""Snapshots kept, where they are small: close together at first, further apart with age."""

NEAR_BEST = 1.2
"""A snapshot is from before the loss rose if its level is at most that many times the lowest."""

MAX_DEPTH = 3
"""Containers in containers that are looked into."""

MAX_ITEMS = 10_000
"""Items of a container that is still a value, and not data."""

OF_TORCH = frozenset(vars(nn.Module()))
"""Attributes that torch gives each module."""

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
        besides: of each module, what its state leaves out.
        rng_states: states of the random generators.
        nbytes: memory of its tensors.
    """

    step: int
    level: float
    states: list[Any]
    besides: list[dict[str, Any]]
    rng_states: list[Any]
    nbytes: int


class NoRoom(ValueError):
    """No snapshot fits into the memory that snapshots may take; says so."""


class Snapshots:
    """Snapshots taken as often as a budget of time allows, of which few are kept.

    All of them together take at most a quarter of the memory that would be free without them.

    Attributes:
        due: when the next one is to be taken, by ``time.monotonic``; infinite for never.
        before_the_rise: step of the last one before the loss rose, ``None`` if there is none.
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
        self._why_none = ""

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
        self.due = time.monotonic() + RETRY_SECONDS

    def _make_room(self, nbytes: int, step: int) -> None:
        """Drop as many as it takes for another one.

        Raises:
            NoRoom: not even one fits; says how much it takes and how much there is.
        """
        while len(self._ring) >= MAX_SNAPSHOTS:
            self._drop_one(step)
        if (free := free_memory()) is None:
            return
        taken = sum(snapshot.nbytes for snapshot in self._ring)
        allowed = MEMORY_SHARE * (free + taken * ranks_of_this_host()) / ranks_of_this_host()
        if nbytes > allowed:
            self._ring.clear()
            self.before_the_rise, self.due = None, math.inf
            self._why_none = (
                f"no snapshots, so there is no going back: one takes {bytes_text(nbytes)}, and "
                f"{MEMORY_SHARE:.0%} of the host's free memory is {bytes_text(allowed)} a rank"
            )
            raise NoRoom(self._why_none)
        while self._ring and sum(snapshot.nbytes for snapshot in self._ring) + nbytes > allowed:
            self._drop_one(step)

    def _before_the_rise(self) -> int:
        best = min(snapshot.level for snapshot in self._ring)
        allowed = best + (NEAR_BEST - 1) * abs(best)
        return next(s.step for s in reversed(self._ring) if s.level <= allowed)

    def take(self, step: int, level: float | None) -> None:
        """Take one, and put off the next for as long as that took is worth.

        Args:
            step: steps taken.
            level: median of the last losses, ``None`` if there were none.
        """
        start = time.monotonic()
        if self._ring and self._ring[-1].step >= step:
            return
        self.due = start + SHORTEST
        if not all(map(is_finite, self._modules())):
            raise ValueError("not all weights are finite")
        states = [part.state_dict() for part in self._parts]
        besides = [*map(left_out, self._modules())]
        nbytes = size(states) + size(besides)
        self._make_room(nbytes, step)
        known = math.inf if level is None else level
        copied = on_cpu(states), on_cpu(besides)
        self._ring.append(Snapshot(step, known, *copied, rng_states(), nbytes))
        self.before_the_rise = self._before_the_rise()
        now = time.monotonic()
        self.due = now + max((now - start) / TIME_SHARE, SHORTEST)

    def lacks(self, step: int | None) -> str:
        """Say why there is no going back to a step, empty if there is.

        Args:
            step: of the snapshot; ``None`` for the last one before the loss rose.
        """
        wanted = self.before_the_rise if step is None else step
        if wanted is not None and wanted in self.steps:
            return ""
        if self._why_none:
            return self._why_none
        there = ", ".join(f"{step:,}" for step in self.steps) or "none yet"
        of = "" if wanted is None else f" of step {wanted:,}"
        return f"no snapshot{of}; there are: {there}"

    def _modules(self) -> list[nn.Module]:
        return [part for part in self._parts if isinstance(part, nn.Module)]

    def go_back(self, step: int | None) -> int:
        """Go back to a snapshot.

        Args:
            step: of the snapshot; ``None`` for the last one before the loss rose.

        Returns:
            Its step. Those taken after it are given up.

        Raises:
            ValueError: there is none of that step; says which there are.
        """
        if why := self.lacks(step):
            raise ValueError(why)
        wanted = self.before_the_rise if step is None else step
        found = next(s for s in self._ring if s.step == wanted)
        for part, state in zip(self._parts, found.states, strict=True):
            part.load_state_dict(copy.deepcopy(state))
        for module, besides in zip(self._modules(), found.besides, strict=True):
            put_back(module, copy.deepcopy(besides))
        restore_rng(found.rng_states)
        while self._ring[-1] is not found:
            self._ring.pop()
        self.before_the_rise = self._before_the_rise()
        return found.step


def left_out(module: nn.Module) -> dict[str, Any]:
    """Return what a module's state leaves out.

    That are buffers that are not persistent, and attributes that are plain values, such as a
    running average or a count of steps.

    Returns:
        By the path of each submodule and the name there.
    """
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        for name in part._non_persistent_buffers_set:
            found[f"{path}.{name}"] = part._buffers[name]
        if not type(part).__module__.startswith("torch."):  # how DDP drives itself is its own
            for name, value in vars(part).items():
                if name not in OF_TORCH and is_plain(value):
                    found[f"{path}.{name}"] = value
    return found


def is_plain(value: object, depth: int = MAX_DEPTH) -> bool:
    """Return whether a value can be copied without more coming along."""
    if isinstance(value, Tensor):
        return not value.requires_grad
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return True
    if not depth or type(value) not in (list, tuple, dict, set) or len(value) > MAX_ITEMS:  # type: ignore[arg-type]
        return False
    items = [*value.items()] if isinstance(value, dict) else value
    return all(is_plain(item, depth - 1) for item in items)  # type: ignore[attr-defined]


def put_back(module: nn.Module, besides: dict[str, Any]) -> None:
    """Put back what a module's state leaves out."""
    parts = dict(module.named_modules())
    for key, value in besides.items():
        path, _, name = key.rpartition(".")
        part = parts.get(path)
        if part is None:
            continue
        now = part._buffers.get(name, vars(part).get(name))
        if isinstance(now, Tensor) and isinstance(value, Tensor) and now.shape == value.shape:
            with torch.no_grad():
                now.copy_(value)  # in place, for whoever else holds it
        else:
            setattr(part, name, value)


def is_finite(module: nn.Module) -> bool:
    """Return whether all weights of a module are finite."""
    return all(bool(torch.isfinite(weights).all()) for weights in module.parameters())


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


def rng_states() -> list[Any]:
    """Return the states of the random generators: torch's, Python's and numpy's."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    return [torch.get_rng_state(), cuda, random.getstate(), drawn]


def restore_rng(states: list[Any]) -> None:
    """Take up states of the random generators."""
    torch_state, cuda, python_state, drawn = states
    torch.set_rng_state(torch_state)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python_state)
    if drawn is not None:
        sys.modules["numpy"].random.set_state(drawn)
