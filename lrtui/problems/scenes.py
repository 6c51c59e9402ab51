"""Pictures of data and of a model's predictions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrtui.messages import ClassesScene, CurveScene

Picture = Callable[[nn.Module], list[float]]
"""Returns a model's output on the grid of a scene; see ``messages.Picture``."""

MAX_PREDICTION = 1e38
"""Bound of predictions, far off every chart."""

CURVE_CELLS = 121
"""Points of a curve."""

CLASS_CELLS = (48, 24)
"""Cells of a grid of classes, horizontally and vertically."""

MAX_POINTS = 2000
"""Most points drawn; of more, evenly spaced ones."""

PICTURE_MARGIN = 0.08
"""Margin of a picture, as a share of the data's range."""


def curve_scene(x: Tensor, y: Tensor) -> tuple[CurveScene, Picture]:
    """Return the picture of a fit in one dimension; x and y have shape [n, 1]."""
    low, high = padded_range(x)
    grid = torch.linspace(low, high, CURVE_CELLS, dtype=x.dtype, device=x.device)[:, None]

    def picture(model: nn.Module) -> list[float]:
        return (
            output_on(model, grid)
            .flatten()
            .cpu()
            .double()
            .clamp(-MAX_PREDICTION, MAX_PREDICTION)
            .tolist()
        )

    rows = subsample(len(x))
    scene = CurveScene(
        x=x[rows].flatten().tolist(), y=y[rows].flatten().tolist(), grid=grid.flatten().tolist()
    )
    return scene, picture


def classes_scene(x: Tensor, y: Tensor) -> tuple[ClassesScene, Picture]:
    """Return the picture of classes in two dimensions.

    Args:
        x: points, shape [n, 2].
        y: their classes, shape [n] or [n, 1]. A model predicts class 1 by a positive output, or
            one of several by the largest output.
    """
    across = torch.linspace(*padded_range(x[:, 0]), CLASS_CELLS[0], dtype=x.dtype, device=x.device)
    up = torch.linspace(*padded_range(x[:, 1]), CLASS_CELLS[1], dtype=x.dtype, device=x.device)
    grid = torch.stack([across.repeat(len(up)), up.repeat_interleave(len(across))], dim=1)

    def picture(model: nn.Module) -> list[float]:
        out = output_on(model, grid)
        out = out.reshape(len(grid), -1)
        classes = out[:, 0] > 0 if out.shape[1] == 1 else out.argmax(dim=1)
        return classes.cpu().double().tolist()

    rows = subsample(len(x))
    scene = ClassesScene(
        x=x[rows, 0].tolist(),
        y=x[rows, 1].tolist(),
        labels=[int(label) for label in y.flatten()[rows].tolist()],
        across=across.tolist(),
        up=up.tolist(),
    )
    return scene, picture


def output_on(model: nn.Module, grid: Tensor) -> Tensor:
    """Return a model's output on a grid, in evaluation mode."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            out: Tensor = model(grid)
            return torch.nan_to_num(out)
    finally:
        model.train(training)


def padded_range(values: Tensor) -> tuple[float, float]:
    """Return the range of values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = PICTURE_MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def subsample(number: int) -> slice:
    """Return the slice of points to draw."""
    return slice(0, number, -(-number // MAX_POINTS))
