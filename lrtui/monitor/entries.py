"""Recorded calls of a training, and their replay."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves, tree_unflatten

from lrtui.monitor.saved_state import restore_options
from lrtui.monitor.snapshots import restore_rng

READS = ("__int__", "__index__", "__invert__", "__iter__")
"""Methods whose names begin like those of in-place operators."""


Kind = Literal["module", "function", "backward", "call", "step"]
"""What was called."""


class Slot(NamedTuple):
    """The output of an earlier entry, in place of a value."""

    number: int


@dataclass(slots=True)
class Entry:
    """A recorded call.

    Attributes:
        kind: see ``Kind``.
        call: repeats it.
        leaves, spec: arguments as a flattened tree.
        outputs: positions of tensors among its flat outputs, and their slots.
        grad: whether gradients were enabled.
        autocast: for each device, whether mixed precision was enabled, and its type.
        rng: random states before the call, if it may draw numbers.
        training: modes of a module and its children.
        synchronizes: whether DistributedDataParallel was to reduce gradients.
        stepped: the optimizer of a step, and the options of its groups.
        losses: slots of the losses that ``backward`` was called on.
        versions: inputs of a module, and their versions at its call.
        is_needed: whether something depends on it.
    """

    kind: Kind
    call: Callable[..., Any]
    leaves: list[Any]
    spec: Any
    outputs: list[tuple[int, int]]
    grad: bool
    autocast: tuple[tuple[str, bool, Any], ...]
    rng: list[Any] | None = None
    training: list[tuple[nn.Module, bool]] | None = None
    synchronizes: bool | None = None
    stepped: tuple[Optimizer, list[dict[str, Any]]] | None = None
    losses: list[int] = dataclasses.field(default_factory=list)
    versions: list[tuple[Tensor, int]] | None = None
    is_needed: bool = True


def mark_needed(entries: Sequence[Entry]) -> None:
    """Mark evaluations as not needed: calls without side effects whose results are unused."""
    used: set[int] = set()
    for entry in reversed(entries):
        changes = entry.kind not in ("module", "function") or not entry.outputs
        changes = changes or any(mode for _, mode in entry.training or ())
        changes = changes or is_in_place(getattr(entry.call, "__name__", ""), {})
        entry.is_needed = changes or any(slot in used for _, slot in entry.outputs)
        if entry.is_needed:
            used.update(leaf.number for leaf in entry.leaves if isinstance(leaf, Slot))
            used.update(entry.losses)


def run_all(
    entries: Sequence[Entry], losses: list[list[Tensor]], after_step: Callable[[], None]
) -> None:
    """Repeat the recorded calls that are needed; see ``Tape.replay``."""
    needed = [entry for entry in entries if entry.is_needed]
    last_use: dict[int, int] = {}
    for i, entry in enumerate(needed):
        for slot in entry.losses:
            last_use[slot] = i
        for leaf in entry.leaves:
            if isinstance(leaf, Slot):
                last_use[leaf.number] = i
    ends: list[list[int]] = [[] for _ in needed]
    for slot, i in last_use.items():
        ends[i].append(slot)
    values: dict[int, Any] = {}
    parts: list[Tensor] = []
    for entry, ending in zip(needed, ends, strict=True):
        parts += [values[slot].detach().clone() for slot in entry.losses]
        out = run_one(entry, values)
        if entry.outputs:
            found = flat(out)
            values.update(
                (slot, found[position]) for position, slot in entry.outputs if slot in last_use
            )
        for slot in ending:
            values.pop(slot, None)
        if entry.stepped is not None:
            losses.append(parts)
            parts = []
            after_step()
        del out


def run_forward(entries: Sequence[Entry], *, grad: bool = False) -> list[Tensor]:
    """Return the losses of the recorded calls at the weights as they are now.

    With ``grad``, they can be differentiated.
    """
    used: set[int] = set()
    wanted: list[Entry] = []
    for entry in reversed(entries):
        used.update(entry.losses)
        if entry.kind not in ("module", "function"):
            continue
        slots = [leaf.number for leaf in entry.leaves if isinstance(leaf, Slot)]
        writes = not entry.outputs and bool(slots) and slots[0] in used
        if writes or any(slot in used for _, slot in entry.outputs):
            wanted.append(entry)
            used.update(slots)
    values: dict[int, Any] = {}
    for entry in reversed(wanted):
        found = flat(run_one(entry, values, grad=grad))
        values.update((slot, found[position]) for position, slot in entry.outputs)
    return [values[slot] for e in entries for slot in e.losses]


def run_one(entry: Entry, values: dict[int, Any], *, grad: bool = True) -> Any:
    """Repeat a recorded call; ``values`` are the outputs of earlier ones by slot."""
    leaves = [values[leaf.number] if isinstance(leaf, Slot) else leaf for leaf in entry.leaves]
    args, kwargs = tree_unflatten(leaves, entry.spec)
    if entry.rng is not None:
        restore_rng(entry.rng)
    for module, training in entry.training or ():
        module.training = training
    if entry.synchronizes is not None:
        args[0].require_backward_grad_sync = entry.synchronizes
    if entry.stepped is not None:
        restore_options(*entry.stepped)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(entry.grad and grad))
        if entry.autocast != autocast_state():
            for device, enabled, dtype in entry.autocast:
                stack.enter_context(torch.autocast(device, dtype, enabled=enabled))
        return entry.call(*args, **kwargs)


def as_tree(value: Any) -> Any:
    """Return a container that torch takes for a leaf as a dict; return other values as they are."""
    return dict(value) if type(value).__name__ in ("BatchEncoding", "BatchFeature") else value


def flat(value: Any) -> list[Any]:
    """Return the leaves of what a call returned."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type | dict):
        value = vars(value)
    leaves: list[Any] = tree_leaves(as_tree(value))
    return leaves


def leaves_of(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among arguments, also those in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from leaves_of(value)


def is_in_place(name: str, kwargs: dict[str, Any]) -> bool:
    """Return whether a torch function of that name writes to its argument."""
    if name in ("__set__", "__setitem__") or kwargs.get("out") is not None:
        return True
    if name.startswith("__"):
        return name.startswith("__i") and name not in READS
    return name.endswith("_")


def autocast_state() -> tuple[tuple[str, bool, Any], ...]:
    """Return for each device whether mixed precision is enabled, and its type."""
    return tuple(
        (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        for device in ("cpu", "cuda")
    )
