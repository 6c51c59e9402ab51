"""Measures gradient norm, data waits, total steps and memory of a training.

Everything is read from what the script does anyway. The hooks cost a microsecond a step; the rest
is read once a second in the server's thread. Only the headroom is computed, for at most 1 % of the
time.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import dataloader

from lrtui import messages as msg
from lrtui.analysis.history import UPDATE
from lrtui.monitor.command_queue import NEVER, CommandQueue
from lrtui.monitor.frameworks import Total, find_epochs, find_total, watch_evaluations
from lrtui.monitor.headroom import Headroom
from lrtui.monitor.levers import Levers
from lrtui.monitor.memory import memory_of_this_process
from lrtui.monitor.own_batch import OwnBatch
from lrtui.monitor.patches import WATCHING, Patches
from lrtui.monitor.rate_control import RateControl, rate_of
from lrtui.monitor.recent_steps import RecentSteps
from lrtui.text.errors import in_words
from lrtui.text.validation import validation_kind

CLIPPED_WINDOW = 1000
"""Steps over which the share of clipped gradients is measured."""

SEARCH_TIMES = (0.0, 1.0, 4.0, 15.0, 60.0)
"""Seconds after the first step at which to search the script for its total number of steps."""

MEMORY_SECONDS = 5.0
"""Seconds between two looks at the memory: each system call here may make a step wait."""


class Vitals:
    """Reads the vitals of the training in this process.

    Attributes:
        norm: total gradient norm that the script has just computed for clipping, ``None`` before.
        headroom: measures how much slope is left after a step.
        search_due: whether the training thread should call ``search_script``.
        due: step from which on ``take`` must be called after each step.
        sees_all: whether each step seems to see all data, so that the sharpness is measured.
    """

    def __init__(
        self,
        queue: CommandQueue,
        complain: Callable[[str], None],
        add_late: Callable[[dict[str, Any]], None] = lambda scalars: None,
        own_batch: bool = False,
    ) -> None:
        """Patch clipping, data loaders and evaluations; called in the training thread.

        Args:
            queue: counts the steps.
            complain: called with a sentence if something can no longer be measured.
            add_late: called with the validation losses of the last step.
            own_batch: see ``Monitor``.
        """
        self._queue = queue
        self._complain = complain
        self._add_late = add_late
        self.norm: Any = None
        self.search_due = False
        self.due = 0
        self.sees_all = False
        self._differs = False  # the data of a step from those of the next
        self.headroom: Headroom | None = None
        self._control: RateControl | None = None
        self._own_batch = own_batch
        self._own: OwnBatch | None = None
        self.limit: float | None = None
        self._limit: Any = None  # as the script gave it last
        self._limit_changed = False
        self._total: Total | None = None
        self._epochs: int | None = None
        self._epoch = 0
        self._epoch_steps: deque[int] = deque(maxlen=3)  # first steps of the last epochs
        self._begins = False  # a loader has begun anew: an epoch, if a step follows
        self._drawn = 0  # batches drawn since
        self._waited = 0.0
        self._recent = RecentSteps()
        self._memory: tuple[int | None, int | None] = (None, None)
        self._memory_due = 0.0
        self._began: float | None = None
        self._searches = 0
        self._norms: deque[float] = deque(maxlen=CLIPPED_WINDOW)
        self._thread = threading.get_ident()
        self._patches = Patches()
        self._watch_clipping()
        self._watch_loaders()
        watch_evaluations(self._patches, self._note_evaluation)

    def follow(self, levers: Levers, step: int) -> None:
        """Measure the headroom of another training, which begins after ``step``."""
        self._detach()
        self._control = control = levers.control
        self.headroom = Headroom(control, self._complain, step, levers.model)
        self.due = 0

    def close(self) -> None:
        """Restore torch's functions, and stop measuring."""
        self._patches.undo()
        self._detach()

    def _detach(self) -> None:
        for measurement in (self.headroom, self._own):
            if measurement is not None:
                measurement.detach()
        self.headroom = self._own = None
        self.sees_all = self._differs = False

    # --- in the training thread -----------------------------------------------------------

    def _watch_clipping(self) -> None:
        """Record norms inside torch, as the script may have imported ``clip_grad_norm_`` before."""
        module: Any = nn.utils.clip_grad
        if not hasattr(module, "_clip_grads_with_norm_"):  # torch before 2.6
            clip = module.clip_grad_norm_

            @functools.wraps(clip)
            def noted_clip(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
                norm = clip(parameters, max_norm, *args, **kwargs)
                self._record_norm(norm, max_norm)
                return norm

            self._patches.patch(nn.utils, "clip_grad_norm_", noted_clip)
            self._patches.patch(module, "clip_grad_norm_", noted_clip)
            return
        scale = module._clip_grads_with_norm_

        @functools.wraps(scale)
        def noted_scale(
            parameters: Any, max_norm: Any, total_norm: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if total_norm.__class__ is not Tensor or max_norm is not self._limit:
                self._record_norm(total_norm, max_norm)
            elif not WATCHING.is_paused:  # the usual case, without a call
                self.norm = total_norm
            return scale(parameters, max_norm, total_norm, *args, **kwargs)

        self._patches.patch(module, "_clip_grads_with_norm_", noted_scale)

    def _record_norm(self, norm: Any, limit: Any) -> None:
        # Reading a DTensor would need all ranks at once.
        is_plain = norm.__class__ is Tensor or not hasattr(norm, "full_tensor")
        if is_plain and not WATCHING.is_paused:
            self.norm = norm
            if limit is not self._limit:
                self._limit = limit
                before = self.limit
                self.limit = float(limit) if isinstance(limit, float | int) else None
                self._limit_changed |= before not in (None, self.limit)

    def _watch_loaders(self) -> None:
        """Measure the time that the training waits for its loaders, and count epochs."""
        following: Any = dataloader._BaseDataLoaderIter.__next__

        @functools.wraps(following)
        def timed_next(batches: Any) -> Any:
            if threading.get_ident() != self._thread:
                return following(batches)
            if torch.is_grad_enabled():
                if not getattr(batches, "_num_yielded", 1):  # a private name of torch
                    self._begins, self._drawn = True, 0
                    self.due = 0
                elif not self._epoch and not self._begins:  # began before this patch
                    self._epoch = 1
                    self._epoch_steps.append(0)
            since = time.perf_counter()
            self._drawn += 1
            try:
                return following(batches)
            except StopIteration:
                # An evaluation draws all without a step; so may an epoch of one batch, as
                # frameworks draw one ahead of the step.
                steps = self._queue.step - self._epoch_steps[-1] if self._epoch_steps else 1
                if self._drawn > 2 or steps > 1:
                    self._begins = False
                raise
            finally:
                self._waited += time.perf_counter() - since

        self._patches.patch(dataloader._BaseDataLoaderIter, "__next__", timed_next)

    def _note_evaluation(self, metrics: Mapping[str, Any]) -> None:
        """Show the validation losses among what a framework has evaluated."""
        if threading.get_ident() != self._thread or WATCHING.is_paused:
            return
        try:
            losses = {str(name): v for name, v in metrics.items() if validation_kind(str(name))}
            if losses:
                self._add_late(losses)
        except Exception as error:  # whatever a script logs
            self._complain(f"validation losses cannot be shown: {in_words(error)}")

    def take(self, loss: Any = None) -> dict[str, Any] | None:
        """Do what is due after the step just taken; return what was measured, if anything was.

        The loss of the step may be on a device.
        """
        reading, step = None, self._queue.step
        if self._begins:
            self._begins = False
            self._epoch += 1
            self._epoch_steps.append(step - 1)
        if (headroom := self.headroom) is not None:
            headroom.after_step(step)
            reading, headroom.reading = headroom.reading, None
        if reading is not None and headroom is not None:
            # No script's own scalars are called that.
            updates = {UPDATE + name: value for name, value in headroom.updates.items()}
            reading = {f"slope {name}": value for name, value in reading.items()} | updates
        if (own := self._own_measurement(step)) is not None:
            own.after_step(step, loss)
            if own.reading is not None:
                found = {f"slope {name}": value for name, value in own.reading.items()}
                reading, own.reading = found | (reading or {}), None
        self.due = min((each.due for each in (headroom, own) if each is not None), default=NEVER)
        return reading

    def _own_measurement(self, step: int) -> OwnBatch | None:
        """Return what measures on a step's own batch, if that is wanted."""
        own = self._own
        self._differs |= own is not None and own.is_refuted
        sees_all = self.sees_all and not self._differs
        if own is not None and own.sees_all != sees_all:
            own.detach()
            own = None
        if own is None and self._control is not None and (sees_all or self._own_batch):
            own = OwnBatch(self._control, self._complain, step, sees_all=sees_all)
        self._own = own
        return own

    def search_script(self) -> None:
        """Search the script's frames for its total number of steps."""
        self.search_due = False
        self._searches += 1
        try:
            self._total = find_total(self._queue.step) or self._total
            self._epochs = find_epochs() or self._epochs
        except Exception as error:  # properties of frameworks and scripts may raise anything
            self._searches = len(SEARCH_TIMES)
            self._complain(f"the training's length is not looked for any more: {in_words(error)}")

    # --- in the server's thread -----------------------------------------------------------

    def add_norms(self, norms: Sequence[float | None]) -> None:
        """Add gradient norms of past steps to the clipped share, unless the limit has changed."""
        self._norms += [norm for norm in norms if norm is not None]
        if self._limit_changed:
            self._limit_changed = False
            self._norms.clear()

    def plan_search(self, moves: bool) -> None:
        """Have the script searched if it is time; ``moves``: it is neither paused nor over."""
        now = time.monotonic()
        self._began = self._began or now
        if not moves:
            self._recent.clear()
        due = (
            self._searches < len(SEARCH_TIMES) and now >= self._began + SEARCH_TIMES[self._searches]
        )
        self.search_due = moves and due and (self._total is None or not self._total.is_sure)

    def message(self, run: int, step: int, optimizer: Optimizer | None) -> msg.Vitals:
        """Return the vitals as a message."""
        now = time.monotonic()
        self._recent.add(now, step, self._waited)
        total, by = self._steps_in_all(step)
        limit = self.limit if self.limit is not None and math.isfinite(self.limit) else None
        clipped = None
        if limit is not None and self._norms:
            clipped = sum(norm > limit for norm in self._norms) / len(self._norms)
        if now >= self._memory_due:
            self._memory, self._memory_due = memory_of_this_process(), now + MEMORY_SECONDS
        memory, on_device = self._memory
        return msg.Vitals(
            run=run,
            total=total,
            total_by=by,
            epoch=self._epoch or None,
            epochs=self._epochs,
            data_wait=self._recent.share_waited if self._epoch else None,
            clip_limit=limit,
            clipped=clipped,
            memory=memory,
            device_memory=on_device,
            settings=settings_of(optimizer),
        )

    def _steps_in_all(self, step: int) -> tuple[int | None, str]:
        """Return the total number of steps, and where that is from."""
        if self._total is not None and self._total.steps > step:
            return self._total.steps, self._total.by
        if self._epochs and len(self._epoch_steps) >= 2 and self._epoch <= self._epochs:
            each = self._epoch_steps[-1] - self._epoch_steps[-2]
            in_all = self._epoch_steps[-1] + each * (self._epochs - self._epoch + 1)
            if each > 0 and in_all > step:
                return in_all, f"{self._epochs:,} epochs, as the script says"
        return None, ""


def settings_of(optimizer: Optimizer | None) -> str:
    """Return betas or momentum, and weight decay, of the group whose rate is shown, in words."""
    if optimizer is None or not optimizer.param_groups:
        return ""
    group, *others = optimizer.param_groups
    if others and not any(isinstance(g.get("lr"), Tensor) for g in optimizer.param_groups):
        # Of several with that rate, the one that decays.
        group = max(
            optimizer.param_groups,
            key=lambda g: (rate_of(g), float(g.get("weight_decay") or 0)),
        )
    found = []
    if isinstance(betas := group.get("betas"), tuple | list):
        found.append("betas " + ", ".join(f"{float(beta):.4g}" for beta in betas))
    elif group.get("momentum"):
        found.append(f"momentum {float(group['momentum']):.4g}")
    if group.get("weight_decay"):
        found.append(f"weight decay {float(group['weight_decay']):.3g}")
    return ", ".join(found)
