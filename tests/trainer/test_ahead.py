"""Running ahead: the same run, and a watched run that does not notice."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from textwrap import dedent

import pytest
import torch

from lrtui.messages import Ahead, AnyCommand, Ended, Message, Optimizer, Progress, SetLr, Start
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.trainer.ahead import run_ahead
from lrtui.trainer.loop import Trainer
from lrtui.trainer.training import Training
from tests.in_process import losses

SPEEDS = (50.0, 8.0, 2.0)
"""Steps a second, the slower ones for a busy machine: there must be time to run ahead."""

FILES = Path(__file__).parents[1] / "problems" / "files"


def ahead(name: str, start: Start, *changes: tuple[int, float], **more: object) -> list[Ahead]:
    problem = load(ProblemSettings(name=name, **more))  # type: ignore[arg-type]
    return [m for m in run_ahead(problem, start, changes) if isinstance(m, Ahead)]


def told(messages: list[Message]) -> list[float | None]:
    return [loss for m in messages if isinstance(m, Ahead) for loss in m.losses]


def start(lr: float, steps: int = 60, speed: float | None = None, **more: object) -> Start:
    return Start(run=1, lr=lr, steps=steps, speed=speed, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sine", "moons", str(FILES / "chance.py")])
def test_what_is_run_ahead_is_the_run(name: str) -> None:
    optimizer = Optimizer(momentum=0.9)
    found = ahead(name, start(0.02, optimizer=optimizer), batch=16)
    training = Training(load(ProblemSettings(name=name, batch=16)), 0.02, optimizer)
    assert told([*found]) == [training.loss, *training.steps(60)]
    assert found[-1].outcome == "done"
    assert all(message.since == 0 for message in found)
    firsts = [m.first for m in found]
    assert firsts == [sum(len(m.losses) for m in found[:i]) for i in range(len(found))]


def test_after_a_change_of_the_rate_it_tells_what_comes_from_there_on() -> None:
    found = ahead("sine", start(0.02), (10, 0.05), (25, 0.01))
    training = Training(load(ProblemSettings(name="sine")), 0.02, Optimizer())
    training.steps(10)
    training.lr = 0.05
    training.steps(15)
    expected = [training.loss]
    training.lr = 0.01
    expected += training.steps(35)
    assert told([*found]) == expected
    assert {(m.since, m.lr) for m in found} == {(25, 0.01)}
    assert found[0].first == 25


def test_it_foresees_how_a_run_ends(tmp_path: Path) -> None:
    wild = ahead("sine", start(5.0, 500))
    assert wild[-1].outcome == "diverged"
    assert wild[-1].losses[-1] is None
    mine = tmp_path / "mine.py"
    mine.write_text(
        dedent("""
        import torch
        from torch import nn
        x = torch.ones(4, 1)
        y = 2 * x
        calls = 0
        def model():
            global calls
            calls = 0
            return nn.Linear(1, 1)
        def loss(p, t):
            global calls
            calls += 1
            print("noise")
            if calls > 57:
                raise ValueError("enough")
            return ((p - t) ** 2).mean()
        """)
    )
    failing = ahead(str(mine), start(0.01, 100))
    assert failing[-1].outcome == "failed"
    assert failing[-1].reason == "at step 56: mine.py, line 16: ValueError: enough"


def test_it_stops_where_its_budget_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.trainer.ahead.MAX_SECONDS", 0.5)
    found = ahead("sine", start(0.01, 10**6))
    assert found[-1].outcome is None
    assert "as far as 0.5 s of work went" in found[-1].reason
    assert 10 < found[-1].first + len(found[-1].losses) < 10**5


@pytest.mark.parametrize("name", [str(FILES / "chance.py"), "moons"])
def test_a_watched_run_does_not_notice_the_work_beside_it(name: str) -> None:
    """Paced, so that all of it is done: running ahead, a sweep, looks."""
    alone = Training(load(ProblemSettings(name=name, batch=16)), 0.05, Optimizer(momentum=0.5))
    expected = [alone.loss, *alone.steps(25)]
    for speed in SPEEDS:
        seen: list[Message] = []
        inbox: SimpleQueue[AnyCommand] = SimpleQueue()
        trainer = Trainer(ProblemSettings(name=name, batch=16), inbox, seen.append, lambda _: None)
        torch.manual_seed(123)
        trainer.train(start(0.05, 25, speed, optimizer=Optimizer(momentum=0.5)))
        assert losses(seen) == expected
        if told(seen) == expected:
            break
    assert told(seen) == expected


@pytest.mark.slow
def test_a_run_as_fast_as_possible_is_not_run_ahead_and_a_change_runs_ahead_anew() -> None:
    seen: list[Message] = []
    trainer = Trainer(ProblemSettings(name="sine"), SimpleQueue(), seen.append, lambda _: None)
    trainer.train(start(0.02, 200))
    assert not told(seen)

    for speed in SPEEDS:
        seen = steered(speed)
        later = max(m.since for m in seen if isinstance(m, Ahead))
        after = [v for m in seen if isinstance(m, Ahead) and m.since == later for v in m.losses]
        if after == losses(seen)[later:]:
            break
    assert {m.since for m in seen if isinstance(m, Ahead)} >= {0, later}
    assert later >= 20
    assert after == losses(seen)[later:]
    assert isinstance(seen[-1], Ended)


def steered(speed: float) -> list[Message]:
    """Return what a run tells whose rate is changed once it has been run ahead."""
    inbox: SimpleQueue[AnyCommand] = SimpleQueue()
    seen: list[Message] = []
    changed: list[bool] = []

    def send(message: Message) -> None:
        seen.append(message)
        ahead = any(isinstance(m, Ahead) for m in seen)
        if isinstance(message, Progress) and message.last >= 20 and ahead and not changed:
            changed.append(True)
            inbox.put(SetLr(id=3, lr=0.01))

    Trainer(ProblemSettings(name="sine"), inbox, send, lambda _: None).train(
        start(0.02, 200, speed)
    )
    return seen
