"""What is trained: its facts, the picture of its data, and its closed form."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.quantities import LARGEST, Column, Eigenvalue, Number, Vector


class LineScene(Message, tag="line_scene", frozen=True, kw_only=True):
    """Data of a line fit.

    Scenes are messages of their own, so that an older viewer ignores a new one, and the greeting
    does not wait for the data.

    Attributes:
        x: first column of the design matrix; the second is all ones.
        y: target.
        true_weights: slope and bias behind the target, ``None`` if unknown.
    """

    x: Column
    y: Column
    true_weights: tuple[Number, Number] | None

    def __post_init__(self) -> None:
        check_equal_lengths(self.x, self.y)


class CurveScene(Message, tag="curve_scene", frozen=True, kw_only=True):
    """Data of a fit in one dimension.

    Attributes:
        x: inputs.
        y: targets.
        grid: inputs of the predictions in a ``Picture``, ascending.
    """

    x: Column
    y: Column
    grid: Column

    def __post_init__(self) -> None:
        check_equal_lengths(self.x, self.y)


class ClassesScene(Message, tag="classes_scene", frozen=True, kw_only=True):
    """Data of a classification in two dimensions.

    Attributes:
        x, y: inputs of each point.
        labels: class of each point, from 0 up.
        across, up: inputs of the grid of a ``Picture``, ascending.
    """

    x: Column
    y: Column
    labels: list[Annotated[int, Meta(ge=0, le=100)]]
    across: Column
    up: Column

    def __post_init__(self) -> None:
        check_equal_lengths(self.x, self.y, self.labels)


class PlaneScene(Message, tag="plane_scene", frozen=True, kw_only=True):
    """The loss over its two weights.

    Attributes:
        across, up: values of the weights, ascending.
        losses: a row for each value of ``up``.
        minimum: weights at the minimum, ``None`` if unknown.
        start: initial weights of every run.
    """

    across: Column
    up: Column
    losses: list[list[Number | None]]
    minimum: tuple[Number, Number] | None
    start: tuple[Number, Number]

    def __post_init__(self) -> None:
        check_equal_lengths(self.up, self.losses)
        check_equal_lengths(self.across, *self.losses)


class ProblemFacts(Message, tag="problem", frozen=True, kw_only=True):
    """Facts of a problem, besides its closed form and its picture.

    Attributes:
        name: of a built-in problem, or path of a file.
        weights: number of trained weights.
        samples: number of samples, ``None`` if unknown.
        batch: samples a step, ``None`` for all.
        target: loss at which a run counts as settled, ``None`` for none.
        sharpness: largest eigenvalue of the Hessian at the start, ``None`` if not measured.
        own_batches: whether a file makes its own batches.
        own_optimizer: optimizer made by a file, in words; empty for none.
        remarks: on the data, in sentences.
        condition: condition number of the features, for a linear model.
        other_condition: the same with ``--standardise``, or without if it is on.
    """

    name: str
    weights: Annotated[int, Meta(ge=1)]
    samples: int | None = None
    batch: int | None = None
    target: Number | None = None
    sharpness: Number | None = None
    own_optimizer: str = ""
    own_batches: bool = False
    remarks: list[str] = []
    condition: Annotated[float, Meta(ge=1)] | None = None
    other_condition: Annotated[float, Meta(ge=1)] | None = None


class Quadratic(Message, tag="quadratic", frozen=True, kw_only=True):
    """Closed form of a loss that is exactly quadratic in its d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending, d of them.
        eigenvectors: one row of length d for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: weights that every run starts from.
        target: loss at which a run counts as settled, ``None`` for 0.5% above the minimum.
    """

    target: Number | None = None
    eigenvalues: Annotated[list[Eigenvalue], Meta(min_length=1, max_length=1000)]
    eigenvectors: list[Vector]
    minimum: Vector
    min_loss: Annotated[float, Meta(ge=0, le=LARGEST)]
    start: Vector

    def __post_init__(self) -> None:
        """Check that all parts are of the same dimension, and the order of the eigenvalues."""
        check_equal_lengths(
            self.eigenvalues, self.eigenvectors, self.minimum, self.start, *self.eigenvectors
        )
        if self.eigenvalues != sorted(self.eigenvalues):
            raise ValueError("eigenvalues that do not ascend")


Scene = LineScene | CurveScene | ClassesScene | PlaneScene
