"""How a schedule moves the rate: torch's own schedulers, stepped beside the run.

A run, the same run ahead and every rate of a sweep multiply their peak rate by the same factors;
so one that is changed by hand, or a group with a rate of its own, moves in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from torch.optim import lr_scheduler

STEP_DROPS = 3
"""Equal parts of a run between which ``step`` divides the rate by ten."""


def factors(schedule: str, steps: int) -> Iterator[float] | None:
    """Return what the peak rate is multiplied by at each step, the last one again and again.

    Args:
        schedule: its name, see ``ScheduleName``.
        steps: steps of the run.

    Returns:
        The factors, ``None`` where the rate does not move.
    """
    return None if schedule == "constant" else _factors(schedule, steps)


def _factors(schedule: str, steps: int) -> Iterator[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(schedule, optimizer, steps)
    factor = optimizer.param_groups[0]["lr"]
    optimizer.step()  # there is nothing to it, but a scheduler expects one before its own
    yield factor
    for _ in range(steps - 1):
        scheduler.step()
        factor = optimizer.param_groups[0]["lr"]
        yield factor
    yield from repeat(factor)


def make(schedule: str, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    """Return the scheduler of torch of that name.

    The rate goes down to zero at the end of ``cosine`` and ``linear``; ``onecycle`` rises from a
    25th of its peak for the first 0.3 of the run, as torch has it, and leaves the momentum alone.

    Args:
        schedule: its name, other than ``constant``.
        optimizer: whose rate it moves, at its peak now.
        steps: steps of the run.
    """
    name, _, number = schedule.partition(":")
    match name:
        case "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        case "linear":
            return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
        case "step":
            return lr_scheduler.StepLR(optimizer, step_size=-(-steps // STEP_DROPS))
        case "onecycle":
            peak = optimizer.param_groups[0]["lr"]
            return lr_scheduler.OneCycleLR(
                optimizer, max_lr=peak, total_steps=steps, cycle_momentum=False
            )
        case "warmup":
            rise = int(number)
            return lr_scheduler.LinearLR(optimizer, 1 / rise, 1.0, total_iters=rise - 1)
    raise ValueError(f"no schedule is called {schedule}")
