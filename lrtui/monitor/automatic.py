"""A Monitor that a script knows nothing of: it attaches to whatever optimizer steps."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from lrtui.monitor.channel import FORKED, say
from lrtui.monitor.frameworks import ask_trainer_to_end, variable_of
from lrtui.monitor.levers import Levers, in_words
from lrtui.monitor.losses import LossFinder, Number
from lrtui.monitor.monitor import Monitor
from lrtui.monitor.rate_control import RateControl, largest

MAX_OTHERS = 3
"""Further optimizers whose loss and rate are told: an optimizer a parameter makes thousands."""

TAKEOVER_STEPS = 16
"""Steps in a row of another optimizer after which the training's is taken to stand still."""

BACKWARDS, UNSEEN = 50, 10.0
"""Calls of ``backward``, and seconds, without a step after which that is said."""


@dataclass
class Watched:
    """An optimizer that has stepped.

    Attributes:
        name: what it is called where there are several.
        alone: its steps since the training's optimizer stepped last: losses and rates.
    """

    name: str
    alone: deque[tuple[Number | None, Any]] = field(
        default_factory=lambda: deque(maxlen=TAKEOVER_STEPS)
    )


class Automatic:
    """Watches all optimizers of this process.

    The one that steps first is the training's: a step is a step of that. Of the next ones loss and
    rate are told as scalars, and all follow when the rate is changed. One that was made since the
    training's stepped last, or that steps alone for a while, goes on as a run of its own.

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
        self._name, self._journal = name, journal
        self._pid = os.getpid()
        self._losses = LossFinder(self._failed, self._without_step)
        self._control: RateControl | None = None
        self._levers: Levers | None = None
        self._first: Optimizer | None = None  # the training's, which is looked for at each step
        self._watched: WeakKeyDictionary[Optimizer, Watched] = WeakKeyDictionary()
        self._made_at: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()
        self._steps = 0  # of the training's optimizer
        self._scalars: dict[str, Any] = {}
        # The one that steps now: it may step others, as ZeroRedundancyOptimizer does.
        self._stepping: Optimizer | None = None
        self._is_off = False
        self._began = time.monotonic()
        self._hooks = [
            register_optimizer_step_pre_hook(self._before),
            register_optimizer_step_post_hook(self._after),
        ]
        Monitor.made = self._leave
        FORKED.add(self)
        self._note_those_made()
        compile_ = torch.compile

        @functools.wraps(compile_)
        def noted_compile(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self._hide()
            return compile_(*args, **kwargs)

        torch.compile = noted_compile

    def _note_those_made(self) -> None:
        """Note of each optimizer how far the training was when it was made."""
        make = Optimizer.__init__

        @functools.wraps(make)
        def noted_init(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            make(optimizer, *args, **kwargs)
            self._made_at[optimizer] = self._steps

        Optimizer.__init__ = noted_init  # type: ignore[assignment, method-assign]

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

    def _leave(self) -> None:
        """Leave the training to a Monitor that the script has made itself."""
        if self.monitor is not None:
            self.monitor.close()
        self._turn_off()

    def _turn_off(self) -> None:
        self._is_off = True
        if self._control is not None:
            self._control.detach()
        self.monitor = self._control = self._levers = self._first = None
        self._losses.close()

    def _failed(self, error: BaseException) -> None:
        """Say once what went wrong here, and watch no more: the training goes on as without."""
        if not self._is_off:
            self._leave()
            say(f"this training cannot be watched any more: {in_words(error)}")

    def forget(self) -> None:
        """Watch nothing of what a forked process goes on with; what it trains itself is new."""
        self.monitor = self._control = self._levers = self._first = self._stepping = None
        self._watched.clear()
        self._scalars.clear()
        self._steps, self._pid = 0, os.getpid()

    # --- in the step ----------------------------------------------------------------------

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        if self._is_off or self._stepping not in (None, optimizer):
            return None  # or the same one again: its step raised an error
        try:
            self._stepping = optimizer
            if optimizer is not self._first:
                self._meet(optimizer)
            if self._control is not None:
                self._control.before(optimizer, args, kwargs)
            return self._losses.begin_step(args, kwargs)
        except Exception as error:
            self._failed(error)
            return None

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        if optimizer is not self._stepping:
            return
        self._stepping = None
        try:
            rate = None if optimizer is self._first else largest(optimizer.param_groups)
            if self._control is not None and self._control.originals:
                self._control.restore(optimizer)
            loss = self._losses.end_step(optimizer)
            if optimizer is not self._first:
                self._note(optimizer, loss, rate)
                return
            self._steps += 1
            scalars = self._scalars
            if scalars:
                self._scalars = {}
            if len(self._watched) > 1:
                for other in self._watched.values():
                    other.alone.clear()
        except Exception as error:
            self._failed(error)
            return
        if self.monitor is not None:
            self.monitor.record(loss, scalars)  # may raise what ends the training

    def _meet(self, optimizer: Optimizer) -> None:
        """Take note of an optimizer that is not the training's, before its step."""
        if optimizer not in self._watched:
            self._losses.meet(optimizer)
            self._watched[optimizer] = Watched(self._name_of(optimizer))
            if self._levers is not None:
                self._levers.follow = self._follow
            if self._first is None:
                self._begin(optimizer)
            elif self._made_at.get(optimizer) == self._steps:
                self._begin(optimizer)  # the one before has stood still since this one was made

    def _begin(self, optimizer: Optimizer) -> None:
        """Take an optimizer for the training's: a new run."""
        if self._control is not None:
            self._control.detach()
        self._first, self._steps = optimizer, 0
        for made in [*self._made_at]:
            self._made_at[made] = -1
        self._scalars = {}
        for other in self._watched.values():
            other.alone.clear()
        follow = self._follow if len(self._watched) > 1 else None
        self._levers = levers = Levers(RateControl(optimizer), stop=self._stop, follow=follow)
        self._control = levers.control
        self._control.guard_state(optimizer)
        self.monitor = Monitor.of_all(optimizer, levers, self._name, self._journal)
        self.monitor.describe(self._words(optimizer))

    def _note(self, optimizer: Optimizer, loss: Number | None, rate: Any) -> None:  # noqa: ANN401
        """Keep the loss and the rate of another optimizer, to be told with the next step.

        Where the training's stands still, the other one's steps are the training's from there on.
        """
        if (watched := self._watched.get(optimizer)) is None:
            return
        watched.alone.append((loss, rate))
        if len(watched.alone) == TAKEOVER_STEPS:
            steps = [*watched.alone]
            self._begin(optimizer)
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

    # --- told apart -----------------------------------------------------------------------

    def _name_of(self, optimizer: Optimizer) -> str:
        """Return what a person calls an optimizer: as the script does, where that is seen."""
        taken = {other.name for other in self._watched.values()}
        name = variable_of(optimizer) or type(optimizer).__name__
        number = 1
        found = name
        while found in taken:
            number += 1
            found = f"{name} {number}"
        return found

    def _words(self, optimizer: Optimizer) -> str:
        """Return an optimizer in words, with its name where there are several."""
        kind = type(optimizer).__name__
        name = self._watched[optimizer].name
        return kind if len(self._watched) < 2 or name == kind else f"{kind} ({name})"

    def _follow(self, name: str) -> str:
        """Take another optimizer for the training's; return which, in a sentence.

        Args:
            name: of the optimizer, empty for the next one.

        Raises:
            ValueError: there is none; says which there are.
        """
        optimizers = [*self._watched]
        names = [self._watched[optimizer].name for optimizer in optimizers]
        if len(optimizers) < 2:
            raise ValueError("no other optimizer has taken a step")
        if name and name not in names:
            raise ValueError(f"no optimizer is called {name}; there are: {', '.join(names)}")
        now = next((i for i, each in enumerate(optimizers) if each is self._first), -1)
        chosen = names.index(name) if name else (now + 1) % len(optimizers)
        if optimizers[chosen] is not self._first:
            self._begin(optimizers[chosen])
        return f"following {self._words(optimizers[chosen])}, as a new run"

    # --- the end --------------------------------------------------------------------------

    def _stop(self) -> str:
        """End the training as its framework does; without one, as Ctrl-C would."""
        if (by := ask_trainer_to_end()) is not None:
            return by
        raise KeyboardInterrupt

    def was_asked_to_stop(self) -> bool:
        """Return whether somebody has asked the training to stop."""
        return self.monitor is not None and self.monitor.should_stop

    def _without_step(self, loss: Number) -> None:
        """Show the losses of a training in which no optimizer of torch's steps; say so once."""
        if self._is_off or self._watched:
            return
        if self.monitor is None:
            backwards = self._losses.backwards
            if backwards < BACKWARDS or time.monotonic() < self._began + UNSEEN:
                return
            say(NOTHING_STEPS.format(backwards))
            levers = Levers(RateControl(None), stop=self._stop)
            self.monitor = Monitor.of_all(None, levers, self._name, self._journal)
            self.monitor.describe("backward passes, no torch.optim step")
        self.monitor.record(loss, {})


NOTHING_STEPS = (
    "{:,} backward passes and no step of a torch.optim optimizer: losses are shown, but the rate "
    "is neither known nor can it be changed"
)
