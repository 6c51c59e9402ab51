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
from torch.utils.weak import WeakTensorKeyDictionary

from lrtui.monitor.patches import Patches

MAX_LOSSES = 10_000
"""Losses that are kept till the next step, at most: a loop may take none."""

SAMPLED_PARAMETERS = 8
"""Parameters of an optimizer whose gradients say whether a loss is one of its own."""

Number = float | Tensor
"""A loss; one that is on a device stays there."""

Mark = tuple[int, int] | None
"""What differs once a gradient has changed."""


class Part:
    """A loss that ``backward`` was called on.

    Attributes:
        loss: its value.
        owners: the optimizers that have not used its gradient yet, by id; ``None`` where there is
            but one, or where nobody knows.
    """

    __slots__ = ("loss", "owners")

    def __init__(self, loss: Number, owners: set[int] | None) -> None:
        """Keep both."""
        self.loss, self.owners = loss, owners


class LossFinder:
    """Collects what ``backward`` was called on since the last step.

    The parts of an accumulated step add up, as their gradients do. Of a closure that an optimizer
    calls several times, the first time counts. Where there are several optimizers, a loss belongs
    to those whose gradients it changed.

    Attributes:
        note: called with what ``backward`` is called on.
        backwards: how often it was called on a loss.
    """

    def __init__(
        self,
        failed: Callable[[Exception], None],
        found: Callable[[Number], None] | None = None,
    ) -> None:
        """Watch ``torch.autograd.backward``, ``GradScaler`` and ``Optimizer.zero_grad``.

        Args:
            failed: is told what went wrong; the training never is.
            found: is told each loss as long as no optimizer has taken a step.
        """
        self._found = found
        self._parts: deque[Part] = deque(maxlen=MAX_LOSSES)
        self._unscaled: Any = WeakTensorKeyDictionary()  # type: ignore[no-untyped-call, unused-ignore]
        self._scales = False  # whether there was ever any of those; spares each step the question
        # Some parameters of each optimizer that was met.
        self._sampled: WeakKeyDictionary[Optimizer, list[Tensor]] = WeakKeyDictionary()
        self._several = False
        self._in_step = self._in_backward = False
        self._failed = failed
        self.backwards = 0
        self.note: Callable[[Any], None] = self._note
        self._patches = Patches()
        backward, scale = torch.autograd.backward, torch.amp.GradScaler.scale
        update, zero_grad = torch.amp.GradScaler.update, Optimizer.zero_grad

        @functools.wraps(backward)
        def noted_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if self._in_backward:  # of a checkpoint, or of a tensor subclass, which calls it again
                backward(tensors, *args, **kwargs)
                return
            self._in_backward = True
            try:
                noted_outer_backward(tensors, *args, **kwargs)
            finally:
                self._in_backward = False

        def noted_outer_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if not self._several:
                self._guarded(self.note, tensors)
                backward(tensors, *args, **kwargs)
                return
            before = self._gradients()
            for optimizer in [*self._sampled]:
                if not any(before[id(optimizer)]):  # a module's zero_grad, say
                    self._take(optimizer, only_owned=True)
            count = len(self._parts)
            self._guarded(self.note, tensors)
            backward(tensors, *args, **kwargs)
            if len(self._parts) > count:
                self._guarded(self._assign, self._parts[-1], before)

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
                self._guarded(self._forget, optimizer)  # its gradients are gone

        self._patches.patch(torch.autograd, "backward", noted_backward)
        self._patches.patch(torch.amp.GradScaler, "scale", noted_scale)
        self._patches.patch(torch.amp.GradScaler, "update", noted_update)
        self._patches.patch(Optimizer, "zero_grad", noted_zero_grad)

    def close(self) -> None:
        """Put back what was replaced, unless somebody has replaced it since."""
        self.note = nothing
        self._patches.undo()

    def _guarded(self, do: Callable[..., None], *args: Any) -> None:  # noqa: ANN401
        """Do something; what goes wrong in it never gets into the training."""
        try:
            do(*args)
        except Exception as error:
            self._failed(error)

    def _note(self, tensors: Any) -> None:  # noqa: ANN401
        """Keep the loss that ``backward`` is called on, where it is one."""
        if not isinstance(tensors, Tensor):
            if len(tensors) != 1:
                return
            (tensors,) = tensors
        if not isinstance(tensors, Tensor) or tensors.numel() != 1:
            return
        loss = self._unscaled.pop(tensors, tensors) if self._scales else tensors
        self.backwards += 1
        number = loss.item() if loss.is_cpu else loss.detach().clone()
        self._parts.append(Part(number, None))
        if self._found is not None:
            self._found(number)

    # --- whose loss it is ---------------------------------------------------------------

    def meet(self, optimizer: Optimizer) -> None:
        """Take note of an optimizer, before its first step or at its first ``zero_grad``."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._sampled[optimizer] = parameters[:: -(-len(parameters) // SAMPLED_PARAMETERS) or 1]
        self._several = len(self._sampled) > 1

    def _gradients(self) -> dict[int, list[Mark]]:
        """Return what shows, for each optimizer, whether its gradients change."""
        return {id(optimizer): [*map(mark, found)] for optimizer, found in self._sampled.items()}

    def _assign(self, part: Part, before: dict[int, list[Mark]]) -> None:
        """Give a loss to the optimizers whose gradients it has changed.

        Where none is seen to change, it belongs to whichever steps next.
        """
        changed = {key for key, now in self._gradients().items() if now != before.get(key)}
        part.owners = changed or None

    def _forget(self, optimizer: Optimizer) -> None:
        """Drop the losses whose gradients an optimizer has set to zero."""
        if optimizer not in self._sampled:
            self.meet(optimizer)
        if self._several:
            self._take(optimizer)
        else:
            self._parts.clear()

    def _take(self, optimizer: Optimizer, only_owned: bool = False) -> list[Part]:
        """Take the losses that belong to an optimizer; those that others wait for stay.

        Args:
            optimizer: whose.
            only_owned: leave those of which nobody knows whose they are.
        """
        mine: list[Part] = []
        kept: list[Part] = []
        for part in self._parts:
            if part.owners is None:
                (kept if only_owned else mine).append(part)
            elif id(optimizer) in part.owners:
                mine.append(part)
                part.owners.discard(id(optimizer))
                if part.owners:
                    kept.append(part)
            else:
                kept.append(part)
        self._parts.clear()
        self._parts.extend(kept)
        return mine

    # --- the step -----------------------------------------------------------------------

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

    def end_step(self, optimizer: Optimizer) -> Number | None:
        """Return the loss of the step that an optimizer took, ``None`` if there was none."""
        self._in_step, self._found = False, None
        if not self._parts:
            return None
        if self._several:
            parts = self._take(optimizer)
        else:
            parts = [*self._parts]
            self._parts.clear()
        if not parts:
            return None
        loss = parts[0].loss
        for part in parts[1:]:
            loss = loss + part.loss
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


def mark(parameter: Tensor) -> Mark:
    """Return the identity and the version of a gradient, ``None`` if there is none."""
    grad = parameter.grad
    return None if grad is None else (id(grad), grad._version)


def nothing(_: object) -> None:
    """Note nothing."""
