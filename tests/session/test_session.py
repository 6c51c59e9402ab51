"""A session is nothing but its stream of messages."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from lrtui.messages import (
    PLAIN,
    AnyMessage,
    Ended,
    Failed,
    Printed,
    ProblemFacts,
    Progress,
    Started,
    State,
)
from lrtui.session.run import Run
from lrtui.session.sentences import run_line
from lrtui.session.session import MAX_RUNS, MAX_RUNS_WITH_LOSSES, Session
from tests.analysis.quadratics import descent, greeting, progress, quadratic


def state(run: int, step: int, lr: float, asked_by: str = "viewer", paused: bool = False) -> State:
    return State(run=run, step=step, paused=paused, speed=20.0, lr=lr, asked_by=asked_by)


def ended(run: int, step: int, outcome: str = "done", loss: float | None = 1.0) -> Ended:
    return Ended(run=run, outcome=outcome, step=step, loss=loss, reason="words")  # type: ignore[arg-type]


def current(session: Session) -> Run:
    assert session.current is not None
    return session.current


def test_a_run_from_its_messages() -> None:
    session = Session()
    session.begin(0.1, 100)
    assert session.apply(Started(run=1, lr=0.1, steps=100))
    assert session.apply(progress(1, 0, [4.0]))
    assert session.apply(progress(1, 1, [2.0, 1.0, None]))
    run = current(session)
    assert (run.step, run.loss, run.steps_per_second) == (3, 1.0, 6.0)
    assert run.weights[0] == 1.0
    assert math.isnan(run.weights[1])
    assert run.series is not None
    assert run.series.broken == 3
    assert run.is_on
    session.apply(ended(1, 3, "diverged"))
    assert not run.is_on
    summary = session.summary(run)
    assert (summary.reason, summary.steps, summary.loss) == ("diverged", 3, 1.0)


def test_a_run_that_was_not_begun_here_is_taken_in() -> None:
    session = Session()
    assert session.apply(Started(run=7, lr=0.3, steps=None))
    assert session.apply(progress(7, 0, [4.0]))
    run = current(session)
    assert (run.number, run.lr, run.steps) == (7, 0.3, None)
    assert session.begin(0.1, 100).number == 8


def test_gaps_between_steps() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, [0, 10, 25], [4.0, 3.0, 2.0]))
    session.apply(progress(1, [70], [1.0]))
    run = current(session)
    assert (run.step, run.loss) == (70, 1.0)
    assert run.series is not None
    steps, losses = run.series.curve()
    assert steps.tolist() == [0, 10, 25, 70]
    assert losses.tolist() == [4.0, 3.0, 2.0, 1.0]


def test_messages_of_a_run_that_is_over_change_nothing() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, 3.0]))
    second = session.begin(0.7, 100)
    assert [run.outcome for run in session.runs] == ["stopped", None]
    for late in (
        progress(1, 2, [1.0]),
        ended(1, 2),
        state(1, 2, 0.5),
        Started(run=1, lr=1, steps=1),
    ):
        assert not session.apply(late)
    assert (session.runs[0].loss, session.runs[0].lr) == (3.0, 0.1)
    assert second.loss is None
    session.apply(ended(2, 1))
    assert not session.apply(progress(2, 1, [0.5]))


def test_a_run_that_never_began_is_not_listed() -> None:
    session = Session()
    for lr in (0.1, 0.2, 0.3):
        session.begin(lr, 100)
    assert [run.number for run in session.runs] == [3]


def test_a_restart_at_the_same_rate_replaces_the_run_that_it_cuts_short() -> None:
    session = Session()
    for number in range(1, 51):  # a key held down
        session.begin(0.1, 100)
        session.apply(progress(number, 0, [4.0]))
    assert [run.number for run in session.runs] == [50]
    session.apply(ended(50, 100))
    session.begin(0.1, 100)  # it will go the way that the one before went to its end
    assert [(run.number, run.times) for run in session.runs] == [(51, 51)]


@pytest.mark.parametrize("kept", ["another rate", "longer", "pinned", "named", "changed"])
def test_a_run_that_says_something_else_is_kept(kept: str) -> None:
    session = Session()
    run = session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0]))
    if kept == "changed":
        session.apply(state(1, 0, 0.2))
    session.apply(ended(1, 100))
    run.pinned, run.name = kept == "pinned", "mine" if kept == "named" else ""
    session.begin(0.2 if kept == "another rate" else 0.1, 200 if kept == "longer" else 100)
    assert [(run.number, run.times) for run in session.runs] == [(1, 1), (2, 1)]


def test_the_runs_of_a_race_are_on_together() -> None:
    session = Session()
    first = session.begin(0.5, 10)
    session.apply(progress(1, 0, [4.0]))
    session.begin_race([(0.1, PLAIN), (0.7, PLAIN), (0.1, PLAIN)], 10)
    assert first.outcome == "stopped"
    assert [run.number for run in session.current_group] == [2, 3, 4]
    assert session.current is session.current_group[0]
    for number in (2, 3, 4):
        session.apply(Started(run=number, lr=0.1 * number, steps=10, race=[2, 3, 4]))
        assert session.apply(progress(number, 0, [4.0 / number]))
    session.apply(ended(2, 10))
    assert session.is_on
    session.focus = 3
    assert session.current.number == 3
    session.apply(ended(3, 10))
    session.apply(ended(4, 10))
    assert not session.is_on
    session.begin(0.3, 10)
    assert [run.number for run in session.current_group] == [5]


def test_a_recorded_race_is_a_race() -> None:
    session = Session()
    for number in (1, 2):
        session.apply(Started(run=number, lr=0.1 * number, steps=10, race=[1, 2]))
    for number in (1, 2):
        session.apply(progress(number, 0, [4.0 / number]))
    assert [(run.number, run.loss, run.is_on) for run in session.current_group] == [
        (1, 4.0, True),
        (2, 2.0, True),
    ]


def test_a_recorded_restart_at_the_same_rate_replaces_too() -> None:
    session = Session()
    for number in (1, 2):
        session.apply(Started(run=number, lr=0.1, steps=100))
        session.apply(progress(number, 0, [4.0]))
        session.apply(ended(number, 0, "stopped"))
    assert [run.number for run in session.runs] == [2]


def test_a_run_whose_rate_was_changed_is_not_replaced() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0]))
    session.apply(state(1, 0, 0.2))
    session.begin(0.1, 100)
    assert [run.number for run in session.runs] == [1, 2]


def test_rate_changes_are_kept_with_their_step() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0, 3.0]))
    session.apply(state(1, 1, 0.2))
    session.apply(progress(1, 2, [2.0]))
    session.apply(state(1, 2, 0.2, paused=True))
    run = current(session)
    assert run.changes == [(1, 0.2)]
    assert (run.lr, run.first_lr) == (0.2, 0.1)


def test_a_schedule_makes_no_marks_and_no_new_diagnosis() -> None:
    session = Session()
    session.apply(quadratic(1.0, 4.0))
    session.begin(0.1, 2000)
    session.apply(Started(run=1, lr=0.1, steps=2000))
    diagnosis = current(session).diagnosis
    for step in range(1000):
        session.apply(progress(1, step, [4.0 - step / 1000]))
        session.apply(state(1, step, 0.1 * 0.999**step, asked_by=""))
    run = current(session)
    assert run.changes == []
    assert run.diagnosis is diagnosis
    assert run.lr == pytest.approx(0.1 * 0.999**999)


def test_a_run_that_settled_stays_so_when_its_rate_is_changed() -> None:
    loss = quadratic(1.0, 4.0)
    session = Session()
    session.apply(loss)
    session.begin(0.4, 100)
    session.apply(Started(run=1, lr=0.4, steps=100))
    told = [*descent(loss, 0.4, 60)]
    session.apply(progress(1, 0, [value for _, value in told], told[-1][0]))
    run = current(session)
    at = run.settled_at
    assert at is not None
    assert 0 < at < 60
    session.apply(state(1, 60, 0.2))
    session.apply(progress(1, 61, [told[-1][1]], told[-1][0]))
    assert run.settled_at == at
    assert run.verdict()[0] == "settled"


def test_after_a_change_of_the_rate_the_forecast_starts_from_there() -> None:
    loss = quadratic(1.0, 4.0)
    session = Session()
    session.apply(loss)
    session.begin(0.01, 1000)
    session.apply(Started(run=1, lr=0.01, steps=1000))
    slow = [*descent(loss, 0.01, 20)]
    session.apply(progress(1, 0, [value for _, value in slow], slow[-1][0]))
    session.apply(state(1, 20, 0.4))
    run = current(session)
    assert run.diagnosis is not None
    forecast = run.diagnosis.forecast
    assert forecast is not None
    assert forecast > 20
    enough = 1.005 * loss.min_loss
    from_there = descent(replace(loss, start=slow[-1][0]), 0.4, 200)
    assert forecast == 20 + next(k for k, (_, value) in enumerate(from_there) if value <= enough)
    assert run.forecast == forecast  # the table kept the one known at step 0
    assert run.lrs == [0.01, 0.4]
    assert run.rate_in_words == "0.01 → 0.4"
    assert "rate 0.01 → 0.4" in run_line(run)
    assert session.summary(run).rates == [0.01, 0.4]
    session.apply(state(1, 20, 0.5))
    assert run.rate_in_words == "0.01 → … → 0.5"


@pytest.mark.parametrize("weights", [[], [1.0, 2.0, 3.0], [None, 1.0]])
def test_a_change_of_the_rate_where_the_weights_are_not_known(weights: list[float | None]) -> None:
    session = Session()
    session.apply(quadratic(1.0, 4.0))
    session.begin(0.1, 100)
    session.apply(Started(run=1, lr=0.1, steps=100))
    session.apply(progress(1, 0, [4.0, 3.0], weights))
    session.apply(state(1, 1, 0.2))
    session.apply(progress(1, 2, [2.0], weights))
    run = current(session)
    assert run.verdict()[1]
    assert run.diagnosis is not None
    assert run.diagnosis.forecast is None


def test_what_the_source_confirms_is_known() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(State(run=1, step=0, paused=True, speed=5.0, lr=0.1))
    assert (session.paused, session.speed) == (True, 5.0)
    session.begin(0.7, 100)
    assert not session.paused


def test_capabilities() -> None:
    session = Session()
    assert session.offers("sweep")  # nobody said no yet
    session.apply(greeting("pause", "fly"))
    assert session.offers("pause")
    assert not session.offers("sweep")


def test_what_changes_nothing() -> None:
    session = Session()
    assert not session.apply(progress(1, 0, [1.0]))
    assert not session.apply(ended(1, 5))
    assert session.advice() is None


def kinds(session: Session, *messages: AnyMessage) -> list[tuple[str, str]]:
    changes = [change for message in messages for change in session.apply(message)]
    return [(change.kind, change.text) for change in changes if change.kind != "progress"]


def test_what_a_message_changed_is_said_once_for_all() -> None:
    session = Session()
    session.apply(greeting())
    session.apply(quadratic(0.5, 2.0))
    assert kinds(session, Printed(text="hi")) == [("printed", "hi")]
    assert kinds(session, Started(run=1, lr=0.1, steps=100)) == [("started", "")]
    assert kinds(session, state(1, 0, 0.1)) == [("state", "")]
    assert kinds(session, state(1, 4, 0.2)) == [("rate", "rate 0.2 from step 5")]
    assert kinds(session, ended(1, 5)) == [("ended", "words")]
    assert kinds(session, Failed(reason="it broke")) == [("failed", "it broke")]


def test_a_run_settles_once_and_a_spike_comes_and_goes() -> None:
    session = Session()
    session.apply(replace(greeting(), since=1.0))
    losses = [2.0 + 0.01 * (i % 7) for i in range(300)]
    losses[200:220] = [9.0] * 20
    messages = [Started(run=1, lr=0.1, steps=None)]
    found = kinds(session, *messages, *(progress(1, i, [x]) for i, x in enumerate(losses)))
    (started, spike, recovery) = found
    assert started == ("started", "")
    assert spike[0] == "spike"
    assert "its level" in spike[1]
    assert recovery == ("recovery", "back at its level")


def test_only_the_most_recent_runs_keep_their_losses() -> None:
    session = Session()
    for number in range(1, MAX_RUNS_WITH_LOSSES + 30):
        session.begin(number / 10, 100)
        session.apply(progress(number, 0, [4.0]))
    kept = [run.number for run in session.runs if run.series is not None]
    assert kept == list(range(30, MAX_RUNS_WITH_LOSSES + 30))
    assert len(session.runs) == MAX_RUNS_WITH_LOSSES + 29


@pytest.mark.parametrize("exact", [True, False])
def test_a_run_whose_losses_are_forgotten_keeps_its_verdict(exact: bool) -> None:
    session = Session()
    session.apply(greeting())
    session.apply(ProblemFacts(name="n", weights=2, target=None if exact else 0.5))
    if exact:
        session.apply(quadratic(0.7, 2.0))
    losses: list[float | None] = [value for _, value in descent(quadratic(0.7, 2.0), 0.1, 200)]
    if not exact:
        losses = [1 / (step + 1) for step in range(201)]
    session.begin(0.1, 200)
    session.apply(Started(run=1, lr=0.1, steps=200))
    session.apply(progress(1, 0, losses))
    session.apply(ended(1, 200, loss=losses[-1]))
    run = current(session)
    before = (run.reading(), run.status(), run.settled_at)
    assert before[1] == "settled"
    for number in range(2, MAX_RUNS_WITH_LOSSES + 3):
        session.begin(float(number), 100)
        session.apply(progress(number, 0, [4.0]))
    assert run.series is None
    assert (run.reading(), run.status(), run.settled_at) == before


@pytest.mark.slow
def test_the_list_of_runs_is_bounded() -> None:
    session = Session()
    for number in range(1, MAX_RUNS + 51):
        session.begin(float(number), 100)
        session.apply(progress(number, 0, [4.0]))
    assert [run.number for run in session.runs] == list(range(51, MAX_RUNS + 51))


def test_a_source_that_fails_takes_its_run_along() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(progress(1, 0, [4.0]))
    session.apply(Failed(reason="it is gone"))
    run = current(session)
    assert (run.outcome, run.reason, run.status()) == ("failed", "it is gone", "failed")
    assert session.failure == "it is gone"
    session.apply(greeting())
    assert session.failure == ""


def test_the_summary_of_a_run_has_the_advice() -> None:
    session = Session()
    session.apply(quadratic(1.0, 4.0))
    session.begin(0.01, 1000)
    session.apply(Started(run=1, lr=0.01, steps=1000))
    session.apply(progress(1, 0, [40.0], [0.0, 0.0]))
    session.apply(ended(1, 1000, loss=40.0))
    summary = session.summary(current(session))
    assert session.theory is not None
    assert summary.advice is not None
    assert summary.advice.rate == session.theory.best_lr == summary.best
    assert summary.advice.steps == session.theory.settles_at(session.theory.start, summary.best)
    assert summary.advice.reason
    session.begin(summary.best, 1000)
    assert session.summary(current(session)).advice is None


def test_without_a_closed_form_or_a_sweep_nothing_is_advised() -> None:
    """It was three times the rate: 8.5 to 5,393 at 1.01 was good, and 3.03 to be tried."""
    session = Session()
    for number, (lr, outcome) in enumerate([(0.4, "done"), (1.6, "diverged")], 1):
        session.begin(lr, 10)
        session.apply(ended(number, 10, outcome))
        assert session.advice() is None


def test_the_trajectory_is_as_long_as_it_was_reported() -> None:
    session = Session()
    session.begin(0.1, 100)
    for step in (0, 2):
        session.apply(
            Progress(
                run=1,
                steps=step,
                scalars={"loss": [1.0, 2.0]},
                seconds=1.0,
                weights=[1.0],
                trajectory=[[float(step)], [None]],
            )
        )
    run = current(session)
    assert [len(weights) for weights in run.trajectory] == [1] * 4
    assert [run.trajectory[0], run.trajectory[2]] == [(0.0,), (2.0,)]
    assert math.isnan(run.trajectory[1][0])
