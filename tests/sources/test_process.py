"""The trainer process, started and watched; small scripts stand in for the trainer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from lrtui.messages import (
    AnyMessage,
    Ended,
    Failed,
    Greeting,
    LineScene,
    Pause,
    Printed,
    ProblemFacts,
    Progress,
    Quadratic,
    Start,
    encode,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.sources.process import MAX_DETAILS, ProcessSource, how_ended
from tests.forks import SERVER
from tests.in_process import last
from tests.terminal import name_of

START = Start(run=1, lr=0.7, steps=10, speed=None)
GREETING = Greeting(program="script", pid=1, folder="/", title="t", capabilities=[])
SAY = f"""
import os, signal, sys, time
def say(line):
    print(line, flush=True)
G = {encode(GREETING).decode()!r}
"""


FLOOD = "(over 50 lines in a second: the others are counted)"


def children() -> list[psutil.Process]:
    """What this process has started, other than for other tests."""
    return [each for each in psutil.Process().children() if name_of(each) not in (SERVER, None)]


def script(code: str) -> ProcessSource:
    return ProcessSource(ProblemSettings(), [sys.executable, "-S", "-c", SAY + code])


def until_end(source: ProcessSource) -> list[AnyMessage]:
    told: list[AnyMessage] = []
    while new := source.poll(None):
        told += new
    return told


@pytest.mark.slow
def test_the_real_trainer() -> None:
    source = ProcessSource(ProblemSettings(points=7, seed=3))
    try:
        source.send(START)
        told: list[AnyMessage] = []
        while not any(isinstance(m, Ended | Failed) for m in told):
            told += source.poll(None)
        kinds = [type(m) for m in told if not isinstance(m, Printed)]
        assert kinds[:4] == [Greeting, LineScene, Quadratic, ProblemFacts]
        greeting = last(told, Greeting)
        assert greeting.pid == children()[0].pid
        assert "7 points" in greeting.title
        assert "seed 3" in greeting.title
        assert len(last(told, LineScene).x) == 7
        assert last(told, Progress).last == 10
        assert last(told, Ended).outcome == "done"
    finally:
        source.close()
    assert children() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit(3)", "the trainer ended: exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the trainer ended: killed by SIGKILL"),
        ("say('rubbish'); time.sleep(60)", "not a message (JSON is malformed"),
        ('say(\'{"type":"started"}\'); time.sleep(60)', "not a message (Object missing"),
        ("os.write(1, bytes(200) + b'\\n'); time.sleep(60)", "not a message"),
    ],
)
def test_how_it_failed_is_said_in_words(code: str, reason: str) -> None:
    source = script(f"say(G)\n{code}")
    told = until_end(source)
    assert told[0] == GREETING
    failed = told[-1]
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert len(failed.reason) < 250
    source.close()


def test_what_it_printed_last_is_told_with_the_failure() -> None:
    source = script("for i in range(99): print(f'line {i}', file=sys.stderr)\nsys.exit(1)")
    told = until_end(source)
    failed = last(told, Failed)
    assert failed.details == [f"line {i}" for i in range(99 - MAX_DETAILS, 99)]
    shown = [m.text for m in told if isinstance(m, Printed)]
    assert shown == [*(f"line {i}" for i in range(50)), FLOOD, "(49 more lines printed)"]
    source.close()


def test_after_the_failure_a_poll_waits_for_nothing() -> None:
    source = script("sys.exit(1)")
    assert isinstance(until_end(source)[-1], Failed)
    assert source.poll(None) == []
    assert source.poll(9.0) == []
    source.send(Pause())  # nobody is there to take it
    source.close()
    source.close()


def test_a_message_that_only_a_newer_trainer_knows_is_ignored() -> None:
    source = script('say(\'{"type":"premonition"}\')\nsay(G)')
    assert until_end(source)[0] == GREETING
    source.close()


def test_what_is_printed_as_python_starts_is_no_message() -> None:
    source = script("say('hello from sitecustomize')\nsay(G)")
    assert until_end(source)[:2] == [Printed(text="hello from sitecustomize"), GREETING]
    source.close()


def test_a_trainer_that_does_not_end_by_itself_is_killed() -> None:
    source = script("say(G)\ntime.sleep(60)")
    assert source.poll(None) == [GREETING]
    source.close()
    assert children() == []


def test_what_a_dead_trainer_left_behind_is_not_held_against_the_next_run(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    source = script(
        f"if not os.path.exists({str(marker)!r}):\n"
        f"    open({str(marker)!r}, 'w').close()\n"
        "    sys.exit('oh')\n"
        "say(G)\n"
        "say(sys.stdin.readline() and G)\n"
        "time.sleep(60)\n"
    )
    end = time.monotonic() + 10
    while children():  # until it has ended and the source knows
        assert time.monotonic() < end
        time.sleep(0.01)
    source.send(START)  # and nobody has asked for what it said
    told: list[AnyMessage] = []
    while len(told) < 2:
        told += source.poll(None)
    source.close()
    assert told == [GREETING, GREETING]


def test_return_codes_in_words() -> None:
    assert how_ended(2) == "exit code 2"
    assert how_ended(-9) == "killed by SIGKILL"
    assert how_ended(-64 - 1) == "killed by signal 65"
