"""Adam on a quadratic loss, step by step: with a step size for each weight no form is closed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lrtui.analysis.momentum import MAX_STEP
from lrtui.messages import Optimizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ADAM_HORIZON = 10_000
"""The last step that a forecast of Adam looks at; fewer where weights are many."""

ADAM_WORK = 5e8
"""Products that a forecast of Adam may take: about a quarter of a second."""

ADAM_EPS = 1e-8
"""What torch adds to the root of the mean square of the gradient."""

STEPS_PER_CHECK = 64
"""Steps of Adam between two looks at its step sizes."""

SHARPNESS_WEIGHTS = 200
"""Weights up to which the preconditioned sharpness is computed: 5 ms each time."""


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
        return STEPS_PER_CHECK * (min(ADAM_HORIZON, affordable) // STEPS_PER_CHECK)

    def blocks(self, start: Sequence[float], lrs: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Take the steps at R rates, up to the horizon.

        Yields:
            Losses of the next ``STEPS_PER_CHECK`` steps, shape [STEPS_PER_CHECK, R], step 0 among
            the first; and what divided the step of each weight before them, √v̂ + ε, shape [R, d].
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
            for _ in range(self.horizon // STEPS_PER_CHECK):
                losses, before = np.empty((STEPS_PER_CHECK, len(lrs))), scale.copy()
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
            if lasts or (
                end - first > 2 * STEPS_PER_CHECK and self._passes(lr, scales, first, end)
            ):
                return first
        return None

    def _passes(self, lr: float, scales: Floats, first: int, end: int) -> float | None:
        """Return where in a settled stretch lr·λmax(P⁻¹H) passes what Adam can stand, if it does.

        With P = diag(√v̂ + ε); the threshold is exact where P stands still. While the gradient
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
            return math.log(lr * sharpness / self.optimizer.threshold)

        low, high = first // STEPS_PER_CHECK + 1, min(end // STEPS_PER_CHECK, len(scales) - 1)
        if low >= high or over(low) > 0 or over(high) <= 0:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if over(middle) > 0 else (middle, high)
        before, after = over(low), over(high)
        return STEPS_PER_CHECK * (low + before / (before - after))

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
        return float(lrs[np.argmin(losses)]), MAX_STEP


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and the end of each run of flags that are set."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
