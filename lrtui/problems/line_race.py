"""A race on the line fit: runs at several rates, trained in one batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor, nn

from lrtui.problems.line import INITIAL_WEIGHTS, LineFit

STEPS_PER_SYNC = 16
"""Steps whose losses are read together, so that a command waits for a millisecond at most."""


class LineRace:
    """The runs of a race, one row of weights each.

    The gradient of the sum of the losses with respect to one row of weights is the gradient of
    that row's own loss, so each row takes exactly the steps of a run alone.

    Attributes:
        lr: learning rate of each of k runs, shape [k, 1].
        taken: steps taken.
        first: step of the first row of ``losses``.
        losses: of the k runs after each of the last steps.
        weights: of the k runs after the same steps.
    """

    def __init__(
        self,
        problem: LineFit,
        lrs: Sequence[float],
        factors: Iterator[float] | None = None,
    ) -> None:
        """Start k runs at the initial weights; for ``factors`` see ``Training``."""
        self._factors = factors or repeat(1.0)
        self.lr = torch.tensor(lrs)[:, None]
        self.taken = self.first = 0
        self._x, self._y = problem.x.T.contiguous(), problem.y
        self._a = nn.Parameter(torch.tensor(INITIAL_WEIGHTS).repeat(len(lrs), 1))
        self._graph = self._measure()
        self.losses: list[list[float]] = [self._graph.tolist()]
        self.weights: list[list[list[float]]] = [self._a.tolist()]

    def _measure(self) -> Tensor:
        """Return the loss of each run, shape [k]."""
        return ((self._a @ self._x - self._y) ** 2).mean(dim=1)

    def advance(self, count: int) -> None:
        """Take steps, and forget the losses and weights of earlier ones."""
        losses, weights = [], []
        for _ in range(count):
            # Not backward(ones): with an explicit gradient, torch first imports sympy (0.3 s).
            self._graph.sum().backward()  # type: ignore[no-untyped-call]
            assert self._a.grad is not None
            with torch.no_grad():
                self._a.sub_(self.lr * next(self._factors) * self._a.grad)
                self._a.grad.zero_()
            self._graph = self._measure()
            losses.append(self._graph.detach())
            weights.append(self._a.detach().clone())
        self.first, self.taken = self.taken + 1, self.taken + count
        self.losses, self.weights = torch.stack(losses).tolist(), torch.stack(weights).tolist()


class LineRaceRun:
    """One run of a race on the line fit; for the attributes see ``AnyTraining``.

    The first run asked for steps advances the race, so all must be asked for the same number.
    """

    steps_per_sync = STEPS_PER_SYNC
    model = None

    def __init__(self, race: LineRace, place: int, lr: float) -> None:
        """Start at the initial weights; ``place`` is its index in the race."""
        self._race = race
        self._place = place
        self._taken = 0
        self._lr = lr
        self.loss = race.losses[0][place]

    @property
    def lr(self) -> float:
        """The learning rate; may be changed between two steps."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = lr
        self._race.lr[self._place] = lr

    def steps(self, count: int) -> Iterator[float]:
        """Take steps and yield the loss after each, up to the first non-finite one."""
        race = self._race
        if self._taken == race.taken:
            race.advance(count)
        for losses in race.losses[self._taken - race.first + 1 :]:
            self._taken += 1
            self.loss = losses[self._place]
            yield self.loss
            if not math.isfinite(self.loss):
                return

    def weights(self) -> list[float]:
        """Return slope and bias."""
        return self._race.weights[self._taken - self._race.first][self._place]
