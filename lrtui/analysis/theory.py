"""Forecasts runs on a quadratic loss from its closed form.

Along each eigenvector of the Hessian, one step of gradient descent multiplies the distance from the
minimum by 1 − lr·λ; with momentum, a step is a 2×2 matrix. Source: Goh, "Why Momentum Really
Works", Distill 2017. Adam has no closed form. The tests compare everything with torch.optim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from lrtui.analysis.momentum import MAX_STEP, Modes
from lrtui.messages import PLAIN, Optimizer, Quadratic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SETTLED = 1.005
"""A run has settled once its loss is at most this multiple of its limit."""

EXACT_FIT = 1e-12
"""A loss that counts as zero, in view of float32 rounding."""

CANDIDATES = 400
"""Rates compared to find the one that settles first; fewer with many weights."""

MAX_WEIGHTS_IN_PYTHON = 64
"""Most weights for which plain Python is faster than numpy."""


@dataclass(frozen=True, eq=False)
class Theory:
    """An optimizer of torch on a quadratic loss of d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending.
        eigenvectors: one for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: initial weights.
        optimizer: ``sgd`` or ``nesterov``; the others have no closed form.
        target: loss at which a run counts as settled, ``None`` for 0.5% above ``end_loss``.
    """

    eigenvalues: tuple[float, ...]
    eigenvectors: tuple[tuple[float, ...], ...]
    minimum: tuple[float, ...]
    min_loss: float
    start: tuple[float, ...]
    optimizer: Optimizer = PLAIN
    target: float | None = None
    _settling: dict[tuple[tuple[float, ...], float], int | None] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, quadratic: Quadratic, optimizer: Optimizer = PLAIN) -> Theory:
        """Return the theory of a loss and an optimizer."""
        return cls(
            eigenvalues=tuple(quadratic.eigenvalues),
            eigenvectors=tuple(map(tuple, quadratic.eigenvectors)),
            minimum=tuple(quadratic.minimum),
            min_loss=quadratic.min_loss,
            start=tuple(quadratic.start),
            optimizer=optimizer,
            target=quadratic.target,
        )

    def with_optimizer(self, optimizer: Optimizer) -> Theory:
        """Return the theory of the same loss with another optimizer."""
        return self if optimizer == self.optimizer else replace(self, optimizer=optimizer)

    @property
    def max_stable_lr(self) -> float:
        """The smallest rate that diverges.

        ``Optimizer.threshold`` over the largest eigenvalue plus the weight decay.
        """
        return self.optimizer.threshold / (self.eigenvalues[-1] + self.optimizer.weight_decay)

    @property
    def minimax_lr(self) -> float:
        """The best rate of plain gradient descent for the worst start: 2/(λmin + λmax)."""
        return 2 / (self.eigenvalues[0] + self.eigenvalues[-1])

    @cached_property
    def best_lr(self) -> float:
        """The rate that settles first from the start, rounded."""
        return self.rounded(self.quickest(self.start)[0])

    @property
    def candidates(self) -> int:
        """Number of rates compared to find the one that settles first."""
        if self.optimizer.is_plain:
            return CANDIDATES
        return min(CANDIDATES, max(16, int(4e4 / len(self.minimum))))

    @cached_property
    def end_loss(self) -> float:
        """The limit of the loss of a converging run.

        That is the minimum, except if weight decay is part of the gradient (not for AdamW): along
        each eigenvector the limit is then λ/(λ + decay) of the minimum's coordinate.
        """
        if not any(self._offsets):
            return self.min_loss
        squares = (v * z * z for v, z in zip(self.eigenvalues, self._offsets, strict=True))
        return self.min_loss + math.fsum(squares) / 2

    @cached_property
    def _offsets(self) -> tuple[float, ...]:
        """Distance of the limit from the minimum along each eigenvector."""
        decay = 0.0 if self.optimizer.name == "adamw" else self.optimizer.weight_decay
        if not decay:
            return (0.0,) * len(self.minimum)
        origin = self.distances((0.0,) * len(self.minimum))
        return tuple(
            decay * z / (value + decay) for z, value in zip(origin, self.eigenvalues, strict=True)
        )

    @property
    def settled_loss(self) -> float:
        """The loss at which a run counts as settled."""
        return SETTLED * self.end_loss + EXACT_FIT if self.target is None else self.target

    @property
    def fits_exactly(self) -> bool:
        """Whether the smallest loss is zero up to rounding, with no meaningful shares."""
        return self.min_loss <= EXACT_FIT

    @property
    def _enough(self) -> float:
        """Excess loss at which a run counts as settled."""
        return self.settled_loss - self.min_loss

    def start_loss(self) -> float:
        """Return the loss at the start."""
        distances = self.distances(self.start)
        shares = (v * c**2 / 2 for v, c in zip(self.eigenvalues, distances, strict=True))
        return self.min_loss + sum(shares)

    @cached_property
    def _vectors(self) -> Floats:
        import numpy as np

        return np.array(self.eigenvectors)

    def distances(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Return the distance of weights from the minimum along each eigenvector."""
        if len(self.minimum) > MAX_WEIGHTS_IN_PYTHON:
            return self._many_distances(tuple(weights))
        away = [w - m for w, m in zip(weights, self.minimum, strict=True)]
        return tuple(math.fsum(map(float.__mul__, v, away)) for v in self.eigenvectors)

    @lru_cache(maxsize=16)  # noqa: B019 - a session has few theories
    def _many_distances(self, weights: tuple[float, ...]) -> tuple[float, ...]:
        import numpy as np

        return tuple((self._vectors @ (np.array(weights) - np.array(self.minimum))).tolist())

    def factors(self, lr: float) -> tuple[float, ...]:
        """Return the factor of a step, without momentum, on the distance along each eigenvector."""
        decay = self.optimizer.weight_decay
        return tuple(1 - lr * (value + decay) for value in self.eigenvalues)

    def growth(self, lr: float) -> float:
        """Return the asymptotic factor of a step on the distance along the steepest eigenvector.

        The modulus of the larger eigenvalue of its 2×2 matrix; |1 − lr·λ| without momentum.
        """
        beta, stretch = self.optimizer.momentum, self.factors(lr)[-1]
        trace, product = stretch + beta, beta
        if self.optimizer.name == "nesterov":
            trace, product = (1 + beta) * stretch, beta * stretch
        squared = trace**2 / 4 - product
        if squared < 0:
            return math.sqrt(product)
        return abs(trace) / 2 + math.sqrt(squared)

    def loss_at(self, weights: Sequence[float]) -> float:
        """Return the loss at weights: the smallest plus Σ λ/2 z² over the eigenvectors."""
        away = self.distances(weights)
        return self.min_loss + sum(
            value / 2 * z * z for value, z in zip(self.eigenvalues, away, strict=True)
        )

    def excess(self, start: Sequence[float], lr: float) -> Callable[[int], float]:
        """Return the loss above its minimum as a function of the step.

        After k steps of gradient descent it is ½ Σ λᵢ cᵢ² (1 − lr·λᵢ)^2k, with cᵢ the distance of
        the start from the minimum along eigenvector i.
        """
        if not self.optimizer.is_plain:
            return lambda step: float(self.losses(start, lr, [step])[0]) - self.min_loss
        if len(self.minimum) > MAX_WEIGHTS_IN_PYTHON:
            return self._excess_of_many(start, lr)
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
                if exponent > 600:  # near the overflow of float64
                    return math.inf
                total += share * math.exp(exponent)
            return total

        return excess

    def _excess_of_many(self, start: Sequence[float], lr: float) -> Callable[[int], float]:
        import numpy as np

        shares = np.array(self.eigenvalues) * np.array(self.distances(start)) ** 2 / 2
        squares = np.array(self.factors(lr)) ** 2

        def excess(step: int) -> float:
            with np.errstate(over="ignore", invalid="ignore"):
                total = float(shares @ squares**step)
            return total if math.isfinite(total) else math.inf

        return excess

    def losses(self, start: Sequence[float], lr: float, at: Sequence[int]) -> Floats:
        """Return the loss at some steps of a run from ``start``, infinite if it overflows."""
        import numpy as np

        steps = np.array(at, dtype=np.int64)
        if not self.optimizer.is_plain:
            return self._modes(start, np.array([lr])).losses(steps)[:, 0]
        shares = np.array(self.eigenvalues) * np.array(self.distances(start)) ** 2 / 2
        squares = np.array(self.factors(lr)) ** 2
        with np.errstate(over="ignore", invalid="ignore"):
            excess = (squares ** steps[:, None]) @ shares
        return np.where(np.isnan(excess), np.inf, self.min_loss + excess)

    def settles_at(self, start: Sequence[float], lr: float) -> int | None:
        """Return the step at which a run from ``start`` settles for good, ``None`` if never."""
        if lr >= self.max_stable_lr:
            return None
        if not self.optimizer.is_plain:
            return self.settles_each(start, [lr])[0]
        enough = self._enough
        excess = self.excess(start, lr)
        if excess(0) <= enough:
            return 0
        # Below the limit the excess only falls: double the step, then bisect.
        low, high = 0, 1
        while excess(high) > enough:
            if high > MAX_STEP:
                return None
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if excess(middle) <= enough else (middle, high)
        return high

    def settles_each(self, start: Sequence[float], lrs: Sequence[float]) -> list[int | None]:
        """Return ``settles_at`` of each of some rates, cached."""
        if self.optimizer.is_plain:
            return [self.settles_at(start, lr) for lr in lrs]
        import numpy as np

        start, known = tuple(start), self._settling
        if len(known) > 10_000:
            known.clear()
        new = [lr for lr in dict.fromkeys(lrs) if (start, lr) not in known]
        for lr in new:
            below = lr < self.max_stable_lr
            modes = self._modes(start, np.array([lr])) if below else None
            known[start, lr] = modes.settles_at(self.settled_loss) if modes else None
        return [known[start, lr] for lr in lrs]

    def _modes(self, start: Sequence[float], lrs: Floats) -> Modes:
        import numpy as np

        values, ends = np.array(self.eigenvalues), np.array(self._offsets)
        return Modes(
            values=values,
            products=lrs[:, None] * (values + self.optimizer.weight_decay),
            starts=np.array(self.distances(start)) - ends,
            ends=ends,
            min_loss=self.min_loss,
            momentum=self.optimizer.momentum,
            nesterov=self.optimizer.name == "nesterov",
        )

    def rounded(self, lr: float) -> float:
        """Round a rate to three digits, or to more if it would settle noticeably later."""
        near = [float(f"{lr:.{digits}g}") for digits in range(3, 17)]
        steps = self.settles_at(self.start, lr)
        if steps is not None:
            for candidate in near:
                needed = self.settles_at(self.start, candidate)
                if needed is not None and needed <= 1.02 * steps + 1:
                    return candidate
        return lr

    @lru_cache(maxsize=64)  # noqa: B019 - a session has few theories
    def quickest(self, start: tuple[float, ...]) -> tuple[float, int]:
        """Return the rate of ``candidates`` that settles first from ``start``, and its step.

        The step is at most ``MAX_STEP``. For plain gradient descent, ``minimax_lr`` is best for the
        worst start, but another rate may be faster from a given one, by a third at a condition
        number of 19. Of equally fast rates it is the middle one, or ``minimax_lr`` if among them.
        """
        import numpy as np

        limit = self.max_stable_lr
        if not self.optimizer.is_plain:
            # The fastest rate may be a hundredth of the limit or just below it.
            some, others = self.candidates // 2, self.candidates - self.candidates // 2
            low = limit * np.geomspace(1e-4, 1, some, endpoint=False)
            even = limit * (np.arange(others) + 0.5) / others
            lrs = np.sort(np.concatenate([low, even]))
            return self._modes(start, lrs).quickest(lrs, self.settled_loss)
        lrs = limit * (np.arange(CANDIDATES) + 0.5) / CANDIDATES
        lrs = np.array([self.minimax_lr, *lrs.tolist()])
        shares = np.array(self.eigenvalues) * np.array(self.distances(start)) ** 2 / 2
        with np.errstate(divide="ignore"):
            powers = 2 * np.log(np.abs(1 - lrs[:, None] * np.array(self.eigenvalues)))

        def settled(step: int) -> NDArray[np.bool_]:
            exponents = powers * step if step else np.zeros_like(powers)
            return np.asarray(np.exp(exponents) @ shares <= self._enough)

        if not settled(MAX_STEP).any():
            return self.minimax_lr, MAX_STEP
        low_step, step = -1, 0
        while not settled(step).any():
            low_step, step = step, max(1, min(2 * step, MAX_STEP))
        able = settled(step)  # the only candidates left
        lrs, powers = lrs[able], powers[able]
        while step - low_step > 1:
            middle = (low_step + step) // 2
            low_step, step = (low_step, middle) if settled(middle).any() else (middle, step)
        equal = lrs[settled(step)].tolist()
        best: float = self.minimax_lr if equal[0] == self.minimax_lr else equal[len(equal) // 2]
        return best, step
