"""The numbers in messages, and their bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

LARGEST = 3.5e38
"""Slightly more than the largest float32: no loss and no weight exceeds it."""

RunNumber = Annotated[int, Meta(ge=1, le=10**9)]
Steps = Annotated[int, Meta(ge=1, le=10**12)]
StepNumber = Annotated[int, Meta(ge=0, le=10**12)]
LearningRate = Annotated[float, Meta(gt=0)]
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Eigenvalue = Annotated[float, Meta(ge=1e-38, le=LARGEST)]
Vector = Annotated[list[Number], Meta(min_length=1, max_length=1000)]
Column = Annotated[list[Number], Meta(min_length=2, max_length=100_000)]
StepsPerSecond = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]
Outcome = Literal["done", "diverged", "stopped", "failed", "disconnected"]
Factor = Annotated[float, Meta(gt=0, le=LARGEST)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]


def finite_or_none(number: float | None) -> float | None:
    """Return a number as a message has it: ``None`` if it is not finite."""
    return number if number is not None and abs(number) <= LARGEST else None


RateInForce = Annotated[float, Meta(ge=0)]
"""A learning rate set by a schedule: a warmup begins at 0."""

SCHEDULES = ("constant", "cosine", "linear", "step", "onecycle", "warmup:N")
"""How the rate moves over the steps of a run; N is a number of steps."""

ScheduleName = Annotated[
    str, Meta(pattern=r"^(constant|cosine|linear|step|onecycle|warmup:[1-9][0-9]{0,8})\Z")
]
