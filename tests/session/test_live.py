"""What is said of a training that is not ours, besides its losses."""

from __future__ import annotations

import io
import json

import pytest

from lrtui.commands.plain_text import Printer
from lrtui.messages import Progress, Ranks, Snapshots
from lrtui.session.change import Change
from lrtui.session.session import Session
from tests.screen.live import falling, told


def watched() -> Session:
    session = Session()
    for message in told(falling(60)):
        session.apply(message)
    return session


def test_a_rank_that_lags_is_named_once_and_once_when_it_has_caught_up() -> None:
    session = watched()
    said: list[str] = []
    for second in range(60):
        third = 10 * min(second, 20) if second < 40 else 10 * second
        ranks = Ranks(run=1, steps=[10 * second, 10 * second - 1, third], paces=[10, 10, 5])
        said += [change.text for change in session.apply(ranks) if change.kind == "ranks"]
    assert said == ["rank 2 lags: 50 steps behind rank 0", "rank 2 has caught up"]


def test_a_stall_of_a_minute_is_logged_with_the_rank_that_holds_up_the_others() -> None:
    session = watched()
    said: list[str] = []
    for stalled in (0.0, 12.0, 59.0, 60.0, 61.0, 0.0):
        doing = "waits for data in train.py, line 3" if stalled else ""
        ranks = Ranks(run=1, steps=[9, 9], paces=[0, 0], stalled=stalled, doing=doing, blocker=1)
        said += [change.text for change in session.apply(ranks) if change.kind == "ranks"]
    held = "no step for 60 s: rank 1 holds up the others, it waits for data in train.py, line 3"
    assert said == [held, "steps again after 61 s without one"]


CALM = [1.0 + 0.01 * (k % 7) for k in range(300)]


def spiked(norm: float, rate: float = 0.1, over: bool = False) -> tuple[Session, list[Change]]:
    """Return a training whose loss spikes at step 301, and what its last report changed."""
    session, changes = Session(), []
    for message in told(CALM, lrs=[0.1] * 300, grad_norm=[1.0] * 300):
        session.apply(message)
    after = [CALM] if over else []
    for at, losses in enumerate([[5.0] * 8, *after]):
        norms = [norm, *[1.0] * (len(losses) - 1)] if not at else [1.0] * len(losses)
        scalars = {"loss": [*losses], "grad_norm": norms, "lr": [rate] * len(losses)}
        changes = session.apply(
            Progress(run=1, steps=300 + 8 * at, scalars=scalars, seconds=1.0)  # type: ignore[arg-type]
        )
    session.apply(Snapshots(run=1, steps=[100, 250, 303], before=100))
    return session, changes


def way_back(session: Session) -> tuple[int, float] | None:
    assert session.current is not None
    assert session.current.live is not None
    return session.current.live.way_back


def test_the_way_back_halves_the_rate_unless_one_batch_was_bad() -> None:
    assert way_back(watched()) is None  # no snapshots
    assert way_back(spiked(1.0)[0]) == (250, 0.5)
    assert way_back(spiked(30.0)[0]) == (250, 1.0)
    assert way_back(spiked(30.0, rate=0.2)[0]) == (250, 0.5)
    assert way_back(spiked(30.0, over=True)[0]) == (100, 0.5)


def test_a_spike_and_its_cause_are_events() -> None:
    def events(changes: list[Change]) -> list[tuple[int | None, str]]:
        return [(each.step, each.text) for each in changes if each.kind == "spike"]

    assert events(spiked(1.0)[1]) == [(300, "spike, ×4.85 its level")]
    assert events(spiked(30.0)[1]) == [
        (300, "gradient norm ×30 its level"),
        (300, "spike, ×4.85 its level: one bad batch"),
    ]
    assert events(spiked(30.0, rate=0.2)[1]) == [
        (300, "gradient norm ×30 its level"),
        (300, "spike, ×4.85 its level: the rate was raised"),
    ]
    session, _ = spiked(30.0)
    assert session.current is not None
    assert session.current.verdict() == (
        "spike",
        "one bad batch, since step 300: 5, ×4.85 its level before",
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_events_are_printed(as_json: bool) -> None:
    out = io.StringIO()
    printer = Printer(every=1000, as_json=as_json, out=out)
    for message in told([*CALM, *[5.0] * 8, *CALM]):
        printer.take(message)
    printer.take(Ranks(run=1, steps=[1000, 1000, 800], paces=[10, 10, 5]))
    lines = out.getvalue().splitlines()
    texts = ["spike, ×4.85 its level", "back at its level", "rank 2 lags: 200 steps behind rank 0"]
    if not as_json:
        assert [line.split(maxsplit=2)[2] for line in lines[-3:]] == texts
        assert lines[-3] == "step    300  spike, ×4.85 its level"
        return
    found = [each for each in map(json.loads, lines) if each["type"] == "event"]
    assert [each["text"] for each in found] == texts
    assert [each["kind"] for each in found] == ["spike", "recovery", "ranks"]
    assert (found[0]["run"], found[0]["step"]) == (1, 300)
