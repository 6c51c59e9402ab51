"""A Monitor that a script knows nothing of: it attaches to whatever optimizer steps first."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from lrtui.monitor import monitor as monitors
from lrtui.monitor.losses import LossFinder, Part
from lrtui.monitor.monitor import Monitor
from lrtui.monitor.rate import RateControl

OTHERS = 3
"""Further optimizers whose loss and rate are told: an optimizer a parameter makes thousands."""


class Automatic:
    """Watches all optimizers of this process.

    The one that steps first is the training's; a step is a step of that. Of the next ones the loss
    and the rate are told as scalars; all follow when the rate is changed.

    Attributes:
        monitor: of the training, ``None`` before its first step.
    """

    def __init__(self, name: str | None, journal: str | None) -> None:
        """Attach to all optimizers, those that are still to be made as well.

        Args:
            name: what the list of trainings calls it.
            journal: file of the commands.
        """
        self.monitor: Monitor | None = None
        self._losses = LossFinder()
        self._control: RateControl | None = None
        self._first: Optimizer | None = None  # number 0, which is looked for at each step
        self._numbers: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()
        self._number = 0  # of the one that steps now
        self._scalars: dict[str, Any] = {}
        self._name, self._journal = name, journal
        # The one that steps now: it may step others, as ZeroRedundancyOptimizer does.
        self._stepping: Optimizer | None = None
        self._pid = os.getpid()
        self._hooks = [
            register_optimizer_step_pre_hook(self._before),
            register_optimizer_step_post_hook(self._after),
        ]
        compile_ = torch.compile

        @functools.wraps(compile_)
        def noted_compile(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self._hide()
            return compile_(*args, **kwargs)

        torch.compile = noted_compile

    def _hide(self) -> None:
        """Hide from torch.compile what is called in a step: it would compile that for each rate.

        Not before the training compiles something: each call costs more from then on.
        """
        if not self._hooks:
            return
        disable: Callable[..., Any] = torch.compiler.disable
        while self._hooks:
            self._hooks.pop().remove()
        register_optimizer_step_pre_hook(disable(self._before))
        register_optimizer_step_post_hook(disable(self._after))
        self._losses.note = disable(self._losses.note)

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        if self._stepping not in (None, optimizer):  # the same one again: its step raised an error
            return None
        self._stepping = optimizer
        number = 0 if optimizer is self._first else self._numbers.get(optimizer)
        self._number = self._take_up(optimizer) if number is None else number
        if self._control is not None:
            self._control.before(optimizer, args, kwargs)
        return self._losses.begin_step(args, kwargs)

    def _take_up(self, optimizer: Optimizer) -> int:
        """Begin to watch an optimizer; return its number, 0 for the training's."""
        number = len(self._numbers)
        self._numbers[optimizer] = number
        if number == 0 and not monitors.MONITORS and os.getpid() == self._pid:
            self.monitor = Monitor.of_all(optimizer, self._name, self._journal)
            self._control = self.monitor.control
            self._first = optimizer
        if self._control is not None:
            optimizer.register_state_dict_pre_hook(self._control.restore)
        return number

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        if optimizer is not self._stepping:
            return
        self._stepping = None
        if self._control is not None and self._control.originals:
            self._control.restore(optimizer)
        loss = self._losses.end_step()
        if self.monitor is None:
            return
        if self._number == 0:
            self.monitor.step(loss, **self._scalars)
            self._scalars.clear()
        elif self._number <= OTHERS:
            self._note(self._number + 1, loss, optimizer.param_groups[0]["lr"])

    def _note(self, number: int, loss: Part | None, lr: Part) -> None:
        """Keep the loss and the rate of another optimizer, to be told with the next step."""
        self._scalars[f"lr {number}"] = lr
        if loss is not None:
            self._scalars[f"loss {number}"] = loss

    def was_asked_to_stop(self) -> bool:
        """Return whether somebody has asked the training to stop."""
        return self.monitor is not None and self.monitor.should_stop
