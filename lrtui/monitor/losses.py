"""Finds the loss of a training step by intercepting ``backward``."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.weak import WeakTensorKeyDictionary

from lrtui.monitor.patches import WATCHING, Patches

MAX_LOSSES = 10_000
"""Most losses kept for the next step, as a loop may never step."""

SAMPLED_PARAMETERS = 8
"""Parameters of an optimizer whose gradients are checked to attribute a loss to it."""

Number = float | Tensor
"""A loss; on a device it stays there."""

GradVersion = tuple[int, int] | None
"""Differs once a gradient has changed."""


Part = tuple[Number, set[int] | None]
"""A loss that ``backward`` was called on, and the ids of the optimizers yet to use its gradient.

The latter is ``None`` if unknown, or if there is only one optimizer.
"""


class LossFinder:
    """Collects the losses that ``backward`` was called on since the last step.

    Losses of an accumulated step add up, as their gradients do. If an optimizer calls its closure
    several times, the first call counts. With several optimizers, a loss belongs to those whose
    gradients it changed.

    What every step calls is written out in few functions: after a step's computations, code is no
    longer in the processor's caches, and each further function costs a microsecond.

    Attributes:
        observe: called with the argument of ``backward``.
        backwards: number of calls of ``backward`` on a loss.
        in_step: whether an optimizer steps, which may zero gradients without dropping the loss.
    """

    def __init__(
        self,
        on_error: Callable[[Exception], None],
        on_loss: Callable[[Number], None] | None = None,
    ) -> None:
        """Watch ``torch.autograd.backward``, ``GradScaler`` and ``Optimizer.zero_grad``.

        ``on_error`` is called with errors of this class, which never reach the training, and
        ``on_loss`` with each loss until an optimizer steps.
        """
        self._on_loss = on_loss
        self._parts: deque[Part] = deque(maxlen=MAX_LOSSES)
        self._unscaled: Any = WeakTensorKeyDictionary()  # type: ignore[no-untyped-call, unused-ignore]
        self._scales = False  # whether _unscaled was ever used: a cheaper check than a lookup
        # Some parameters of each registered optimizer.
        self._sampled: WeakKeyDictionary[Optimizer, list[Tensor]] = WeakKeyDictionary()
        self._several = False
        self._only: Callable[[], Optimizer | None] = lambda: None  # the one registered
        self.in_step = self._in_backward = False
        self._on_error = on_error
        self.backwards = 0
        self.observe: Callable[[Any], None] = self._observe
        self._patches = Patches()
        parts, backward, scale = self._parts, torch.autograd.backward, torch.amp.GradScaler.scale
        update, zero_grad = torch.amp.GradScaler.update, Optimizer.zero_grad

        @functools.wraps(backward)
        def noted_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
            # Called again by a checkpoint or a tensor subclass, or by a replay.
            if self._in_backward or WATCHING.is_paused:
                backward(tensors, *args, **kwargs)
                return
            self._in_backward = True
            try:
                if self._several:
                    attributed_backward(tensors, *args, **kwargs)
                else:
                    self.observe(tensors)
                    backward(tensors, *args, **kwargs)
            finally:
                self._in_backward = False

        def attributed_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
            before = self._gradients()
            for optimizer in [*self._sampled]:
                if not any(before[id(optimizer)]):  # for example after a module's zero_grad
                    self._pop(optimizer, only_owned=True)
            count = len(self._parts)
            self.observe(tensors)
            backward(tensors, *args, **kwargs)
            if len(self._parts) > count:
                self._guarded(self._assign, before)

        @functools.wraps(scale)
        def noted_scale(scaler: Any, outputs: Any) -> Any:
            scaled = scale(scaler, outputs)
            if isinstance(scaled, Tensor) and scaled is not outputs and not WATCHING.is_paused:
                self._unscaled[scaled] = outputs
                self._scales = True
            return scaled

        @functools.wraps(update)
        def noted_update(scaler: Any, *args: Any, **kwargs: Any) -> None:
            update(scaler, *args, **kwargs)
            if not WATCHING.is_paused:
                self._parts.clear()  # the step may have been skipped after an overflow

        @functools.wraps(zero_grad)
        def noted_zero_grad(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            zero_grad(optimizer, *args, **kwargs)
            if not parts and self._only() is optimizer:  # the usual case first
                return
            if not (self.in_step or WATCHING.is_paused):
                self._guarded(self._discard, optimizer)

        self._patches.patch(torch.autograd, "backward", noted_backward)
        self._patches.patch(torch.amp.GradScaler, "scale", noted_scale)
        self._patches.patch(torch.amp.GradScaler, "update", noted_update)
        self._patches.patch(Optimizer, "zero_grad", noted_zero_grad)

    def close(self) -> None:
        """Stop observing."""
        self.observe = lambda tensors: None  # for patches that others have wrapped since
        self._patches.undo()

    def _guarded(self, do: Callable[..., None], *args: Any) -> None:
        """Call a function, keeping its errors out of the training."""
        try:
            do(*args)
        except Exception as error:
            self._on_error(error)

    def _observe(self, tensors: Any) -> None:
        """Keep what ``backward`` is called on if it is a single scalar; raise nothing."""
        try:
            if tensors.__class__ is not Tensor and not isinstance(tensors, Tensor):
                if len(tensors) != 1:
                    return
                (tensors,) = tensors
                if not isinstance(tensors, Tensor):
                    return
            if tensors.numel() != 1:
                return
            loss = self._unscaled.pop(tensors, tensors) if self._scales else tensors
            self.backwards += 1
            number = loss.item() if loss.is_cpu else loss.detach().clone()
            self._parts.append((number, None))
            if self._on_loss is not None:
                self._on_loss(number)
        except Exception as error:
            self._on_error(error)

    # --- attribution to optimizers --------------------------------------------------------

    def register(self, optimizer: Optimizer) -> None:
        """Register an optimizer, before its first step or at its first ``zero_grad``."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._sampled[optimizer] = parameters[:: -(-len(parameters) // SAMPLED_PARAMETERS) or 1]
        self._several = len(self._sampled) > 1
        self._only = (lambda: None) if self._several else ref(optimizer)

    def _gradients(self) -> dict[int, list[GradVersion]]:
        """Return the sampled gradients' versions by the optimizer's id."""
        return {
            id(optimizer): [*map(grad_version, found)] for optimizer, found in self._sampled.items()
        }

    def _assign(self, before: dict[int, list[GradVersion]]) -> None:
        """Attribute the last loss to the optimizers whose gradients it changed.

        If it changed none, it is that of the next step.
        """
        changed = {key for key, now in self._gradients().items() if now != before.get(key)}
        self._parts[-1] = (self._parts[-1][0], changed or None)

    def _discard(self, optimizer: Optimizer) -> None:
        """Drop the losses whose gradients an optimizer has zeroed."""
        if optimizer not in self._sampled:
            self.register(optimizer)
        if self._several:
            self._pop(optimizer)
        else:
            self._parts.clear()

    def _pop(self, optimizer: Optimizer, only_owned: bool = False) -> list[Part]:
        """Remove and return an optimizer's losses; those also owned by others stay for them.

        With ``only_owned``, losses of unknown owner stay as well.
        """
        mine: list[Part] = []
        kept: list[Part] = []
        for part in self._parts:
            owners = part[1]
            if owners is None:
                (kept if only_owned else mine).append(part)
            elif id(optimizer) in owners:
                mine.append(part)
                owners.discard(id(optimizer))
                if owners:
                    kept.append(part)
            else:
                kept.append(part)
        self._parts.clear()
        self._parts.extend(kept)
        return mine

    # --- the step -----------------------------------------------------------------------

    def begin_step(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """Begin an optimizer's step; return its arguments with the closure, if any, wrapped."""
        if WATCHING.is_paused:
            return None
        self.in_step = True
        return wrap_closure(args, kwargs, self._watched) if kwargs or len(args) > 1 else None

    def end_step(self, optimizer: Optimizer) -> Number | None:
        """End an optimizer's step; return its loss, ``None`` if there was none."""
        if WATCHING.is_paused:
            return None
        self.in_step, self._on_loss = False, None
        parts = self._pop(optimizer) if self._several else self._parts
        if not parts:
            return None
        loss = parts[0][0]
        if len(parts) > 1:
            for number, _ in [*parts][1:]:
                loss = loss + number
        parts.clear()
        return loss

    def _watched(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        before = len(self._parts)
        first: list[Part] = []

        def watched() -> Any:
            result = closure()
            if not first:
                first.extend([*self._parts][before:])
            else:
                # Called again, for example by a line search: keep the first call's losses only.
                self._parts.clear()
                self._parts.extend(first)
            return result

        return watched


def wrap_closure(
    args: Any, kwargs: Any, wrap: Callable[[Callable[[], Any]], Callable[[], Any]]
) -> tuple[Any, Any] | None:
    """Return a step's arguments with its closure wrapped, ``None`` without one."""
    if callable(closure := kwargs.get("closure")):
        return args, kwargs | {"closure": wrap(closure)}
    if len(args) > 1 and callable(args[1]):
        return (args[0], wrap(args[1]), *args[2:]), kwargs
    return None


def grad_version(parameter: Tensor) -> GradVersion:
    """Return the identity and the version of a gradient, ``None`` if there is none."""
    grad = parameter.grad
    return None if grad is None else (id(grad), grad._version)
