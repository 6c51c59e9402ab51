"""Pictures of data and of what a model makes of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrtui.messages import ClassesScene, CurveScene

Picture = Callable[[nn.Module], list[float]]
"""Returns what a model makes of the grid of a scene, as in ``messages.Picture``."""

MAX_PREDICTION = 1e38
"""Where a prediction without bounds is held: far off every chart."""

CURVE_CELLS = 121
"""Points of a curve."""

CLASS_CELLS = (48, 24)
"""Cells of a grid of classes, across and up."""

MOST_POINTS = 2000
"""Points that are drawn; of more, as many at equal distances in their order."""

PICTURE_MARGIN = 0.08
"""Share of the range of the data that a picture shows beyond it."""


def curve_scene(x: Tensor, y: Tensor) -> tuple[CurveScene, Picture]:
    """Return the picture of a fit in one dimension.

    Args:
        x: inputs, shape [n, 1].
        y: targets, shape [n, 1].
    """
    low, high = reach(x)
    grid = torch.linspace(low, high, CURVE_CELLS, dtype=x.dtype, device=x.device)[:, None]

    def picture(model: nn.Module) -> list[float]:
        return (
            seen(model, grid)
            .flatten()
            .cpu()
            .double()
            .clamp(-MAX_PREDICTION, MAX_PREDICTION)
            .tolist()
        )

    rows = some(len(x))
    scene = CurveScene(
        x=x[rows].flatten().tolist(), y=y[rows].flatten().tolist(), grid=grid.flatten().tolist()
    )
    return scene, picture


def classes_scene(x: Tensor, y: Tensor) -> tuple[ClassesScene, Picture]:
    """Return the picture of classes in two dimensions.

    Args:
        x: points, shape [n, 2].
        y: class of each, shape [n] or [n, 1]. A model with one output says class 1 where it is
            positive, with several the class of the largest.
    """
    across = torch.linspace(*reach(x[:, 0]), CLASS_CELLS[0], dtype=x.dtype, device=x.device)
    up = torch.linspace(*reach(x[:, 1]), CLASS_CELLS[1], dtype=x.dtype, device=x.device)
    grid = torch.stack([across.repeat(len(up)), up.repeat_interleave(len(across))], dim=1)

    def picture(model: nn.Module) -> list[float]:
        out = seen(model, grid)
        out = out.reshape(len(grid), -1)
        classes = out[:, 0] > 0 if out.shape[1] == 1 else out.argmax(dim=1)
        return classes.cpu().double().tolist()

    rows = some(len(x))
    scene = ClassesScene(
        x=x[rows, 0].tolist(),
        y=x[rows, 1].tolist(),
        labels=[int(label) for label in y.flatten()[rows].tolist()],
        across=across.tolist(),
        up=up.tolist(),
    )
    return scene, picture


def seen(model: nn.Module, grid: Tensor) -> Tensor:
    """Return a model's output on a grid, as it is used after training: without dropout."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            out: Tensor = model(grid)
            return torch.nan_to_num(out)
    finally:
        model.train(training)


def reach(values: Tensor) -> tuple[float, float]:
    """Return a range that holds values with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = PICTURE_MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def some(number: int) -> slice:
    """Return which of a number of points are drawn."""
    return slice(0, number, -(-number // MOST_POINTS))
