"""Changes the learning rate only while the optimizer uses it.

A hook before the optimizer's step changes ``group["lr"]``, a hook after it restores it. Schedules
and checkpoints therefore only ever see the original, and the rate in force is exactly the
schedule's times the factor, whatever code writes it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

Rate = float | Tensor
"""A rate in a parameter group; a tensor is changed in place, because compiled steps hold it."""


class RateControl:
    """Holds or scales the rate of one training, which may have several optimizers.

    The rate of a training is the largest of its first optimizer's groups. All other groups,
    including those of the other optimizers, keep their ratio to it.

    Attributes:
        held: rate held against the schedule, ``None`` if none is.
        scale: factor on the schedule's rate.
        scheduled: the schedule's rate at the last step of the first optimizer.
        in_force: rate of that step.
        last_known: the latest schedule's rate copied from a device.
        first: the first optimizer, ``None`` without a torch optimizer.
        originals: by id, optimizers whose rates are changed right now, with their schedule's rates.
        changes: how often the rate was set by hand, or put back with a snapshot.
        observe: called before a step of the first optimizer with its arguments, while ``in_force``
            is still the rate of the last one; may return others to step with.
    """

    def __init__(self, optimizer: Optimizer | None) -> None:
        """Leave the rate as it is; ``optimizer`` is the first one."""
        self.held: float | None = None
        self.scale = 1.0
        self.first = optimizer
        self.originals: dict[int, tuple[Optimizer, list[Rate | None]]] = {}
        self.changes = 0
        self.observe: Callable[[Any, Any], Any] | None = None
        self.scheduled = self.in_force = self._scheduled()
        self.last_known = math.nan
        self._active = False
        self._attached: list[Optimizer] = []
        self._befores: list[RemovableHandle] = []
        self._afters: list[RemovableHandle] = []

    @property
    def can_scale(self) -> bool:
        """Whether there is a rate to multiply."""
        return self.first is not None and any(has_rate(g) for g in self.first.param_groups)

    @property
    def can_hold(self) -> bool:
        """Whether the rate can be set: not if the optimizer multiplies it by its own estimate."""
        groups = self.first.param_groups if self.first is not None else []
        return self.can_scale and not any(map(estimate_of, groups))

    def hold(self, lr: float) -> None:
        """Hold the rate."""
        self.held, self.scale = lr, 1.0
        self._activate()

    def scale_by(self, factor: float) -> None:
        """Multiply the held rate, or the schedule's from here on."""
        if self.held is not None:
            self.held *= factor
        else:
            self.scale *= factor
        self._activate()

    def release(self) -> None:
        """Return the rate to the schedule."""
        self.held, self.scale = None, 1.0
        self._activate()

    def state_dict(self) -> dict[str, float | None]:
        """Return hold and scale, for a snapshot."""
        return {"held": self.held, "scale": self.scale}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Restore hold and scale from a snapshot."""
        self.held, self.scale = state["held"], state["scale"]
        self._activate()

    def attach(self, optimizer: Optimizer) -> None:
        """Change the rates of an optimizer from now on.

        Raises:
            AttributeError: it has no hooks, so it does not derive from ``torch.optim.Optimizer``.
        """
        # torch.compile must not trace the hooks: it would recompile for each rate.
        before = torch.compiler.disable(self.before)  # type: ignore[no-untyped-call]
        self._befores.append(optimizer.register_step_pre_hook(before))
        self.guard_state(optimizer)
        self._attached.append(optimizer)
        if self._active:
            self._activate()

    def guard_state(self, optimizer: Optimizer) -> None:
        """Keep a changed rate, left behind by a step that raised an error, out of checkpoints."""
        with contextlib.suppress(AttributeError):  # such as timm's Lookahead
            self._befores.append(optimizer.register_state_dict_pre_hook(self.restore))

    def detach(self) -> None:
        """Detach from all optimizers, and restore their schedules' rates."""
        self.release()
        for optimizer, _ in [*self.originals.values()]:
            self.restore(optimizer)
        while self._befores:
            self._befores.pop().remove()

    def reattach(self) -> None:
        """Attach to the same optimizers again after ``detach``."""
        if not self._befores:
            attached, self._attached = self._attached, []
            for optimizer in attached:
                self.attach(optimizer)

    def detach_if_shared(self, optimizers: Sequence[Optimizer]) -> None:
        """Detach if attached to any of these optimizers."""
        if any(mine is optimizer for mine in self._attached for optimizer in optimizers):
            self.detach()

    def _activate(self) -> None:
        """Start or stop changing rates; post-hooks exist only while they are changed."""
        self.changes += 1
        self._active = self.held is not None or self.scale != 1.0
        while self._afters:
            self._afters.pop().remove()
        if self._active:
            after = torch.compiler.disable(self.after)  # type: ignore[no-untyped-call]
            self._afters = [o.register_step_post_hook(after) for o in self._attached]

    def now(self) -> tuple[float, float]:
        """Return the next step's rate in force and the schedule's, NaN if unknown.

        Safe from any thread; never reads from a device.
        """
        scheduled = self._scheduled()
        if isinstance(scheduled, Tensor):
            scheduled = scheduled.item() if scheduled.is_cpu else self.last_known
        if self.held is not None:
            return self.held, scheduled
        return scheduled * self.scale, scheduled

    def _scheduled(self) -> Rate:
        """Return the schedule's rate, even within a step at another one."""
        if self.first is None:
            return math.nan
        groups = self.first.param_groups
        if (changed := self.originals.get(id(self.first))) is None:
            return largest(groups)
        return largest([g | {"lr": lr} for g, lr in zip(groups, changed[1], strict=False)])

    def spread(self) -> tuple[int, float]:
        """Return how many groups of the first optimizer have a rate, and the smallest in force.

        The latter is NaN if unknown.
        """
        groups = [g for g in self.first.param_groups if has_rate(g)] if self.first else []
        if any(isinstance(group["lr"], Tensor) for group in groups):
            return len(groups), math.nan
        lr, scheduled = self.now()
        by = lr / scheduled if scheduled else 1.0
        return len(groups), min((float(rate_of(g)) * by for g in groups), default=math.nan)

    def before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """Change the rates of an optimizer before its step; return what ``observe`` returns."""
        first = optimizer is self.first
        changed = None
        if self.observe is not None and first:
            changed = self.observe(args, kwargs)
        if not self._active:
            if self.originals:
                self.restore(optimizer)  # its last step raised an error
            if first:
                groups = optimizer.param_groups
                lr = groups[0].get("lr")
                if lr.__class__ is not float or len(groups) > 1 or "d0" in groups[0]:
                    lr = largest(groups)
                self.scheduled = self.in_force = lr
            return changed
        if self.originals:
            self.restore(optimizer)
        base = largest(self.first.param_groups) if self.first is not None else math.nan
        groups = [group for group in optimizer.param_groups if has_rate(group)]
        originals = [copy_of(group.get("lr")) for group in optimizer.param_groups]
        self.originals[id(optimizer)] = (optimizer, originals)
        for group in groups:
            set_rate(group, self._changed(group["lr"], base))
        if first:
            self.scheduled, self.in_force = base, largest(groups)
        return changed

    def after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Restore the rates of an optimizer after its step."""
        if self.originals:
            self.restore(optimizer)

    def restore(self, optimizer: Optimizer) -> None:
        """Restore the rates of an optimizer if they are changed."""
        if (found := self.originals.pop(id(optimizer), None)) is None:
            return
        for group, lr in zip(optimizer.param_groups, found[1], strict=False):
            if lr is not None and has_rate(group):
                set_rate(group, lr)

    def _changed(self, lr: Rate, base: Rate) -> Rate:
        """Return the changed rate of a group, where ``base`` is the largest original rate."""
        if self.held is None:
            return lr * self.scale
        if isinstance(base, Tensor):
            # Branch-free, to avoid reading from a device.
            same = (base == 0) | (torch.as_tensor(lr) == base)
            held = torch.full_like(base, self.held)
            return torch.where(same, held, lr * (held / base))
        # A base of 0, as at the start of a warmup, has no ratios.
        return self.held if base in (0, lr) else lr * (self.held / base)


def has_rate(group: dict[str, Any]) -> bool:
    """Return whether a parameter group has a rate; Adafactor's may be ``None``."""
    return isinstance(group.get("lr"), float | int | Tensor)


def estimate_of(group: dict[str, Any]) -> Rate | None:
    """Return the factor of Prodigy and D-Adaptation on the rate, ``None`` for other optimizers."""
    found = group.get("d") if "d0" in group else None
    return found if isinstance(found, float | int | Tensor) else None


def rate_of(group: dict[str, Any]) -> Rate:
    """Return the effective rate of a group, NaN if it has none."""
    if not has_rate(group):
        return math.nan
    estimate = estimate_of(group)
    used: Rate = group["lr"] if estimate is None else group["lr"] * estimate
    return used


def largest(groups: list[dict[str, Any]]) -> Rate:
    """Return the largest effective rate of groups, as a copy."""
    if len(groups) == 1:
        only: Rate = copy_of(rate_of(groups[0]))
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


def copy_of(lr: Any) -> Any:
    """Return a rate, copied if it is a tensor."""
    return lr.detach().clone() if isinstance(lr, Tensor) else lr
