"""The screen, driven by keys and a fake source of messages."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
from textual.events import Key, Paste

from lrtui.messages import (
    Failed,
    Pause,
    Printed,
    Resume,
    SetLr,
    SetSpeed,
    Step,
)
from lrtui.screen.actions import ACTIONS, offered
from lrtui.screen.dialogs.help import Help
from lrtui.screen.draw.spans import Row
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.panes import numbers
from lrtui.screen.rate_field import JOINS, RateField
from lrtui.text.rates import rate_text
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
    theory,
)


async def test_the_rates_given_follow_one_another() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.1, 0.7, 1.01)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(4):
            await frame(pilot)
        assert starts(source) == [0.1, 0.7, 1.01]
        outcomes = [run.outcome for run in main_screen(app).view.session.runs]
        assert outcomes == ["done", "done", "diverged"]
        table = text(app, "runs")
        assert table.index("1.01") < table.index("0.7") < table.index("0.1 ")
        assert "✕ diverged" in table
        assert "at step 100; past the limit 0.9" in text(app, "status")
        assert text(app, "log").splitlines()[-2:] == ["run 3 started, rate 1.01", "100 diverged"]


@pytest.mark.slow
async def test_a_number_typed_anywhere_and_enter_start_a_run() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "0", ".", "7", "enter")
        await press(pilot, "1", "e", "-", "3", "enter")
        await press(pilot, ".", "5", "enter")
        await press(pilot, ".", "0", ".", "3", "enter")  # one step, then at once a rate
        await frame(pilot)
        assert starts(source) == [0.1, 0.7, 1e-3, 0.5, 0.3]
        assert main_screen(app).query_one(RateField).value == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["0", "enter"], "more than 0"),
        (["minus", "1"], "more than 0"),
        (["1", "e", "9", "9", "9"], "too large"),
        (["enter"], "a learning rate is needed"),
        (["1", "e", "enter"], "not a number"),
    ],
)
async def test_what_is_no_rate_is_told_and_the_run_goes_on(typed: list[str], said: str) -> None:
    source = FakeTrainer(only_until(43))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *typed)
        await frame(pilot)
        assert said in text(app, "notice")
        assert "converging: the loss above its minimum shrinks" in text(app, "status")
        assert starts(source) == [0.1]
        await press(pilot, "escape")
        await frame(pilot, 2)
        assert text(app, "notice") == ""
        assert main_screen(app).query_one(RateField).value == ""


@pytest.mark.slow
async def test_a_paste_is_taken_or_told() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        app.post_message(Paste("abc"))
        await frame(pilot)
        assert "'abc' is not a number" in text(app, "notice")
        await press(pilot, "escape")
        app.post_message(Paste("0.25\n"))
        await press(pilot, "enter")
        await frame(pilot)
        assert starts(source) == [0.1, 0.25]


async def test_commands_work_while_a_number_is_typed() -> None:
    source = FakeTrainer(only_until(3))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "0", ".", "3", "y")
        assert main_screen(app).view.scale == "log"
        assert main_screen(app).query_one(RateField).value == "0.3"
        await press(pilot, "space")  # between two rates; in an empty field it pauses
        assert main_screen(app).query_one(RateField).value == "0.3 "
        await press(pilot, "escape")
        await press(pilot, "space")
        assert asked(source)[-1] == Pause()


@pytest.mark.slow
async def test_keys_that_change_the_run() -> None:
    source = FakeTrainer(only_until(43))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "space")
        await frame(pilot)
        assert "‖ paused" in text(app, "runs")
        await press(pilot, "full_stop", "space")
        assert asked(source)[-3:] == [Pause(), Step(), Resume()]
        await press(pilot, "plus", "plus", "minus")
        await pilot.pause(2 * JOINS)
        assert asked(source)[-3:] == [
            SetSpeed(speed=50.0),
            SetSpeed(speed=100.0),
            SetSpeed(speed=50.0),
        ]
        await press(pilot, "right_curly_bracket", "right_curly_bracket", "left_curly_bracket")
        assert asked(source)[-3:] == [SetLr(lr=0.125), SetLr(lr=0.156), SetLr(lr=0.125)]
        await press(pilot, "r", "right_square_bracket", "left_square_bracket")
        assert starts(source) == [0.1, 0.125, 0.156, 0.125]
        await press(pilot, "p", "p", "p", "p")
        assert starts(source)[4:] == [0.7, 1.01, 0.1, 0.7]


@pytest.mark.slow
async def test_as_fast_as_possible_and_back() -> None:
    source = FakeTrainer(only_until(5))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *["plus"] * 12)
        await pilot.pause(2 * JOINS)
        await frame(pilot)
        assert main_screen(app).view.session.speed is None
        assert " max " in text(app, "header")
        await press(pilot, "minus")
        await pilot.pause(2 * JOINS)
        await frame(pilot)
        assert " 1000/s " in text(app, "header")
        await press(pilot, *["minus"] * 20)
        await pilot.pause(2 * JOINS)
        await frame(pilot)
        assert " 1/s " in text(app, "header")


@pytest.mark.slow
async def test_without_a_run_on_the_keys_say_so() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        for key in ("space", "full_stop", "left_curly_bracket"):
            sent = len(source.sent)
            await press(pilot, key)
            await frame(pilot)
            assert "no run is on" in text(app, "notice")
            assert len(source.sent) == sent
            await press(pilot, "escape")
        assert not main_screen(app).view.session.paused


@pytest.mark.slow
async def test_a_rate_changed_without_a_restart_is_marked_on_the_chart() -> None:
    source = FakeTrainer(only_until(40))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        assert "0.125" not in text(app, "loss")
        await press(pilot, "right_curly_bracket")
        await frame(pilot)
        _, *chart = text(app, "loss").splitlines()
        marked = next(line for line in chart if "0.125" in line)
        assert 0.3 < marked.index("0.125") / len(chart[-2]) < 0.6
        assert "0.125 from step 41" in " ".join(text(app, "log").split())


async def test_a_held_key_restarts_cleanly() -> None:
    source = FakeTrainer(only_until(1))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *["r"] * 40)
        await frame(pilot)
        runs = main_screen(app).view.session.runs
        assert [run.number for run in runs] == [41]
        assert runs[-1].outcome is None
        assert runs[-1].step == 1


@pytest.mark.slow
async def test_earlier_runs_are_shown_behind() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(7):
            await frame(pilot)
        chart = text(app, "loss")
        for rate in ("0.9", "0.7", "0.4", "0.2", "0.1"):
            assert ends_of_curves(chart).count(rate) == 1
        assert "0.05" not in ends_of_curves(chart)


@pytest.mark.slow
async def test_the_trainer_failing_is_told_and_r_starts_anew() -> None:
    source = FakeTrainer(only_until(5))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        source.say(
            Printed(text="Traceback"),
            Failed(reason="the trainer ended: oh", details=["Traceback", "Oh: no"]),
        )
        await frame(pilot)
        status = text(app, "status")
        assert "the trainer ended: oh; r starts a new one" in status
        assert "Oh: no" in status
        assert "Traceback" in text(app, "log")
        await press(pilot, "r")
        await frame(pilot)
        assert starts(source) == [0.1, 0.1]
        assert "converging" in text(app, "status")


@pytest.mark.slow
async def test_what_is_printed_cannot_move_the_cursor() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        source.say(Printed(text="\x1b[31mred\x1b[0m [bold]not markup[/] 漢字"))
        await frame(pilot)
        shown = " ".join(text(app, "log").split())
        assert "[31mred [0m [bold]not markup[/] 漢字" in shown
        assert "\x1b" not in text(app, "log")


@pytest.mark.slow
async def test_help_names_every_action_and_goes_away_again() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(100, 90)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        shown = app.export_screenshot().replace("&#160;", " ").replace("&#x27;", "'")
        actions = iter(offered(main_screen(app).view.session))
        for action in actions:
            assert (action.pair or action.help).rstrip(".") in shown
            if action.pair:
                next(actions)
        for pane in ("fit", "loss", "every rate", "bowl", "map", "runs", "events", "ruler"):
            assert f">{pane}" in shown
        await press(pilot, "question_mark", "question_mark", "escape", "enter")
        await pilot.pause()
        assert main_screen(app).is_running


@pytest.mark.slow
async def test_bundled_keys_are_for_what_the_ones_before_opened_however_slow_the_machine() -> None:
    async def delay() -> None:
        while True:
            time.sleep(0.02)  # in every turn of the event loop
            await asyncio.sleep(0)

    app = make_app(FakeTrainer())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        delayed = asyncio.ensure_future(delay())
        app.post_message(Key("n", "n"))
        app.post_message(Paste("best"))
        await press(pilot, "enter", "question_mark", "q", "0", "full_stop", "5")
        view = main_screen(app).view
        end = time.monotonic() + 20
        while view.typed != "0.5" and time.monotonic() < end:
            await asyncio.sleep(0)
        delayed.cancel()
        assert [run.name for run in view.session.runs] == ["best"]
        assert view.typed == "0.5"
        assert main_screen(app).is_in_front


OF_A_TRAINING = ("follow", "hold", "release", "rewind", "try", "adopt", "checkpoint", "stop")
"""What only a training that is not ours is asked for."""


async def test_the_palette_has_every_command() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        shown = {command.title for command in app.get_system_commands(app.screen)}
        elsewhere = {"seek", *OF_A_TRAINING}
        assert {a.title for a in ACTIONS if a.needs not in elsewhere} <= shown


@pytest.mark.slow
@pytest.mark.parametrize("size", [(200, 60), (120, 36), (80, 24), (72, 20), (71, 40), (40, 12)])
async def test_nothing_is_clipped(size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer(), 0.1, 50)
    async with app.run_test(size=size) as pilot:
        for _ in range(3):
            await frame(pilot)
        footer = text(app, "footer")
        assert "? help" in footer
        assert "q quit" in footer
        assert "diverged" in text(app, "status")
        for pane in main_screen(app).query(PaneWidget):
            if pane.display and pane.id != "small":
                assert pane.region.bottom <= size[1]
                assert pane.region.right <= size[0]
        assert main_screen(app).query_one("#loss").size.height >= 4


@pytest.mark.slow
async def test_every_size_is_survived() -> None:
    app = make_app(FakeTrainer(), 1.01)
    async with app.run_test(size=(120, 36)) as pilot:
        for size in [(1, 1), (39, 12), (40, 11), (10, 50), (200, 3), (2, 2), (80, 24)]:
            await pilot.resize_terminal(*size)
            await frame(pilot)
        assert "diverged" in text(app, "status")


SIZES = [(120, 36), (80, 24), (71, 19), (60, 14), (40, 12)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_tab_shows_one_pane_after_another(size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer())
    every = ["fit", "loss", "every-rate", "bowl", "runs", "log"]
    async with app.run_test(size=size) as pilot:
        await frame(pilot)

        def seen() -> list[str]:
            return [p for p in every if main_screen(app).query_one(f"#{p}").region.area]

        usual = seen()
        alone = []
        while True:
            await press(pilot, "tab")
            await frame(pilot)
            if seen() == usual:
                break
            alone += seen()
            assert len(alone) < 10
        assert alone == [pane for pane in every if [pane] != usual]


@pytest.mark.slow
async def test_tab_survives_every_change_of_size() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(120, 36)) as pilot:
        for size in [*SIZES, *reversed(SIZES)]:
            await frame(pilot)
            await press(pilot, "tab")
            await pilot.resize_terminal(*size)
            await frame(pilot)
            await press(pilot, "tab")
        assert main_screen(app).view.session.current is not None


@pytest.mark.slow
async def test_the_ruler_shows_every_rate() -> None:
    app = make_app(FakeTrainer(), 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await frame(pilot)
        line = text(app, "ruler")
        slow, settled, bad = (line.index(sign) for sign in "░█╳")
        assert slow < settled < line.index("◆") < bad
        assert abs(line.index("┃") - line.index("╳")) <= 2
        assert line.index("★") < line.index("┃")
        assert "★ best 0.7" in line
        assert "┃ limit 0.9" in line


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.01, "… too slow: the loss above its minimum shrinks 1.4% a step; settles at 723,"),
        (0.1, "✓ settled: at step 71, within"),
        (0.7, "✓ settled: at step 8, within"),
        (1.01, "✕ diverged: loss "),
        (50, "✕ diverged: not finite at step 10; past the limit 0.999, steps grow 99-fold"),
    ],
)
@pytest.mark.slow
async def test_each_rate_is_told_what_it_means(rate: float, said: str) -> None:
    app = make_app(FakeTrainer(), rate)
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot)
        lines = text(app, "status").splitlines()
        assert lines[0].strip().startswith(said)
        assert not any(line.endswith("…") for line in lines)
        assert re.search("a try 0|no rate settles sooner", text(app, "numbers"))


@pytest.mark.slow
async def test_a_runs_the_advice() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "a")
        await frame(pilot)
        tried, advised = starts(source)
        assert tried == 0.1
        assert 0.6 < advised < 0.9
        current = main_screen(app).view.session.current
        assert current is not None
        assert current.forecast == current.settled_at
        await press(pilot, "a")
        await frame(pilot)
        assert len(starts(source)) == 2
        assert "no rate settles sooner than 0." in text(app, "notice")


async def test_the_forecast_stands_beside_what_came() -> None:
    app = make_app(FakeTrainer(), 0.1, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(3):
            await frame(pilot)
        for line in text(app, "runs").splitlines()[1:3]:
            number, _, _, _, foreseen, settled, *_ = line.replace("▎", "").split()
            assert foreseen == settled, number


@pytest.mark.slow
async def test_a_changed_rate_has_a_forecast_of_its_own() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source, 0.01)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        run = main_screen(app).view.session.current
        assert run is not None
        assert run.diagnosis is not None
        before = run.diagnosis.forecast
        await press(pilot, *["right_curly_bracket"] * 20)
        await frame(pilot)
        assert before is not None
        assert run.diagnosis.forecast is not None
        assert 40 < run.diagnosis.forecast < 60 < before
        assert run.forecast == run.diagnosis.forecast


@pytest.mark.slow
async def test_b_and_w_turn_the_views() -> None:
    app = make_app(FakeTrainer(), 0.1, 0.7, 1.01)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(4):
            await frame(pilot)
        assert "●" in text(app, "bowl")
        await press(pilot, "b")
        await frame(pilot)
        assert "✚ minimum" in text(app, "map")
        await press(pilot, "w")
        await frame(pilot)
        assert "steps to settle" in text(app, "every-rate")
        assert not main_screen(app).query_one("#loss").region.area
        await press(pilot, "w", "b")
        await frame(pilot)
        assert main_screen(app).query_one("#loss").region.area
        assert "measured soon" in text(app, "slice")
        await press(pilot, "b")
        await frame(pilot)
        assert "●" in text(app, "bowl")


@pytest.mark.parametrize("columns", [120, 121])
async def test_a_ball_at_the_minimum_of_the_bowl_is_drawn_there(columns: int) -> None:
    app = make_app(FakeTrainer(), 0.3)
    async with app.run_test(size=(columns, 36)) as pilot:
        await press(pilot, "tab", "tab", "tab", "tab")
        await frame(pilot, 3)
        legend, *picture = text(app, "bowl").splitlines()
        assert "● nearly 0 across the valley" in legend
        last = picture[-1]
        assert "●" in last
        assert "┴" not in last  # the ball covers it


@pytest.mark.slow
@pytest.mark.parametrize("columns", [73, 80, 120, 160])
async def test_the_loss_is_told_once_in_the_table_or_above_the_chart(columns: int) -> None:
    app = make_app(FakeTrainer(), 0.1)
    async with app.run_test(size=(columns, 36)) as pilot:
        await frame(pilot, 3)
        in_table = "loss" in text(app, "runs").splitlines()[0]
        assert in_table
        assert ("loss 0.0" in text(app, "loss").splitlines()[0]) != in_table


@pytest.mark.slow
async def test_y_has_three_scales() -> None:
    app = make_app(FakeTrainer(), 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        shown = []
        for _ in range(4):
            await frame(pilot)
            shown.append(text(app, "loss").splitlines()[0])
            await press(pilot, "y")
        assert "linear" in shown[0]
        assert "log" in shown[1]
        assert "above minimum" in shown[2]
        assert shown[3] == shown[0]


@pytest.mark.slow
async def test_another_theme_colours_everything() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        fit = main_screen(app).query_one("#fit", PaneWidget)
        before = fit.styles_of["good"]
        app.theme = "nord"
        await frame(pilot)
        assert fit.styles_of["good"] != before
        for theme in app.available_themes:
            app.theme = theme
            await frame(pilot)


@pytest.mark.slow
async def test_nothing_is_drawn_when_nothing_changed() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await frame(pilot)
        shown: list[object] = []
        for pane in main_screen(app).query(PaneWidget):
            pane.show = shown.append  # type: ignore[assignment, method-assign]
        for _ in range(5):
            await frame(pilot)
        assert shown == []


@pytest.mark.slow
async def test_clicks_on_the_ruler_run_rates() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        line = text(app, "ruler")
        known = theory()
        for column, sign, lr in (
            (line.index("★"), "★", known.best_lr),
            (line.index("best"), "★", known.best_lr),
            (line.index("┃"), "┃", known.max_stable_lr),
            (line.index("limit") + 4, "┃", known.max_stable_lr),
        ):
            count = len(starts(source))
            await pilot.click("#ruler", offset=(column, 0))
            await frame(pilot)
            assert len(starts(source)) == count  # the run that is on goes on
            assert f"rate {rate_text(lr)}: " in text(app, "notice")
            at = line.index(sign)
            assert text(app, "ruler").index("▼") == at
            await pilot.click("#ruler", offset=(column, 0))
            await frame(pilot)
            assert starts(source)[-1] == lr
            assert len(starts(source)) == count + 1
            assert text(app, "ruler").index("◆") == at
            assert text(app, "notice") == ""
        await pilot.click("#ruler", offset=(line.index("░") + 3, 0))
        await press(pilot, "enter")
        await frame(pilot)
        assert starts(source)[-1] < 0.01
        assert text(app, "ruler").index("◆") == line.index("░") + 3
        count = len(starts(source))
        for beside in (1, line.index(" 4 ") + 1):
            await pilot.click("#ruler", offset=(beside, 0))
        assert len(starts(source)) == count


@pytest.mark.slow
async def test_a_click_on_the_advice_takes_it() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await pilot.click("#numbers", offset=(text(app, "numbers").index("a try") + 2, 0))
        await frame(pilot)
        assert starts(source)[-1] == theory().best_lr
        await pilot.click("#numbers", offset=(25, 0))
        assert len(starts(source)) == 2


@pytest.mark.slow
async def test_a_click_on_a_key_of_the_footer_presses_it() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(200, 36)) as pilot:
        await frame(pilot, 2)
        footer = text(app, "footer")
        await pilot.click("#footer", offset=(footer.index("pause"), 0))
        await frame(pilot)
        assert main_screen(app).view.session.paused
        await pilot.click("#footer", offset=(footer.index("↑"), 0))
        await pilot.click("#footer", offset=(footer.index("restart"), 0))
        assert starts(source) == [0.1, 0.1]
        await pilot.click("#footer", offset=(footer.index("0-9"), 0))
        await pilot.click("#footer", offset=(footer.index("? help"), 0))
        await pilot.pause()
        assert isinstance(app.screen, Help)


@pytest.mark.slow
async def test_a_click_on_a_point_of_every_rate_runs_it() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "w")
        await frame(pilot)
        lines = text(app, "every-rate").splitlines()
        row = next(i for i, line in enumerate(lines) if "★" in line)
        await pilot.click("#every-rate", offset=(lines[row].index("★") + 2, row + 1))
        assert len(starts(source)) == 1
        assert "settles at step" in main_screen(app).view.notice[0]
        await press(pilot, "enter")
        await frame(pilot)
        assert starts(source)[-1] == theory().best_lr
        column = next(line for line in lines if " limit" in line).index(" limit") - 1
        await pilot.click("#every-rate", offset=(column + 2, 5 + 1))
        await pilot.click("#every-rate", offset=(column + 2, 5 + 1))
        await frame(pilot)
        assert starts(source)[-1] == theory().max_stable_lr
        await pilot.click("#every-rate", offset=(2 + 2, 5 + 1))
        assert len(starts(source)) == 3
        for column in (20, 60, 110):
            await pilot.click("#every-rate", offset=(column + 2, 5 + 1))
            await pilot.click("#every-rate", offset=(column + 2, 5 + 1))
            await frame(pilot)
            marked = next(line for line in text(app, "every-rate").splitlines()[1:] if "◆" in line)
            assert marked.index("◆") == column


@pytest.mark.slow
async def test_a_run_is_highlighted_by_click_and_by_keys() -> None:
    app = make_app(FakeTrainer(), 0.01, 0.05, 0.1, 0.2, 0.4, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(7):
            await frame(pilot)

        def marked() -> list[str]:
            return [line.split()[1] for line in text(app, "runs").splitlines() if "▎" in line[:2]]

        assert " 0.01" not in text(app, "loss")
        await pilot.click("#runs", offset=(5, 6))
        await frame(pilot)
        assert marked() == ["1"]
        assert " 0.01" in text(app, "loss")
        await pilot.click("#runs", offset=(5, 6))
        await frame(pilot)
        assert marked() == ["6"]  # the current one
        await press(pilot, "down", "down")
        await frame(pilot)
        assert marked() == ["4"]
        await press(pilot, "up")
        await frame(pilot)
        assert marked() == ["5"]
        await press(pilot, "up")
        await frame(pilot)
        assert marked() == ["6"]


@pytest.mark.slow
async def test_a_highlighted_run_is_listed_however_old() -> None:
    app = make_app(FakeTrainer(), *(0.01 * i for i in range(1, 12)))
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(12):
            await frame(pilot)
        assert "0.01 " not in text(app, "runs")
        await press(pilot, *["down"] * 15)
        await frame(pilot)
        assert "▎  1  0.01 " in text(app, "runs")


def ends_of_curves(chart: str) -> list[str]:
    """Return the labels at the ends of the curves of a chart."""
    words = [line.removesuffix(" ✕").split(" ")[-1] for line in chart.splitlines()[1:-2]]
    return [word for word in words if re.fullmatch(r"[\d.]+", word)]


@pytest.mark.slow
async def test_each_curve_has_its_rate_at_its_end() -> None:
    app = make_app(FakeTrainer(), 0.02, 0.1, 1.01, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(5):
            await frame(pilot)
        assert sorted(ends_of_curves(text(app, "loss"))) == ["0.02", "0.1", "0.7", "1.01"]


@pytest.mark.slow
async def test_e_writes_the_runs_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(FakeTrainer(), 0.1, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(3):
            await frame(pilot)
        await press(pilot, "e")
        await frame(pilot)
        assert f"202 losses written to {tmp_path}/lrtui-runs.csv" in text(app, "notice")
        lines = (tmp_path / "lrtui-runs.csv").read_text().splitlines()
        assert lines[0] == "run,name,optimizer,step,rate,loss"
        assert len(lines) == 203
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        await press(pilot, "e")
        await frame(pilot)
        assert "the runs were not written: No such file" in text(app, "notice")


async def test_under_a_loss_that_grew_large_the_earlier_runs_keep_their_labels() -> None:
    app = make_app(FakeTrainer(), 0.1, 0.7, 1.01)
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(4):
            await frame(pilot)
        assert sorted(ends_of_curves(text(app, "loss"))) == ["0.1", "0.7", "1.01"]


async def test_what_is_hidden_or_has_not_changed_is_not_drawn() -> None:
    app = make_app(FakeTrainer(only_until(3)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        panes = [*main_screen(app).query(PaneWidget)]
        hidden = [widget for widget in panes if not widget.display]
        assert hidden
        assert not any(widget.paint() for widget in hidden)
        loss = main_screen(app).query_one("#loss", PaneWidget)
        loss.paint()  # the app's own first frame may be under way
        assert not loss.paint()
        main_screen(app).view.scale = "log"
        assert loss.paint()


@pytest.mark.parametrize("width", [0, 8, 19, 22, 40, 80, 120])
def test_no_number_stands_without_its_name(width: int) -> None:
    items: list[Row] = [[("loss ", "dim"), ("0.5", "strong")], [("settles at ", "dim"), ("71", "")]]
    shown = "".join(text for text, _ in numbers.joined(items * 4, width))
    assert len(shown) <= width
    assert shown.count("loss ") == shown.count("0.5")
    assert shown.count("settles at ") == shown.count("71")
