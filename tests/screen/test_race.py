"""A race on the screen: several runs on one chart, and what keys do to them."""

from __future__ import annotations

import pytest

from lrtui.messages import Alone, Entrant, Pause, Race, Start
from lrtui.session.setup import OPTIMIZERS
from tests.screen.fake import (
    FakeTrainer,
    asked,
    frame,
    main_screen,
    make_app,
    only_until,
    press,
    starts,
    text,
)


@pytest.mark.slow
async def test_rates_typed_with_blanks_are_raced() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.5)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *"0.1", "space", *"0.7", "space", *"1.01", "enter")
        await frame(pilot, 2)
        assert asked(source)[-1] == Race(
            entrants=[Entrant(run=run, lr=lr) for run, lr in ((2, 0.1), (3, 0.7), (4, 1.01))],
            steps=100,
            speed=20.0,
        )
        status = text(app, "status")
        assert "2 0.1 ✓ settled at 71" in status
        assert "3 0.7 ✓ settled at 8" in status
        assert "4 1.01 ✕ diverged" in status
        ruler = text(app, "ruler").splitlines()[0]
        assert ruler.index("2") < ruler.index("3") < ruler.index("4")
        assert "◆" not in ruler
        ends = [line.rsplit("  ", 1)[-1].strip() for line in text(app, "loss").splitlines()]
        for rate in ("0.1", "0.7", "1.01 ✕"):  # told apart without colour
            assert sum(end.endswith(f" {rate}") or end == rate for end in ends) == 1
        assert " 0.5" not in text(app, "loss")
        await press(pilot, "r")
        await frame(pilot)
        assert isinstance(asked(source)[-1], Race)
        assert [run.times for run in main_screen(app).view.race] == [2, 2, 2]


@pytest.mark.slow
async def test_keys_act_on_all_runs_and_enter_goes_on_with_the_one_in_focus() -> None:
    source = FakeTrainer(only_until(3))
    app = make_app(source, 0.5)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *"0.1", "space", *"0.7", "enter")
        await frame(pilot, 2)
        await press(pilot, "space")
        assert asked(source)[-1] == Pause()
        await press(pilot, "right_curly_bracket")
        await frame(pilot)
        assert "Enter goes on with the one in focus alone" in text(app, "notice")
        fit = text(app, "fit")
        await press(pilot, "up")
        await frame(pilot)
        assert text(app, "fit") != fit  # that of the other run
        await press(pilot, "b")
        await frame(pilot)
        drawn = "\n".join(line[8:] for line in text(app, "map").splitlines()[1:-2])
        assert (drawn.count("2"), drawn.count("3")) == (1, 1)  # where each is now
        await press(pilot, "enter")
        assert asked(source)[-1] == Alone(run=3)


@pytest.mark.slow
async def test_enter_runs_a_highlighted_run_again() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.1, 0.7, 0.3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 4)
        await press(pilot, "down", "down")
        await press(pilot, "enter")
        await frame(pilot)
        assert starts(source)[-1] == 0.1


async def test_optimizers_are_raced_at_one_rate() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.05)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "O")
        await frame(pilot)
        race = asked(source)[-1]
        assert isinstance(race, Race)
        assert [(e.lr, e.optimizer) for e in race.entrants] == [(0.05, by) for by in OPTIMIZERS]
        for optimizer in OPTIMIZERS[1:3]:
            assert f" {optimizer.title}" in text(app, "loss")


@pytest.mark.parametrize("typed", ["0.1 0", "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"])
@pytest.mark.slow
async def test_what_cannot_be_raced_is_refused(typed: str) -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *(key if key != " " else "space" for key in typed), "enter")
        await frame(pilot)
        assert "✕" in text(app, "notice")
        assert len([c for c in source.sent if isinstance(c, Start | Race)]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20), (40, 12)])
async def test_eight_runs_stand_in_the_status_at_every_size(size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=size) as pilot:
        await frame(pilot)
        rates = ("0.001", "0.01", "0.1", "0.3", "0.5", "0.7", "0.9", "1.01")
        main_screen(app).controller.race_rates([float(rate) for rate in rates])
        await frame(pilot, 2)
        status = text(app, "status")
        signs = sum(status.count(sign) for sign in "✓✕…▷")
        assert signs == 8


@pytest.mark.slow
async def test_runs_from_ten_on_keep_their_numbers_apart() -> None:
    app = make_app(FakeTrainer(only_until(20)), *[0.1] * 9)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 12)
        for lr in (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09):
            await press(pilot, *str(lr), "enter")
            await frame(pilot)
        await press(pilot, *"0.1 0.3 0.6 0.66 1.01", "enter")
        await frame(pilot, 3)
        view = main_screen(app).view
        numbers = [run.number for run in view.race]
        assert numbers[0] >= 10
        ruler = text(app, "ruler").splitlines()[0]
        for number in numbers[:2]:
            assert ruler.count(str(number)) == 1
        # 0.6 and 0.66 are two cells apart, no number fits between: a mark in the run's colour.
        signs = ruler[ruler.index(str(numbers[1])) + 2 :]
        assert signs.count("◆") + sum(signs.count(str(n)) for n in numbers[2:]) == 3


@pytest.mark.slow
async def test_a_race_that_holds_says_where_it_holds() -> None:
    app = make_app(FakeTrainer(only_until(20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *"0.1 0.7", "enter")
        await frame(pilot, 2)
        assert "at 71" in text(app, "status")
        main_screen(app).view.session.paused = True
        main_screen(app).view.dirty = True
        await frame(pilot)
        status = text(app, "status")
        assert status.count("‖ paused at step 20") == 2
        assert "71" not in status.splitlines()[0]


async def test_a_run_at_two_rates_bears_both_in_the_table() -> None:
    app = make_app(FakeTrainer(only_until(20)), 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "}")
        await frame(pilot, 2)
        assert "0.1 → 0.125" in text(app, "runs")


@pytest.mark.slow
async def test_the_bowl_does_not_call_the_middle_of_the_valley_the_minimum() -> None:
    app = make_app(FakeTrainer(only_until(6)), 0.499)
    async with app.run_test(size=(200, 48)) as pilot:
        await frame(pilot, 2)
        run = main_screen(app).view.session.current
        assert run is not None
        assert run.loss is not None
        legend = text(app, "bowl").splitlines()[0]
        assert "at the minimum" not in legend
        assert "across the valley" in legend
        assert "% above its minimum" in legend
