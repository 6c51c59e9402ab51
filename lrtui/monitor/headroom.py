"""Measures the slope left after a step: whether the loss of the next batch still falls along it.

With w the weights, g(t) the gradient of step t and u(t) = w(t+1) − w(t) the optimizer's real step,

    left = Σ g(t+1)·u(t) / Σ g(t)·u(t)

over pairs of consecutive steps. 1: all of the slope is left on the next batch; 0: the step ended at
the bottom of its line; below 0: the next gradients point back. In addition ``calm``, the median
cosine of consecutive gradients: near 1, as with full batches, steep directions are not excited and
``left`` cannot see them. Works with any optimizer by its hooks, and draws no random numbers.

Steps are sampled in bursts, to keep to ``TIME_SHARE``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lrtui.monitor.command_queue import NEVER
from lrtui.monitor.memory import free_memory
from lrtui.monitor.patches import WATCHING
from lrtui.text.errors import in_words

PAIRS = 27
"""Pairs of consecutive steps of a measurement."""

FIRST_STEP = 20
"""Steps before the first measurement, while optimizers fill their averages."""

TIME_SHARE = 0.01
"""Largest share of the time for measurements."""

DEVICE_COST = 0.6
"""Highest cost seen of a sampled step, in steps, on a device, where it cannot be timed."""

MEMORY_SHARE = 0.25
"""Largest share of the free memory for the two copies of a measurement."""


class Headroom:
    """Measures ``left`` for one optimizer, in the training thread.

    Attributes:
        reading: ``left``, ``calm`` and the number of pairs of a new measurement, else ``None``.
    """

    def __init__(self, optimizer: Optimizer, complain: Callable[[str], None]) -> None:
        """Attach to an optimizer; ``complain`` is called if it cannot be measured any more."""
        self._complain = complain
        self.reading: dict[str, Any] | None = None
        self._parameters = [
            p for group in optimizer.param_groups for p in group["params"] if p.requires_grad
        ]
        self._steps = 0
        self._next = FIRST_STEP  # step at which the next measurement begins
        self._dots: list[Tensor] = []  # of each pair: [g(t)·u(t), g(t+1)·u(t), cosine]
        self._weights: list[Tensor] | None = None
        self._gradients: list[Tensor | None] = []
        self._along: Tensor | None = None
        self._spent, self._since = 0.0, time.perf_counter()
        disable: Any = torch.compiler.disable
        self._hooks: list[RemovableHandle] = [
            optimizer.register_step_pre_hook(disable(self._before)),
            optimizer.register_step_post_hook(disable(self._after)),
        ]

    def detach(self) -> None:
        """Remove the hooks."""
        while self._hooks:
            self._hooks.pop().remove()
        self._forget()

    def _stop(self) -> None:
        """Stop measuring, without removing the hooks, which is impossible within one."""
        self._forget()
        self._next = NEVER

    def _fail(self, error: Exception) -> None:
        self._stop()
        self._complain(f"the slope left can no longer be measured: {in_words(error)}")

    def _forget(self) -> None:
        self._weights, self._gradients, self._along, self._dots = None, [], None, []

    @torch.no_grad()
    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Compare the new gradient with the last step, and copy weights and gradients."""
        self._steps += 1
        if self._steps < self._next or WATCHING.is_paused:
            return
        if kwargs.get("closure") is not None or any(each is not None for each in args[1:]):
            self._stop()  # the closure has yet to compute the gradient
            return
        began = time.perf_counter()
        try:
            self._sample()
        except Exception as error:  # such as out of memory
            self._fail(error)
        self._spent += time.perf_counter() - began

    def _sample(self) -> None:
        if self._weights is None:
            if not self._fits():
                self._next = self._steps + 10_000
                return
            self._since, self._spent = time.perf_counter(), 0.0
        elif self._along is not None:
            across, cosine = self._products()
            self._dots.append(torch.stack([self._along, across, cosine]))
        if len(self._dots) == PAIRS:
            self._finish()
            return
        self._weights = [p.detach().clone() for p in self._parameters]
        self._gradients = [
            None if p.grad is None else p.grad.detach().clone() for p in self._parameters
        ]

    @torch.no_grad()
    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        """Measure the slope of the step along its own gradient."""
        if self._weights is None or WATCHING.is_paused:
            return
        began = time.perf_counter()
        try:
            self._along = total(
                (g.float() * (p.detach() - w).float()).sum()
                for p, w, g in zip(self._parameters, self._weights, self._gradients, strict=True)
                if g is not None
            )
        except Exception as error:  # see _before
            self._fail(error)
        self._spent += time.perf_counter() - began

    def _products(self) -> tuple[Tensor, Tensor]:
        """Return g(t+1)·u(t), and the cosine of g(t+1) and g(t)."""
        assert self._weights is not None
        across, inner, new, old = [], [], [], []
        for p, w, g in zip(self._parameters, self._weights, self._gradients, strict=True):
            if p.grad is None or g is None:
                continue
            now, before = p.grad.detach().float(), g.float()
            across.append((now * (p.detach() - w).float()).sum())
            inner.append((now * before).sum())
            new.append((now * now).sum())
            old.append((before * before).sum())
        norms = (total(new) * total(old)).sqrt().clamp_min(1e-30)
        return total(across), total(inner) / norms

    def _finish(self) -> None:
        """Compute the reading, and rest long enough to keep to ``TIME_SHARE``."""
        along, across, cosines = torch.stack(self._dots).unbind(dim=1)
        self.reading = {
            "left": across.sum() / along.sum().clamp_max(-1e-30),
            "calm": cosines.median(),
            "pairs": float(PAIRS),
        }
        on_cpu = self._parameters[0].is_cpu
        passed = time.perf_counter() - self._since
        share = self._spent / max(passed - self._spent, 1e-9) if on_cpu else DEVICE_COST
        self._next = self._steps + int(PAIRS * max(share / TIME_SHARE, 1)) + 1
        self._forget()

    def _fits(self) -> bool:
        """Return whether two copies of the weights fit into ``MEMORY_SHARE``."""
        if not self._parameters or any(is_sharded(p) for p in self._parameters):
            return False
        needed = 2 * sum(p.numel() * p.element_size() for p in self._parameters)
        if self._parameters[0].is_cuda:
            free: int | None = torch.cuda.mem_get_info(self._parameters[0].device)[0]
        else:
            free = free_memory()
        return free is None or needed <= MEMORY_SHARE * free


def total(values: Any) -> Tensor:  # noqa: ANN401 - tensors of one element
    """Return the sum of one-element tensors, on their device."""
    return torch.stack([*values]).sum()


def is_sharded(parameter: Tensor) -> bool:
    """Return whether this rank has only a part of a parameter."""
    return hasattr(parameter, "full_tensor") or getattr(parameter, "_is_flat_param", False)
