"""Many rates in one batch, over one rate in the bare loop: a hundred steps each."""

from __future__ import annotations

import statistics
import time

import torch

from lrtui.messages import Curvature, Problem, Start, Swept
from lrtui.problems.line import first_weights, sample
from lrtui.run.rate_axis import ruler_sweep, spaced
from lrtui.run.theory import Theory
from lrtui.sources.process import Trainer
from lrtui.trainer.sweep import sweep

ROUNDS = 30
STEPS = 100


def one_rate(x: torch.Tensor, y: torch.Tensor) -> float:
    """Seconds of the post's loop, without a print."""
    a, lr = first_weights(), 0.1
    start = time.perf_counter()
    for _ in range(STEPS):
        loss = ((x @ a - y) ** 2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert a.grad is not None
        with torch.no_grad():
            a.sub_(lr * a.grad)
            a.grad.zero_()
    return time.perf_counter() - start


def many_rates(x: torch.Tensor, y: torch.Tensor, count: int) -> float:
    """Seconds of as many rates in one batch."""
    rates = spaced(0.001, 4.0, count)
    start = time.perf_counter()
    for _ in sweep(x, y, rates, STEPS, target=0.08):
        pass
    return time.perf_counter() - start


def ruler(speed: float | None) -> float:
    """Seconds from the trainer being ready to the ruler's sweep, a run going on meanwhile."""
    trainer = Trainer(Problem())
    trainer.send(Start(run=1, rate=0.1, steps=10**7, speed=speed))
    ready_at = 0.0
    while True:
        for message in trainer.poll(None):
            if isinstance(message, Curvature):
                ready_at = time.perf_counter()
                trainer.send(ruler_sweep(Theory.of(message), 100, STEPS))
            if isinstance(message, Swept):
                trainer.close()
                return time.perf_counter() - ready_at


def main() -> None:
    """Prints the ratios, and when the ruler is there."""
    for name, speed in (("20 steps a second", 20.0), ("flat out", None)):
        took = statistics.median(ruler(speed) for _ in range(5))
        print(f"ruler: {1e3 * took:.0f} ms after the trainer is ready, a run at {name}")
    torch.set_num_threads(1)
    x, y = sample(Problem())
    for count in (64, 256, 1024):
        many_rates(x, y, count), one_rate(x, y)
        pairs = [(many_rates(x, y, count), one_rate(x, y)) for _ in range(ROUNDS)]
        ratio = statistics.median(many / one for many, one in pairs)
        took = statistics.median(many for many, _ in pairs)
        print(f"batch: {count:,} rates take {ratio:.1f} times one rate ({1e3 * took:.0f} ms)")


if __name__ == "__main__":
    main()
