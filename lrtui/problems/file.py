"""A person's own file: a model, a loss and data in plain torch, without lrtui."""

from __future__ import annotations

import copy
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrtui.messages import LARGEST, ProblemFacts, Scene
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.problem import (
    Batch,
    Batches,
    Problem,
    ProblemError,
    count,
    pair_batches,
    pick,
    seed_everything,
    trained,
)
from lrtui.problems.scenes import Picture, classes_scene, curve_scene

CURVATURE_SAMPLES = 256
"""Samples for measuring the curvature if steps see mini-batches."""

FORMS = ("curve", "classes")
"""Values of ``scene`` in a file; by default, the shapes decide."""


def load_file(settings: ProblemSettings) -> Problem:
    """Return the problem that a file describes.

    Raises:
        ProblemError: something in it is missing or wrong; says what.
        Exception: anything that the file itself raises.
    """
    file = settings.file
    seed_everything(settings.seed)
    module = run_file(file)
    names = vars(module)
    make_model = model_of(names)
    problem = Problem(
        facts=ProblemFacts(name=settings.name, weights=1),
        seed=settings.seed,
        make_model=make_model,
        loss=check_shapes(loss_of(names)),
        batches=lambda: iter(()),
        probe=None,
        device=settings.device,
        file=file,
    )
    own = names.get("optimizer")
    if own is not None:
        if not callable(own):
            raise ProblemError("optimizer has to be a function of (parameters, lr)")
        problem.own_optimizer = own
    batch_size = settings.batch or positive_int(names.get("batch"), "batch")
    samples = size = None
    model = problem.model()
    if (parameters := trained(model)) == []:
        raise ProblemError("the model has no weights that can be trained")
    if "batches" in names:
        problem.batches = endless(names["batches"], settings.device)
        problem.probe = next(problem.batches())
    else:
        x, y = data_of(names, settings.device)
        samples = len(y)
        size = batch_size if batch_size is not None and batch_size < samples else None
        problem.batches = pair_batches(x, y, size, settings.seed)
        rows = slice(0, samples if size is None else max(CURVATURE_SAMPLES, size))
        problem.probe = pick(x, rows), y[rows]
        found = scene_of(names, x, y)
        if found is not None:
            problem.scene, problem.picture = found
            try:
                problem.picture(model)
            except (RuntimeError, TypeError, ValueError, IndexError):
                problem.scene = problem.picture = None  # the model needs other inputs
    target = names.get("target")
    if target is not None and not (isinstance(target, int | float) and abs(target) <= LARGEST):
        raise ProblemError("target has to be a number: the loss at which a run counts as settled")
    problem.facts = ProblemFacts(
        name=settings.name,
        weights=count(parameters),
        samples=samples,
        batch=size,
        target=target,
        own_optimizer=own_title(problem, parameters),
        own_batches="batches" in names,
    )
    return problem


def run_file(file: Path) -> ModuleType:
    """Run a file and return it as a module; modules in its folder are imported again.

    Raises:
        ProblemError: it cannot be read; says why.
        Exception: anything that the file itself raises.
    """
    try:
        source = file.read_bytes()
    except OSError as error:
        raise ProblemError(f"it cannot be read: {error.strerror}") from error
    folder = str(file.resolve().parent)
    # An environment may lie in the folder of a project: torch is not imported twice.
    installed = tuple(f"{path}/" for path in sysconfig.get_paths().values())
    for name, module in [*sys.modules.items()]:
        where = str(getattr(module, "__file__", None) or "")
        beside = where.startswith(folder + "/") and not where.startswith(installed)
        if beside and not name.startswith(("lrtui", "__main__")):
            del sys.modules[name]
    if folder not in sys.path:
        sys.path.append(folder)  # last, as a torch.py beside it is not torch
    module = ModuleType("lrtui_problem")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and pickle look it up
    exec(compile(source, str(file), "exec"), vars(module))
    return module


def model_of(names: dict[str, Any]) -> Callable[[], nn.Module]:
    """Return a function that makes the model."""
    model = names.get("model")
    if isinstance(model, nn.Module):
        first = copy.deepcopy(model)
        return lambda: copy.deepcopy(first)
    if not callable(model):
        raise ProblemError("a function model() that returns a torch module is missing")

    def make() -> nn.Module:
        made = model()
        if not isinstance(made, nn.Module):
            raise ProblemError(f"model() returned {type(made).__name__}, not a torch module")
        return made

    return make


def loss_of(names: dict[str, Any]) -> Callable[[nn.Module, Batch], Tensor]:
    """Return the loss of a model on a batch."""
    objective, loss = names.get("objective"), names.get("loss")
    if callable(objective):
        return objective  # type: ignore[no-any-return]
    if not callable(loss):
        needed = "a function loss(prediction, target) or objective(model, batch)"
        raise ProblemError(f"{needed} is missing")

    def of_pair(model: nn.Module, batch: Batch) -> Tensor:
        x, y = batch
        prediction = model(x) if isinstance(x, Tensor) else model(*x)
        return loss(prediction, y)  # type: ignore[no-any-return]

    return of_pair


def check_shapes(
    loss: Callable[[nn.Module, Batch], Tensor],
) -> Callable[[nn.Module, Batch], Tensor]:
    """Return a loss whose first call refuses shapes that torch would broadcast.

    Torch only warns of a prediction of shape [n, 1] for targets of shape [n], and then trains on
    all n² differences.
    """
    is_checked = False

    def checking(model: nn.Module, batch: Batch) -> Tensor:
        nonlocal is_checked
        if is_checked:
            return loss(model, batch)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Using a target size", UserWarning)
            try:
                found = loss(model, batch)
            except UserWarning as warning:
                sizes = re.findall(r"torch.Size\(\[(.*?)\]\)", str(warning))
                shapes = " and the prediction ".join(f"({size})" for size in sizes)
                raise ProblemError(f"the target has the shape {shapes}") from warning
        is_checked = True
        return found

    return checking


def data_of(names: dict[str, Any], device: str) -> tuple[Any, Tensor]:
    """Return inputs and targets; an input may be a tuple of tensors."""
    for name in ("x", "y"):
        if name not in names:
            raise ProblemError(f"{name} is missing; or give objective(model, batch) and batches()")
    x, y = names["x"], as_tensor(names["y"], "y", device)
    several = isinstance(x, tuple | list) and any(isinstance(part, Tensor) for part in x)
    parts = [as_tensor(part, "x", device) for part in (x if several else [x])]
    for part in parts:
        if not part.dim() or not y.dim() or len(part) != len(y):
            shapes = f"x of shape {tuple(part.shape)} and y of shape {tuple(y.shape)}"
            raise ProblemError(f"{shapes} do not pair up")
    if not len(y):
        raise ProblemError("x and y are empty")
    return tuple(parts) if several else parts[0], y


def as_tensor(value: object, name: str, device: str) -> Tensor:
    """Return data as a tensor; numbers from numpy get torch's usual precision."""
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ProblemError(f"{name} is {type(value).__name__}, which makes no tensor") from error
    if isinstance(value, np.ndarray | list | float) and tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    return tensor.detach().to(device)


def endless(batches: object, device: str) -> Batches:
    """Return the batches of a run, repeated endlessly, on the device."""
    if not callable(batches):
        raise ProblemError("batches has to be a function that returns batches, one a step")

    def repeated() -> Iterator[Batch]:
        while True:
            empty = True
            found: Iterable[Batch] = batches()
            for batch in found:
                empty = False
                yield to_device(batch, device)
            if empty:
                raise ProblemError("batches() returned no batch")

    return repeated


def to_device(batch: Batch, device: str) -> Batch:
    """Return a batch with its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple | list) and type(batch) in (tuple, list):
        return type(batch)(to_device(part, device) for part in batch)
    if isinstance(batch, dict):
        return {name: to_device(part, device) for name, part in batch.items()}
    return batch


def scene_of(names: dict[str, Any], x: Any, y: Tensor) -> tuple[Scene, Picture] | None:  # noqa: ANN401
    """Return the picture that the file asks for, or that the shapes of the data suggest."""
    asked = names.get("scene", "")
    if asked is None or "objective" in names or not isinstance(x, Tensor):
        return None
    if asked and asked not in FORMS:
        raise ProblemError(f"scene is {asked!r}; it may be 'curve' or 'classes', or None")
    one, two = x.dim() == 2 and x.shape[1] == 1, x.dim() == 2 and x.shape[1] == 2
    single = y.dim() == 1 or (y.dim() == 2 and y.shape[1] == 1)
    labels = single and bool(((y >= 0) & (y <= 100) & (y == y.round())).all())
    if asked == "curve" or (not asked and one and single and y.is_floating_point()):
        if not (one and single and len(y) > 1):
            raise ProblemError("a curve needs x of shape (n, 1) and y of shape (n, 1)")
        return curve_scene(x, y.to(x.dtype))
    if asked == "classes" or (not asked and two and labels):
        if not (two and labels and len(y) > 1):
            raise ProblemError("classes need x of shape (n, 2) and whole numbers from 0 as y")
        return classes_scene(x, y)
    return None


def own_title(problem: Problem, parameters: list[nn.Parameter]) -> str:
    """Return the name of the problem's own optimizer, empty if it has none."""
    if problem.own_optimizer is None:
        return ""
    made = problem.own_optimizer(parameters, 0.1)
    if not isinstance(made, torch.optim.Optimizer):
        raise ProblemError(f"optimizer() returned {type(made).__name__}, not a torch optimizer")
    return type(made).__name__.lower()


def positive_int(value: object, name: str) -> int | None:
    """Return a file's number of samples, ``None`` if it gives none."""
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ProblemError(f"{name} has to be a whole number from 1")
    return value
