"""Factors of a schedule on the peak rate, computed by torch's own schedulers.

As runs multiply their rate by factors, a rate changed by hand follows the schedule in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from torch.optim import lr_scheduler

STEP_DROPS = 3
"""Equal parts of a run, between which ``step`` divides the rate by ten."""


def factors(schedule: str, steps: int) -> Iterator[float] | None:
    """Return the factor at each step, endlessly repeating the last; ``None`` for a constant rate.

    For the names of schedules see ``ScheduleName``.
    """
    return None if schedule == "constant" else _factors(schedule, steps)


def _factors(schedule: str, steps: int) -> Iterator[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(schedule, optimizer, steps)
    factor = optimizer.param_groups[0]["lr"]
    optimizer.step()  # schedulers warn without one
    yield factor
    for _ in range(steps - 1):
        scheduler.step()
        factor = optimizer.param_groups[0]["lr"]
        yield factor
    yield from repeat(factor)


def make(schedule: str, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    """Return torch's scheduler of that name, other than ``constant``, for an optimizer at its peak.

    ``cosine`` and ``linear`` end at zero; ``onecycle`` rises from a 25th of its peak for the first
    0.3 of the run, torch's default, and leaves the momentum alone.
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
