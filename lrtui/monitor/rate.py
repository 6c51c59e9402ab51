"""The learning rate of a training, changed where it is used.

A hook before the optimizer's step changes ``group["lr"]``, a hook after it puts it back. So what a
schedule reads and writes is never touched, nor what a checkpoint keeps, and the rate in force is
exactly the schedule's, times the factor, whatever code writes it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

Rate = float | Tensor
"""A rate as an optimizer keeps it: a tensor is changed in place, for compiled steps read it."""


class RateControl:
    """Holds or scales the rate of one training, which may have several optimizers.

    A rate that is held is that of the first group of the first optimizer; all other groups keep
    their ratio to it.

    Attributes:
        held: rate that a person holds it at, ``None`` for no such rate.
        scale: what the schedule's rate is multiplied by.
        scheduled: the schedule's rate at the last step of the first optimizer.
        in_force: the rate of that step.
        originals: the schedule's rates of the optimizers whose rates are changed now, by their id.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        """Leave the rate as it is.

        Args:
            optimizer: the first one.
        """
        self.held: float | None = None
        self.scale = 1.0
        self.scheduled = self.in_force = first_rate(optimizer)
        self._first = optimizer
        self._active = False
        self._attached: list[Optimizer] = []
        self._afters: list[RemovableHandle] = []
        self.originals: dict[int, tuple[Optimizer, list[Rate]]] = {}

    def hold(self, lr: float) -> None:
        """Hold the rate."""
        self.held, self.scale = lr, 1.0
        self._activate()

    def scale_by(self, factor: float) -> None:
        """Multiply the rate in force: the one held, or the schedule's from here on."""
        if self.held is not None:
            self.held *= factor
        else:
            self.scale *= factor
        self._activate()

    def release(self) -> None:
        """Give the rate back to the schedule."""
        self.held, self.scale = None, 1.0
        self._activate()

    def state_dict(self) -> dict[str, float | None]:
        """Return what a person made of the rate, for a snapshot."""
        return {"held": self.held, "scale": self.scale}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Take up what a person had made of the rate."""
        self.held, self.scale = state["held"], state["scale"]
        self._activate()

    def attach(self, optimizer: Optimizer) -> None:
        """Change the rates of an optimizer from now on."""
        # torch.compile must not look into the hooks: it would compile again for each rate.
        before = torch.compiler.disable(self.before)  # type: ignore[no-untyped-call]
        optimizer.register_step_pre_hook(before)
        # A step that raised an error left them changed: they must not get into a checkpoint.
        optimizer.register_state_dict_pre_hook(self.restore)
        self._attached.append(optimizer)

    def _activate(self) -> None:
        """Begin to change the rate, or cease; only then is there anything to do after a step."""
        self._active = self.held is not None or self.scale != 1.0
        if self._active and not self._afters:
            after = torch.compiler.disable(self.after)  # type: ignore[no-untyped-call]
            self._afters = [o.register_step_post_hook(after) for o in self._attached]
        elif not self._active:
            while self._afters:
                self._afters.pop().remove()

    def now(self) -> tuple[float, float]:
        """Return the rate in force of the next step and the schedule's, as they are known now."""
        scheduled = float(first_rate(self._first))
        if self.held is not None:
            return self.held, scheduled
        return scheduled * self.scale, scheduled

    def before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Change the rates of an optimizer that is about to take a step."""
        if self.originals:
            self.restore(optimizer)  # its last step raised an error
        first = optimizer is self._first
        if not self._active:
            if first:
                self.scheduled = self.in_force = kept(optimizer.param_groups[0]["lr"])
            return
        base = kept(self._first.param_groups[0]["lr"])
        groups = optimizer.param_groups
        self.originals[id(optimizer)] = (optimizer, [kept(group["lr"]) for group in groups])
        for group in groups:
            changed = self._changed(group["lr"], base)
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(torch.as_tensor(changed))
            else:
                group["lr"] = float(changed)
        if first:
            self.scheduled, self.in_force = base, kept(groups[0]["lr"])

    def after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Put the rates of an optimizer back."""
        if self.originals:
            self.restore(optimizer)

    def restore(self, optimizer: Optimizer) -> None:
        """Put the rates of an optimizer back where they are changed now."""
        if (found := self.originals.pop(id(optimizer), None)) is None:
            return
        for group, lr in zip(optimizer.param_groups, found[1], strict=False):
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(torch.as_tensor(lr))
            else:
                group["lr"] = lr

    def _changed(self, lr: Rate, base: Rate) -> Rate:
        """Return the rate of a group while the first group's is ``base``."""
        if self.held is None:
            return lr * self.scale
        if isinstance(base, Tensor):
            # Nothing is read back from a device.
            same = (base == 0) | (torch.as_tensor(lr) == base)
            return torch.where(same, self.held, lr * (self.held / base))
        # Of a base of 0, as a warm-up has, there are no ratios.
        return self.held if base in (0, lr) else lr * (self.held / base)


def first_rate(optimizer: Optimizer) -> Rate:
    """Return the rate of an optimizer's first group."""
    return kept(optimizer.param_groups[0].get("lr", math.nan))


def kept(lr: Rate) -> Rate:
    """Return a rate that does not change when the optimizer's does."""
    return lr.detach().clone() if isinstance(lr, Tensor) else lr
