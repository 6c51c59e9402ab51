"""A file of messages that grows, is cut, replaced or damaged, and what is told of it."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrtui import messages as msg
from lrtui.session.session import Session
from lrtui.sources import followed, following
from lrtui.sources.followed import Followed


def greeting(since: float = 1.0) -> msg.Greeting:
    able = ["hold", "stop"]
    return msg.Greeting(
        program="p", pid=1, folder="f", title="fit", capabilities=able, name="fit", since=since
    )


def started(run: int = 1) -> msg.Started:
    return msg.Started(run=run, lr=0.1, steps=None, optimizer="SGD")


def progress(first: int, *losses: float | None, run: int = 1) -> msg.Progress:
    return msg.Progress(run=run, steps=first, scalars={"loss": [*losses]}, seconds=1.0)


def ended(step: int, run: int = 1) -> msg.Ended:
    return msg.Ended(run=run, outcome="done", step=step, loss=1.0, reason="ended")


def lines(*messages: msg.AnyMessage) -> bytes:
    return b"".join(msg.encode(message) + b"\n" for message in messages)


WHOLE = lines(greeting(), started(), progress(1, 3.0, 2.0), progress(3, 1.5), ended(3))


def everything(source: Followed) -> list[msg.AnyMessage]:
    """All that comes now."""
    found: list[msg.AnyMessage] = []
    quiet = 0
    while quiet < 3 and not source.is_over:
        source._looked_at = 0.0
        new = source.poll()
        found += new
        quiet = 0 if new else quiet + 1
    return found


def losses(told: list[msg.AnyMessage]) -> list[tuple[int, int, float | None]]:
    return [
        (m.run, step, loss)
        for m in told
        if isinstance(m, msg.Progress)
        for step, loss in zip(m.numbered(), m.losses, strict=True)
    ]


def printed(told: list[msg.AnyMessage]) -> list[str]:
    return [m.text for m in told if isinstance(m, msg.Printed)]


def test_messages_come_as_they_are_and_nothing_may_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE)
    told = everything(Followed(path))
    assert isinstance(told[0], msg.Greeting)
    assert told[0].capabilities == []
    assert lines(*told[1:]) == WHOLE.partition(b"\n")[2]


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_it_grows_each_message_comes_once_and_whole(
    tmp_path: Path, cuts: list[int]
) -> None:
    path = tmp_path / "run.jsonl"
    path.unlink(missing_ok=True)
    source = Followed(path)
    told = everything(source)  # it is not there yet
    assert told == []
    for end in [*sorted(cuts), len(WHOLE)]:
        path.write_bytes(WHOLE[:end])
        told += everything(source)
    assert [type(message) for message in told] == [
        msg.Greeting, msg.Started, msg.Progress, msg.Progress, msg.Ended
    ]  # fmt: skip


def test_what_another_training_writes_over_it_is_a_new_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0, 2.0)))
    source, session = Followed(path), Session()
    told = everything(source)
    path.write_bytes(lines(greeting(2.0), started(), progress(1, 9.0)))
    told += everything(source)
    assert losses(told) == [(1, 1, 3.0), (1, 2, 2.0), (2, 1, 9.0)]
    for message in told:
        session.apply(message)
    assert [(run.number, run.loss, run.is_on) for run in session.runs] == [
        (1, 2.0, False), (2, 9.0, True)
    ]  # fmt: skip


def test_a_file_that_is_cut_and_written_again_is_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0, 2.0)))
    source, session = Followed(path), Session()
    told = everything(source)
    path.write_bytes(lines(greeting(), started()))
    told += everything(source)
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0)))
    told += everything(source)
    for message in told:
        session.apply(message)
    assert [(run.number, run.step, run.loss) for run in session.runs] == [(1, 1, 3.0)]


def test_foreign_lines_are_said_once_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    start = lines(greeting(), started())
    damage = b"\x1b]0;owned\x07\n{}\n[1\n" + lines(progress(1, 5.0, run=7))
    path.write_bytes(start + damage + lines(progress(1, 3.0), msg.Printed(text="hello"), ended(1)))
    told = everything(Followed(path))
    assert losses(told) == [(1, 1, 3.0)]
    said = printed(told)
    assert said[0].startswith(f"{path} has a line at byte {len(start)} that is left out: ")
    assert said[1:] == ["hello"]
    assert "\x1b" not in said[0]


def test_it_ends_where_the_file_ends_once_nobody_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0)) + b'{"type":"pro')
    source = Followed(path)
    everything(source)
    source.finish()
    (end,) = source.poll(None)
    assert isinstance(end, msg.Ended)
    assert (end.outcome, end.step, end.loss, end.reason) == (
        "stopped", 1, 3.0, "the file ends at step 1"
    )  # fmt: skip
    assert source.is_over
    assert source.poll(None) == []
    empty = Followed(tmp_path / "no.jsonl", once=True)
    assert empty.poll(None) == []
    assert empty.trouble == f"{tmp_path}/no.jsonl has nothing to show yet"


def test_that_nothing_is_added_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MIN_STALL", 0.2)
    monkeypatch.setattr(followed, "MIN_STALL", 0.2)
    monkeypatch.setattr(followed, "REPORT_SECONDS", 0.0)
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0)))
    source, session = Followed(path), Session()
    told: list[msg.AnyMessage] = []
    end = time.monotonic() + 30
    while not any(isinstance(message, msg.Ranks) for message in told):
        assert time.monotonic() < end
        told += source.poll(0.05)
    for message in told:
        session.apply(message)
    run = session.current
    assert run is not None
    assert run.live is not None
    assert run.live.ranks is not None
    assert run.live.ranks.stalled > 0.2
    assert run.live.ranks.doing == "nothing was added to the file; waiting"
    with path.open("ab") as file:
        file.write(lines(ended(1)))
    told = everything(source)
    assert [type(message) for message in told] == [msg.Ended]


def test_a_stall_that_goes_on_is_reported_however_often_the_file_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0, 2.0)))
    source, now = Followed(path), time.time()
    clock = SimpleNamespace(time=lambda: now, monotonic=lambda: now, sleep=lambda seconds: None)
    monkeypatch.setattr(following, "time", clock)
    monkeypatch.setattr(followed, "time", clock)
    stalls = []
    for _ in range(3000):
        now += 0.1
        stalls += [m.stalled for m in source.poll(0) if isinstance(m, msg.Ranks)]
    assert stalls == sorted(stalls)
    assert stalls[-1] > 280
    assert len(stalls) < 300  # not at every look


def test_a_scalar_that_comes_late_is_no_disorder(tmp_path: Path) -> None:
    late = msg.Progress(run=1, steps=2, scalars={"loss": [2.0], "val_loss": [2.5]}, seconds=1.0)
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines(greeting(), started(), progress(1, 3.0, 2.0), late, progress(3, 1.0)))
    assert printed(everything(Followed(path))) == []


def test_steps_that_were_given_one_time_are_added_at_once() -> None:
    growth = following.Growth(unknown=60.0)
    now = time.time()
    for step in range(600):
        growth.add(now - 20 + step // 60 * 2, step)  # 60 of them every two seconds
    assert growth.pace() == pytest.approx(30)
    assert growth.stalled(now) == 0.0
    growth.clear()
    assert growth.pace() == 0.0
