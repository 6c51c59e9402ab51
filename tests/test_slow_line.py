"""The real program on a line that carries few bytes a second, to a terminal that answers or not."""

from __future__ import annotations

import re
import statistics
import time

import pytest

from tests.terminal import SlowLine, Terminal, terminal

pytestmark = pytest.mark.slow

LINES = [(8000, 1.0, True), (8000, 1.0, False), (2000, 3.0, True), (2000, 3.0, False)]
"""Bytes a second, seconds in which a key is to be answered, whether the terminal answers."""

FLAT_OUT = ("--speed", "max", "--steps", "1000000000")
SHORT = ("--speed", "100", "--seed", "3")


@pytest.fixture(scope="module")
def final() -> str:
    """The screen after a run, where the line is no hindrance."""
    with terminal(*SHORT) as lab:
        lab.wait_for("step 100/100")
        lab.read(1)
        return shown(lab)


def taken(lab: Terminal) -> int:
    """The steps taken, as the screen shows them; 0 while only a part of them has come."""
    found = re.search(r"step ([\d,]+)/", lab.text)
    return int(found[1].replace(",", "")) if found else 0


def steps_per_second(lab: Terminal, line: SlowLine) -> float:
    """The speed over some seconds, from one new count on the screen to another.

    A count that has stood for a while says how many steps had been taken then, not now.
    """

    def new_count() -> tuple[int, float]:
        before, until = taken(lab), time.monotonic() + 5
        while line.carry() or taken(lab) in (0, before):  # all of a frame has come
            assert time.monotonic() < until, lab.text
        return taken(lab), time.monotonic()

    first, start = new_count()
    while time.monotonic() < start + 2.5:
        line.carry()
    last, end = new_count()
    return (last - first) / (end - start)


def shown(lab: Terminal) -> str:
    """The screen but for what no two runs have in common: the steps a second."""
    return re.sub(r"(settled +\d+ +\d+ +[\d.]+) +\d+", r"\1", lab.text)


def test_a_key_does_not_wait_behind_more_than_the_slowest_line_carries_at_once() -> None:
    with terminal(*FLAT_OUT) as lab:
        line = SlowLine(lab, 2000)
        line.wait_for("◆", 30)
        until = time.monotonic() + 5
        while time.monotonic() < until:  # the first frame is most of 6 kB
            line.carry()
        times = []
        for typed in ("7", "73", "739", "7391", "73915", "739152", "7391526"):
            for _ in range(30):
                line.carry()
            lab.type(typed[-1])
            times.append(line.wait_for(f" rate {typed} ", 3))
    assert statistics.median(times) < 0.6, times


@pytest.mark.parametrize(("pace", "patience", "answers"), [LINES[0], LINES[3]])
def test_keys_are_answered_while_training_keeps_its_speed(
    pace: float, patience: float, answers: bool
) -> None:
    with terminal(*FLAT_OUT, answers=answers) as lab:
        line = SlowLine(lab, pace)
        line.wait_for("◆", 30)
        for typed in ("7", "77", "772"):
            lab.type(typed[-1])
            line.wait_for(f" rate {typed} ", patience)
        slow = steps_per_second(lab, line)
        # The same training a moment later: what a machine carries differs from minute to minute.
        fast = steps_per_second(lab, SlowLine(lab, 1e6))
    # A trainer held up by the line would stand still; the margin is for the machine's noise.
    assert slow > 0.5 * fast


@pytest.mark.parametrize(("pace", "_", "answers"), LINES[1:3])
def test_after_the_run_the_screen_shows_its_end(
    pace: float, _: float, answers: bool, final: str
) -> None:
    with terminal(*SHORT, answers=answers) as lab:
        line = SlowLine(lab, pace)
        line.wait_for(r"step [1-9]\d*/100", 30)
        line.wait_for("step 100/100", 10)
        while line.carry(2):
            pass
        assert shown(lab) == final
        assert len(lab.raw) < 30_000  # frames were left out, not queued


@pytest.mark.parametrize(("arguments", "most"), [((), 10_000), (FLAT_OUT, 15_000)])
def test_few_bytes_are_written_and_none_when_nothing_changes(
    arguments: tuple[str, ...], most: int
) -> None:
    with terminal(*arguments) as lab:
        lab.wait_for("◆")
        before, since = len(lab.raw), time.monotonic()
        lab.drain(2.5)
        assert 500 < (len(lab.raw) - before) / (time.monotonic() - since) < most
        lab.type(" ")
        lab.wait_for("paused")
        lab.drain(0.5)
        before = len(lab.raw)
        lab.drain(1)
        assert lab.raw[before:] == b""
        if not arguments:
            lab.type(" ")
            lab.wait_for("step 100/100")
            lab.drain(0.5)
            before = len(lab.raw)
            lab.drain(1)
            assert lab.raw[before:] == b""
