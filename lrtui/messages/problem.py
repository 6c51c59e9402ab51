"""What is trained: its facts, the picture of its data, and its closed form."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message, check_equal_lengths
from lrtui.messages.quantities import LARGEST, Column, Eigenvalue, Number, Vector


class LineScene(Message, tag="line_scene", frozen=True, kw_only=True):
    """What a picture of a line fit needs: the data is there.

    A message of its own, and not a field of the greeting, so that a scene of a newer peer is
    ignored like any other unknown message, and the greeting need not wait for the data.

    Attributes:
        x: first column of the design matrix; the second is all ones.
        y: target, as long as ``x``.
        true_weights: slope and bias behind the target, before the noise; ``None`` where nobody
            knows them.
    """

    x: Column
    y: Column
    true_weights: tuple[Number, Number] | None

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y)


class CurveScene(Message, tag="curve_scene", frozen=True, kw_only=True):
    """What a picture of a fit in one dimension needs.

    Attributes:
        x: inputs.
        y: targets, as many.
        grid: inputs at which a ``Picture`` tells the prediction, ascending.
    """

    x: Column
    y: Column
    grid: Column

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y)


class ClassesScene(Message, tag="classes_scene", frozen=True, kw_only=True):
    """What a picture of classes in two dimensions needs.

    Attributes:
        x: first input of each point.
        y: second input, as many.
        labels: class of each point, from 0 up.
        across: first inputs of the grid of a ``Picture``, ascending.
        up: second inputs of it, ascending.
    """

    x: Column
    y: Column
    labels: list[Annotated[int, Meta(ge=0, le=100)]]
    across: Column
    up: Column

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        check_equal_lengths(self.x, self.y, self.labels)


class PlaneScene(Message, tag="plane_scene", frozen=True, kw_only=True):
    """What a map of a loss over its two weights needs.

    Attributes:
        across: values of the first weight, ascending.
        up: values of the second weight, ascending.
        losses: the loss at each, one row for each value of ``up``.
        minimum: weights at the minimum, ``None`` where that is not known.
        start: weights that every run starts from.
    """

    across: Column
    up: Column
    losses: list[list[Number | None]]
    minimum: tuple[Number, Number] | None
    start: tuple[Number, Number]

    def __post_init__(self) -> None:
        """Check that the rows fit together."""
        check_equal_lengths(self.up, self.losses)
        check_equal_lengths(self.across, *self.losses)


class ProblemFacts(Message, tag="problem", frozen=True, kw_only=True):
    """What is known of a problem besides its closed form and its picture.

    Attributes:
        name: of a built-in problem, or the path of a file.
        weights: how many are trained.
        samples: how many there are, ``None`` where that is not known.
        batch: samples of a step, ``None`` where every step sees all of them.
        target: loss at which a run counts as settled, ``None`` where there is no such loss.
        sharpness: largest eigenvalue of the Hessian where every run starts, ``None`` where it was
            not measured.
        own_batches: whether it brings batches along of which nothing else is known.
        own_optimizer: the optimizer that the problem brings along in words, empty for none.
        remarks: what a person should know of the data, in sentences.
        condition: condition number of its features as they are trained on, where it is linear.
        other_condition: the same with ``--standardise`` where it was not asked for, and without it
            where it was.
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
        target: loss at which a run counts as settled; ``None`` for 0.5% above the minimum.
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
