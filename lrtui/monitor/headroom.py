"""Measures the slope left after a step: whether the loss of the next batch still falls along it.

With w the weights, g(t) the gradient of step t and u(t) = w(t+1) − w(t) the optimizer's real step,

    left = Σ g(t+1)·u(t) / Σ g(t)·u(t)

over pairs of consecutive steps. 1: all of the slope is left on the next batch; 0: the step ended at
the bottom of its line; below 0: the next gradients point back. In addition ``calm``, the median
cosine of consecutive gradients: near 1, as with full batches, steep directions are not excited and
``left`` cannot see them; and ``growth``, by how much steps still get longer. The last step of a
measurement also gives ‖u‖ ÷ ‖w‖ of each parameter tensor. Works with any optimizer, and draws no
random numbers.

Steps are sampled in bursts, to keep to ``TIME_SHARE``; between them nothing is called in a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lrtui.monitor.command_queue import NEVER
from lrtui.monitor.frameworks import names_of
from lrtui.monitor.losses import wrap_closure
from lrtui.monitor.memory import free_bytes
from lrtui.monitor.rate_control import RateControl
from lrtui.text.errors import in_words

PAIRS = 27
"""Pairs of consecutive steps of a measurement."""

FIRST_STEP = 20
"""Steps before the first measurement, while optimizers fill their averages."""

TIME_SHARE = 0.005
"""Largest share of the time for measurements; those of ``own_batch`` may take as much."""

REST_SECONDS = 5.0
"""Least seconds between two measurements; with short steps the share would allow many more."""

DEVICE_COST = 0.6
"""Highest cost seen of a sampled step, in steps, on a device, where it cannot be timed."""

MEMORY_SHARE = 0.25
"""Largest share of the free memory for the two copies of a measurement."""

RETRY_STEPS = 10_000
"""Steps until the memory is looked at again."""


class Headroom:
    """Measures ``left`` for the first optimizer of a training, in the training thread.

    Attributes:
        reading: a new measurement by name, else ``None``.
        updates: update-to-weight ratios of its last step, by name of the parameter.
        due: step after which the next measurement begins.
    """

    def __init__(
        self,
        control: RateControl,
        complain: Callable[[str], None],
        step: int = 0,
        model: nn.Module | None = None,
    ) -> None:
        """Measure ``FIRST_STEP`` steps after ``step``; ``complain`` is called if that fails.

        The names of the parameters are those in ``model``, see ``names_of``.
        """
        self._control = control
        self._complain = complain
        self.reading: dict[str, Any] | None = None
        self.updates: dict[str, Any] = {}
        self._model = model
        self._names: list[str] = []
        self.due = step + FIRST_STEP - 1
        self._changes = control.changes
        groups = control.first.param_groups if control.first is not None else []
        self._parameters = [p for g in groups for p in g["params"] if p.requires_grad]
        self._step = step
        self._dots: list[Tensor] = []  # of each pair, see _products
        self._rates: list[Any] = []  # of each pair
        self._weights: list[Tensor] | None = None  # before the last step
        self._gradients: list[Tensor | None] = []  # of the last step
        self._length: tuple[int, Tensor] | None = None  # of the steps of the last measurement
        self._spent = self._since = self._began = 0.0

    def detach(self) -> None:
        """Stop measuring."""
        self._control.observe = None
        self._forget()
        self.due = NEVER

    def after_step(self, step: int) -> None:
        """Begin a measurement if one is due, or once the rate was set or weights put back."""
        self._step = step
        control = self._control
        if step < self.due and self._changes == control.changes:
            return
        if control.observe is None and self.due < NEVER:
            self._changes = control.changes
            self._since = time.perf_counter()
            if self._fits():
                self._spent = time.perf_counter() - self._since
                control.observe = self._before
            else:
                self.due = step + RETRY_STEPS

    def _forget(self) -> None:
        self._weights, self._gradients, self._dots, self._rates = None, [], [], []

    def _before(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """Sample before the optimizer's step, or after its closure, which computes the gradient.

        Returns:
            The arguments with the closure that samples, ``None`` if there is none.
        """
        last_rate = self._control.in_force

        def sampling(closure: Callable[[], Any]) -> Callable[[], Any]:
            calls = 0

            def sampled() -> Any:
                nonlocal calls
                result = closure()
                calls += 1
                if calls == 1:
                    self._measure(last_rate)
                else:
                    self.detach()  # the optimizer moves the weights between calls
                return result

            return sampled

        changed = wrap_closure(args, kwargs, sampling)
        if changed is None and any(each is not None for each in args[1:]):
            self.detach()  # gradients may be among these arguments
        elif changed is None:
            self._measure(last_rate)
        return changed

    @torch.no_grad()
    def _measure(self, last_rate: Any) -> None:
        """Sample, and keep errors out of the training."""
        if self._control.observe is None:
            return  # since the step began
        self._began = time.perf_counter()
        try:
            with torch._C.DisableTorchFunction():  # no tape is to record it
                self._sample(last_rate)
        except Exception as error:  # such as out of memory
            self.detach()
            self._complain(f"the slope left can no longer be measured: {in_words(error)}")
        self._spent += time.perf_counter() - self._began

    def _sample(self, last_rate: Any) -> None:
        """Compare the new gradient with the last step; copy weights and gradients."""
        control = self._control
        if self._parameters[0].is_cuda and torch.cuda.is_current_stream_capturing():
            self.detach()  # the copies would become part of a CUDA graph
            return
        if any(p.grad is not None and p.grad.is_sparse for p in self._parameters):
            self.detach()
            return
        if self._changes != control.changes:
            self._changes = control.changes
            self._forget()
        if self._weights is not None:
            self._dots.append(self._products())
            self._rates.append(last_rate)
        if len(self._dots) == PAIRS:
            self._finish()
        elif self._weights is None:
            self._weights = [p.detach().clone() for p in self._parameters]
            self._gradients = [None if p.grad is None else p.grad.clone() for p in self._parameters]
        else:
            for i, p in enumerate(self._parameters):
                self._weights[i].copy_(p)
                if p.grad is None or (old := self._gradients[i]) is None:
                    self._gradients[i] = None if p.grad is None else p.grad.clone()
                else:
                    old.copy_(p.grad)

    def _products(self) -> Tensor:
        """Return g(t)·u(t), g(t+1)·u(t), g(t)·g(t+1), |g(t)|², |g(t+1)|² and |u(t)|²."""
        assert self._weights is not None
        found = []
        for p, w, g in zip(self._parameters, self._weights, self._gradients, strict=True):
            if p.grad is None or g is None:
                continue
            step = (p - w).float().flatten()
            new, old = p.grad.float().flatten(), g.float().flatten()
            pairs = ((old, step), (new, step), (old, new), (old, old), (new, new), (step, step))
            found.append(torch.stack([torch.dot(a, b) for a, b in pairs]))
        return torch.stack(found).sum(dim=0)

    def _finish(self) -> None:
        """Compute the reading, and rest for ``REST_SECONDS`` and to keep to ``TIME_SHARE``."""
        self._control.observe = None
        along, across, inner, old, new, squares = torch.stack(self._dots).unbind(dim=1)
        self.reading = {
            "left": across.sum() / along.sum().clamp_max(-1e-30),
            "calm": (inner / (old * new).sqrt().clamp_min(1e-30)).median(),
            "growth": self._growth(squares.sqrt()),
            "pairs": float(PAIRS),
        }
        self.updates = self._ratios()
        on_cpu = self._parameters[0].is_cpu
        now = time.perf_counter()
        passed, spent = now - self._since, self._spent + now - self._began
        taken = max(passed - spent, 1e-9)  # by the steps themselves
        share = spent / taken if on_cpu else DEVICE_COST
        rest = max(share / TIME_SHARE, REST_SECONDS / taken, 1)  # in measurements
        self.due = self._step + int(PAIRS * rest) + 1
        self._forget()

    def _ratios(self) -> dict[str, Any]:
        """Return ‖u‖ ÷ ‖w‖ of each parameter that had a gradient, by name."""
        assert self._weights is not None
        self._names = self._names or names_of(self._parameters, self._model)
        moved = zip(self._names, self._parameters, self._weights, self._gradients, strict=True)
        return {
            name: (p - w).float().norm() / w.float().norm()
            for name, p, w, g in moved
            if g is not None
        }

    def _growth(self, lengths: Tensor) -> Tensor:
        """Return by how much steps get longer each step, as a logarithm.

        The largest of three growths: of the rate; of the length at the same rate, within this
        measurement and since the previous one, both less two standard errors. Nothing is copied to
        the device, as that would wait for it.
        """
        logs = torch.stack([(u / r).log() for u, r in zip(lengths, self._rates, strict=True)])
        at = torch.ones_like(logs).cumsum(0) - (PAIRS + 1) / 2
        mean, spread = logs.mean(), (at * at).sum()
        slope = (at * logs).sum() / spread
        noise = ((logs - mean - slope * at).square().sum() / (PAIRS - 2)).sqrt()
        growth = slope - 2 * noise / spread.sqrt()
        if self._length is not None:
            step, before = self._length
            error = noise * (2 / PAIRS) ** 0.5
            growth = growth.maximum((mean - before - 2 * error) / (self._step - step))
        self._length = self._step, mean
        first, last = self._rates[0], self._rates[-1]
        if isinstance(last, Tensor):
            return growth.maximum((last / first).log() / (PAIRS - 1))
        return growth.clamp_min(
            math.log(last / first) / (PAIRS - 1) if first > 0 < last else math.nan
        )

    def _fits(self) -> bool:
        """Return whether steps can be sampled, and two copies fit into ``MEMORY_SHARE``."""
        devices = {p.device for p in self._parameters}
        if isinstance(self._control.first, torch.optim.LBFGS):
            return False  # calls its closure as often as it likes
        if len(devices) != 1 or not all(map(is_measurable, self._parameters)):
            return False
        needed = 2 * sum(p.numel() * p.element_size() for p in self._parameters)
        free = free_bytes(devices.pop())
        return free is not None and needed <= MEMORY_SHARE * free


def is_measurable(parameter: Tensor) -> bool:
    """Return whether a parameter is real, and all of it on this rank."""
    is_sharded = hasattr(parameter, "full_tensor") or getattr(parameter, "_is_flat_param", False)
    return parameter.is_floating_point() and not is_sharded
