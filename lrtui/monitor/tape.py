"""Records the steps of an unchanged script, and replays them at other learning rates.

Recorded is what the script does to its networks, at the level of its own lines: calls of modules,
torch functions of what came out of them, ``backward``, clipping, scaling and optimizer steps, each
with the random state, the training mode and the options in force. Nothing else runs again: neither
loader nor logging, nor any other Python of the loop. Inputs that came out of no recorded call are
kept as they are: these are the batches.

Everything is copied before its first change, so that the training can be restored bit for bit, and
the replay at the rate in force must reproduce its very losses and weights.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode, _pop_mode_temporarily
from torch.utils._pytree import tree_flatten
from torch.utils.data import dataloader
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakIdKeyDictionary

from lrtui.monitor.entries import (
    Entry,
    Kind,
    Slot,
    as_tree,
    autocast_state,
    flat,
    is_in_place,
    leaves_of,
    mark_needed,
    run_all,
)
from lrtui.monitor.patches import Patches
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.saved_state import SavedState, copied, options_of
from lrtui.monitor.snapshots import rng_states
from lrtui.text.errors import in_words

RANDOM = (
    *("rand", "normal", "bernoulli", "multinomial", "poisson", "exponential", "uniform"),
    *("log_normal", "cauchy", "geometric", "gumbel", "rrelu"),
)
"""Prefixes of the names of torch functions that draw random numbers."""

RANDOM_PARTS = ("dropout", "attention", "rnn", "lstm", "gru")
"""Parts of the names of the other such functions."""

LEAVES_TORCH = ("numpy", "tolist", "__array__")
"""Functions that take numbers out of torch; they may return as data."""

STALE_DATA = (
    "the script takes numbers out of the network; if they come back as data, they are those of "
    "the rate that ran"
)

UNKNOWN_LOSS = "the loss came out of nothing that can be seen, such as an extension of torch"

EARLIER_GRAPH = "the loss depends on something computed before the first of these steps"

CHANGED_BATCH = "a batch was changed in place after the network had used it"

COMPILED_FUNCTION = "a compiled function is called outside a module, and its calls cannot be seen"

OUTSIDE_FUNCTION = "a custom autograd.Function is called outside a module"

LBFGS = "LBFGS evaluates the loss as often as it likes, so its steps cannot be replayed"

INTERRUPTED = "another recording has begun"

IN_BACKWARD = "the optimizer steps inside backward"


class CannotTry(ValueError):
    """Steps that cannot be recorded or replayed; says why."""


class Mode(TorchFunctionMode):
    """Passes each torch function of this thread to a tape."""

    def __init__(self, tape: Tape) -> None:
        """Do so once entered."""
        super().__init__()
        self._tape = tape

    def __torch_function__(self, func: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function and record it."""
        if torch.compiler.is_compiling():  # a compiled function must stay as it is
            return func(*args, **(kwargs or {}))
        return self._tape.run_function(func, args, kwargs or {})


class Tape:
    """A record of consecutive steps.

    Attributes:
        entries: the recorded calls.
        before: state of the training before them.
        losses: for each recorded step of any optimizer, the losses of its backward passes.
        hand: hold and scale of the rate before them.
        steps: recorded steps of the followed optimizer.
        trouble: why the steps cannot be replayed, empty while they can.
        warning: what limits the meaning of a replay, empty if nothing does.
        nbytes: bytes of the batches kept.
        restarts: how often recording restarted, after a step of another optimizer.
        active: the tape that is recording, ``None`` if none is.
    """

    active: ClassVar[Tape | None] = None

    def __init__(
        self,
        control: RateControl,
        optimizers: Iterable[Optimizer],
        max_bytes: float,
        *,
        forward_only: bool = False,
    ) -> None:
        """Record nothing yet; ``max_bytes`` is the most that batches may take.

        With ``forward_only``, only losses are computed again: neither weights nor optimizers are
        copied.
        """
        self.restarts = 0
        self.trouble = self.warning = ""
        self._control = control
        self.hand = control.state_dict()
        self._optimizers = [*optimizers]
        self._max_bytes = max_bytes
        self._forward_only = forward_only
        self._thread = threading.get_ident()
        self._is_on = False
        self._depth = 0  # of calls recorded as one, and of our own
        self._patches = Patches()
        self._mode = Mode(self)
        self._stack_size = sys.maxsize  # of torch's modes, with this one on top
        self._pre_hook: RemovableHandle | None = None
        self._post_hooks: dict[int, RemovableHandle] = {}
        self._waiting: Callable[[], None] | None = None
        self._clear()

    def _clear(self) -> None:
        """Forget all entries, and copy what the optimizers change."""
        self.entries: list[Entry] = []
        self.losses: list[list[Tensor]] = []
        self.nbytes = self.steps = 0
        self.before = SavedState()
        for optimizer in self._optimizers:
            self.before.add_optimizer(optimizer)
        self._count = 0
        self._slots: Any = WeakIdKeyDictionary()
        self._has_graph: dict[int, bool] = {}  # by slot: whether it required a gradient
        self._base: dict[int, Tensor] = {}  # by slot: the tensor that it is a view of
        self._unscaled: dict[int, tuple[int, Tensor]] = {}  # by slot of a scaled loss
        self._parts: list[Tensor] = []  # losses since the last step
        self._seen: set[int] = set()  # ids of the batches, which the entries keep alive
        self._stepping: tuple[Optimizer, Any, list[dict[str, Any]]] | None = None

    # --- recording ------------------------------------------------------------------------

    @property
    def _is_away(self) -> bool:
        """Whether to skip calls: parts of another one, and those of other threads."""
        return bool(self._depth) or not self._is_on or threading.get_ident() != self._thread

    def when_free(self, do: Callable[[], None]) -> None:
        """Call a function now, or once a call recorded as one (a scaler's step) has returned."""
        if self._depth:
            self._waiting = do
        else:
            do()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Record nothing within."""
        self._depth += 1
        try:
            # Torch itself has removed the mode while it calls it.
            with _pop_mode_temporarily() if self._is_mode_on else contextlib.nullcontext():
                yield
        finally:
            self._depth -= 1
            if not self._is_on:
                self._leave_mode()

    @property
    def _is_mode_on(self) -> bool:
        """Whether torch passes its functions to this tape, rather than being called by it."""
        return torch._C._len_torch_function_stack() >= self._stack_size

    def _leave_mode(self) -> None:
        if self._is_mode_on:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._stack_size = sys.maxsize

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Record nothing within, where the recording may be stopped."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def start(self) -> None:
        """Begin to record.

        Raises:
            CannotTry: the optimizer is one whose steps cannot be replayed.
        """
        if torch._C._current_graph_task_id() != -1:
            raise CannotTry(IN_BACKWARD)
        if any(isinstance(optimizer, torch.optim.LBFGS) for optimizer in self._optimizers):
            raise CannotTry(LBFGS)
        if (other := Tape.active) is not None:
            other.stop()
            other.trouble = INTERRUPTED
        Tape.active, self._is_on = self, True
        try:
            self._attach()
        except BaseException:
            self.stop()
            raise

    def _attach(self) -> None:
        """Patch and hook what the script calls."""
        self._patch_modules()
        clipping = ("clip_grad_norm_", "clip_grad_value_")
        patched: list[tuple[Any, tuple[str, ...]]] = [
            (Optimizer, ("zero_grad",)),
            (nn.Module, ("zero_grad",)),
            (nn.utils, clipping),
            (nn.utils.clip_grad, clipping),
            (torch.amp.GradScaler, ("scale", "unscale_", "step", "update")),
        ]
        for owner, names in patched:
            for name in names:
                self._record_as_one(owner, name)
        self._hide(dataloader._BaseDataLoaderIter, "__next__")
        self._patch_backward()
        hook: Any = torch.compiler.disable(self._before_step)  # type: ignore[no-untyped-call]
        self._pre_hook = register_optimizer_step_pre_hook(hook)
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        self._stack_size = torch._C._len_torch_function_stack()

    def stop(self) -> None:
        """End the recording."""
        if not self._is_on:
            return
        self._is_on, Tape.active = False, None
        self._leave_mode()
        self._patches.undo()
        if self._pre_hook is not None:
            self._pre_hook.remove()
        for hook in self._post_hooks.values():
            hook.remove()
        if any(t._version != v for e in self.entries for t, v in e.versions or ()):
            self._fail(CHANGED_BATCH)
        self._slots = WeakIdKeyDictionary()
        mark_needed(self.entries)

    def switch_off(self) -> None:
        """Record nothing in a forked child."""
        self._is_on, Tape.active = False, None

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        """Record nothing within, and keep its errors out of the training."""
        try:
            with self.hidden():
                yield
        except Exception as error:  # such as out of memory
            self._fail(f"the steps cannot be recorded: {in_words(error)}")

    def _fail(self, why: str) -> None:
        self.trouble = self.trouble or why

    def _patch_modules(self) -> None:
        """Record calls of modules, compiled ones included."""
        compiled = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", None)
        for owner in (nn.Module, compiled):
            if owner is None or "__call__" not in vars(owner):
                continue
            call: Any = owner.__call__

            def recorded(module: Any, *args: Any, _call: Any = call, **kwargs: Any) -> Any:
                if torch.compiler.is_compiling() or self._is_away:
                    return _call(module, *args, **kwargs)
                return self._run_module(_call, module, args, kwargs)

            self._patches.patch(owner, "__call__", recorded)

    def _patch_backward(self) -> None:
        """Record ``backward`` of several tensors, and custom functions outside modules."""
        backward: Any = torch.autograd.backward
        apply: Any = vars(torch.autograd.Function)["apply"].__func__

        @functools.wraps(backward)
        def recorded_backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
            if self._is_away:
                backward(tensors, *args, **kwargs)
            else:
                self._run_backward(backward, (tensors, *args), kwargs)

        @functools.wraps(apply)
        def recorded_apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling() or self._is_away:
                return apply(cls, *args, **kwargs)
            rng = rng_states()
            with self.hidden():
                out = apply(cls, *args, **kwargs)
            self._record("function", apply, (cls, *args), kwargs, out, rng=rng)
            return out

        self._patches.patch(torch.autograd, "backward", recorded_backward)
        self._patches.patch(torch.autograd.Function, "apply", classmethod(recorded_apply))

    def _hide(self, owner: Any, name: str) -> None:
        """Record nothing within a function."""
        call = vars(owner)[name]

        @functools.wraps(call)
        def hidden_call(*args: Any, **kwargs: Any) -> Any:
            if self._is_away:
                return call(*args, **kwargs)
            with self.hidden():
                return call(*args, **kwargs)

        self._patches.patch(owner, name, hidden_call)

    def _record_as_one(self, owner: Any, name: str) -> None:
        """Record a function as one call, whatever it does inside."""
        call = vars(owner)[name]
        of_scaler = owner is torch.amp.GradScaler

        @functools.wraps(call)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self._is_away:
                return call(*args, **kwargs)
            args = tuple([*x] if isinstance(x, types.GeneratorType) else x for x in args)
            kwargs = {
                key: [*x] if isinstance(x, types.GeneratorType) else x for key, x in kwargs.items()
            }
            optimizer = next((x for x in args if isinstance(x, Optimizer)), None)
            steps = of_scaler and name == "step"
            options = self._prepare(optimizer, args[0] if of_scaler else None)
            with self.hidden():
                out = call(*args, **kwargs)
            entry = self._record("step" if steps else "call", call, args, kwargs, out)
            if entry is None:
                return out
            if steps and optimizer is not None:
                self._add_step(entry, optimizer, options)
            if of_scaler and name == "scale" and isinstance(out, Tensor):
                loss = args[1] if len(args) > 1 else kwargs.get("outputs")
                slot = entry.leaves[1]
                if isinstance(loss, Tensor) and isinstance(slot, Slot):
                    self._unscaled[entry.outputs[0][1]] = (slot.number, loss.detach())
            if self._waiting is not None:
                do, self._waiting = self._waiting, None
                do()
            return out

        self._patches.patch(owner, name, recorded)

    def _prepare(self, optimizer: Optimizer | None, scaler: Any) -> list[dict[str, Any]]:
        """Copy what a call is about to change; return the options of an optimizer's groups.

        The options have the schedule's rates; they are empty if that failed, such as out of memory.
        """
        options: list[dict[str, Any]] = []
        with self._ours():
            if scaler is not None:
                self.before.add_scaler(scaler)
            if optimizer is not None:
                if not self._forward_only:
                    self.before.add_optimizer(optimizer)
                options = options_of(optimizer)
                if (changed := self._control.originals.get(id(optimizer))) is not None:
                    for group, lr in zip(options, changed[1], strict=False):
                        group["lr"] = copied(lr)
        return options

    def _record(
        self,
        kind: Kind,
        call: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        out: Any,
        rng: list[Any] | None = None,
    ) -> Entry | None:
        """Add an entry for a call; return it, ``None`` if that failed."""
        with self._ours():
            plain_kwargs = {key: as_tree(value) for key, value in kwargs.items()}
            values, spec = tree_flatten((tuple(map(as_tree, args)), plain_kwargs))
            leaves = [self._leaf(kind, value) for value in values]
            entry = Entry(
                kind, call, leaves, spec, [], torch.is_grad_enabled(), autocast_state(), rng
            )
            if kind == "module":
                entry.versions = [
                    (leaf, leaf._version)
                    for leaf in leaves
                    if isinstance(leaf, Tensor)
                    and not leaf.requires_grad
                    and not leaf.is_inference()
                ]
            for position, value in enumerate(flat(out)):
                if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                    self._count += 1
                    self._slots[value] = self._count
                    self._has_graph[self._count] = value.requires_grad
                    entry.outputs.append((position, self._count))
            self.entries.append(entry)
            return entry
        return None

    def _leaf(self, kind: Kind, value: Any) -> Any:
        """Return an argument of a call, or its slot; give up if it cannot be had again."""
        if not isinstance(value, Tensor):
            return value
        slot = self._slots.get(value)
        if slot is None:
            if value.grad_fn is not None:
                compiled = "Compiled" in type(value.grad_fn).__name__
                self._fail(COMPILED_FUNCTION if compiled else EARLIER_GRAPH)
            else:
                self._keep(value)
            return value
        # Of a leaf the script itself may have enabled it since; else an unseen function did.
        may_be_enabled = kind == "function" and value.is_leaf
        if value.requires_grad and not self._has_graph[slot] and not may_be_enabled:
            self._fail(OUTSIDE_FUNCTION)
        return Slot(slot)

    def _keep(self, value: Tensor) -> None:
        """Count the bytes of a batch that is kept; give up if there are too many."""
        if value.requires_grad or id(value) in self._seen:
            return
        self._seen.add(id(value))
        self.nbytes += value.nbytes
        if self.nbytes > self._max_bytes:
            self._fail(f"the batches take more than {self._max_bytes / 1e6:,.0f} MB")

    def _run_module(self, call: Any, module: nn.Module, args: Any, kwargs: Any) -> Any:
        rng, training = None, []
        with self._ours():
            self.before.add_module(module)
            rng = rng_states()
            training = [(part, part.training) for part in module.modules()]
        synchronizes = getattr(module, "require_backward_grad_sync", None)
        with self.hidden():
            out = call(module, *args, **kwargs)
        entry = self._record("module", call, (module, *args), kwargs, out, rng)
        if entry is not None:
            entry.training, entry.synchronizes = training, synchronizes
        return out

    def run_function(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a torch function, and record it if it concerns the networks."""
        if self._is_away:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if func is Tensor.backward:
            return self._run_backward(func, args, kwargs)
        in_place = is_in_place(name, kwargs)
        live = any(map(self._is_live, leaves_of((*args, *kwargs.values()))))
        if not live and (not in_place or name == "__set__"):
            return func(*args, **kwargs)
        if name in LEAVES_TORCH:
            self.warning = STALE_DATA
        target = args[0] if args else None
        rng = None
        with self.hidden():
            if in_place and name != "__set__":
                for tensor in leaves_of((target, kwargs.get("out"))):
                    self._save_before_write(tensor)
            if name.startswith(RANDOM) or any(part in name for part in RANDOM_PARTS):
                rng = rng_states()
            out = func(*args, **kwargs)
        if not in_place and not any(isinstance(value, Tensor) for value in flat(out)):
            return out
        wrote_target = isinstance(out, Tensor) and out is target
        entry = self._record("function", func, args, kwargs, None if wrote_target else out, rng)
        if entry is not None and entry.outputs and isinstance(target, Tensor):
            self._note_views(target, out)
        return out

    def _is_live(self, tensor: Tensor) -> bool:
        """Return whether a tensor is a weight or came out of a recorded call."""
        if isinstance(tensor, nn.Parameter) or tensor in self._slots:
            return True
        return tensor.requires_grad and tensor.is_leaf

    def _save_before_write(self, tensor: Tensor) -> None:
        """Copy a tensor of the script before it is written to."""
        slot = self._slots.get(tensor)
        written = tensor if slot is None else self._base.get(slot)
        if written is not None:
            with self._ours():
                self.before.add_tensor(written)

    def _note_views(self, target: Tensor, out: Any) -> None:
        """Note outputs that are views of a tensor of the script: writing to them changes it."""
        for value in flat(out):
            if not isinstance(value, Tensor) or value not in self._slots:
                continue
            with contextlib.suppress(RuntimeError, NotImplementedError):  # without storage
                if value.untyped_storage().data_ptr() != target.untyped_storage().data_ptr():
                    continue
                slot = self._slots.get(target)
                base = target if slot is None else self._base.get(slot)
                if base is not None:
                    self._base[self._slots[value]] = base

    def _run_backward(self, call: Any, args: Any, kwargs: Any) -> None:
        roots = args[0] if isinstance(args[0], list | tuple) else (args[0],)
        slots = []
        for root in roots:
            slot = self._slots.get(root)
            if slot is None:
                if root.grad_fn is None or "Compiled" not in type(root.grad_fn).__name__:
                    self._fail(UNKNOWN_LOSS)
            elif root.numel() == 1:
                original, loss = self._unscaled.get(slot, (slot, root))
                slots.append(original)
                self._parts.append(loss.detach().clone())
        entry = self._record("backward", call, args, kwargs, None)
        if entry is not None:
            entry.losses = slots
        with self.hidden():
            call(*args, **kwargs)

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """Note the options of a step, and record its closure, if any, call by call."""
        if self._is_away:
            return None
        if id(optimizer) not in self._post_hooks:
            hook: Any = torch.compiler.disable(self._after_step)  # type: ignore[no-untyped-call]
            self._post_hooks[id(optimizer)] = optimizer.register_step_post_hook(hook)
        options = self._prepare(optimizer, None)
        if isinstance(optimizer, torch.optim.LBFGS):
            self._fail(LBFGS)
        positional = len(args) > 1 and callable(args[1])
        closure = args[1] if positional else kwargs.get("closure")
        self._stepping = (optimizer, closure, options)
        self._depth += 1  # until the step is over, but for its closure
        if closure is None or isinstance(optimizer, torch.optim.LBFGS):
            return None

        def recorded_closure() -> Any:
            self._depth -= 1
            try:
                return closure()
            finally:
                self._depth += 1

        rest = args[2:] if positional else args[1:]
        return (args[0], *rest), {**kwargs, "closure": recorded_closure}

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._stepping is None or optimizer is not self._stepping[0]:
            return
        _, closure, options = self._stepping
        self._stepping = None
        self._depth -= 1

        def step(optimizer: Optimizer) -> None:
            optimizer.step() if closure is None else optimizer.step(closure=lambda: None)  # type: ignore[arg-type, return-value]

        entry = self._record("step", step, (optimizer,), {}, None)
        if entry is not None:
            self._add_step(entry, optimizer, options)

    def _add_step(self, entry: Entry, optimizer: Optimizer, options: list[dict[str, Any]]) -> None:
        entry.stepped = (optimizer, options)
        self.steps += self._is_followed(entry)
        self.losses.append(self._parts)
        self._parts = []
        can_restart = not self.restarts and optimizer is not self._control.first
        if self.trouble == EARLIER_GRAPH and can_restart:
            # As of a GAN's generator, whose fakes were computed before the discriminator's step.
            self.restarts, self.trouble = 1, ""
            with self._ours():
                self._clear()

    # --- replaying ------------------------------------------------------------------------

    def _is_followed(self, entry: Entry) -> bool:
        return entry.stepped is not None and entry.stepped[0] is self._control.first

    def own_losses(self, losses: Sequence[Sequence[Tensor]]) -> list[float]:
        """Return the loss of each step of the followed optimizer, NaN for a step without one."""
        steps = [entry for entry in self.entries if entry.stepped is not None]
        return [
            float(sum(part.double() for part in parts)) if parts else float("nan")
            for entry, parts in zip(steps, losses, strict=False)
            if self._is_followed(entry)
        ]

    def replay(
        self, factor: float, losses: list[list[Tensor]], after_step: Callable[[], None]
    ) -> None:
        """Take the recorded steps again from the state before them, the rate times ``factor``.

        Append the losses of each step to ``losses``, then call ``after_step``, which may raise to
        stop.
        """
        control = self._control
        self.before.restore()
        force, hand = (control.in_force, control.scheduled), control.state_dict()
        changes, observe, control.observe = control.changes, control.observe, None
        control.load_state_dict(self.hand)
        control.scale_by(factor)
        try:
            run_all(self.entries, losses, after_step)
        finally:
            control.load_state_dict(hand)
            control.in_force, control.scheduled = force
            control.changes, control.observe = changes, observe
