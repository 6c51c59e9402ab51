"""Races: runs in step, each of which goes the way that it would go alone."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import torch

from lrtui.messages import (
    Alone,
    AnyCommand,
    Ended,
    Entrant,
    Message,
    Optimizer,
    Pause,
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
from lrtui.problems.problem import trained
from lrtui.trainer.loop import Trainer
from lrtui.trainer.training import Training
from tests.in_process import losses

FILES = Path(__file__).parents[1] / "problems" / "files"


def race(*entrants: tuple[float, Optimizer], steps: int, speed: float | None = None) -> Race:
    told = [Entrant(run=i, lr=lr, optimizer=by) for i, (lr, by) in enumerate(entrants, 1)]
    return Race(entrants=told, steps=steps, speed=speed)


def carried_out(settings: ProblemSettings, *starts: Start) -> list[Message]:
    told: list[Message] = []
    trainer = Trainer(settings, SimpleQueue(), told.append, lambda _: None)
    trainer.train(*starts)
    return told


SGD, ADAM, MOMENTUM = Optimizer(), Optimizer(name="adam"), Optimizer(momentum=0.9)


@pytest.mark.parametrize(
    ("settings", "entrants"),
    [
        (ProblemSettings(), [(0.1, SGD), (0.7, MOMENTUM), (0.01, ADAM)]),
        (ProblemSettings(name="rosenbrock"), [(0.001, SGD), (0.1, SGD), (0.01, ADAM)]),
        (ProblemSettings(name="moons", batch=32), [(0.1, SGD), (0.5, SGD)]),
        (ProblemSettings(name=str(FILES / "chance.py")), [(0.1, SGD), (0.05, SGD), (0.01, ADAM)]),
    ],
    ids=["line", "rosenbrock", "moons", "a file that draws random numbers"],
)
@pytest.mark.slow
def test_each_run_goes_as_it_does_alone(
    settings: ProblemSettings, entrants: list[tuple[float, Optimizer]]
) -> None:
    together = carried_out(settings, *race(*entrants, steps=25).starts())
    for run, (lr, by) in enumerate(entrants, 1):
        start = Start(run=run, lr=lr, optimizer=by, steps=25, speed=None)
        assert losses(together, run) == losses(carried_out(settings, start))


@pytest.mark.slow
def test_rates_of_the_line_fit_are_trained_in_one_batch_and_go_as_alone() -> None:
    lrs = (0.01, 0.1, 0.7, 0.99, 1.01, 30.0)
    told = carried_out(ProblemSettings(), *race(*((lr, SGD) for lr in lrs), steps=300).starts())
    assert [m.race for m in told if isinstance(m, Started)] == [[1, 2, 3, 4, 5, 6]] * 6
    for run, lr in enumerate(lrs, 1):
        alone = carried_out(ProblemSettings(), Start(run=1, lr=lr, steps=300, speed=None))
        mine, its = losses(told, run), losses(alone)
        assert mine == pytest.approx(its, rel=1e-4)
        ends = [
            next(m for m in t if isinstance(m, Ended) and m.run == r)
            for t, r in ((told, run), (alone, 1))
        ]
        assert (ends[0].outcome, ends[0].step) == (ends[1].outcome, ends[1].step)
        reports = [m for m in told if isinstance(m, Progress) and m.run == run]
        ways = [[row for m in reports for row in m.trajectory], []]
        ways[1] = [row for m in alone if isinstance(m, Progress) for row in m.trajectory]
        assert len(ways[0]) == min(256, len(mine)) == len(ways[1])
        for here, there in zip(*ways, strict=True):
            assert here == pytest.approx(there, rel=1e-3, abs=1e-4)


def test_the_weights_of_each_step_are_those_that_give_its_loss() -> None:
    told = carried_out(
        ProblemSettings(name="bowl"), *race((0.03, SGD), (0.01, ADAM), steps=300).starts()
    )
    for run in (1, 2):
        reports = [m for m in told if isinstance(m, Progress) and m.run == run]
        ways = [row for m in reports for row in m.trajectory]
        assert len(ways) == 256
        for (first, second), loss in zip(ways, losses(told, run), strict=False):
            assert loss == pytest.approx(0.5 * (first**2 + 25 * second**2), rel=1e-5)  # type: ignore[operator]


class Script(SimpleQueue):  # type: ignore[type-arg]
    """Commands that come once the race has got to a step."""

    def __init__(self, *commands: tuple[int, AnyCommand]) -> None:
        self.due = [*commands]
        self.told: list[Message] = []

    def send(self, message: Message) -> None:
        self.told.append(message)
        step = message.last if isinstance(message, Progress) else 0
        while self.due and isinstance(message, Progress | State) and self.due[0][0] <= step:
            self.put(self.due.pop(0)[1])
            break


@pytest.mark.parametrize("name", ["line", "rosenbrock"])
def test_commands_are_about_all_runs(name: str) -> None:
    inbox = Script(
        (5, Pause(id=1)),
        (0, Step(id=2, count=3)),
        (0, SetLr(id=3, lr=9.0)),
        (0, Alone(id=4, run=2)),
        (0, Resume(id=5)),
    )
    trainer = Trainer(ProblemSettings(name=name), inbox, inbox.send, lambda _: None)
    trainer.train(*race((0.001, SGD), (0.002, SGD), (0.0005, SGD), steps=40, speed=200).starts())
    states = [m for m in inbox.told if isinstance(m, State)]
    for answer in (1, 2, 3):
        assert sorted(m.run for m in states if m.answers == answer) == [1, 2, 3]
        assert {m.lr for m in states if m.answers == answer} == {0.001, 0.002, 0.0005}
        assert len({m.step for m in states if m.answers == answer}) == 1
    assert [m.run for m in states if m.answers == 4] == [2]
    ends = {m.run: m for m in inbox.told if isinstance(m, Ended)}
    assert {run: m.outcome for run, m in ends.items()} == {1: "stopped", 2: "done", 3: "stopped"}
    assert ends[1].step == ends[3].step < 40
    assert len(losses(inbox.told, 2)) == 41


@pytest.mark.parametrize(
    ("settings", "entrants"),
    [
        (ProblemSettings(), [(0.1, SGD), (0.7, MOMENTUM), (0.01, ADAM)]),
        (ProblemSettings(), [(0.1, SGD), (0.7, SGD)]),
        (ProblemSettings(name="bowl"), [(0.01, SGD), (0.05, ADAM)]),
    ],
    ids=["line, two optimizers", "line", "bowl"],
)
@pytest.mark.parametrize("steps_per_sync", [1, 50])
def test_a_trajectory_has_the_weights_of_each_step(
    settings: ProblemSettings,
    entrants: list[tuple[float, Optimizer]],
    steps_per_sync: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Flat out, and on a device, all points of a steps_per_sync were the weights at its end."""
    begun = Training.__init__

    def begin(self: Training, *args: Any) -> None:
        begun(self, *args)
        self.steps_per_sync = steps_per_sync

    monkeypatch.setattr(Training, "__init__", begin)
    told: list[Message] = []
    trainer = Trainer(settings, SimpleQueue(), told.append, lambda _: None)
    trainer.train(*race(*entrants, steps=120).starts())
    problem = trainer.problem
    assert problem is not None
    batch = next(problem.batches())
    model = problem.model()
    (weights,) = trained(model)
    for number in range(1, len(entrants) + 1):
        reports = [m for m in told if isinstance(m, Progress) and m.run == number]
        ways = [row for m in reports for row in m.trajectory]
        said = losses(told, number)
        assert len(ways) == len(said) > 100
        for row, loss in zip(ways, said, strict=True):
            with torch.no_grad():
                weights.copy_(torch.tensor(row).reshape(weights.shape))
                expected = problem.loss(model, batch).item()
            assert loss == pytest.approx(expected, rel=1e-4)


def test_any_seed_will_do_in_a_race_of_a_file() -> None:
    settings = ProblemSettings(name=str(FILES / "chance.py"), seed=2**63 - 1)
    told = carried_out(settings, *race((0.1, SGD), (0.05, SGD), steps=3).starts())
    assert [m.outcome for m in told if isinstance(m, Ended)] == ["done", "done"]
