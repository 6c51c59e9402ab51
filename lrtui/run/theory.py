"""What the closed form of a quadratic loss says about a learning rate before a step is taken.

Along each eigenvector of the Hessian one step of gradient descent multiplies the distance from the
minimum by 1 − lr·λ. Source: Goh, "Why Momentum Really Works", Distill 2017; the tests hold each
formula against the training loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from lrtui.messages import Quadratic

SETTLED = 1.005
"""A run has settled at the first step whose loss is at most this multiple of the minimum."""

EXACT_FIT = 1e-12
"""A loss that counts as zero: where float32 ends on data that is fitted exactly."""

HORIZON = 10**9
"""The last step that a forecast looks at."""

CANDIDATES = 400
"""Rates that are compared to find the one that settles first."""


@dataclass(frozen=True, eq=False)
class Theory:
    """Gradient descent on a quadratic loss of d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending.
        eigenvectors: one for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: weights that runs start from.
    """

    eigenvalues: tuple[float, ...]
    eigenvectors: tuple[tuple[float, ...], ...]
    minimum: tuple[float, ...]
    min_loss: float
    start: tuple[float, ...]

    @classmethod
    def of(cls, quadratic: Quadratic) -> Theory:
        """Return the theory of the loss that a message describes."""
        return cls(
            eigenvalues=tuple(quadratic.eigenvalues),
            eigenvectors=tuple(map(tuple, quadratic.eigenvectors)),
            minimum=tuple(quadratic.minimum),
            min_loss=quadratic.min_loss,
            start=tuple(quadratic.start),
        )

    @property
    def max_stable_lr(self) -> float:
        """The rate from which on gradient descent diverges: 2/λmax."""
        return 2 / self.eigenvalues[-1]

    @property
    def minimax_lr(self) -> float:
        """The rate whose slowest direction shrinks fastest, from any start: 2/(λmin + λmax)."""
        return 2 / (self.eigenvalues[0] + self.eigenvalues[-1])

    @cached_property
    def best_lr(self) -> float:
        """The rate that settles first from the start, rounded as it is shown."""
        return self.rounded(self.quickest(self.start)[0])

    @property
    def settled_loss(self) -> float:
        """The loss at which a run counts as settled."""
        return SETTLED * self.min_loss + EXACT_FIT

    @property
    def fits_exactly(self) -> bool:
        """Whether the minimum is as good as zero, so that a share of it means nothing."""
        return self.min_loss <= EXACT_FIT

    @property
    def _enough(self) -> float:
        """The excess at which a run counts as settled."""
        return self.settled_loss - self.min_loss

    def start_loss(self) -> float:
        """Return the loss at the start."""
        return self.min_loss + self.excess(self.start, 0.0)(0)

    def distances(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Return how far weights are from the minimum along each eigenvector."""
        away = [w - m for w, m in zip(weights, self.minimum, strict=True)]
        return tuple(math.fsum(map(float.__mul__, v, away)) for v in self.eigenvectors)

    def factors(self, lr: float) -> tuple[float, ...]:
        """Return what one step multiplies the distance along each eigenvector by."""
        return tuple(1 - lr * value for value in self.eigenvalues)

    def excess(self, start: Sequence[float], lr: float) -> Callable[[int], float]:
        """Return the loss above its minimum as a function of the step.

        After k steps it is ½ Σ λᵢ cᵢ² (1 − lr·λᵢ)^2k, with cᵢ the distance of the start from the
        minimum along eigenvector i.

        Args:
            start: weights at step 0.
            lr: learning rate.
        """
        modes = [
            (value * distance**2 / 2, 2 * math.log(abs(factor)) if factor else -math.inf)
            for value, distance, factor in zip(
                self.eigenvalues, self.distances(start), self.factors(lr), strict=True
            )
        ]

        def excess(step: int) -> float:
            total = 0.0
            for share, power in modes:
                exponent = power * step if step else 0.0
                if exponent > 600:  # near the end of float64
                    return math.inf
                total += share * math.exp(exponent)
            return total

        return excess

    def settles_at(self, start: Sequence[float], lr: float) -> int | None:
        """Return the first step at which a run from ``start`` has settled, ``None`` if never."""
        if lr >= self.max_stable_lr:
            return None
        enough = self._enough
        excess = self.excess(start, lr)
        if excess(0) <= enough:
            return 0
        # Below the limit the excess only falls: double until it is low enough, then bisect.
        low, high = 0, 1
        while excess(high) > enough:
            if high > HORIZON:
                return None
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if excess(middle) <= enough else (middle, high)
        return high

    def rounded(self, lr: float) -> float:
        """Round a rate to three digits, or to as many as it takes to settle about as soon."""
        steps = self.settles_at(self.start, lr)
        if steps is not None:
            for digits in range(3, 17):
                near = float(f"{lr:.{digits}g}")
                needed = self.settles_at(self.start, near)
                if needed is not None and needed <= 1.02 * steps + 1:
                    return near
        return lr

    @lru_cache(maxsize=64)  # noqa: B019 - a session has one theory
    def quickest(self, start: tuple[float, ...]) -> tuple[float, int]:
        """Return the rate that settles first from ``start``, and its step (at most ``HORIZON``).

        ``minimax_lr`` is the answer for the worst start; from a given one another rate can be
        quicker, by a third at a condition number of 19. Of rates that are equally quick this is
        the middle one, or ``minimax_lr`` itself where that is one of them.
        """
        fewest, equal = HORIZON, [self.minimax_lr]
        lrs = [self.max_stable_lr * (i + 0.5) / CANDIDATES for i in range(CANDIDATES)]
        for lr in (self.minimax_lr, *lrs):
            if self.excess(start, lr)(fewest) <= self._enough:  # no slower than those before
                step = self.settles_at(start, lr)
                assert step is not None
                equal = [*equal, lr] if step == fewest else [lr]
                fewest = step
        return self.minimax_lr if equal[0] == self.minimax_lr else equal[len(equal) // 2], fewest
