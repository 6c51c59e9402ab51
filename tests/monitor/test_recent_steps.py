"""The pace of trainings whose steps take from a millisecond to a minute."""

from __future__ import annotations

import pytest

from lrtui.monitor.recent_steps import RecentSteps


def readings(seconds_a_step: float, until: float, tick: float = 0.5) -> list[float]:
    pace, found = RecentSteps(), []
    for i in range(int(until / tick)):
        now = i * tick
        pace.add(now, int(now / seconds_a_step))
        found.append(pace.pace(now))
    return found


@pytest.mark.parametrize("seconds_a_step", [0.001, 0.1, 0.7, 2.0, 5.3, 30.0])
def test_a_steady_training_has_a_steady_pace(seconds_a_step: float) -> None:
    """Steps of two seconds were told as 1, 0, 0, 1, 0 steps a second."""
    known = readings(seconds_a_step, 60 + 25 * seconds_a_step)
    settled = known[int((20 + 12 * seconds_a_step) / 0.5) :]
    assert settled == pytest.approx([1 / seconds_a_step] * len(settled), rel=0.12)


def test_another_pace_is_told_within_ten_seconds_or_steps() -> None:
    pace, now = RecentSteps(), 0.0
    for step in range(200):
        now += 0.1 if step < 100 else 0.5
        pace.add(now, step)
    assert pace.pace(now) == pytest.approx(2.0, rel=0.1)


def test_an_overdue_step_lowers_the_pace() -> None:
    pace = RecentSteps()
    for step in range(20):
        pace.add(2.0 * step, step)
    assert pace.pace(38.0) == pytest.approx(0.5)
    assert pace.pace(39.9) == pytest.approx(0.5)
    falling = [pace.pace(40.0 + i) for i in range(1, 100)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.15


def test_after_a_pause_or_a_rewind_it_begins_anew() -> None:
    pace = RecentSteps()
    assert pace.pace(0.0) == 0.0
    for step in range(20):
        pace.add(0.1 * step, step)
    pace.clear()
    assert pace.pace(2.0) == 0.0
    pace.add(100.0, 20)
    pace.add(100.5, 25)
    assert pace.pace(100.5) == pytest.approx(10)
    pace.add(101.0, 3)
    assert pace.pace(101.0) == 0.0
    assert pace.pace(101.0, least=10) == 0.0


@pytest.mark.parametrize("seconds_a_step", [0.01, 0.4, 3.0, 20.0])
def test_the_share_that_waits_for_data_is_steady(seconds_a_step: float) -> None:
    """Of steps of three seconds, one of them waiting, it was 0, 0 and 100%."""
    recent, shares = RecentSteps(), []
    for now in range(int(30 + 20 * seconds_a_step)):
        step = int(now / seconds_a_step)
        recent.add(float(now), step, waited=step * seconds_a_step / 3)
        shares.append(recent.share_waited)
    assert shares[0] is None
    settled = shares[int(20 + 12 * seconds_a_step) :]
    assert settled == pytest.approx([1 / 3] * len(settled), rel=0.12)
