"""The loss of a training step, found without a change to the training: ``backward`` is watched."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.optim import Optimizer

PARTS = 10_000
"""Losses that are kept till the next step, at most: a loop may take none."""

Part = float | Tensor
"""A loss; one that is on a device stays there."""


class LossFinder:
    """Collects what ``backward`` was called on since the last step.

    The parts of an accumulated step add up, as their gradients do. Of a closure that an optimizer
    calls several times, the first time counts.

    Attributes:
        note: called with what ``backward`` is called on.
    """

    def __init__(self) -> None:
        """Watch ``torch.autograd.backward``, ``GradScaler`` and ``Optimizer.zero_grad``."""
        self._parts: deque[Part] = deque(maxlen=PARTS)
        self._unscaled: WeakKeyDictionary[Tensor, Tensor] = WeakKeyDictionary()
        self._scales = False  # whether there was ever any of those; spares each step the question
        self._in_step = False
        self.note: Callable[[Any], None] = self._note
        backward, scale = torch.autograd.backward, torch.amp.GradScaler.scale
        update, zero_grad = torch.amp.GradScaler.update, Optimizer.zero_grad

        @functools.wraps(backward)
        def noted_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            self.note(tensors)
            backward(tensors, *args, **kwargs)

        @functools.wraps(scale)
        def noted_scale(scaler: Any, outputs: Any) -> Any:  # noqa: ANN401
            scaled = scale(scaler, outputs)
            if isinstance(scaled, Tensor) and scaled is not outputs:
                self._unscaled[scaled] = outputs
                self._scales = True
            return scaled

        @functools.wraps(update)
        def noted_update(scaler: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            update(scaler, *args, **kwargs)
            self._parts.clear()  # of a step that overflowed and was not taken

        @functools.wraps(zero_grad)
        def noted_zero_grad(optimizer: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            zero_grad(optimizer, *args, **kwargs)
            if not self._in_step:
                self._parts.clear()  # of gradients that are gone

        torch.autograd.backward = noted_backward
        torch.amp.GradScaler.scale = noted_scale  # type: ignore[assignment, method-assign]
        torch.amp.GradScaler.update = noted_update  # type: ignore[assignment, method-assign]
        Optimizer.zero_grad = noted_zero_grad  # type: ignore[assignment, method-assign]

    def _note(self, tensors: Any) -> None:  # noqa: ANN401
        """Keep the loss that ``backward`` is called on, where it is one."""
        if not isinstance(tensors, Tensor):
            if len(tensors) != 1:
                return
            (tensors,) = tensors
        if not isinstance(tensors, Tensor) or tensors.numel() != 1:
            return
        loss = self._unscaled.pop(tensors, tensors) if self._scales else tensors
        self._parts.append(loss.item() if loss.is_cpu else loss.detach().clone())

    def begin_step(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:  # noqa: ANN401
        """Note that an optimizer begins a step.

        Returns:
            Its arguments, where it is given a closure: with that watched.
        """
        self._in_step = True
        if callable(closure := kwargs.get("closure")):
            return args, kwargs | {"closure": self._watched(closure)}
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._watched(args[1]), *args[2:]), kwargs
        return None

    def end_step(self) -> Part | None:
        """Return the loss of the step that was taken, ``None`` where there was none."""
        self._in_step = False
        if not self._parts:
            return None
        loss = self._parts.popleft()
        while self._parts:
            loss = loss + self._parts.popleft()
        return loss

    def _watched(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        before = len(self._parts)
        first: list[Part] = []

        def watched() -> Any:  # noqa: ANN401
            result = closure()
            if not first:
                first.extend([*self._parts][before:])
            else:
                # Called again, by a line search, say: what came before was of another step.
                self._parts.clear()
                self._parts.extend(first)
            return result

        return watched
