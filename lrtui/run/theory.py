"""What the closed form of a quadratic loss says about a learning rate before a step is taken.

Along each eigenvector of the Hessian one step of gradient descent multiplies the distance from the
minimum by 1 − lr·λ; with momentum it is a step of a 2×2 matrix. Source: Goh, "Why Momentum Really
Works", Distill 2017. Adam is none of that, as it has a step size for each weight: its steps are
taken in float64, which needs no data. The tests hold all of it against torch.optim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from lrtui.messages import Optimizer, Quadratic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SETTLED = 1.005
"""A run has settled at the first step whose loss is at most this multiple of the minimum."""

EXACT_FIT = 1e-12
"""A loss that counts as zero: where float32 ends on data that is fitted exactly."""

HORIZON = 10**9
"""The last step that a forecast looks at."""

CANDIDATES = 400
"""Rates that are compared to find the one that settles first; fewer where weights are many."""

FEW = 64
"""Up to as many weights plain Python is quicker than numpy."""

PLAIN = Optimizer()
"""Gradient descent: a step is the rate times the gradient."""

ADAM_HORIZON = 10_000
"""The last step that a forecast of Adam looks at; fewer where weights are many."""

ADAM_WORK = 5e8
"""Products that a forecast of Adam may take: about a quarter of a second."""

ADAM_EPS = 1e-8
"""What torch adds to the root of the mean square of the gradient."""

BLOCK = 64
"""Steps of Adam between two looks at its step sizes."""

SHARPNESS_WEIGHTS = 200
"""Weights up to which the preconditioned sharpness is computed: 5 ms each time."""


def threshold(optimizer: Optimizer) -> float:
    """Return the largest stable product of rate and curvature.

    Gradient descent: 2. With momentum β: 2 + 2β, in torch's Nesterov (2 + 2β)/(1 + 2β). With
    Adam, on the Hessian that is divided by √v̂ + ε: (2 + 2β₁)/(1 − β₁). Source: Cohen et al.,
    "Adaptive Gradient Methods at the Edge of Stability", 2022.
    """
    if optimizer.is_adaptive:
        beta = optimizer.betas[0]
        return (2 + 2 * beta) / (1 - beta)
    beta = optimizer.momentum
    return (2 + 2 * beta) / (1 + 2 * beta if optimizer.name == "nesterov" else 1)


@dataclass(frozen=True, eq=False)
class Theory:
    """An optimizer of torch on a quadratic loss of d weights.

    Attributes:
        eigenvalues: of the Hessian, ascending.
        eigenvectors: one for each eigenvalue.
        minimum: weights at the minimum.
        min_loss: loss there.
        start: weights that runs start from.
        optimizer: what takes the steps; not ``own``, of which nothing is known.
        target: loss at which a run counts as settled, ``None`` for 0.5% above where it ends.
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
        """Return the theory of the loss that a message describes, under an optimizer."""
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
        """Return the theory of the same loss under another optimizer."""
        return self if optimizer == self.optimizer else replace(self, optimizer=optimizer)

    @property
    def max_stable_lr(self) -> float:
        """The rate from which on a run diverges, infinite for Adam, which has none.

        See ``threshold``, over the largest eigenvalue plus the weight decay.
        """
        if self.optimizer.is_adaptive:
            return math.inf
        return threshold(self.optimizer) / (self.eigenvalues[-1] + self.optimizer.weight_decay)

    @property
    def minimax_lr(self) -> float:
        """The rate whose slowest direction shrinks fastest, from any start: 2/(λmin + λmax).

        Of plain gradient descent.
        """
        return 2 / (self.eigenvalues[0] + self.eigenvalues[-1])

    @cached_property
    def best_lr(self) -> float:
        """The rate that settles first from the start, rounded as it is shown."""
        return self.rounded(self.quickest(self.start)[0])

    @property
    def horizon(self) -> int:
        """The last step that a forecast looks at."""
        return self._adam.horizon if self.optimizer.is_adaptive else HORIZON

    @property
    def candidates(self) -> int:
        """How many rates are compared to find the one that settles first."""
        if self.optimizer.is_plain:
            return CANDIDATES
        # For Adam at most about a second, whatever the number of weights.
        most = 4e4 / len(self.minimum)
        if self.optimizer.is_adaptive:
            most = 2 * ADAM_WORK / len(self.minimum) ** 2 / self.horizon
        return min(CANDIDATES, max(16, int(most)))

    @cached_property
    def end_loss(self) -> float:
        """The loss that a run which converges comes to.

        That of the minimum, except where weight decay is part of the gradient (not for AdamW):
        along each eigenvector it then ends at λ/(λ + decay) of the minimum's coordinate.
        """
        if not any(self._offsets):
            return self.min_loss
        squares = (v * z * z for v, z in zip(self.eigenvalues, self._offsets, strict=True))
        return self.min_loss + math.fsum(squares) / 2

    @cached_property
    def _offsets(self) -> tuple[float, ...]:
        """How far from the minimum along each eigenvector a run ends."""
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
        """Whether the minimum is as good as zero, so that a share of it means nothing."""
        return self.min_loss <= EXACT_FIT

    @property
    def _enough(self) -> float:
        """The excess at which a run counts as settled."""
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
        """Return how far weights are from the minimum along each eigenvector."""
        if len(self.minimum) > FEW:
            return self._many_distances(tuple(weights))
        away = [w - m for w, m in zip(weights, self.minimum, strict=True)]
        return tuple(math.fsum(map(float.__mul__, v, away)) for v in self.eigenvectors)

    @lru_cache(maxsize=16)  # noqa: B019 - a session has few theories
    def _many_distances(self, weights: tuple[float, ...]) -> tuple[float, ...]:
        import numpy as np

        return tuple((self._vectors @ (np.array(weights) - np.array(self.minimum))).tolist())

    def factors(self, lr: float) -> tuple[float, ...]:
        """Return what one step of gradient descent multiplies the distances by.

        Along each eigenvector, from where the run ends; without momentum.
        """
        decay = self.optimizer.weight_decay
        return tuple(1 - lr * (value + decay) for value in self.eigenvalues)

    def growth(self, lr: float) -> float:
        """Return what a step multiplies the distance along the steepest eigenvector by at last.

        The modulus of the larger eigenvalue of its 2×2 matrix; |1 − lr·λ| without momentum.
        Infinite for Adam, of which nothing like it is known.
        """
        if self.optimizer.is_adaptive:
            return math.inf
        beta, stretch = self.optimizer.momentum, self.factors(lr)[-1]
        trace, product = stretch + beta, beta
        if self.optimizer.name == "nesterov":
            trace, product = (1 + beta) * stretch, beta * stretch
        squared = trace**2 / 4 - product
        if squared < 0:
            return math.sqrt(product)
        return abs(trace) / 2 + math.sqrt(squared)

    def excess(self, start: Sequence[float], lr: float) -> Callable[[int], float]:
        """Return the loss above its minimum as a function of the step.

        After k steps of gradient descent it is ½ Σ λᵢ cᵢ² (1 − lr·λᵢ)^2k, with cᵢ the distance of
        the start from the minimum along eigenvector i.

        Args:
            start: weights at step 0.
            lr: learning rate.
        """
        if not self.optimizer.is_plain:
            return lambda step: float(self.losses(start, lr, [step])[0]) - self.min_loss
        if len(self.minimum) > FEW:
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
                if exponent > 600:  # near the end of float64
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
        """Return the loss at some steps of a run.

        Args:
            start: weights at step 0, where the optimizer has no memory yet.
            lr: learning rate.
            at: steps.

        Returns:
            The loss at each, infinite past the end of float64. For Adam NaN past its horizon, and
            from a foreseen spike on: how it goes on from there is up to the rounding.
        """
        import numpy as np

        steps = np.array(at, dtype=np.int64)
        if self.optimizer.is_adaptive:
            told = self._adam.course(tuple(start), lr)[0]
            end = self.spike_at(start, lr) or len(told)
            return np.where(steps < end, told[np.minimum(steps, len(told) - 1)], np.nan)
        if not self.optimizer.is_plain:
            return self._modes(start, np.array([lr])).losses(steps)[:, 0]
        shares = np.array(self.eigenvalues) * np.array(self.distances(start)) ** 2 / 2
        squares = np.array(self.factors(lr)) ** 2
        with np.errstate(over="ignore", invalid="ignore"):
            excess = (squares ** steps[:, None]) @ shares
        return np.where(np.isnan(excess), np.inf, self.min_loss + excess)

    def settles_at(self, start: Sequence[float], lr: float) -> int | None:
        """Return the step from which on a run from ``start`` has settled, ``None`` if never.

        With momentum a run can fly through the minimum and leave it again: it has settled once it
        does so no more. Adam has settled where it stays until the spike that is foreseen, or
        until the horizon.
        """
        if lr >= self.max_stable_lr:
            return None
        if not self.optimizer.is_plain:
            return self.settles_each(start, [lr])[0]
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

    def settles_each(self, start: Sequence[float], lrs: Sequence[float]) -> list[int | None]:
        """Return ``settles_at`` of each of some rates: for Adam much quicker than one by one.

        What was found is remembered, so that ``settles_at`` of these rates costs nothing then.
        """
        if self.optimizer.is_plain:
            return [self.settles_at(start, lr) for lr in lrs]
        import numpy as np

        start, known = tuple(start), self._settling
        if len(known) > 10_000:
            known.clear()
        new = [lr for lr in dict.fromkeys(lrs) if (start, lr) not in known]
        if self.optimizer.is_adaptive:
            known |= {(start, lr): at for lr, at in self._adam.settle(start, new).items()}
        else:
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
        """Round a rate to three digits, or to as many as it takes to settle about as soon."""
        near = [float(f"{lr:.{digits}g}") for digits in range(3, 17)]
        if self.optimizer.is_adaptive:
            self.settles_each(self.start, [lr, *near])  # together, and remembered
        steps = self.settles_at(self.start, lr)
        if steps is not None:
            for candidate in near:
                needed = self.settles_at(self.start, candidate)
                if needed is not None and needed <= 1.02 * steps + 1:
                    return candidate
        return lr

    @lru_cache(maxsize=64)  # noqa: B019 - a session has few theories
    def quickest(self, start: tuple[float, ...]) -> tuple[float, int]:
        """Return the rate that settles first from ``start``, and its step (at most ``HORIZON``).

        Of plain gradient descent ``minimax_lr`` is the answer for the worst start; from a given
        one another rate can be quicker, by a third at a condition number of 19. With momentum and
        Adam it is the first of ``candidates`` rates. Of rates that are equally quick this is the
        middle one, or ``minimax_lr`` itself where that is one of them.
        """
        import numpy as np

        if self.optimizer.is_adaptive:
            return self._adam.quickest(start, self.candidates)
        limit = self.max_stable_lr
        if not self.optimizer.is_plain:
            # The quickest may be a hundredth of the limit or just below it.
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

        if not settled(HORIZON).any():
            return self.minimax_lr, HORIZON
        low_step, step = -1, 0
        while not settled(step).any():
            low_step, step = step, max(1, min(2 * step, HORIZON))
        able = settled(step)  # only these can be the first
        lrs, powers = lrs[able], powers[able]
        while step - low_step > 1:
            middle = (low_step + step) // 2
            low_step, step = (low_step, middle) if settled(middle).any() else (middle, step)
        equal = lrs[settled(step)].tolist()
        best: float = self.minimax_lr if equal[0] == self.minimax_lr else equal[len(equal) // 2]
        return best, step

    def spike_at(self, start: Sequence[float], lr: float) -> int | None:
        """Return the step at which a settled run of Adam is about to leave the minimum again.

        Returns:
            The step, ``None`` where none is foreseen; other optimizers have none.
        """
        return self._adam.spike_at(tuple(start), lr) if self.optimizer.is_adaptive else None

    @cached_property
    def _adam(self) -> Adam:
        import numpy as np

        return Adam(
            hessian=self._vectors.T @ (np.array(self.eigenvalues)[:, None] * self._vectors),
            minimum=np.array(self.minimum),
            min_loss=self.min_loss,
            target=self.settled_loss,
            optimizer=self.optimizer,
        )


@dataclass(frozen=True, eq=False)
class Modes:
    """SGD with momentum at R rates, along each of the d eigenvectors.

    With e the distance from where a run ends and b the rate times the momentum buffer, x = lr·μ,
    a step is b ← βb + xe, e ← e − b; with Nesterov's momentum e ← e − xe − βb. Torch has b = g at
    the first step, which is the same from b = 0.

    Attributes:
        values: eigenvalues of the Hessian, shape [d].
        products: lr·μ with μ the eigenvalue plus the weight decay, shape [R, d].
        starts: distance of the start from where runs end, shape [d].
        ends: distance from there to the minimum, shape [d].
        min_loss: loss at the minimum.
        momentum: β.
        nesterov: whether it is that of Nesterov.
    """

    values: Floats
    products: Floats
    starts: Floats
    ends: Floats
    min_loss: float
    momentum: float
    nesterov: bool

    @cached_property
    def _matrix(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The step from (e, b) to (e, b), row by row, each of shape [R, d]."""
        import numpy as np

        x, beta = self.products, np.full_like(self.products, self.momentum)
        if self.nesterov:
            return 1 - (1 + beta) * x, -(beta**2), x, beta
        return 1 - x, -beta, x, beta

    def losses(self, at: NDArray[np.int64]) -> Floats:
        """Return the loss at each of K steps, shape [K, R], by powers of the matrix of a step."""
        import numpy as np

        (p, q, r, s), left = self._matrix, at.copy()
        e = np.broadcast_to(self.starts, (len(at), *self.products.shape)).copy()
        b = np.zeros_like(e)
        with np.errstate(over="ignore", invalid="ignore"):
            while left.any():
                odd = (left & 1).astype(bool)
                old, buffer = e[odd], b[odd]
                e[odd], b[odd] = p * old + q * buffer, r * old + s * buffer
                p, q, r, s = p * p + q * r, q * (p + s), r * (p + s), s * s + q * r
                left >>= 1
            losses = self.min_loss + ((e + self.ends) ** 2) @ self.values / 2
        return np.where(np.isnan(losses), np.inf, losses)

    @cached_property
    def _bound(self) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
        """Factors c and moduli r with |e| ≤ |c₁|r₁^k + |c₂|r₂^k after k steps; each [R, d].

        Where the last part is true, e is c₁r₁^k + c₂r₂^k itself: both roots are real, positive
        and apart.
        """
        import numpy as np

        p, q, r, s = self._matrix
        half, product = (p + s) / 2, p * s - q * r
        apart = np.sqrt((half**2 - product).astype(complex))
        first, second = half + apart, half - apart
        gap = 2 * apart
        close = np.abs(gap) < 1e-6
        gap = np.where(close, 1e-6, gap)
        c1 = (p - second) * self.starts / gap
        c2 = (first - p) * self.starts / gap
        plain = (np.abs(apart.imag) == 0) & (second.real >= 0) & ~close
        more = np.where(close, np.abs(self.starts), 0)
        size1, size2 = np.abs(first), np.abs(second)
        size1, size2 = (np.maximum(size, np.where(close, 1e-6, 0)) for size in (size1, size2))
        f1 = np.where(plain, c1.real, np.abs(c1) + more)
        f2 = np.where(plain, c2.real, np.abs(c2) + more)
        return f1, size1, f2, size2, plain

    def _settled_by(self, target: float) -> Floats:
        """Return for each rate a step from which on no loss can be over a target; shape [R].

        Infinite where there is none up to the horizon.
        """
        import numpy as np

        f1, r1, f2, r2, _ = self._bound
        f1, f2, ends = np.abs(f1), np.abs(f2), np.abs(self.ends)

        def under(steps: Floats) -> NDArray[np.bool_]:
            k = steps[:, None]
            most = ((f1 * r1**k + f2 * r2**k + ends) ** 2) @ self.values / 2
            return np.asarray(self.min_loss + most <= target)

        low, high = np.zeros(len(r1)), np.full(len(r1), math.log2(2 * HORIZON))
        never = ~under(2**high)
        for _ in range(12):  # to half a percent
            middle = (low + high) / 2
            will = under(2**middle)
            low, high = np.where(will, low, middle), np.where(will, middle, high)
        return np.where(never, np.inf, np.ceil(2**high))

    def settles_at(self, target: float) -> int | None:
        """Return the step from which on all losses of the only rate are at most a target."""
        import numpy as np

        by = float(self._settled_by(target)[0])
        if by > HORIZON:
            return None
        size = max(16, 2**14 // len(self.values))
        ranges = [(0, int(by) + 1)]
        while ranges:  # the last of them first
            first, end = ranges.pop()
            if end - first <= size:
                above = np.flatnonzero(self.losses(np.arange(first, end))[:, 0] > target)
                if len(above):
                    return first + int(above[-1]) + 1
            elif self._most(first, end - 1) > target:
                middle = (first + end) // 2
                ranges += [(first, middle), (middle, end)]
        return 0

    def _most(self, first: int, last: int) -> float:
        """Return what no loss of the only rate between two steps is larger than."""
        import numpy as np

        f1, r1, f2, r2, plain = self._bound
        parts = np.array([[f1 * r1**k, f2 * r2**k] for k in (first, last)])[:, :, 0]
        highest = parts.max(axis=0).sum(axis=0)
        lowest = np.where(plain[0], parts.min(axis=0).sum(axis=0), -highest)
        away = np.maximum((highest + self.ends) ** 2, (lowest + self.ends) ** 2)
        return float(self.min_loss + away @ self.values / 2)

    def at(self, i: int) -> Modes:
        """Return one of the rates alone."""
        return replace(self, products=self.products[i : i + 1])

    def quickest(self, lrs: Floats, target: float) -> tuple[float, int]:
        """Return the rate that is settled first, the middle one of equals, and its step.

        Args:
            lrs: the rates, ascending, all below the limit.
            target: loss at which a run counts as settled.
        """
        import numpy as np

        by = self._settled_by(target)
        order = np.argsort(by, kind="stable")
        if by[order[0]] > HORIZON:
            return float(lrs[np.argmin(self.losses(np.array([HORIZON]))[0])]), HORIZON
        fewest: int | None = None
        equal: list[float] = []
        able = np.ones(len(lrs), dtype=bool)
        for i in order:
            if not able[i] or by[i] > HORIZON:
                continue
            step = self.at(i).settles_at(target)
            assert step is not None
            if fewest is None or step < fewest:
                fewest, equal = step, []
                window = max(2, 2**17 // self.products.size)
                able &= (self.losses(fewest + np.arange(min(window, 64))) <= target).all(axis=0)
            if step == fewest:
                equal.append(float(lrs[i]))
        assert fewest is not None
        return sorted(equal)[len(equal) // 2], fewest


@dataclass(frozen=True, eq=False)
class Adam:
    """Adam or AdamW of torch on a quadratic loss of d weights, step by step in float64.

    Attributes:
        hessian: shape [d, d].
        minimum: weights at the minimum, shape [d].
        min_loss: loss there.
        target: loss at which a run counts as settled.
        optimizer: its numbers.
    """

    hessian: Floats
    minimum: Floats
    min_loss: float
    target: float
    optimizer: Optimizer

    @property
    def horizon(self) -> int:
        """The last step that a forecast looks at."""
        affordable = int(ADAM_WORK / len(self.minimum) ** 2)
        return BLOCK * (min(ADAM_HORIZON, affordable) // BLOCK)

    def blocks(self, start: Sequence[float], lrs: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Take the steps at R rates, up to the horizon.

        Yields:
            Losses of the next ``BLOCK`` steps, shape [BLOCK, R], step 0 among the first; and what
            divided the step of each weight before them, √v̂ + ε, shape [R, d].
        """
        import numpy as np

        (beta1, beta2), decay = self.optimizer.betas, self.optimizer.weight_decay
        decoupled = self.optimizer.name == "adamw"
        w = np.tile(np.array(start, dtype=float), (len(lrs), 1))
        lr = lrs[:, None]
        mean, square, scale, part = (np.zeros_like(w) for _ in range(4))
        scale += np.inf
        k = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.horizon // BLOCK):
                losses, before = np.empty((BLOCK, len(lrs))), scale.copy()
                for row in losses:
                    np.subtract(w, self.minimum, out=part)
                    gradient = part @ self.hessian
                    np.einsum("rd,rd->r", part, gradient, out=row)
                    if decay and decoupled:
                        w *= 1 - lr * decay
                    elif decay:
                        gradient += decay * w
                    k += 1
                    mean *= beta1
                    np.multiply(gradient, 1 - beta1, out=part)
                    mean += part
                    square *= beta2
                    np.square(gradient, out=part)
                    part *= 1 - beta2
                    square += part
                    np.sqrt(square, out=scale)
                    scale *= (1 - beta2**k) ** -0.5
                    scale += ADAM_EPS
                    np.divide(mean, scale, out=part)
                    part *= lr / (1 - beta1**k)
                    w -= part
                losses = self.min_loss + losses / 2
                losses[np.isnan(losses)] = np.inf
                yield losses, before

    @lru_cache(maxsize=8)  # noqa: B019 - a session has few theories
    def course(self, start: tuple[float, ...], lr: float) -> tuple[Floats, Floats]:
        """Return the losses of a run up to the horizon, and what divided its steps.

        Returns:
            Losses, shape [steps]; √v̂ + ε once a block, shape [blocks, d].
        """
        import numpy as np

        blocks = [*self.blocks(start, np.array([lr]))]
        losses = np.concatenate([losses[:, 0] for losses, _ in blocks])
        return losses, np.array([scale[0] for _, scale in blocks])

    def settle(self, start: tuple[float, ...], lrs: Sequence[float]) -> dict[float, int | None]:
        """Return from which step on each of some rates stays settled, ``None`` if it does not."""
        import numpy as np

        if len(lrs) == 1:  # its course will be asked for again
            return {lrs[0]: self._settles(lrs[0], *self.course(start, lrs[0]))}
        blocks = [*self.blocks(start, np.array(lrs))] if lrs else []
        return {
            lr: self._settles(
                lr,
                np.concatenate([losses[:, i] for losses, _ in blocks]),
                np.array([scale[i] for _, scale in blocks]),
            )
            for i, lr in enumerate(lrs)
        }

    def _settles(self, lr: float, losses: Floats, scales: Floats) -> int | None:
        for first, end in stretches(losses <= self.target):
            lasts = end == len(losses)
            if lasts or (end - first > 2 * BLOCK and self._passes(lr, scales, first, end)):
                return first
        return None

    def _passes(self, lr: float, scales: Floats, first: int, end: int) -> float | None:
        """Return where in a settled stretch lr·λmax(P⁻¹H) passes what Adam can stand, if it does.

        With P = diag(√v̂ + ε); the ``threshold`` is exact where P stands still. While the gradient
        is small P falls, by the same factor each step.
        """
        import numpy as np

        if len(self.minimum) > SHARPNESS_WEIGHTS:
            return None
        coupled = 0.0 if self.optimizer.name == "adamw" else self.optimizer.weight_decay
        curved = self.hessian + coupled * np.eye(len(self.minimum))

        def over(block: int) -> float:
            root = np.sqrt(scales[block])
            sharpness = float(np.linalg.eigvalsh(curved / root[:, None] / root)[-1])
            return math.log(lr * sharpness / threshold(self.optimizer))

        low, high = first // BLOCK + 1, min(end // BLOCK, len(scales) - 1)
        if low >= high or over(low) > 0 or over(high) <= 0:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if over(middle) > 0 else (middle, high)
        before, after = over(low), over(high)
        return BLOCK * (low + before / (before - after))

    def spike_at(self, start: tuple[float, ...], lr: float) -> int | None:
        """Return the step at which a settled run is about to leave the minimum again.

        Adam divides by the root of a mean of squared gradients; where they become small it
        forgets that they were large, and its steps grow until they are unstable. In float32 the
        loss was seen to rise within 60 steps from there, more at larger rates: by 0.4% at 0.1 and
        by 60% at 1 on the post's line.
        """
        losses, scales = self.course(start, lr)
        settles = self._settles(lr, losses, scales)
        if settles is None:
            return None
        end = next(end for first, end in stretches(losses <= self.target) if first == settles)
        passes = self._passes(lr, scales, settles, end)
        return None if passes is None else math.ceil(passes)

    def quickest(self, start: tuple[float, ...], candidates: int) -> tuple[float, int]:
        """Return the rate that settles first, the middle one of equals, and its step."""
        import numpy as np

        # A step of Adam is about the rate: rates up to ten times the way are worth a try.
        way = float(np.abs(np.array(start) - self.minimum).max())
        lrs = (way or 1.0) * np.geomspace(1e-4, 10, candidates)
        since = np.full(len(lrs), -1)  # step from which on each is under the target
        step, losses = 0, np.zeros(len(lrs))
        for block, _ in self.blocks(start, lrs):
            for losses in block:
                since = np.where(losses > self.target, -1, np.where(since < 0, step, since))
                step += 1
            # As long under the target as it took to get there is worth a closer look.
            while (stayed := (since >= 0) & (since <= step // 2)).any():
                fewest = int(since[stayed].min())
                equal = np.flatnonzero(stayed & (since == fewest))
                best = int(equal[len(equal) // 2])
                if self._settles(lrs[best], *self.course(start, float(lrs[best]))) == fewest:
                    return float(lrs[best]), fewest
                since[best] = step  # it will leave again
        return float(lrs[np.argmin(losses)]), HORIZON


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and the end of each run of flags that are set."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
