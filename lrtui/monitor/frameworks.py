"""What the frames that call the optimizer reveal: names, total steps, the framework."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

from torch import Tensor, nn

from lrtui.monitor.patches import Patches

NOT_THE_SCRIPT = (
    "lrtui.",
    "torch.",
    "lightning.",
    "pytorch_lightning.",
    "transformers.",
    "accelerate.",
)
"""Modules whose variable names mean nothing to the script's author."""

STEPS = re.compile(
    r"(max|total|num|n)_?(train(ing)?_)?(opt(imizer)?_)?(steps|iters|iterations|updates)", re.I
)
"""Names of a script's total number of steps."""

EPOCHS = re.compile(r"((max|total|num|n)_?)?(train(ing)?_)?epochs|(max|total|num|n)_?epoch", re.I)
"""Names of its number of epochs; ``epoch`` alone is the current one."""

SETTINGS = ("args", "config", "cfg", "conf", "hparams", "hp", "opt", "self", "params")
"""Names of objects that hold such settings as attributes or keys."""

LIGHTNING = ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer")
"""Modules of Lightning's Trainer, in its two packages."""


class Total(NamedTuple):
    """Total number of steps of a training.

    Attributes:
        by: where the number comes from.
        is_sure: false for a guess from a variable's name.
    """

    steps: int
    by: str
    is_sure: bool


def find_total(step: int) -> Total | None:
    """Return the total number of steps by progress bar, framework or variable name.

    Candidates must exceed ``step``, the steps taken so far.
    """
    bars = getattr(getattr(sys.modules.get("tqdm.std"), "tqdm", None), "_instances", ())
    for bar in [*bars]:
        total, done = getattr(bar, "total", None), getattr(bar, "n", -1)
        if isinstance(total, int | float) and total > max(step, 1) and abs(done - step) <= 1:
            return Total(int(total), "its progress bar", True)
    for frame in frames():
        trainer: Any = frame.f_locals.get("self")
        if is_trainer(trainer, "transformers.trainer") and trainer.state.max_steps > 0:
            return Total(int(trainer.state.max_steps), "transformers' Trainer", True)
        if is_trainer(trainer, *LIGHTNING):
            steps = trainer.estimated_stepping_batches
            if 0 < steps < float("inf"):
                return Total(int(steps), "Lightning's Trainer", True)
    found = named_number(STEPS, lambda number: number > max(step, 1))
    return Total(found[1], f"{found[0]}, as the script says", False) if found else None


def find_epochs() -> int | None:
    """Return the script's number of epochs, judging by variable names."""
    found = named_number(EPOCHS, lambda number: number > 0)
    return found[1] if found else None


def named_number(name: re.Pattern[str], accept: Callable[[int], bool]) -> tuple[str, int] | None:
    """Return name and value of the first acceptable integer in the script's frames."""
    for frame in frames():
        if str(frame.f_globals.get("__name__", "")).startswith(NOT_THE_SCRIPT):
            continue
        for scope in (dict(frame.f_locals), frame.f_globals):
            groups: list[Any] = [scope, *(scope.get(each) for each in SETTINGS)]
            for group in groups:
                values = group if isinstance(group, dict) else getattr(group, "__dict__", {})
                for key, value in [*values.items()]:
                    if type(value) is int and name.fullmatch(str(key)) and accept(value):
                        return str(key), value
    return None


def frames() -> Iterator[FrameType]:
    """Yield the frames of this thread, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def variable_of(thing: object) -> str | None:
    """Return the script's variable or attribute that holds an object, ``None`` if there is none."""
    for frame in frames():
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(NOT_THE_SCRIPT):
            continue
        found = dict(frame.f_locals)
        for name, value in found.items():
            if value is thing and name != "self":
                return name
        for name, value in dict(getattr(found.get("self"), "__dict__", {})).items():
            if value is thing:
                return str(name)
    return None


def watch_evaluations(patches: Patches, note: Callable[[Mapping[str, Any]], None]) -> None:
    """Have ``note`` called with what the Trainers of the loaded frameworks evaluate."""
    handler = getattr(sys.modules.get("transformers.trainer_callback"), "CallbackHandler", None)
    if handler is not None:
        evaluated = handler.on_evaluate

        @functools.wraps(evaluated)
        def noted_evaluated(
            handler: Any, args: Any, state: Any, control: Any, metrics: Any, **kwargs: Any
        ) -> Any:
            note(metrics)
            return evaluated(handler, args, state, control, metrics, **kwargs)

        patches.patch(handler, "on_evaluate", noted_evaluated)
    for framework in ("lightning.pytorch", "pytorch_lightning"):
        module: Any = sys.modules.get(f"{framework}.trainer.call")
        if not hasattr(module, "_call_callback_hooks"):
            continue
        call_hooks = module._call_callback_hooks

        @functools.wraps(call_hooks)
        def noted_hooks(
            trainer: Any, hook: str, *args: Any, call_hooks: Any = call_hooks, **kwargs: Any
        ) -> None:
            call_hooks(trainer, hook, *args, **kwargs)
            if hook == "on_validation_end" and not trainer.sanity_checking:
                note(trainer.callback_metrics)

        patches.patch(module, "_call_callback_hooks", noted_hooks)


def names_of(parameters: Sequence[Tensor], model: nn.Module | None = None) -> list[str]:
    """Return unique names of an optimizer's parameters; number and shape for those without one.

    The names are those in ``model``; if ``None``, in the modules that the script's frames hold.
    """
    found: dict[int, tuple[str, str]] = {}  # by id of the parameter: module and name
    wanted = {*map(id, parameters)}
    modules = {"": model} if model is not None else modules_in_frames()
    named = [(name, [*module.named_parameters()]) for name, module in modules.items()]
    # The whole before its parts.
    named.sort(key=lambda each: (-sum(id(p) in wanted for _, p in each[1]), -len(each[1])))
    for module, pairs in named:
        for name, p in pairs:
            clean = name.removeprefix("module.").replace("_orig_mod.", "")
            found.setdefault(id(p), (module, clean))
    several = len({found[i][0] for i in wanted if i in found}) > 1
    names: list[str] = []
    for number, each in enumerate(parameters):
        unnamed = f"{number}: {' × '.join(map(str, each.shape))}"
        module, name = found.get(id(each), ("", unnamed))
        names.append(f"{module}.{name}" if several and module else name)
    return names


def modules_in_frames() -> dict[str, nn.Module]:
    """Return the modules that this thread's frames hold, by variable or attribute of ``self``."""
    found: dict[str, nn.Module] = {}
    for frame in frames():
        scopes = [dict(frame.f_locals), dict(getattr(frame.f_locals.get("self"), "__dict__", {}))]
        if not str(frame.f_globals.get("__name__", "")).startswith(NOT_THE_SCRIPT):
            scopes.append(dict(frame.f_globals))
        for scope in scopes:
            for name, value in scope.items():
                if issubclass(type(value), nn.Module):  # a proxy's own class may be a lie
                    found.setdefault(str(name), value)
    return found


def ask_trainer_to_end() -> str | None:
    """Ask the training's framework to stop at its next safe point; return which, if any."""
    for frame in frames():
        trainer = frame.f_locals.get("self")
        module = type(trainer).__module__
        if is_trainer(trainer, "transformers.trainer"):
            trainer.control.should_training_stop = True  # type: ignore[union-attr]
            return "transformers' Trainer"
        if module.startswith(("lightning.pytorch.", "pytorch_lightning.")):
            found: Any = getattr(trainer, "trainer", trainer)
            if is_trainer(found, *LIGHTNING):
                found.should_stop = True
                return "Lightning's Trainer"
    return None


def is_trainer(thing: object, *modules: str) -> bool:
    """Return whether an object is a Trainer of one of these modules, without importing them."""
    classes = type(thing).__mro__
    return any(c.__module__ in modules and c.__name__ == "Trainer" for c in classes)
