"""Settings of a problem as plain data, needed before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

Noise = Literal["uniform", "gaussian"]
Spread = Literal["symmetric", "unit"]
Device = Literal["cpu", "cuda", "mps"]

POST_LRS = (0.1, 0.7, 1.01)
"""The post's three learning rates: they creep, settle and diverge."""


@dataclass(frozen=True)
class BuiltIn:
    """A built-in problem.

    Attributes:
        shows: what it shows, in a line.
        made_of: its loss or model, in a few words.
        lrs: presets; the first is its default rate.
        steps: of a run.
    """

    shows: str
    made_of: str
    lrs: tuple[float, ...]
    steps: int


BUILT_IN = {
    "line": BuiltIn(
        "the post's line fit: 0.1 creeps, 0.7 settles, 1.01 diverges", "line fit", POST_LRS, 100
    ),
    "bowl": BuiltIn(
        "a long valley of two weights: the steep direction sets the limit, the flat one the pace",
        "½(w₁² + 25 w₂²)",
        (0.016, 0.064, 0.076, 0.084),
        300,
    ),
    "rosenbrock": BuiltIn(
        "a curved valley: its curvature changes on the way, and so does what it allows",
        "(1 − w₁)² + 100 (w₂ − w₁²)²",
        (0.002, 0.0027, 0.0066),
        3000,
    ),
    "sine": BuiltIn(
        "a small network fits a sine: where it diverges nobody can say beforehand",
        "two periods, network 1-32-32-1",
        (0.039, 0.157, 0.29),
        3000,
    ),
    "edge": BuiltIn(
        "a network sharpens until 2/rate and trains on at the edge of stability",
        "Chebyshev T₄, network 1-32-32-1",
        (0.1, 0.02, 0.05, 0.2, 0.3),
        4000,
    ),
    "moons": BuiltIn(
        "two classes as two moons: a loss without a minimum",
        "two classes, network 2-16-1",
        (2.0, 0.2, 10.0),
        1500,
    ),
    "spiral": BuiltIn(
        "two classes wound up: rates that look good get stuck",
        "two classes, network 2-24-24-1",
        (0.7, 7.7),
        4000,
    ),
}
"""The built-in problems by name."""

FILE_LRS = (0.1,)
"""Default rate of files and tables."""

FILE_STEPS = 1000
"""Default steps of files and tables."""


class ProblemSettings(Struct, frozen=True, kw_only=True):
    """What is trained: shared by all runs of a session, so that only the rate differs.

    Attributes:
        name: of a built-in problem, or the path of a ``.py`` or ``.csv`` file.
        seed: of torch's generator, set before the data is drawn and before each model is made.
        batch: samples of a step, ``None`` for all of them.
        device: where the training runs.
        points: samples of ``line``.
        noise: on the target of ``line``: uniform on [0, 1), or Gaussian (mean 0, deviation 1).
        spread: interval of the first column of ``line``: ``symmetric`` is [-1, 1), ``unit`` is
            [0, 1), where the two eigenvalues are further apart.
        target: column of a table that is predicted.
        standardise: whether the columns of a table are brought to mean 0 and deviation 1.
    """

    name: str = "line"
    seed: Annotated[int, Meta(ge=0)] = 0
    batch: Annotated[int, Meta(ge=1)] | None = None
    device: Device = "cpu"
    points: Annotated[int, Meta(ge=2)] = 100
    noise: Noise = "uniform"
    spread: Spread = "symmetric"
    target: str | None = None
    standardise: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is a file or a table."""
        return self.name not in BUILT_IN

    @property
    def file(self) -> Path:
        """The file or table, where it is one."""
        return Path(self.name)

    @property
    def lrs(self) -> tuple[float, ...]:
        """The presets."""
        return FILE_LRS if self.is_file else BUILT_IN[self.name].lrs

    @property
    def steps(self) -> int:
        """Default steps of a run."""
        return FILE_STEPS if self.is_file else BUILT_IN[self.name].steps

    @property
    def title(self) -> str:
        """The problem in words, unusual settings first, since room may be short.

        Parts are separated by `` · ``, see ``Greeting``.
        """
        usual = ProblemSettings(name=self.name)
        parts = {"seed": f"seed {self.seed}"}
        if self.name == "line":
            parts = {
                "points": f"{self.points:,} points",
                "noise": f"{self.noise} noise",
                **parts,
                "spread": f"{self.spread} spread",
            }
        if self.batch:
            parts["batch"] = f"batches of {self.batch:,}"
        if self.standardise:
            parts["standardise"] = "standardised"
        if self.device != "cpu":
            parts["device"] = self.device
        order = sorted(parts, key=lambda name: getattr(self, name) == getattr(usual, name))
        if self.is_file:
            first = [Path(self.name).name]
        elif self.name == "line":
            first = ["line fit"]
        else:
            first = [self.name, BUILT_IN[self.name].made_of]
        return " · ".join([*first, *(parts[name] for name in order)])
