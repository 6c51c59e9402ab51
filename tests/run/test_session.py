"""A session is nothing but its stream of messages."""

from __future__ import annotations

from lrtui.messages import Ended, Failed, Progress, Started
from lrtui.run.session import KEPT, Session


def progress(run: int, step: int, losses: list[float | None], rate: float = 0.1) -> Progress:
    return Progress(run=run, rate=rate, step=step, losses=losses, weights=(1.0, None), seconds=0.5)


def test_a_run_from_its_messages() -> None:
    session = Session()
    session.begin(0.1, 100)
    assert session.apply(Started(run=1, rate=0.1, steps=100))
    assert session.apply(progress(1, 0, [4.0]))
    assert session.apply(progress(1, 1, [2.0, 1.0, None]))
    run = session.current
    assert run is not None
    assert (run.step, run.loss, run.steps_per_second) == (3, 1.0, 6.0)
    assert run.series is not None
    assert run.series.broken == 3
    session.apply(Ended(run=1, outcome="diverged", step=3, loss=1.0, reason="words"))
    summary = run.summary()
    assert (summary.reason, summary.steps, summary.loss) == ("diverged", 3, 1.0)


def test_messages_of_a_run_that_is_over_change_nothing() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, 3.0]))
    second = session.begin(0.7, 100)
    assert [run.outcome for run in session.runs] == ["stopped", None]
    assert not session.apply(progress(1, 2, [1.0]))
    assert not session.apply(Ended(run=1, outcome="done", step=2, loss=1.0, reason=""))
    assert session.runs[0].loss == 3.0
    assert second.loss is None
    session.apply(Ended(run=2, outcome="done", step=1, loss=1.0, reason=""))
    assert not session.apply(progress(2, 1, [0.5]))


def test_a_run_that_never_began_leaves_no_line() -> None:
    session = Session()
    for _ in range(50):  # a key held down
        session.begin(0.1, 100)
    assert [run.number for run in session.runs] == [50]


def test_rate_changes_are_kept_with_their_step() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, 3.0]))
    session.apply(progress(1, 2, [2.0], rate=0.2))
    session.apply(progress(1, 3, [1.0], rate=0.2))
    run = session.current
    assert run is not None
    assert run.changes == [(2, 0.2)]
    assert run.rate == 0.2


def test_only_the_youngest_runs_keep_their_losses() -> None:
    session = Session()
    for number in range(1, KEPT + 30):
        session.begin(0.1, 100)
        session.apply(progress(number, 0, [4.0]))
    kept = [run.number for run in session.runs if run.series is not None]
    assert kept == list(range(30, KEPT + 30))
    assert len(session.runs) == KEPT + 29


def test_a_trainer_that_fails_takes_its_run_along() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(Failed("it is gone", []))
    run = session.current
    assert run is not None
    assert (run.outcome, run.reason) == ("failed", "it is gone")
