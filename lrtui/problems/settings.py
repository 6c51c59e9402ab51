"""Settings of the problems, as plain data: the front door needs them before torch is loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Noise = Literal["uniform", "gaussian"]
Spread = Literal["symmetric", "unit"]

POST_LRS = (0.1, 0.7, 1.01)
"""The post's three learning rates: one that creeps, one that settles, one that diverges."""


class LineSettings(Struct, frozen=True, kw_only=True):
    """The post's line fit. All runs of a session share it, so that only the rate differs.

    Attributes:
        points: number of samples.
        noise: on the target: uniform on [0, 1), or Gaussian (mean 0, standard deviation 1).
        spread: interval of the first column: ``symmetric`` is [-1, 1), ``unit`` is [0, 1), where
            the two eigenvalues are further apart.
        seed: of torch's generator, set before the data is drawn.
    """

    points: Annotated[int, Meta(ge=2)] = 100
    noise: Noise = "uniform"
    spread: Spread = "symmetric"
    seed: Annotated[int, Meta(ge=0)] = 0

    @property
    def title(self) -> str:
        """The problem in words; what differs from the post's comes first, as there may be no room.

        Parts are separated by `` · ``, see ``Greeting``.
        """
        parts = {
            "points": f"{self.points:,} points",
            "noise": f"{self.noise} noise",
            "seed": f"seed {self.seed}",
            "spread": f"{self.spread} spread",
        }
        usual = LineSettings()
        order = sorted(parts, key=lambda name: getattr(self, name) == getattr(usual, name))
        return " · ".join(["line fit", *(parts[name] for name in order)])
