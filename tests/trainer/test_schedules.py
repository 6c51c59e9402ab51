"""Schedules, held against torch's own schedulers stepped in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from queue import SimpleQueue
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from lrtui.messages import (
    Ahead,
    AnyCommand,
    Ended,
    Entrant,
    Message,
    Optimizer,
    Progress,
    Race,
    Resume,
    SetLr,
    Start,
    Started,
    State,
    Step,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.trainer.ahead import run_ahead
from lrtui.trainer.conclusion import divergence_threshold
from lrtui.trainer.loop import Trainer
from lrtui.trainer.many.sweep import sweep
from lrtui.trainer.schedules import factors
from tests.in_process import last, losses

STEPS = 60
SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, STEPS),
    "step": lambda o: lr_scheduler.StepLR(o, STEPS // 3),
    "onecycle": lambda o: lr_scheduler.OneCycleLR(
        o, o.param_groups[0]["lr"], STEPS, cycle_momentum=False
    ),
    "warmup:10": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 9),
}
OPTIMIZERS = {
    "sgd": (Optimizer(), torch.optim.SGD, {}),
    "momentum": (Optimizer(momentum=0.9), torch.optim.SGD, {"momentum": 0.9}),
    "adamw": (Optimizer(name="adamw", weight_decay=0.1), torch.optim.AdamW, {"weight_decay": 0.1}),
}


def by_hand(
    problem: str, lr: float, schedule: str, kind: Any = torch.optim.SGD, **options: float
) -> tuple[list[float], list[float]]:
    """Losses and rates of a plain loop over torch's optimizer and scheduler."""
    made = load(ProblemSettings(name=problem))
    model, batches = made.model(), made.batches()
    optimizer = kind(model.parameters(), lr, **options)
    scheduler = SCHEDULERS[schedule](optimizer)
    found, rates = [], []
    for _ in range(STEPS):
        loss = made.loss(model, next(batches))
        found.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
    found.append(made.loss(model, next(batches)).item())
    return found, rates


class OneRun:
    """A trainer, and what it tells."""

    def __init__(self, problem: str) -> None:
        self.inbox: SimpleQueue[AnyCommand] = SimpleQueue()
        self.told: list[Message] = []
        self.trainer = Trainer(
            ProblemSettings(name=problem), self.inbox, self.told.append, lambda _: None
        )

    def rates(self) -> list[float | None]:
        return [lr for m in self.told if isinstance(m, Progress) for lr in m.scalars.get("lr", [])]


@pytest.mark.parametrize("by", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("problem", ["line", "bowl"])
def test_a_run_takes_the_steps_of_torchs_own_scheduler(
    problem: str, schedule: str, by: str
) -> None:
    optimizer, kind, options = OPTIMIZERS[by]
    run = OneRun(problem)
    run.trainer.train(
        Start(run=1, lr=0.03, steps=STEPS, speed=None, optimizer=optimizer, schedule=schedule)
    )
    expected, rates = by_hand(problem, 0.03, schedule, kind, **options)
    assert losses(run.told) == pytest.approx(expected, rel=1e-4)
    assert run.rates()[:-1] == pytest.approx(rates, rel=1e-9)
    assert run.rates()[-1] == run.rates()[-2]  # no step comes after the last loss
    assert last(run.told, Started).schedule == schedule
    assert last(run.told, Ended).outcome == "done"


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("problem", ["line", "bowl", "moons"])
def test_a_sweep_takes_the_schedule_in(problem: str, schedule: str) -> None:
    lrs = [0.01, 0.03]
    for optimizer, kind, options in OPTIMIZERS.values():
        work = sweep(load(ProblemSettings(name=problem)), lrs, STEPS, optimizer, None, schedule)
        (result,) = filter(None, work)
        assert result.schedule == schedule
        assert "one batch" in result.how
        ends = [by_hand(problem, lr, schedule, kind, **options)[0][-1] for lr in lrs]
        assert result.losses == pytest.approx(ends, rel=1e-3)


@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_running_ahead_takes_the_schedule_in(schedule: str) -> None:
    start = Start(run=1, lr=0.1, steps=STEPS, speed=20, schedule=schedule)
    pieces = [m for m in run_ahead(load(ProblemSettings()), start, []) if isinstance(m, Ahead)]
    found = [loss for m in pieces for loss in m.losses]
    assert found == pytest.approx(by_hand("line", 0.1, schedule)[0], rel=1e-4)


def test_a_rate_changed_by_hand_scales_the_schedule() -> None:
    run = OneRun("line")

    def send(message: Message) -> None:
        run.told.append(message)
        if isinstance(message, Progress) and message.last == 20:
            run.inbox.put(SetLr(lr=0.2, id=7))
            run.inbox.put(Resume())

    run.trainer = Trainer(ProblemSettings(), run.inbox, send, lambda _: None)
    run.inbox.put(Step(count=20))
    run.trainer.train(Start(run=1, lr=0.1, steps=STEPS, speed=None, paused=True, schedule="cosine"))
    _, rates = by_hand("line", 0.1, "cosine")
    told = run.rates()
    (changed,) = [m for m in run.told if isinstance(m, State) and m.answers == 7]
    assert (changed.step, changed.lr) == (20, 0.2)
    assert told[:21] == pytest.approx(rates[:21])
    assert told[21:STEPS] == pytest.approx([2 * lr for lr in rates[21:]])


@pytest.mark.parametrize("problem", ["line", "bowl"])
def test_a_race_takes_the_schedule_in(problem: str) -> None:
    run = OneRun(problem)
    lrs = [0.01, 0.03]
    entrants = [Entrant(run=i, lr=lr) for i, lr in enumerate(lrs, 1)]
    race = Race(entrants=entrants, steps=STEPS, speed=None, schedule="onecycle")
    run.trainer.train(*race.starts())
    for i, lr in enumerate(lrs, 1):
        expected, rates = by_hand(problem, lr, "onecycle")
        assert losses(run.told, i) == pytest.approx(expected, rel=1e-4)
        reports = [m for m in run.told if isinstance(m, Progress) and m.run == i]
        told = [lr for m in reports for lr in m.scalars["lr"]]
        assert told[:-1] == pytest.approx(rates)


def test_a_rate_that_moves_may_end_above_the_start_without_having_diverged() -> None:
    line = load(ProblemSettings())
    assert divergence_threshold(line, Optimizer(), "constant", 7.0) == 7.0
    assert divergence_threshold(line, Optimizer(), "linear", 7.0) == 7000.0


def test_factors_do_not_end_and_a_constant_rate_has_none() -> None:
    assert factors("constant", 10) is None
    for schedule in SCHEDULERS:
        for steps in (1, 2, 7):
            moving = factors(schedule, steps)
            assert moving is not None
            found = [*islice(moving, steps + 3)]
            assert len(set(found[steps - 1 :])) == 1
            assert all(0 <= factor <= 1 for factor in found)


def test_a_run_past_the_limit_at_its_peak_may_end_well() -> None:
    run = OneRun("line")
    run.trainer.train(Start(run=1, lr=1.2, steps=100, speed=None, schedule="linear"))
    told = losses(run.told)
    assert max(v for v in told if v is not None) > 2 * (told[0] or 0)
    assert last(run.told, Ended).outcome == "done"
