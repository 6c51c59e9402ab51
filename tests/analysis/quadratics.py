"""Quadratic losses of any number of weights, and gradient descent on them in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lrtui.messages import Greeting, Progress, Quadratic


def greeting(*capabilities: str) -> Greeting:
    return Greeting(
        program="test 1.0", pid=1, folder="/", title="a test", capabilities=[*capabilities]
    )


def quadratic(
    *eigenvalues: float, min_loss: float = 1.0, start: Sequence[float] = (), seed: int = 0
) -> Quadratic:
    """A loss with these eigenvalues about a random minimum, its axes turned at random."""
    rng = np.random.default_rng(seed)
    d = len(eigenvalues)
    vectors = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return Quadratic(
        eigenvalues=sorted(eigenvalues),
        eigenvectors=vectors.tolist(),
        minimum=rng.normal(size=d).tolist(),
        min_loss=min_loss,
        start=[*start] or (5 * rng.normal(size=d)).tolist(),
    )


def descent(loss: Quadratic, lr: float, steps: int) -> Iterator[tuple[list[float], float]]:
    """The weights and the loss after each step, step 0 included, by explicit steps."""
    vectors = np.array(loss.eigenvectors)
    hessian = vectors.T @ np.diag(loss.eigenvalues) @ vectors
    minimum, w = np.array(loss.minimum), np.array(loss.start)
    for _ in range(steps + 1):
        away = w - minimum
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(loss.min_loss + away @ hessian @ away / 2)
            following = w - lr * hessian @ away
        yield w.tolist(), value
        w = following


def progress(
    run: int,
    steps: int | list[int],
    losses: list[float | None],
    weights: Sequence[float | None] = (1.0, None),
    seconds: float = 0.5,
) -> Progress:
    return Progress(
        run=run, steps=steps, scalars={"loss": losses}, weights=[*weights], seconds=seconds
    )
