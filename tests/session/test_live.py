"""What is said of a training that is not ours, besides its losses."""

from __future__ import annotations

from lrtui.messages import Ranks
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
