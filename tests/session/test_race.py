"""A race from its messages: which run is ended, the table, and what may be said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lrtui import messages as msg
from lrtui.session import race
from lrtui.session.race import Standings, table
from lrtui.session.reports import RaceTable


def begin(number: int, name: str, lr: float) -> list[msg.AnyMessage]:
    greeting = msg.Greeting(
        program="p", pid=1, folder="f", title=name, capabilities=[], name=name, since=1.0
    )
    numbers = [*range(1, number + 1)]
    return [
        msg.Joined(run=number, greeting=greeting),
        msg.Started(run=number, lr=lr, steps=None, optimizer="SGD", race=numbers),
    ]


def losses(number: int, first: int, *found: float | None) -> msg.Progress:
    return msg.Progress(run=number, steps=first, scalars={"loss": [*found]}, seconds=1.0)


def ended(number: int, step: int, outcome: msg.Outcome = "done", why: str = "") -> msg.Ended:
    return msg.Ended(run=number, outcome=outcome, step=step, loss=None, reason=why)


def of(*runs: tuple[float, int | None, Sequence[float | None], msg.Outcome]) -> RaceTable:
    """The table of runs by rate, seed, losses and outcome."""
    standings = Standings()
    entries = {}
    for number, (lr, seed, found, outcome) in enumerate(runs, 1):
        name = f"{lr}-{seed}"
        entries[name] = (lr, seed)
        standings.take([*begin(number, name, lr), losses(number, 1, *found)])
        standings.take([ended(number, len(found), outcome, "exit code 1")])
    return table(standings, entries)


def test_a_run_is_ended_only_once_it_stays_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "CHECK_SECONDS", 0.0)
    standings = Standings()
    assert standings.take([*begin(1, "a", 0.1), losses(1, 1, 3.0, None, 2.0)]) == {}
    assert standings.take([losses(1, 4, *[None] * 4)]) == {}
    assert standings.take([losses(1, 8, *[2.0] * 60)]) == {}  # it came back
    assert standings.take([losses(1, 68, None, None)]) == {}
    assert standings.take([losses(1, 70, *[None] * 9)]) == {}
    assert standings.take([losses(1, 79, None)]) == {"a": "not finite since step 68"}
    assert standings.take([ended(1, 79, "diverged", "why"), losses(1, 80, None)]) == {}


def test_rates_are_compared_at_the_last_step_that_all_sound_runs_reached() -> None:
    found = of(
        (0.01, None, [2.0] * 50, "done"),
        (0.1, None, [1.0] * 40 + [9.0] * 40, "done"),
        (1.0, None, [1.0] * 5 + [None] * 5, "diverged"),
        (0.3, None, [0.1] * 7, "failed"),
        (0.2, None, [0.2] * 30, "stopped"),
    )
    assert (found.step, found.best, found.second, found.broke) == (50, 0.01, 0.1, [0.3, 1.0])
    assert found.difference == pytest.approx(7.0)
    assert [row.at_step for row in found.runs] == [2.0, 9.0, None, None, None]
    assert [(row.best, row.best_step) for row in found.runs[:3]] == [
        (2.0, 10), (1.0, 10), (None, None)
    ]  # fmt: skip
    assert found.advice == [
        "0.3 failed: exit code 1",
        "1 broke: exit code 1",
        "at step 50 0.01 is lowest, at a mean of 2 over 10 steps: 7 below 0.1; one seed a rate "
        "cannot tell that from noise, as --seeds 3 could",
        "0.01 is the smallest that was tried: what lies beyond it is not known",
    ]


def test_seeds_say_what_is_beyond_chance() -> None:
    runs: list[tuple[float, int | None, list[float], msg.Outcome]] = [
        (lr, seed, [loss + 0.1 * seed] * 20, "done")
        for lr, loss in ((0.01, 5.0), (0.1, 1.0), (0.2, 1.05))
        for seed in (1, 2, 3)
    ]
    found = of(*runs)
    assert found.spread == pytest.approx(0.1)
    assert found.within_chance == [0.2]
    assert found.advice == [
        "at step 20 0.1 is lowest, at a mean of 1.2 over 10 steps: 0.05 below 0.2, 0.5 times the "
        "spread between seeds (0.1); within chance of it: 0.2"
    ]
    found = of(*runs[:6])
    assert found.advice[0].endswith("40.0 times the spread between seeds (0.1), beyond chance")
    assert found.advice[1:] == [
        "0.1 is the largest that was tried: what lies beyond it is not known"
    ]


def test_a_rate_that_broke_with_one_seed_is_not_recommended() -> None:
    found = of(
        (0.01, 1, [2.0] * 20, "done"),
        (0.1, 1, [1.0] * 20, "done"),
        (0.1, 2, [1.0] * 5 + [None] * 5, "diverged"),
    )
    assert (found.best, found.second) == (0.01, None)
    assert found.advice == [
        "0.1 broke with 1 of 2 seeds: exit code 1",
        "at step 20 0.01 is at a mean of 2 over 10 steps; nothing compares with it",
    ]


def test_nothing_is_said_of_a_race_without_losses() -> None:
    found = table(Standings(), {"a": (0.1, None)})
    assert [row.outcome for row in found.runs] == ["not run"]
    assert found.advice == ["no rate can be compared with another"]


def test_seeds_without_an_effect_say_nothing_of_noise() -> None:
    found = of(*((lr, seed, [lr] * 20, "done") for lr in (0.1, 0.2, 0.3) for seed in (1, 2)))
    assert found.advice[0].endswith(
        "; the seeds made no difference, so that nothing is known of noise"
    )
