"""Many rates in one batch, over one rate in the bare loop: a hundred steps each."""

from __future__ import annotations

import statistics
import time

import torch

from lrtui.analysis.theory import Theory
from lrtui.messages import PLAIN, Optimizer, ProblemFacts, Quadratic, Start, SweepResult
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import INITIAL_WEIGHTS, LineFit
from lrtui.session.heat_grid import heat
from lrtui.session.rate_axis import ruler_sweep, spaced
from lrtui.sources.process import ProcessSource
from lrtui.trainer.many import grid as module
from lrtui.trainer.many.sweep import sweep

ROUNDS = 30
STEPS = 100


def one_rate(problem: LineFit) -> float:
    """Return the seconds of the post's loop, without a print."""
    x, y, lr = problem.x, problem.y, 0.1
    a = torch.nn.Parameter(torch.tensor(INITIAL_WEIGHTS))
    start = time.perf_counter()
    for _ in range(STEPS):
        loss = ((x @ a - y) ** 2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert a.grad is not None
        with torch.no_grad():
            a.sub_(lr * a.grad)
            a.grad.zero_()
    return time.perf_counter() - start


def many_rates(problem: LineFit, count: int) -> float:
    """Return the seconds of as many rates in one batch."""
    lrs = spaced(0.001, 4.0, count)
    start = time.perf_counter()
    for _ in sweep(problem, lrs, STEPS, Optimizer(), None):
        pass
    return time.perf_counter() - start


def heat_map(problem: LineFit) -> float:
    """Return the seconds of a heat map: 24 momenta of 48 rates."""
    assert problem.quadratic is not None
    asked = heat(PLAIN, Theory.of(problem.quadratic), problem.facts, STEPS)
    start = time.perf_counter()
    for _ in module.heat(problem, asked):
        pass
    return time.perf_counter() - start


def ruler(speed: float | None) -> float:
    """Return the seconds from the trainer being ready to the ruler, a run going on meanwhile."""
    trainer = ProcessSource(ProblemSettings())
    trainer.send(Start(run=1, lr=0.1, steps=10**7, speed=speed))
    ready_at = 0.0
    while True:
        for message in trainer.poll(None):
            if isinstance(message, Quadratic):
                theory = Theory.of(message)
            if isinstance(message, ProblemFacts):
                ready_at = time.perf_counter()
                command = ruler_sweep(theory, Optimizer(), None, message, STEPS)
                assert command is not None
                trainer.send(command)
            if isinstance(message, SweepResult):
                trainer.close()
                return time.perf_counter() - ready_at


def main() -> None:
    """Print the ratios, and when the ruler is there."""
    for name, speed in (("20 steps a second", 20.0), ("as many as possible", None)):
        took = statistics.median(ruler(speed) for _ in range(5))
        print(f"ruler: {1e3 * took:.0f} ms after the trainer is ready, a run at {name}")
    torch.set_num_threads(1)
    problem = LineFit(ProblemSettings())
    for count in (64, 256, 1024):
        many_rates(problem, count), one_rate(problem)
        pairs = [(many_rates(problem, count), one_rate(problem)) for _ in range(ROUNDS)]
        ratio = statistics.median(many / one for many, one in pairs)
        took = statistics.median(many for many, _ in pairs)
        print(f"batch: {count:,} rates take {ratio:.1f} times one rate ({1e3 * took:.0f} ms)")
    heat_map(problem)
    pairs = [(heat_map(problem), one_rate(problem)) for _ in range(ROUNDS)]
    ratio = statistics.median(many / one for many, one in pairs)
    took = statistics.median(many for many, _ in pairs)
    print(f"heat map: 24 x 48 runs take {ratio:.1f} times one rate ({1e3 * took:.0f} ms)")


if __name__ == "__main__":
    main()
