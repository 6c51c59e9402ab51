"""SGD with momentum on a quadratic loss: a step of a 2×2 matrix along each eigenvector."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_STEP = 10**9
"""Horizon of a forecast."""


@dataclass(frozen=True, eq=False)
class Modes:
    """SGD with momentum at R rates, along each of the d eigenvectors.

    With e the distance from the limit point, b the rate times the momentum buffer and x = lr·μ, a
    step is b ← βb + xe, e ← e − b; with Nesterov's momentum e ← e − xe − βb. Torch's b = g at the
    first step is the same as starting from b = 0.

    Attributes:
        values: eigenvalues of the Hessian, shape [d].
        products: lr·μ with μ the eigenvalue plus the weight decay, shape [R, d].
        starts: distance of the start from the limit point, shape [d].
        ends: distance of the limit point from the minimum, shape [d].
        min_loss: loss at the minimum.
        momentum: β.
        nesterov: whether it is Nesterov's.
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

        If the last part is true, both roots are real, positive and distinct, and the right-hand
        side without moduli is e itself.
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
        """Return for each rate a step after which no loss exceeds a target; shape [R].

        Infinite if there is none up to ``MAX_STEP``.
        """
        import numpy as np

        f1, r1, f2, r2, _ = self._bound
        f1, f2, ends = np.abs(f1), np.abs(f2), np.abs(self.ends)

        def under(steps: Floats) -> NDArray[np.bool_]:
            k = steps[:, None]
            most = ((f1 * r1**k + f2 * r2**k + ends) ** 2) @ self.values / 2
            return np.asarray(self.min_loss + most <= target)

        low, high = np.zeros(len(r1)), np.full(len(r1), math.log2(2 * MAX_STEP))
        never = ~under(2**high)
        for _ in range(12):  # to half a percent
            middle = (low + high) / 2
            will = under(2**middle)
            low, high = np.where(will, low, middle), np.where(will, middle, high)
        return np.where(never, np.inf, np.ceil(2**high))

    def settles_at(self, target: float) -> int | None:
        """Return the first step after which no loss of the only rate exceeds a target."""
        import numpy as np

        by = float(self._settled_by(target)[0])
        if by > MAX_STEP:
            return None
        size = max(16, 2**14 // len(self.values))
        ranges = [(0, int(by) + 1)]
        while ranges:  # from the last one
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
        """Return an upper bound of the only rate's losses between two steps."""
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
        """Return the rate that settles first, the middle one of equals, and its step.

        Args:
            lrs: ascending, all below the limit.
            target: loss at which a run counts as settled.
        """
        import numpy as np

        by = self._settled_by(target)
        order = np.argsort(by, kind="stable")
        if by[order[0]] > MAX_STEP:
            return float(lrs[np.argmin(self.losses(np.array([MAX_STEP]))[0])]), MAX_STEP
        fewest: int | None = None
        equal: list[float] = []
        able = np.ones(len(lrs), dtype=bool)
        for i in order:
            if not able[i] or by[i] > MAX_STEP:
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
