"""A saved session shown again, and whatever else a file may hold."""

from __future__ import annotations

import io
import json
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrtui.commands.plain_text import Printer
from lrtui.messages import (
    AnyMessage,
    Ended,
    Greeting,
    LineScene,
    Message,
    Pause,
    Printed,
    ProblemFacts,
    Progress,
    Quadratic,
    Resume,
    SetSpeed,
    Start,
    Started,
    State,
    Step,
    SweepResult,
    encode,
)
from lrtui.session.session import Session
from lrtui.sources.replay import Replay
from tests.in_process import losses, session

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold]red[/]\r\nnew line"
FIXTURES = Path(__file__).parent / "fixtures"


def written(path: Path, told: list[AnyMessage]) -> Path:
    path.write_bytes(b"".join(encode(message) + b"\n" for message in told))
    return path


def read(path: Path) -> tuple[list[AnyMessage], str]:
    """All that a replay reports, and what it says is wrong."""
    replay = Replay(path, None)
    told = []
    while new := replay.poll(None):
        told += new
    replay.close()
    return told, replay.trouble


def use(told: list[AnyMessage]) -> str:
    """Take in a session and say all that there is to say about it."""
    out = io.StringIO()
    printers = [Printer(7, as_json, out) for as_json in (False, True)]
    for message in told:
        for printer in printers:
            printer.take(message)
    for printer in printers:
        printer.session.advice()
        for run in printer.session.runs:
            assert all(run.verdict())
            printer.session.summary(run)
            if run.series:
                run.series.curve()
    return out.getvalue()


def test_what_is_replayed_adds_up_to_the_same_session(tmp_path: Path) -> None:
    told = session(0.1, 0.7, 1.01, 50.0)
    shown, trouble = read(written(tmp_path / "runs.jsonl", told))
    assert trouble == ""
    live, again = Session(), Session()
    for message in told:
        live.apply(message)
    for message in shown:
        again.apply(message)
    assert len(again.runs) == 4
    assert [*map(again.summary, again.runs)] == [*map(live.summary, live.runs)]
    assert losses(shown) == losses(told)
    assert (again.scene, again.swept) == (live.scene, live.swept)


def test_a_rate_that_was_changed_is_the_one_that_was_in_force(tmp_path: Path) -> None:
    told = session(0.3)
    at = next(i for i, m in enumerate(told) if isinstance(m, Ended))
    whole = [m for m in told if isinstance(m, Progress)]
    step = whole[-1].last
    change = State(run=1, step=step, paused=True, speed=3.0, lr=0.25, asked_by="viewer")
    more = Progress(run=1, steps=step + 1, scalars={"loss": [1.0]}, weights=[1.0, 1.0], seconds=9.0)
    told = [msgspec.structs.replace(m, steps=200) if isinstance(m, Started) else m for m in told]
    file = written(tmp_path / "runs.jsonl", [*told[:at], change, more, told[at]])
    again = Session()
    for message in read(file)[0]:
        again.apply(message)
    run = again.current
    assert run is not None
    assert (run.lr, run.first_lr, run.changes) == (0.25, 0.3, [(step, 0.25)])
    assert not again.paused  # the pace is the replay's own


def test_pause_step_and_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lrtui.sources.replay.monotonic", lambda: now[0])
    replay = Replay(written(tmp_path / "runs.jsonl", session(0.1)), 20.0)
    first = replay.poll()
    kinds = [Greeting, LineScene, Quadratic, ProblemFacts, SweepResult, Started, State]
    assert [type(m) for m in first][:7] == kinds
    assert sum(isinstance(m, Progress) for m in first) == 1
    replay.send(Pause(id=5))
    (answer,) = replay.poll()
    assert isinstance(answer, State)
    assert (answer.paused, answer.answers) == (True, 5)
    now[0] += 0.2
    assert replay.poll() == []
    replay.send(Step(id=6))
    answer, told = replay.poll()
    assert isinstance(answer, State)
    assert isinstance(told, Progress)
    assert len(told.losses) == 1
    assert replay.poll() == []
    replay.send(Resume())
    replay.send(SetSpeed(speed=100.0))
    now[0] += 0.1
    assert sum(isinstance(m, Progress) for m in replay.poll()) == 11  # one at once, ten after
    replay.send(SetSpeed(speed=None))
    replay.send(Pause())
    assert not any(isinstance(m, Progress) for m in replay.poll())
    replay.send(Step())
    replay.send(Step())
    assert sum(isinstance(m, Progress) for m in replay.poll()) == 2
    replay.send(Resume())
    rest: list[AnyMessage] = []
    while new := replay.poll(None):
        rest += new
    assert isinstance(rest[-1], Ended)
    replay.close()


def test_it_offers_only_what_it_can_do(tmp_path: Path) -> None:
    told, _ = read(written(tmp_path / "runs.jsonl", session(0.1)))
    greeting = told[0]
    assert isinstance(greeting, Greeting)
    assert {*greeting.capabilities} == {"pause", "step", "speed", "seek"}
    replay = Replay(tmp_path / "runs.jsonl", None)
    replay.poll()
    replay.send(Start(run=9, lr=0.1, steps=1, speed=None))
    assert not any(isinstance(m, Started) and m.run == 9 for m in replay.poll())
    replay.close()


def test_a_poll_waits_no_longer_than_asked(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path / "runs.jsonl", session(0.1)), 20.0)
    replay.poll()
    replay.send(Pause())
    replay.poll()
    begun = time.monotonic()
    assert replay.poll(0.1) == []
    assert 0.1 <= time.monotonic() - begun < 1
    replay.close()


def test_a_report_of_many_steps_is_shown_step_by_step_with_its_weights(tmp_path: Path) -> None:
    told, _ = read(written(tmp_path / "runs.jsonl", session(0.3)))
    trajectory = [w for m in session(0.3) if isinstance(m, Progress) for w in m.trajectory]
    steps = [m for m in told if isinstance(m, Progress)]
    assert [m.steps for m in steps] == list(range(101))
    assert losses(steps) == losses(session(0.3))
    assert [m.weights for m in steps] == trajectory
    assert all(a.seconds < b.seconds for a, b in pairwise(steps))


def test_gaps_between_steps(tmp_path: Path) -> None:
    told = session(0.3)
    at = next(i for i, m in enumerate(told) if isinstance(m, Progress))
    gaps = Progress(
        run=1,
        steps=[0, 10, 50, 70],
        scalars={"loss": [4.0, 3.0, None, 1.0], "lr": [0.3] * 4},
        weights=[3.0, 3.0],
        trajectory=[[1.0, 1.0], [2.0, 2.0]],
        seconds=4.0,
    )
    shown, trouble = read(written(tmp_path / "runs.jsonl", [*told[:at], gaps, told[-1]]))
    assert trouble == ""
    pieces = [m for m in shown if isinstance(m, Progress)]
    assert [[*m.numbered()] for m in pieces] == [[0], [10], [50, 70]]
    assert losses(pieces) == gaps.losses
    assert [m.weights for m in pieces] == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert [m.seconds for m in pieces] == [1.0, 2.0, 4.0]
    use(shown)


def test_what_a_newer_version_wrote_is_passed_over(tmp_path: Path) -> None:
    told = session(0.3)
    lines = [encode(message) for message in told]
    newer = [line[:-1] + b',"new field":[1]}' for line in lines]
    newer.insert(0, b'{"type":"preface"}')
    newer.insert(4, b'{"type":"premonition","value":3}')
    (tmp_path / "file").write_bytes(b"\n".join(newer) + b"\n")
    shown, trouble = read(tmp_path / "file")
    assert trouble == ""
    assert losses(shown) == losses(told)


def test_a_file_of_0_1_that_begins_with_what_torch_printed(tmp_path: Path) -> None:
    old = (FIXTURES / "four-rates.jsonl").read_bytes()
    (tmp_path / "old").write_bytes(b'{"type":"printed","text":"a warning"}\n' + old)
    shown, trouble = read(tmp_path / "old")
    assert trouble == ""
    assert shown[0] == Printed(text="a warning")
    assert sum(isinstance(m, Ended) for m in shown) == 4


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_anywhere_keeps_what_stands_before(tmp_path: Path, old: bool) -> None:
    if old:
        whole = (FIXTURES / "four-rates.jsonl").read_bytes()
    else:
        whole = written(tmp_path / "whole", session(0.1, 1.01)).read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, len(lines[0]) + 7, len(whole) // 2, len(whole) - 40, len(whole) - 1):
        file = tmp_path / "cut"
        file.write_bytes(whole[:cut])
        number = whole[:cut].count(b"\n") + 1
        if number == 1:
            with pytest.raises(ValueError, match="cut, line 1: cut short"):
                Replay(file, None)
        elif cut == len(whole) - 1:  # only the line's end is missing: it can be read
            assert read(file)[1] == ""
        else:
            told, trouble = read(file)
            assert trouble.endswith(f"cut, line {number}: cut short")
            assert isinstance(told[-1], Printed)
            use(told)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just(HOSTILE),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_that_was_tampered_with_is_an_error_or_is_shown(
    tmp_path: Path, old: bool, data: st.DataObject
) -> None:
    if old:
        lines = (FIXTURES / "four-rates.jsonl").read_bytes().splitlines()
    else:
        lines = [encode(message) for message in session(0.1, 1.01)]
    told = [json.loads(line) for line in lines]
    for _ in range(data.draw(st.integers(1, 3))):
        message = data.draw(st.sampled_from(told))
        key = data.draw(st.sampled_from(sorted(message)))
        value = message[key]
        if isinstance(value, list) and value and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(value) - 1))
            message[key] = [*value[:at], data.draw(values), *value[at + 1 :]]
        else:
            message[key] = data.draw(values)
    if data.draw(st.booleans()):
        told.insert(data.draw(st.integers(0, len(told))), data.draw(st.sampled_from(told)))
    file = tmp_path / "tampered"
    file.write_text("".join(json.dumps(message) + "\n" for message in told))
    try:
        shown, trouble = read(file)
    except ValueError as error:
        assert "tampered" in str(error)
        return
    assert not trouble or "tampered, line " in trouble
    use(shown)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), max_size=4))
def test_rubbish_is_an_error(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "rubbish").write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match="rubbish"):
        Replay(tmp_path / "rubbish", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a saved session"),
        (b"root:x:0:0\n", "line 1: not an lrtui message (JSON is malformed"),
        (b"\x89PNG\r\n\x1a\n", "line 1: not an lrtui message"),
        (b'{"type":"stranger"}\n', "is not a saved session"),
        (b'{"type":"stranger"}\n?\n', "line 2: not an lrtui message"),
        (b'{"a":"\x1b[31m', "line 1: cut short"),
        (encode(Started(run=1, lr=0.1, steps=9)) + b"\n", "line 1: a session begins with a gr"),
    ],
)
def test_what_is_not_a_saved_session(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r".") as error:
        Replay(tmp_path / "file", None)
    assert said in str(error.value)
    assert str(error.value).isprintable()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Replay(tmp_path / "none", None)
    with pytest.raises(IsADirectoryError):
        Replay(tmp_path, None)
    with pytest.raises(ValueError, match="mem, line 1: Input/output error"):
        Replay(Path("/proc/self/mem"), None)


def report(**changes: object) -> Progress:
    known = Progress(run=1, steps=101, scalars={"loss": [1.0]}, weights=[1.0, 1.0], seconds=1.0)
    return msgspec.structs.replace(known, **changes)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (report(steps=70), "step 70 of 100 comes after step 100"),
        (report(steps=101), "step 101 of 100 comes after step 100"),
        (report(run=2), "run 2 is not on"),
        (report(weights=[1.0, 2.0, 3.0]), "3 weights of a loss of 2"),
        (Started(run=1, lr=0.1, steps=9), "run 1 comes after run 1"),
        (Ended(run=2, outcome="done", step=1, loss=1.0, reason=""), "run 2 is not on"),
        (State(run=2, step=1, paused=False, speed=None, lr=0.1), "run 2 is not on"),
        (
            Quadratic(
                eigenvalues=[1.0], eigenvectors=[[1.0]], minimum=[0.0], min_loss=0.0, start=[1.0]
            ),
            "a loss of 1 weights, not of 2",
        ),
    ],
)
def test_messages_must_make_sense_one_after_another(
    tmp_path: Path, message: AnyMessage, said: str
) -> None:
    told = session(0.1)[:-1]
    shown, trouble = read(written(tmp_path / "file", [*told, message]))
    assert trouble.endswith(f"line {len(told) + 1}: {said}")
    ended = [m for m in shown if isinstance(m, Ended)]
    assert [m.reason for m in ended] == ["the file ends at step 100"]
    use(shown)


def test_two_sessions_in_one_file_are_told_apart(tmp_path: Path) -> None:
    told = session(0.1, 0.7)
    shown, trouble = read(written(tmp_path / "two", told + told))
    assert "run 1 comes after run 2" in trouble
    use(shown)


def test_a_run_without_a_finite_loss(tmp_path: Path) -> None:
    told = [
        msgspec.structs.replace(m, scalars={"loss": [None] * len(m.losses)})
        if isinstance(m, Progress) and m.run == 1
        else m
        for m in session(0.1, 0.7)
    ]
    shown, trouble = read(written(tmp_path / "f", told))
    assert trouble == ""
    use(shown)


def test_a_file_that_ends_within_a_run(tmp_path: Path) -> None:
    told = session(0.1)[:-1]
    shown, trouble = read(written(tmp_path / "file", told))
    assert trouble == ""
    ended = shown[-1]
    assert isinstance(ended, Ended)
    assert (ended.outcome, ended.step, ended.loss) == ("stopped", 100, losses(told)[-1])


@pytest.mark.slow
def test_a_huge_file_holds_nothing_up(tmp_path: Path) -> None:
    told = session(0.1)[:4]
    steps = 40_000_000
    file = written(tmp_path / "huge", [*told, Started(run=1, lr=0.1, steps=steps)])
    with file.open("ab") as more:
        for i in range(400):
            report = Progress(
                run=1,
                steps=20_000 * i,
                scalars={"loss": [0.08] * 20_000},
                weights=[3.0, 2.5],
                seconds=float(i),
            )
            more.write(encode(report) + b"\n")
    assert file.stat().st_size > 30e6
    before = psutil.Process().memory_info().rss
    replay = Replay(file, None)
    longest, shown = 0.0, Session()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        begun = time.monotonic()
        for message in replay.poll():
            shown.apply(message)
        longest = max(longest, time.monotonic() - begun)
    replay.close()
    assert shown.current
    assert shown.current.step > 50_000
    assert longest < 0.5
    assert psutil.Process().memory_info().rss - before < 100e6


def test_one_endless_line(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    with file.open("wb") as zeros:
        zeros.truncate(10**9)
    with pytest.raises(ValueError, match="line 1: longer than"):
        Replay(file, None)


def test_text_from_a_file_cannot_control_the_terminal(tmp_path: Path) -> None:
    hostile: list[Message] = [
        Printed(text=HOSTILE),
        Ended(run=1, outcome="diverged", step=100, loss=0.1, reason=HOSTILE),
    ]
    shown, _ = read(written(tmp_path / "hostile", [*session(0.1)[:-1], *hostile]))  # type: ignore[list-item]
    out = io.StringIO()
    printer = Printer(10, False, out)
    for message in shown:
        printer.take(message)
    assert "[31m[bold]red[/]" in out.getvalue()
    assert all(line.isprintable() for line in out.getvalue().split("\n"))
