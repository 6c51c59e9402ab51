"""Going to any place of a record: what is shown there is what a session shown so far shows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from lrtui.messages import (
    AnyCommand,
    AnyMessage,
    Ended,
    Entrant,
    Greeting,
    Message,
    Progress,
    Race,
    Resume,
    Rewound,
    Seek,
    SetLr,
    Start,
    Started,
    State,
    Step,
    encode,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.session.session import Session
from lrtui.sources.replay import Replay
from lrtui.trainer.loop import Trainer
from tests.in_process import InProcess, losses, session
from tests.sources.test_replay import read, written

STEPS = 40


class Viewer:
    """A session that is fed by a replay at a standstill."""

    def __init__(self, path: Path) -> None:
        self.replay = Replay(path, 1e-9)
        self.session = Session()
        self.told: list[AnyMessage] = []
        for _ in range(20):
            self.hear()

    def hear(self) -> list[AnyMessage]:
        new = self.replay.poll()
        for message in new:
            self.session.apply(message)
        self.told += new
        return new

    def go(self, **to: int) -> int:
        """Go to a place; return the step that is shown there."""
        self.replay.send(Seek(**to, id=9))  # type: ignore[arg-type]
        for _ in range(1000):
            if any(isinstance(m, State) and m.answers == 9 for m in self.hear()):
                break
        else:
            pytest.fail("no answer")
        assert self.session.current is not None
        return self.session.current.step

    @property
    def shown(self) -> list[float]:
        run = self.session.current
        assert run is not None
        assert run.series is not None
        losses: list[float] = run.series.curve()[1].tolist()
        return losses


Open = Callable[[Path], Viewer]


@pytest.fixture
def opened() -> Iterator[Open]:
    viewers: list[Viewer] = []

    def open_(path: Path) -> Viewer:
        viewers.append(Viewer(path))
        return viewers[-1]

    yield open_
    for viewer in viewers:
        viewer.replay.close()


@pytest.fixture
def viewer(opened: Open, tmp_path: Path) -> Viewer:
    return opened(written(tmp_path / "runs.jsonl", session(0.1, 0.7, 1.01, steps=STEPS)))


def test_a_step_is_gone_to_forwards_and_backwards(viewer: Viewer) -> None:
    expected = losses(session(0.1, 0.7, 1.01, steps=STEPS), run=1)
    rng = random.Random(0)
    for step in [30, 3, 3, 0, STEPS, *(rng.randrange(STEPS + 1) for _ in range(20))]:
        assert viewer.go(step=step) == step
        assert viewer.shown == pytest.approx(expected[: step + 1])
    run = viewer.session.current
    assert run is not None
    assert run.diagnosis is not None
    assert len(run.trajectory) == run.step + 1


def test_what_it_comes_to_is_what_playing_comes_to(viewer: Viewer, tmp_path: Path) -> None:
    played = Session()
    for message in read(tmp_path / "runs.jsonl")[0]:
        played.apply(message)
    viewer.go(chapters=2)
    viewer.go(step=10)
    viewer.go(chapters=-1)
    viewer.go(end=True)
    viewer.go(chapters=1)
    viewer.go(end=True)
    summaries = [played.summary(run) for run in played.runs]
    assert [viewer.session.summary(run) for run in viewer.session.runs] == summaries


def test_runs_are_chapters(viewer: Viewer) -> None:
    lrs = []
    for chapters in (0, 1, 1, 1, -1, -2, -5):
        viewer.go(chapters=chapters) if chapters else viewer.go(step=5)
        run = viewer.session.current
        assert run is not None
        lrs.append(run.lr)
        if chapters < 0:
            assert run.step == 0
            assert [r.number for r in viewer.session.runs] == [*range(1, run.number + 1)]
    assert lrs == [0.1, 0.7, 1.01, 1.01, 0.7, 0.1, 0.1]


def test_a_report_on_and_a_report_back(viewer: Viewer) -> None:
    assert viewer.go(step=20) == 20
    assert [viewer.go(reports=1) for _ in range(3)] == [21, 22, 23]
    assert [viewer.go(reports=-1) for _ in range(3)] == [22, 21, 20]
    assert viewer.go(step=0) == 0
    assert viewer.go(reports=-1) == 0


def test_reports_of_many_steps_are_gone_through_whole(opened: Open, tmp_path: Path) -> None:
    told: list[AnyMessage] = [m for m in session(0.1, steps=STEPS) if not isinstance(m, Progress)]
    column = losses(session(0.1, steps=STEPS))
    at = next(i for i, m in enumerate(told) if isinstance(m, Ended))
    told[at:at] = [
        Progress(run=1, steps=k, scalars={"loss": column[k : k + 10]}, seconds=1.0, weights=[1, 2])
        for k in range(0, STEPS + 1, 10)
    ]
    viewer = opened(written(tmp_path / "long.jsonl", told))
    assert viewer.go(step=13) == 13
    assert viewer.shown == pytest.approx(column[:14])
    assert viewer.go(reports=1) == 19
    assert viewer.go(reports=1) == 29
    assert viewer.go(reports=-1) == 19
    assert viewer.go(reports=-1) == 9


def test_a_change_of_the_rate_keeps_its_place(opened: Open, tmp_path: Path) -> None:
    inbox: SimpleQueue[AnyCommand] = SimpleQueue()
    told: list[AnyMessage] = [m for m in session(0.1) if isinstance(m, Greeting)]

    def send(message: Message) -> None:
        told.append(message)  # type: ignore[arg-type]
        if isinstance(message, Progress) and message.last == 10:
            inbox.put(SetLr(lr=0.3))
            inbox.put(Resume())

    trainer = Trainer(ProblemSettings(), inbox, send, lambda _: None)
    inbox.put(Step(count=10))
    trainer.train(Start(run=1, lr=0.1, steps=STEPS, speed=None, paused=True))
    viewer = opened(written(tmp_path / "changed.jsonl", told))
    for step in (30, 5, STEPS):
        viewer.go(step=step)
        run = viewer.session.current
        assert run is not None
        assert run.changes == ([(10, 0.3)] if step > 10 else [])


def test_a_record_of_a_race_is_replayed_and_gone_through(opened: Open, tmp_path: Path) -> None:
    source = InProcess()
    entrants = [Entrant(run=i, lr=lr) for i, lr in enumerate((0.1, 0.7), 1)]
    source.send(Race(entrants=entrants, steps=STEPS, speed=None))
    source.send(Start(run=3, lr=0.5, steps=STEPS, speed=None))
    told = source.poll()
    path = written(tmp_path / "race.jsonl", told)
    shown, trouble = read(path)
    assert trouble == ""
    assert losses(shown, 2) == losses(told, 2)
    viewer = opened(path)
    viewer.go(end=True)
    viewer.go(chapters=1)
    viewer.go(chapters=-1)
    assert [run.lr for run in viewer.session.runs] == [0.1, 0.7]
    viewer.go(step=12)
    assert [run.step for run in viewer.session.current_group] == [12, 12]


def test_what_is_known_of_the_problem_is_told_again(viewer: Viewer) -> None:
    viewer.go(chapters=1)
    viewer.go(chapters=-1)
    at = max(i for i, m in enumerate(viewer.told) if isinstance(m, Rewound))
    again = {type(m).__name__ for m in viewer.told[at:]}
    assert {"Greeting", "LineScene", "Quadratic", "ProblemFacts"} <= again
    assert viewer.session.theory is not None
    assert viewer.session.offers("seek")
    assert not viewer.session.offers("start")


def test_a_file_that_grows_is_followed(tmp_path: Path) -> None:
    told = session(0.1, 0.7, steps=STEPS)
    lines = [encode(message) + b"\n" for message in told]
    ends = [i for i, m in enumerate(told) if isinstance(m, Ended)]
    path = tmp_path / "growing.jsonl"
    path.write_bytes(b"".join(lines[: ends[0]]) + lines[ends[0]][:9])
    replay = Replay(path, None, follow=True)

    def heard() -> list[AnyMessage]:
        return [m for _ in range(20) for m in replay.poll()]

    first = heard()
    assert losses(first) == losses(told, 1)
    assert not any(isinstance(m, Ended) for m in first)
    with path.open("ab") as file:
        file.write(lines[ends[0]][9:] + b"".join(lines[ends[0] + 1 :]))
    more = heard()
    assert isinstance(more[0], Ended)
    assert sum(isinstance(m, Started) for m in more) == 1
    assert losses(more) == losses(told, 2)
    assert replay.trouble == ""
    replay.close()
