"""The learning rate of a training, changed where it is used.

A hook before the optimizer's step changes ``group["lr"]``, a hook after it puts it back. So what a
schedule reads and writes is never touched, nor what a checkpoint keeps, and the rate in force is
exactly the schedule's, times the factor, whatever code writes it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

Rate = float | Tensor
"""A rate as an optimizer keeps it: a tensor is changed in place, for compiled steps read it."""


class RateControl:
    """Holds or scales the rate of one training, which may have several optimizers.

    The rate of a training is the largest of its first optimizer's groups. One that is held is held
    there; all other groups, those of the other optimizers as well, keep their ratio to it.

    Attributes:
        held: rate that a person holds it at, ``None`` for no such rate.
        scale: what the schedule's rate is multiplied by.
        scheduled: the schedule's rate at the last step of the first optimizer.
        in_force: the rate of that step.
        arrived: the last schedule's rate that is known as a number, where it is a device's.
        first: the training's optimizer, ``None`` if it has none of torch's.
        originals: the schedule's rates of the optimizers whose rates are changed now, by their id.
    """

    def __init__(self, optimizer: Optimizer | None) -> None:
        """Leave the rate as it is.

        Args:
            optimizer: the first one, ``None`` for a training without one of torch's.
        """
        self.held: float | None = None
        self.scale = 1.0
        self.first = optimizer
        self.originals: dict[int, tuple[Optimizer, list[Rate | None]]] = {}
        self.scheduled = self.in_force = self._scheduled()
        self.arrived = math.nan
        self._active = False
        self._attached: list[Optimizer] = []
        self._befores: list[RemovableHandle] = []
        self._afters: list[RemovableHandle] = []

    @property
    def can_scale(self) -> bool:
        """Whether there is a rate that can be multiplied."""
        return self.first is not None and any(has_rate(g) for g in self.first.param_groups)

    @property
    def can_hold(self) -> bool:
        """Whether a number can be put in its place.

        Not where the optimizer multiplies it by an estimate of its own within the step.
        """
        groups = self.first.param_groups if self.first is not None else []
        return self.can_scale and not any(map(estimate_of, groups))

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
        """Change the rates of an optimizer from now on.

        Raises:
            AttributeError: it has no hooks, as one that was not made by ``torch.optim``.
        """
        # torch.compile must not look into the hooks: it would compile again for each rate.
        before = torch.compiler.disable(self.before)  # type: ignore[no-untyped-call]
        self._befores.append(optimizer.register_step_pre_hook(before))
        self.guard_state(optimizer)
        self._attached.append(optimizer)
        if self._active:
            self._activate()

    def guard_state(self, optimizer: Optimizer) -> None:
        """Keep a changed rate out of checkpoints: a step that raised an error has left it there."""
        with contextlib.suppress(AttributeError):  # it calls no such hook: timm's Lookahead
            self._befores.append(optimizer.register_state_dict_pre_hook(self.restore))

    def detach(self) -> None:
        """Leave all optimizers alone, their rates as their schedules have them."""
        self.release()
        for optimizer, _ in [*self.originals.values()]:
            self.restore(optimizer)
        while self._befores:
            self._befores.pop().remove()

    def attach_again(self) -> None:
        """Attach to the same optimizers as before, where this has left them."""
        if not self._befores:
            attached, self._attached = self._attached, []
            for optimizer in attached:
                self.attach(optimizer)

    def leave(self, optimizers: Sequence[Optimizer]) -> None:
        """Leave all optimizers alone where one of some is among them."""
        if any(mine is optimizer for mine in self._attached for optimizer in optimizers):
            self.detach()

    def _activate(self) -> None:
        """Begin to change the rate, or cease; only then is there anything to do after a step."""
        self._active = self.held is not None or self.scale != 1.0
        while self._afters:
            self._afters.pop().remove()
        if self._active:
            after = torch.compiler.disable(self.after)  # type: ignore[no-untyped-call]
            self._afters = [o.register_step_post_hook(after) for o in self._attached]

    def now(self) -> tuple[float, float]:
        """Return the rate in force of the next step and the schedule's, as they are known now.

        Both are NaN where no rate is known. Any thread may ask: nothing is read from a device.
        """
        scheduled = self._scheduled()
        if isinstance(scheduled, Tensor):
            scheduled = scheduled.item() if scheduled.is_cpu else self.arrived
        if self.held is not None:
            return self.held, scheduled
        return scheduled * self.scale, scheduled

    def _scheduled(self) -> Rate:
        """Return the schedule's rate, also while another one is in force."""
        if self.first is None:
            return math.nan
        groups = self.first.param_groups
        if (changed := self.originals.get(id(self.first))) is None:
            return largest(groups)
        return largest([g | {"lr": lr} for g, lr in zip(groups, changed[1], strict=False)])

    def spread(self) -> tuple[int, float]:
        """Return how many groups of the first optimizer have a rate, and the smallest in force.

        That is NaN where it is not known.
        """
        groups = [g for g in self.first.param_groups if has_rate(g)] if self.first else []
        if any(isinstance(group["lr"], Tensor) for group in groups):
            return len(groups), math.nan
        lr, scheduled = self.now()
        by = lr / scheduled if scheduled else 1.0
        return len(groups), min((float(rate_of(g)) * by for g in groups), default=math.nan)

    def before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Change the rates of an optimizer that is about to take a step."""
        first = optimizer is self.first
        if not self._active:
            if self.originals:
                self.restore(optimizer)  # its last step raised an error
            if first:
                groups = optimizer.param_groups
                lr = groups[0].get("lr")
                if lr.__class__ is not float or len(groups) > 1 or "d0" in groups[0]:
                    lr = largest(groups)
                self.scheduled = self.in_force = lr
            return
        if self.originals:
            self.restore(optimizer)
        base = largest(self.first.param_groups) if self.first is not None else math.nan
        groups = [group for group in optimizer.param_groups if has_rate(group)]
        originals = [kept(group.get("lr")) for group in optimizer.param_groups]
        self.originals[id(optimizer)] = (optimizer, originals)
        for group in groups:
            set_rate(group, self._changed(group["lr"], base))
        if first:
            self.scheduled, self.in_force = base, largest(groups)

    def after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Put the rates of an optimizer back."""
        if self.originals:
            self.restore(optimizer)

    def restore(self, optimizer: Optimizer) -> None:
        """Put the rates of an optimizer back where they are changed now."""
        if (found := self.originals.pop(id(optimizer), None)) is None:
            return
        for group, lr in zip(optimizer.param_groups, found[1], strict=False):
            if lr is not None and has_rate(group):
                set_rate(group, lr)

    def _changed(self, lr: Rate, base: Rate) -> Rate:
        """Return the rate of a group while the largest one is ``base``."""
        if self.held is None:
            return lr * self.scale
        if isinstance(base, Tensor):
            # Nothing is read back from a device.
            same = (base == 0) | (torch.as_tensor(lr) == base)
            held = torch.full_like(base, self.held)
            return torch.where(same, held, lr * (held / base))
        # Of a base of 0, as a warm-up has, there are no ratios.
        return self.held if base in (0, lr) else lr * (self.held / base)


def has_rate(group: dict[str, Any]) -> bool:
    """Return whether a group of parameters has a rate: Adafactor's ``None`` is none."""
    return isinstance(group.get("lr"), float | int | Tensor)


def estimate_of(group: dict[str, Any]) -> Rate | None:
    """Return what Prodigy and D-Adaptation multiply the rate by, ``None`` for other optimizers."""
    found = group.get("d") if "d0" in group else None
    return found if isinstance(found, float | int | Tensor) else None


def rate_of(group: dict[str, Any]) -> Rate:
    """Return the rate of a group as it is used, NaN where it has none."""
    if not has_rate(group):
        return math.nan
    estimate = estimate_of(group)
    used: Rate = group["lr"] if estimate is None else group["lr"] * estimate
    return used


def largest(groups: list[dict[str, Any]]) -> Rate:
    """Return the largest rate of groups, which does not change when theirs do."""
    if len(groups) == 1:
        only: Rate = kept(rate_of(groups[0]))
        return only
    rates = [rate_of(group) for group in groups if has_rate(group)]
    if not any(isinstance(rate, Tensor) for rate in rates):
        return max(rates, default=math.nan)
    where = next(rate.device for rate in rates if isinstance(rate, Tensor))
    return torch.stack([torch.as_tensor(r, device=where).reshape(()) for r in rates]).max()


def set_rate(group: dict[str, Any], lr: Rate) -> None:
    """Change the rate of a group."""
    if isinstance(group["lr"], Tensor):
        group["lr"].copy_(torch.as_tensor(lr))
    else:
        group["lr"] = float(lr)


def kept(lr: Any) -> Any:  # noqa: ANN401 - whatever an optimizer keeps
    """Return a rate that does not change when the optimizer's does."""
    return lr.detach().clone() if isinstance(lr, Tensor) else lr
