"""A Monitor for an unchanged script: it attaches to whatever optimizer steps."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from lrtui.monitor.channel import AFTER_FORK, say
from lrtui.monitor.frameworks import ask_trainer_to_end, variable_of
from lrtui.monitor.levers import Levers
from lrtui.monitor.losses import LossFinder, Number
from lrtui.monitor.monitor import Monitor
from lrtui.monitor.options import RunOptions
from lrtui.monitor.patches import WATCHING
from lrtui.monitor.rate_control import RateControl, largest
from lrtui.text.errors import in_words

MAX_OTHERS = 3
"""Further optimizers shown as scalars: scripts with one optimizer per parameter have thousands."""

TAKEOVER_STEPS = 16
"""Steps in a row of another optimizer before it replaces the followed one."""

MIN_BACKWARDS, MIN_SECONDS = 50, 10.0
"""Calls of ``backward`` and seconds without a step before a warning that no optimizer steps."""


@dataclass
class Watched:
    """An optimizer that has stepped.

    Attributes:
        name: distinguishes it from the others.
        solo_steps: losses and rates of its steps since the followed optimizer last stepped.
    """

    name: str
    solo_steps: deque[tuple[Number | None, Any]] = field(
        default_factory=lambda: deque(maxlen=TAKEOVER_STEPS)
    )


class Automatic:
    """Watches all optimizers of this process.

    It follows the first optimizer that steps, whose steps count as those of the training. The
    others' losses and rates are shown as scalars, and their rates keep their ratio to its rate. An
    optimizer created after its last step, or stepping alone for a while, is followed instead, as a
    new run.

    Attributes:
        monitor: of the training, ``None`` before its first step.
    """

    def __init__(self, options: RunOptions) -> None:
        """Attach to all optimizers, existing and future; for the arguments see ``Monitor``."""
        self.monitor: Monitor | None = None
        self._options = options
        self._pid = os.getpid()
        self._losses = LossFinder(self._on_error, self._on_loss_before_step)
        self._control: RateControl | None = None
        self._levers: Levers | None = None
        self._followed: Optimizer | None = None
        self._watched: WeakKeyDictionary[Optimizer, Watched] = WeakKeyDictionary()
        self._made_at: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()
        self._steps = 0  # of the followed optimizer
        self._scalars: dict[str, Any] = {}
        self._others_stepped = False  # since the followed optimizer's last step
        # In its step, which may step others, as ZeroRedundancyOptimizer does.
        self._stepping: Optimizer | None = None
        self._is_off = False
        self._began = time.monotonic()
        self._hooks = [
            register_optimizer_step_pre_hook(self._before),
            register_optimizer_step_post_hook(self._after),
        ]
        Monitor.made = self._yield_to_script
        AFTER_FORK.add(self)
        self._patch_init()
        compile_ = torch.compile

        @functools.wraps(compile_)
        def noted_compile(*args: Any, **kwargs: Any) -> Any:
            self._hide_from_compile()
            return compile_(*args, **kwargs)

        torch.compile = noted_compile

    def _patch_init(self) -> None:
        """Record at which step of the training each optimizer is created."""
        make = Optimizer.__init__

        @functools.wraps(make)
        def noted_init(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            make(optimizer, *args, **kwargs)
            self._made_at[optimizer] = self._steps

        Optimizer.__init__ = noted_init  # type: ignore[assignment, method-assign]

    def _hide_from_compile(self) -> None:
        """Hide the hooks from torch.compile, which would recompile them for each rate.

        Only once the script compiles something, because hidden hooks are slower.
        """
        if not self._hooks:
            return
        disable: Callable[..., Any] = torch.compiler.disable
        while self._hooks:
            self._hooks.pop().remove()
        register_optimizer_step_pre_hook(disable(self._before))
        register_optimizer_step_post_hook(disable(self._after))
        self._losses.observe = disable(self._losses.observe)

    def _yield_to_script(self) -> None:
        """Make way for a Monitor that the script creates itself."""
        if self.monitor is not None:
            self.monitor.close()
        self._is_off = True
        if self._control is not None:
            self._control.detach()
        self.monitor = self._control = self._levers = self._followed = None
        self._losses.close()

    def _on_error(self, error: BaseException) -> None:
        """Report an error of ours once and stop watching; the training continues."""
        if not self._is_off:
            self._yield_to_script()
            say(f"this training can no longer be watched: {in_words(error)}")

    def after_fork(self) -> None:
        """Forget the parent's training in a forked child; what the child trains itself is new."""
        self.monitor = self._control = self._levers = self._followed = self._stepping = None
        self._watched.clear()
        self._scalars.clear()
        self._steps, self._pid = 0, os.getpid()

    # --- in the step ----------------------------------------------------------------------

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if WATCHING.is_paused:  # a replay, in which only the rate is ours
            if self._control is not None:
                self._control.before(optimizer, args, kwargs)
            return None
        if self._is_off or self._stepping not in (None, optimizer):
            return None  # the same one again means that its last step raised an error
        try:
            self._stepping = optimizer
            if optimizer is not self._followed:
                self._register(optimizer)
            changed = None
            if self._control is not None:
                changed = self._control.before(optimizer, args, kwargs)
                if changed is not None:
                    args, kwargs = changed
            if kwargs or len(args) > 1:  # there may be a closure
                return self._losses.begin_step(args, kwargs) or changed
            self._losses.in_step = True
            return changed
        except Exception as error:
            self._on_error(error)
            return None

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if WATCHING.is_paused:
            if self._control is not None:
                self._control.restore(optimizer)
            return
        if optimizer is not self._stepping:
            return
        self._stepping = None
        try:
            rate = None if optimizer is self._followed else largest(optimizer.param_groups)
            if self._control is not None and self._control.originals:
                self._control.restore(optimizer)
            loss = self._losses.end_step(optimizer)
            if optimizer is not self._followed:
                self._add_scalars(optimizer, loss, rate)
                return
            self._steps += 1
            scalars = self._scalars
            if scalars:
                self._scalars = {}
            if self._others_stepped:
                self._forget_solo_steps()
        except Exception as error:
            self._on_error(error)
            return
        if self.monitor is not None:
            self.monitor.record(loss, scalars)  # a stop raises from here, on purpose

    def _register(self, optimizer: Optimizer) -> None:
        """Register an optimizer before its first step; follow it if the followed one is done."""
        if optimizer not in self._watched:
            self._losses.register(optimizer)
            self._watched[optimizer] = Watched(self._name_of(optimizer))
            if self._levers is not None:
                self._levers.follow = self._follow
            # The followed one has not stepped since the creation of this one.
            if self._followed is None or self._made_at.get(optimizer) == self._steps:
                self._start_run(optimizer)

    def _start_run(self, optimizer: Optimizer) -> None:
        """Follow an optimizer, as a new run."""
        if self._control is not None:
            self._control.detach()
        self._followed, self._steps = optimizer, 0
        self._made_at.clear()
        self._scalars = {}
        self._forget_solo_steps()
        follow = self._follow if len(self._watched) > 1 else None
        self._levers = levers = Levers(
            RateControl(optimizer), stop=self._stop, follow=follow, optimizers=self._watched
        )
        self._control = levers.control
        self._control.guard_state(optimizer)
        self.monitor = Monitor.of_all(self._describe(optimizer), levers, self._options)

    def _forget_solo_steps(self) -> None:
        """Forget the steps that others have taken since the followed optimizer's last one."""
        self._others_stepped = False
        for other in self._watched.values():
            other.solo_steps.clear()

    def _add_scalars(self, optimizer: Optimizer, loss: Number | None, rate: Any) -> None:
        """Show another optimizer's loss and rate with the next step.

        Follow it, its latest steps included, once it has stepped alone for long enough.
        """
        if (watched := self._watched.get(optimizer)) is None:
            return
        if self._levers is not None:
            self._levers.alone = False
        watched.solo_steps.append((loss, rate))
        self._others_stepped = True
        if len(watched.solo_steps) == TAKEOVER_STEPS:
            steps = [*watched.solo_steps]
            self._start_run(optimizer)
            assert self.monitor is not None
            for each, lr in steps:
                self._control.scheduled = self._control.in_force = lr  # type: ignore[union-attr]
                self._steps += 1
                self.monitor.record(each, {})
            return
        names = [other.name for other in self._watched.values()]
        if names.index(watched.name) <= MAX_OTHERS:
            self._scalars[f"lr {watched.name}"] = rate
            if loss is not None:
                self._scalars[f"loss {watched.name}"] = loss

    # --- names ----------------------------------------------------------------------------

    def _name_of(self, optimizer: Optimizer) -> str:
        """Return a unique name for an optimizer: the script's variable, else its class."""
        taken = {other.name for other in self._watched.values()}
        name = variable_of(optimizer) or type(optimizer).__name__
        numbered = (f"{name} {number}" for number in count(2))
        return next(found for found in chain([name], numbered) if found not in taken)

    def _describe(self, optimizer: Optimizer) -> str:
        """Return an optimizer's class, with its name if there are several."""
        cls = type(optimizer).__name__
        name = self._watched[optimizer].name
        return cls if len(self._watched) < 2 or name == cls else f"{cls} ({name})"

    def _follow(self, name: str) -> str:
        """Follow the optimizer of that name, the next one if empty; return which, in a sentence.

        Raises:
            ValueError: there is none; names those that exist.
        """
        optimizers = [*self._watched]
        names = [self._watched[optimizer].name for optimizer in optimizers]
        if len(optimizers) < 2:
            raise ValueError("no other optimizer has taken a step")
        if name and name not in names:
            raise ValueError(f"no optimizer is called {name}; there are: {', '.join(names)}")
        now = next((i for i, each in enumerate(optimizers) if each is self._followed), -1)
        chosen = names.index(name) if name else (now + 1) % len(optimizers)
        if optimizers[chosen] is not self._followed:
            self._start_run(optimizers[chosen])
        return f"following {self._describe(optimizers[chosen])}, as a new run"

    # --- the end --------------------------------------------------------------------------

    def _stop(self) -> str:
        """Stop the training through its framework if it has one, else as Ctrl-C would."""
        if (by := ask_trainer_to_end()) is not None:
            return by
        raise KeyboardInterrupt

    def was_asked_to_stop(self) -> bool:
        """Return whether a viewer has asked the training to stop."""
        return self.monitor is not None and self.monitor.should_stop

    def _on_loss_before_step(self, loss: Number) -> None:
        """Show the losses even if no torch optimizer ever steps; say so once."""
        if self._is_off or self._watched:
            return
        if self.monitor is None:
            backwards = self._losses.backwards
            if backwards < MIN_BACKWARDS or time.monotonic() < self._began + MIN_SECONDS:
                return
            say(NOTHING_STEPS.format(backwards))
            levers = Levers(RateControl(None), stop=self._stop)
            title = "backward passes, no torch.optim step"
            self.monitor = Monitor.of_all(title, levers, self._options)
        self.monitor.record(loss, {})


NOTHING_STEPS = (
    "{:,} backward passes and no step of a torch.optim optimizer: losses are shown, but the rate "
    "is neither known nor can it be changed"
)
