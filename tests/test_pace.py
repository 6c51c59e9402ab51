"""When the next step is due."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lrtui.messages import AnyCommand, Pause, Resume, SetLr, SetSpeed, Step
from lrtui.messages.pace import CATCH_UP, Pace


def steps_until(pace: Pace, start: float, end: float, tick: float = 1 / 1024) -> int:
    """How many steps are taken by somebody who looks at every tick."""
    count, now = 0, start
    while now < end:
        while pace.due() <= now and count < 10_000:
            pace.took_step(now)
            count += 1
        now += tick
    return count


def test_so_many_steps_a_second() -> None:
    assert steps_until(Pace(20.0, 100.0), 100.0, 103.0) == 60


def test_as_fast_as_possible() -> None:
    pace = Pace(None, 0.0)
    pace.took_step(0.0)
    assert pace.due() == -math.inf


def test_a_late_step_is_made_up_for() -> None:
    pace = Pace(10.0, 0.0)
    pace.took_step(0.2)
    assert pace.due() == 0.1
    assert steps_until(pace, 0.2, 1.0) == 9


@given(st.floats(1.0, 1000.0), st.floats(1.0, 1e6))
def test_a_long_delay_is_not_made_up_for(speed: float, delay: float) -> None:
    pace = Pace(speed, 0.0)
    pace.took_step(delay)  # as after the process was stopped for a while
    at_once = 0
    while pace.due() <= delay and at_once < 10_000:
        pace.took_step(delay)
        at_once += 1
    assert at_once <= CATCH_UP * speed + 2


def test_paused_means_no_step_until_one_is_asked_for() -> None:
    pace = Pace(20.0, 0.0, paused=True)
    assert pace.due() == math.inf
    for _ in range(3):
        pace.apply(Step(), 1.0)
    assert steps_until(pace, 1.0, 9.0) == 3
    pace.apply(Step(), 9.0)
    pace.apply(Pause(), 9.0)  # takes back what was not done yet
    assert pace.due() == math.inf


def test_a_pause_is_not_made_up_for() -> None:
    pace = Pace(20.0, 0.0)
    pace.apply(Pause(), 0.0)
    pace.apply(Step(), 50.0)
    pace.apply(Resume(), 100.0)
    assert not pace.paused
    assert steps_until(pace, 100.0, 101.0) == 20


def test_a_step_pauses() -> None:
    pace = Pace(None, 0.0)
    pace.apply(Step(), 0.0)
    assert pace.paused
    pace.took_step(0.0)
    assert pace.due() == math.inf


def test_another_speed_counts_from_now() -> None:
    pace = Pace(0.1, 0.0)
    pace.took_step(0.0)
    pace.apply(SetSpeed(speed=50.0), 2.0)
    assert steps_until(pace, 2.0, 3.0) == 50
    pace.apply(SetSpeed(speed=None), 3.0)
    assert (pace.due(), pace.speed) == (-math.inf, None)


def test_whether_a_command_is_about_the_pace() -> None:
    about: list[AnyCommand] = [Pause(), Resume(), Step(), SetSpeed(speed=1.0)]
    assert all(Pace(1.0, 0.0).apply(command, 0.0) for command in about)
    assert not Pace(1.0, 0.0).apply(SetLr(lr=0.1), 0.0)
