"""Snapshots of a training on the CPU, to rewind to."""

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
"""Largest share of the time to spend on snapshots."""

MIN_INTERVAL = 1.0
"""Least seconds between two snapshots."""

RETRY_SECONDS = 30.0
"""Seconds before another try after a snapshot failed."""

MAX_SNAPSHOTS = 10
"""Most snapshots kept; they thin out with age."""

NEAR_BEST = 1.2
"""A snapshot is from before a rise if its level is at most this many times the lowest."""

MAX_DEPTH = 3
"""Depth of nested containers that are still plain values."""

MAX_ITEMS = 10_000
"""Most items of a container that is a plain value rather than data."""

OF_TORCH = frozenset(vars(nn.Module()))
"""Attributes of every module."""

LEFT_OUT = "the order of the data is not rewound"


class Stateful(Protocol):
    """An object that snapshots can restore, such as a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Restore a state."""


@dataclass(frozen=True)
class Snapshot:
    """A state to rewind to.

    Attributes:
        step: steps taken.
        level: median of the last losses, infinite without any.
        states: of all parts, with tensors on the CPU.
        unsaved: see ``unsaved_state``, for each module.
        rng_states: see ``rng_states``.
        nbytes: memory of its tensors.
    """

    step: int
    level: float
    states: list[Any]
    unsaved: list[dict[str, Any]]
    rng_states: list[Any]
    nbytes: int


class NoRoom(ValueError):
    """Not even one snapshot fits into the memory allowed."""


class Snapshots:
    """Takes snapshots within a budget of time, and keeps some within a budget of memory.

    Together they take at most ``MEMORY_SHARE`` of the memory that would be free without them.

    Attributes:
        due: when to take the next one, in ``time.monotonic``; infinite for never.
        before_rise: step of the last one before the loss rose, ``None`` without any.
    """

    def __init__(self, parts: Sequence[Stateful]) -> None:
        """Take none yet; ``parts`` are model, optimizers, schedules and rate control."""
        self.due = 0.0
        self.before_rise: int | None = None
        self._parts = [*parts]
        self._ring: list[Snapshot] = []
        self._why_none = ""

    @property
    def steps(self) -> list[int]:
        """Steps of the snapshots kept, ascending."""
        return [snapshot.step for snapshot in self._ring]

    def _drop_one(self, now: int) -> None:
        """Drop the snapshot that leaves the smallest gap for its age.

        The last one before the loss rose goes only if there is no other.
        """
        ring = self._ring
        steps = [0, *self.steps, now]
        gaps = [
            (math.inf if ring[i].step == self.before_rise else 0)
            + (steps[i + 2] - steps[i]) / (now - steps[i + 1] + 1)
            for i in range(len(ring))
        ]
        del ring[gaps.index(min(gaps))]

    def postpone(self) -> None:
        """Postpone the next one after a failure."""
        self.due = time.monotonic() + RETRY_SECONDS

    def _make_room(self, nbytes: int, step: int) -> None:
        """Drop snapshots until another one of ``nbytes`` fits.

        Raises:
            NoRoom: not even one fits; says how much it takes and how much is allowed.
        """
        while len(self._ring) >= MAX_SNAPSHOTS:
            self._drop_one(step)
        if (free := free_memory()) is None:
            return
        taken = sum(snapshot.nbytes for snapshot in self._ring)
        allowed = MEMORY_SHARE * (free + taken * ranks_of_this_host()) / ranks_of_this_host()
        if nbytes > allowed:
            self._ring.clear()
            self.before_rise, self.due = None, math.inf
            self._why_none = (
                f"no snapshots, so there is no going back: one takes {bytes_text(nbytes)}, and "
                f"{MEMORY_SHARE:.0%} of the host's free memory is {bytes_text(allowed)} a rank"
            )
            raise NoRoom(self._why_none)
        while self._ring and sum(snapshot.nbytes for snapshot in self._ring) + nbytes > allowed:
            self._drop_one(step)

    def _find_before_rise(self) -> int:
        best = min(snapshot.level for snapshot in self._ring)
        allowed = best + (NEAR_BEST - 1) * abs(best)
        return next(s.step for s in reversed(self._ring) if s.level <= allowed)

    def take(self, step: int, level: float | None) -> None:
        """Take a snapshot, and set ``due`` so that snapshots stay within ``TIME_SHARE``.

        Raises:
            ValueError: not all weights are finite, or there is no room.
        """
        start = time.monotonic()
        if self._ring and self._ring[-1].step >= step:
            return
        self.due = start + MIN_INTERVAL
        if not all(map(is_finite, self._modules())):
            raise ValueError("not all weights are finite")
        states = [part.state_dict() for part in self._parts]
        unsaved = [*map(unsaved_state, self._modules())]
        nbytes = nbytes_of(states) + nbytes_of(unsaved)
        self._make_room(nbytes, step)
        level_or_inf = math.inf if level is None else level
        copied = on_cpu(states), on_cpu(unsaved)
        self._ring.append(Snapshot(step, level_or_inf, *copied, rng_states(), nbytes))
        self.before_rise = self._find_before_rise()
        now = time.monotonic()
        self.due = now + max((now - start) / TIME_SHARE, MIN_INTERVAL)

    def why_not(self, step: int | None) -> str:
        """Return why it cannot rewind to a step, ``None`` for ``before_rise``; empty if it can."""
        wanted = self.before_rise if step is None else step
        if wanted in self.steps:
            return ""
        if self._why_none:
            return self._why_none
        there = ", ".join(f"{step:,}" for step in self.steps) or "none yet"
        of = "" if wanted is None else f" of step {wanted:,}"
        return f"no snapshot{of}; there are: {there}"

    def _modules(self) -> list[nn.Module]:
        return [part for part in self._parts if isinstance(part, nn.Module)]

    def go_back(self, step: int | None) -> int:
        """Go back to the snapshot of a step, ``None`` for ``before_rise``; return its step.

        Drop the later ones.

        Raises:
            ValueError: there is no such snapshot; lists those that exist.
        """
        if why := self.why_not(step):
            raise ValueError(why)
        wanted = self.before_rise if step is None else step
        found = next(s for s in self._ring if s.step == wanted)
        for part, state in zip(self._parts, found.states, strict=True):
            part.load_state_dict(copy.deepcopy(state))
        for module, unsaved in zip(self._modules(), found.unsaved, strict=True):
            restore_unsaved(module, copy.deepcopy(unsaved))
        restore_rng(found.rng_states)
        while self._ring[-1] is not found:
            self._ring.pop()
        self.before_rise = self._find_before_rise()
        return found.step


def unsaved_state(module: nn.Module) -> dict[str, Any]:
    """Return what ``state_dict`` leaves out, by path: non-persistent buffers and plain attributes.

    The latter are, for example, running averages or counts of steps.
    """
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        for name in part._non_persistent_buffers_set:
            found[f"{path}.{name}"] = part._buffers[name]
        if not type(part).__module__.startswith("torch."):  # DDP has internal state of its own
            for name, value in vars(part).items():
                if name not in OF_TORCH and is_plain(value):
                    found[f"{path}.{name}"] = value
    return found


def is_plain(value: object, depth: int = MAX_DEPTH) -> bool:
    """Return whether a value is small, and copying it copies nothing else."""
    if isinstance(value, Tensor):
        return not value.requires_grad
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return True
    if not depth or type(value) not in (list, tuple, dict, set) or len(value) > MAX_ITEMS:  # type: ignore[arg-type]
        return False
    items = [*value.items()] if isinstance(value, dict) else value
    return all(is_plain(item, depth - 1) for item in items)  # type: ignore[attr-defined]


def restore_unsaved(module: nn.Module, unsaved: dict[str, Any]) -> None:
    """Restore what ``unsaved_state`` returned."""
    parts = dict(module.named_modules())
    for key, value in unsaved.items():
        path, _, name = key.rpartition(".")
        part = parts.get(path)
        if part is None:
            continue
        now = part._buffers.get(name, vars(part).get(name))
        if isinstance(now, Tensor) and isinstance(value, Tensor) and now.shape == value.shape:
            with torch.no_grad():
                now.copy_(value)  # in place, as other code may hold it
        else:
            setattr(part, name, value)


def is_finite(module: nn.Module) -> bool:
    """Return whether all weights of a module are finite."""
    return all(bool(torch.isfinite(weights).all()) for weights in module.parameters())


def on_cpu(state: Any) -> Any:
    """Return a copy of a state with its tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: on_cpu(value) for key, value in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_make"):
        return type(state)._make(map(on_cpu, state))
    if type(state) in (list, tuple):
        return type(state)(map(on_cpu, state))
    return copy.deepcopy(state)


def nbytes_of(state: Any) -> int:
    """Return the bytes of a state's tensors."""
    if isinstance(state, Tensor):
        return state.nbytes
    if isinstance(state, dict):
        return sum(map(nbytes_of, state.values()))
    return sum(map(nbytes_of, state)) if isinstance(state, list | tuple) else 0


def rng_states() -> list[Any]:
    """Return the states of the random generators of torch, Python and numpy."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    return [torch.get_rng_state(), cuda, random.getstate(), drawn]


def restore_rng(states: list[Any]) -> None:
    """Restore the states of the random generators."""
    torch_state, cuda, python_state, drawn = states
    torch.set_rng_state(torch_state)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python_state)
    if drawn is not None:
        sys.modules["numpy"].random.set_state(drawn)
