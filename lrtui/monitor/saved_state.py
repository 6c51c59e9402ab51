"""Copies of what a replay of steps changes, to put everything back bit for bit."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves

from lrtui.monitor.snapshots import restore_rng, rng_states, unsaved_state

SCALER_STATE = ("_scale", "_growth_tracker", "_per_optimizer_states")
"""Attributes of a GradScaler that its calls change."""


@dataclass(frozen=True)
class OptimizerCopy:
    """Copies of what an optimizer's step reads and changes.

    Attributes:
        weights, states, gradients: of each parameter, ``None`` where there is none.
        gradient_tensors: the very tensors that the gradients were in.
        groups: options of the parameter groups.
        others: states of anything but a parameter.
    """

    weights: list[Tensor]
    states: list[Any]
    gradients: list[Tensor | None]
    gradient_tensors: list[Tensor | None]
    groups: list[dict[str, Any]]
    others: dict[Any, Any]


@dataclass(frozen=True)
class ModuleCopy:
    """Copies of a module's state apart from its weights, for each of its submodules.

    Attributes:
        buffers: by module and name.
        plain: attributes that ``state_dict`` leaves out; see ``unsaved_state``.
        training: whether each is in training mode.
    """

    buffers: list[tuple[nn.Module, dict[str, Tensor | None]]]
    plain: dict[str, Any]
    training: list[tuple[nn.Module, bool]]


class SavedState:
    """Copies of optimizers, modules, tensors and scalers, each taken before its first change."""

    def __init__(self) -> None:
        """Save nothing yet."""
        self._optimizers: dict[int, tuple[Optimizer, OptimizerCopy]] = {}
        self._modules: dict[int, tuple[nn.Module, ModuleCopy]] = {}
        self._tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self._scalers: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._rng: list[Any] = []

    def add_optimizer(self, optimizer: Optimizer) -> None:
        """Copy an optimizer's state unless it is saved already."""
        if id(optimizer) not in self._optimizers:
            self._optimizers[id(optimizer)] = (optimizer, copy_of_optimizer(optimizer))

    def add_module(self, module: nn.Module) -> None:
        """Copy a module's state unless it is saved already."""
        if id(module) not in self._modules:
            self._modules[id(module)] = (module, copy_of_module(module))

    def add_tensor(self, tensor: Tensor) -> None:
        """Copy a tensor of the script unless it is saved already."""
        if id(tensor) not in self._tensors:
            self._tensors[id(tensor)] = (tensor, tensor.detach().clone())

    def add_scaler(self, scaler: Any) -> None:
        """Copy a scaler's state unless it is saved already."""
        if id(scaler) not in self._scalers:
            self._scalers[id(scaler)] = (scaler, copy_of_scaler(scaler))

    def retaken(self) -> SavedState:
        """Return copies of the same things as they are now, and of the random states."""
        now = SavedState()
        now._optimizers = {i: (o, copy_of_optimizer(o)) for i, (o, _) in self._optimizers.items()}
        now._modules = {i: (m, copy_of_module(m)) for i, (m, _) in self._modules.items()}
        now._tensors = {i: (t, t.detach().clone()) for i, (t, _) in self._tensors.items()}
        now._scalers = {i: (s, copy_of_scaler(s)) for i, (s, _) in self._scalers.items()}
        now._rng = rng_states()
        return now

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back, in place wherever that is possible."""
        # Tensors first: one that is a weight may have been saved after a step.
        for tensor, value in self._tensors.values():
            tensor.detach().copy_(value)
        for optimizer, saved in self._optimizers.values():
            restore_optimizer(optimizer, saved)
        for module, parts in self._modules.values():
            restore_module(module, parts)
        for scaler, state in self._scalers.values():
            for name, value in state.items():
                setattr(scaler, name, put_back(getattr(scaler, name), value))
        if self._rng:
            restore_rng(self._rng)

    @torch.no_grad()
    def difference(self, other: SavedState) -> str:
        """Return what differs from other copies of the same things, empty if nothing does."""
        for key, (_, mine) in self._optimizers.items():
            theirs = other._optimizers[key][1]
            if not same(mine.weights, theirs.weights):
                return "the weights"
            if not same([mine.states, mine.others], [theirs.states, theirs.others]):
                return "the optimizer's state"
        for key, (_, own) in self._modules.items():
            for (_, mine_), (_, theirs_) in zip(
                own.buffers, other._modules[key][1].buffers, strict=True
            ):
                for name in mine_:
                    if not same(mine_[name], theirs_.get(name)):
                        return f"the buffer {name}"
        for key, (_, value) in self._tensors.items():
            if not same(value, other._tensors[key][1]):
                return "a tensor of the script"
        return ""

    def restore_loop(self) -> None:
        """Put back what the script's loop sets, leaving what is trained.

        Options of the optimizers, as schedules have set them; training modes; random states.
        """
        for optimizer, saved in self._optimizers.values():
            restore_options(optimizer, saved.groups)
        for _, parts in self._modules.values():
            for part, training in parts.training:
                part.training = training
        restore_rng(self._rng)

    @contextlib.contextmanager
    def same_versions(self, more: Iterable[Tensor] = ()) -> Iterator[None]:
        """Leave the version counters as they are, those of ``more`` tensors as well.

        Autograd must not take the restored values for a change in a graph that the script holds.
        """
        tensors = [*more, *(p for o, _ in self._optimizers.values() for p in parameters_of(o))]
        tensors += [t for t, _ in self._tensors.values()]
        for _, saved in self._modules.values():
            tensors += [b for m, _ in saved.buffers for b in m._buffers.values() if b is not None]
        tensors += [p.grad for p in tensors if p.is_leaf and p.grad is not None]
        with contextlib.ExitStack() as stack:
            for tensor in tensors:
                if not tensor.is_inference():
                    stack.enter_context(
                        torch.autograd._unsafe_preserve_version_counter(tensor)  # type: ignore[attr-defined]
                    )
            yield


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """Return all parameters of an optimizer."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def options_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return copies of the options of an optimizer's groups."""
    return [
        {name: copied(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def restore_options(optimizer: Optimizer, groups: Sequence[dict[str, Any]]) -> None:
    """Put the options of an optimizer's groups back."""
    for group, options in zip(optimizer.param_groups, groups, strict=False):
        for name, value in options.items():
            group[name] = put_back(group.get(name), value)


def size_of(optimizers: Iterable[Optimizer]) -> int:
    """Return the bytes of a copy of the optimizers' weights, gradients and states."""
    parameters = [p for optimizer in optimizers for p in parameters_of(optimizer)]
    states = [dict(optimizer.state) for optimizer in optimizers]
    tensors = [*parameters, *(p for p in parameters if p.requires_grad)]
    leaves = [leaf for state in states for leaf in tree_leaves([*state.values()])]
    return sum(t.nbytes for t in [*tensors, *leaves] if isinstance(t, Tensor))


def copy_of_optimizer(optimizer: Optimizer) -> OptimizerCopy:
    """Return a copy of an optimizer's state and of its weights."""
    parameters = parameters_of(optimizer)
    return OptimizerCopy(
        [p.detach().clone() for p in parameters],
        [copied(optimizer.state[p]) if p in optimizer.state else None for p in parameters],
        [None if p.grad is None else p.grad.detach().clone() for p in parameters],
        [p.grad for p in parameters],
        options_of(optimizer),
        {key: copied(s) for key, s in optimizer.state.items() if not isinstance(key, Tensor)},
    )


def restore_optimizer(optimizer: Optimizer, saved: OptimizerCopy) -> None:
    """Put an optimizer's state, its weights and their gradients back."""
    restore_options(optimizer, saved.groups)
    for i, parameter in enumerate(parameters_of(optimizer)):
        parameter.detach().copy_(saved.weights[i])
        if saved.states[i] is None:
            optimizer.state.pop(parameter, None)
        else:
            optimizer.state[parameter] = put_back(optimizer.state.get(parameter), saved.states[i])
        gradient, tensor = saved.gradients[i], saved.gradient_tensors[i]
        if parameter.grad is not tensor:
            parameter.grad = tensor
        if tensor is not None and gradient is not None:
            tensor.detach().copy_(gradient)
    for key, state in saved.others.items():
        optimizer.state[key] = put_back(optimizer.state.get(key), state)


def copy_of_module(module: nn.Module) -> ModuleCopy:
    """Return a copy of a module's state apart from its weights."""
    parts = [*module.modules()]
    buffers: list[tuple[nn.Module, dict[str, Tensor | None]]] = [
        (
            part,
            {n: None if b is None else b.detach().clone() for n, b in part._buffers.items()},
        )
        for part in parts
        if part._buffers
    ]
    return ModuleCopy(buffers, copied(unsaved_state(module)), [(p, p.training) for p in parts])


def restore_module(module: nn.Module, saved: ModuleCopy) -> None:
    """Put a module's state apart from its weights back."""
    for part, buffers in saved.buffers:
        for name, value in buffers.items():
            part._buffers[name] = put_back(part._buffers.get(name), value)
    parts = dict(module.named_modules())
    for key, value in saved.plain.items():
        path, _, name = key.rpartition(".")
        if name in vars(parts[path]):
            setattr(parts[path], name, put_back(vars(parts[path])[name], value))
    for part, training in saved.training:
        part.training = training


def copy_of_scaler(scaler: Any) -> dict[str, Any]:
    """Return a copy of a scaler's state."""
    return {name: copied(getattr(scaler, name)) for name in SCALER_STATE}


def copied(value: Any) -> Any:
    """Return a copy, with tensors on their device."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return copy.deepcopy(value)


def put_back(now: Any, saved: Any) -> Any:
    """Return a saved value, written into the present one where that is possible."""
    if isinstance(now, Tensor) and isinstance(saved, Tensor):
        if now.shape == saved.shape and now.dtype == saved.dtype:
            now.detach().copy_(saved)
            return now
    elif isinstance(now, dict) and isinstance(saved, dict):
        items = {key: put_back(now.get(key), value) for key, value in saved.items()}
        now.clear()
        now.update(items)
        return now
    elif isinstance(now, list) and isinstance(saved, list):
        known = now + [None] * len(saved)
        now[:] = [put_back(old, value) for old, value in zip(known, saved, strict=False)]
        return now
    return copied(saved)


def same(one: Any, other: Any) -> bool:
    """Return whether all tensors of two nested values are equal, NaN in the same places."""
    ours, theirs = tree_leaves(one), tree_leaves(other)
    return len(ours) == len(theirs) and all(map(same_leaf, ours, theirs))


def same_leaf(one: Any, other: Any) -> bool:
    """Return whether two tensors are equal, NaN in the same places; ignore anything else."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return isinstance(one, Tensor) == isinstance(other, Tensor)
    if one.shape != other.shape:
        return False
    return torch.equal(one, other) or bool(((one == other) | (one.isnan() & other.isnan())).all())
