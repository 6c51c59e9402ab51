"""What the curvature says of every learning rate, before a step is taken.

For the mean squared error the loss is exactly quadratic in the weights, so along each eigenvector
of the Hessian a step multiplies the distance from the minimum by 1 − rate · λ. Sources: Goh, "Why
Momentum Really Works", Distill 2017; each formula is held against the training loop by the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lrtui.messages import Curvature

SETTLED = 1.005
"""A run has settled at the first step whose loss is at most so many times the smallest possible."""

EXACT = 1e-12
"""A loss that counts as none: where float32 ends on data that a line fits exactly."""

HORIZON = 10**9
"""The last step that a forecast looks at."""

CANDIDATES = 400
"""Rates that are compared to find the quickest."""


@dataclass(frozen=True)
class Theory:
    """A quadratic loss: its curvature, its minimum, and where a run starts.

    Attributes:
        eigenvalues: of the Hessian, ascending.
        directions: the eigenvectors, one for each eigenvalue.
        minimum: the weights at the minimum.
        floor: the loss there.
    """

    eigenvalues: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    minimum: tuple[float, ...]
    floor: float

    @classmethod
    def of(cls, curvature: Curvature) -> Theory:
        """Returns the bowl that a message tells of."""
        return cls(
            eigenvalues=tuple(curvature.eigenvalues),
            directions=tuple(map(tuple, curvature.directions)),
            minimum=tuple(curvature.minimum),
            floor=curvature.floor,
        )

    @property
    def sharpness(self) -> float:
        """The largest eigenvalue, λmax."""
        return self.eigenvalues[-1]

    @property
    def limit(self) -> float:
        """The rate from which on gradient descent diverges: 2/λmax."""
        return 2 / self.eigenvalues[-1]

    @property
    def best(self) -> float:
        """The rate whose slowest direction shrinks fastest: 2/(λmin + λmax)."""
        return 2 / (self.eigenvalues[0] + self.eigenvalues[-1])

    @property
    def condition(self) -> float:
        """The condition number, λmax/λmin."""
        smallest = self.eigenvalues[0]
        return self.eigenvalues[-1] / smallest if smallest > 0 else math.inf

    @property
    def target(self) -> float:
        """The loss at which a run counts as settled."""
        return SETTLED * self.floor + EXACT

    def distances(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Returns how far weights are from the minimum along each eigenvector."""
        away = [w - m for w, m in zip(weights, self.minimum, strict=True)]
        return tuple(math.fsum(map(float.__mul__, v, away)) for v in self.directions)

    def factors(self, rate: float) -> tuple[float, ...]:
        """Returns what one step multiplies the distance along each eigenvector by."""
        return tuple(1 - rate * value for value in self.eigenvalues)

    def gaps(self, start: Sequence[float], rate: float) -> Callable[[int], float]:
        """Returns the loss above the floor as a function of the step.

        After k steps it is ½ Σ λᵢ cᵢ² (1 − rate·λᵢ)^2k, with cᵢ the distance of the start from
        the minimum along eigenvector i.
        """
        modes = [
            (value * distance**2 / 2, 2 * math.log(abs(factor)) if factor else -math.inf)
            for value, distance, factor in zip(
                self.eigenvalues, self.distances(start), self.factors(rate), strict=True
            )
        ]

        def gap(step: int) -> float:
            total = 0.0
            for share, power in modes:
                exponent = power * step if step else 0.0
                if exponent > 600:  # near the end of float64
                    return math.inf
                total += share * math.exp(exponent)
            return total

        return gap

    def settles_at(self, start: Sequence[float], rate: float) -> int | None:
        """Returns the first step at which a run from ``start`` has settled, ``None`` if never."""
        enough = self.target - self.floor
        gap = self.gaps(start, rate)

        def settled(step: int) -> bool:
            return gap(step) <= enough

        if rate >= self.limit:
            return None
        if settled(0):
            return 0
        # Below the limit the gap only falls: double until it is under, then halve the bracket.
        low, high = 0, 1
        while not settled(high):
            if high > HORIZON:
                return None
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if settled(middle) else (middle, high)
        return high

    @lru_cache(maxsize=64)  # noqa: B019 - a session has one bowl
    def quickest(self, start: tuple[float, ...]) -> tuple[float, int]:
        """Returns the rate that settles first from ``start``, and its step.

        ``best`` is the answer for the worst start; from a given one another rate can be quicker,
        by a third at a condition number of 19. Of rates that are equally quick it is the one in
        the middle, furthest from both ends, or ``best`` itself where that is one of them.
        """
        rates = [self.limit * (i + 0.5) / CANDIDATES for i in range(CANDIDATES)]
        steps = [self.settles_at(start, rate) or HORIZON for rate in rates]
        fewest = min(steps)
        if self.settles_at(start, self.best) == fewest:
            return self.best, fewest
        equal = [rate for rate, step in zip(rates, steps, strict=True) if step == fewest]
        return equal[len(equal) // 2], fewest
