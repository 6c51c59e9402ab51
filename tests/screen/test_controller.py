"""What is asked for and what is confirmed, what is offered and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lrtui.messages import (
    Add,
    AnyMessage,
    Ended,
    Printed,
    Progress,
    Quadratic,
    SetLr,
    Start,
    Started,
    State,
    SweepResult,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.actions import ACTIONS
from lrtui.screen.control import controller as controller_module
from lrtui.screen.dialogs.command_palette import Palette
from lrtui.screen.dialogs.help import Help
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.rate_field import RateField
from lrtui.sources.fake import FakeSource
from tests.screen.fake import (
    FakeTrainer,
    asked,
    descent,
    facts,
    frame,
    greeting,
    main_screen,
    make_app,
    only_until,
    press,
    quadratic,
    scene,
    starts,
    text,
    theory,
)


def shown(app: object) -> list[str]:
    screen = main_screen(app)  # type: ignore[arg-type]
    return [str(w.id) for w in screen.query(PaneWidget) if w.region.area]


@pytest.mark.slow
async def test_only_what_a_source_confirms_is_shown() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        source.silent = True
        await press(pilot, "space", "plus", "right_curly_bracket")
        await frame(pilot)
        assert "paused" not in text(app, "runs") + text(app, "status")
        assert " 20/s " in text(app, "header")
        assert main_screen(app).query_one(RateField).placeholder == "0.1"
        command = source.sent[-1]
        assert isinstance(command, SetLr)
        source.say(State(run=1, step=21, paused=True, speed=50.0, lr=0.125, answers=command.id))
        await frame(pilot)
        assert "paused at step" in text(app, "status")
        assert " 50/s " in text(app, "header")
        assert main_screen(app).query_one(RateField).placeholder == "0.125"


@pytest.mark.slow
async def test_the_next_key_goes_on_from_what_was_asked_for_however_slow_the_source() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        source.silent = True
        await press(pilot, "right_curly_bracket")
        # The answer to something older must not take the rate back.
        source.say(State(run=1, step=22, paused=False, speed=20.0, lr=0.1, answers=1))
        await frame(pilot)
        await press(pilot, "right_curly_bracket")
        assert asked(source)[-2:] == [SetLr(lr=0.125), SetLr(lr=0.156)]
        last = source.sent[-1].id
        source.say(State(run=1, step=23, paused=False, speed=20.0, lr=0.156, answers=last))
        # From now on, what others ask for is where the next key goes on from.
        source.say(State(run=1, step=24, paused=False, speed=20.0, lr=0.5, asked_by="other"))
        await frame(pilot)
        await press(pilot, "left_curly_bracket")
        assert asked(source)[-1] == SetLr(lr=0.4)


def record(*messages: AnyMessage) -> FakeTrainer:
    """Return a source that only shows: nothing can be trained with it."""
    first = [greeting(["pause", "step", "speed"]), scene(), quadratic(), facts(), *messages]
    return FakeTrainer(first=first)


MINE = ProblemSettings(name="mine.py")


@pytest.mark.slow
async def test_what_a_source_cannot_do_is_not_offered() -> None:
    start = Start(run=1, lr=0.3, steps=100, speed=None)
    source = record(*descent(start, until=40))
    app = make_app(source)
    main_screen_lrs = app.main.controller
    main_screen_lrs._queue.clear()  # as for a replay, which is given no rates
    async with app.run_test(size=(160, 60)) as pilot:
        await frame(pilot, 2)
        assert " 0.3" in text(app, "loss")
        here = ("pause", "step", "speed", None)
        missing = [a for a in ACTIONS if a.needs not in here]
        offered = [a for a in ACTIONS if a not in missing]
        assert len(missing) > 14
        footer = text(app, "footer")
        assert "0-9" not in footer
        titles = {command.title for command in app.get_system_commands(app.screen)}
        for action in missing:
            assert not action.footer or f" {action.sign} {action.footer}" not in footer
            assert action.title not in titles
        assert {action.title for action in offered} <= titles
        sent = len(source.sent)
        for action in missing:
            await press(pilot, action.key)
            await frame(pilot)
            assert f"{action.sign} ({action.title}): " in text(app, "notice")
        await press(pilot, "0", ".", "5", "enter")
        await frame(pilot)
        assert "this is a record" in text(app, "notice")
        await pilot.click("#ruler", offset=(40, 0))
        await pilot.click("#status", offset=(4, 1))
        assert len(source.sent) == sent
        await press(pilot, "space")
        assert len(source.sent) == sent + 1
        await press(pilot, "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        page = app.export_screenshot().replace("&#160;", " ").replace("&#x27;", "'")
        assert "Pause the run" in page
        assert "Restart at" not in page
        assert "Type a learning rate" not in page


@pytest.mark.slow
async def test_without_a_scene_and_a_closed_form_the_loss_has_the_room() -> None:
    start = Start(run=1, lr=0.3, steps=1000, speed=None)
    told = [m for m in descent(start, until=40) if not isinstance(m, Progress)]
    losses = [1 / (1 + step) for step in range(41)]
    progress = Progress(
        run=1, steps=[7 * step for step in range(41)], scalars={"loss": [*losses]}, seconds=1.0
    )
    source = FakeTrainer(
        lambda command: [*told, progress] if isinstance(command, Start) else [], [greeting()]
    )
    app = make_app(source, 0.3, steps=1000, settings=MINE)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert not {"fit", "bowl", "map", "every-rate"} & set(shown(app))
        loss = main_screen(app).query_one("#loss")
        assert loss.outer_size.width == 120
        assert "falling (measured)" in text(app, "status")
        assert "280" in text(app, "header")
        await press(pilot, "b")
        await frame(pilot)
        assert "nothing to turn here" in text(app, "notice")
        await press(pilot, "a", "y", "y")
        await frame(pilot)
        assert "log" in text(app, "loss").splitlines()[0]  # two scales, without a minimum


@pytest.mark.slow
async def test_the_advice_to_take_more_steps_takes_them() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.8, steps=3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        needed = theory().settles_at((-1.0, 1.0), theory().best_lr)
        assert "too few steps: settles at" in text(app, "status")
        assert f"take more steps: {theory().best_lr} settles at step {needed}" in text(
            app, "numbers"
        )
        await press(pilot, "a")
        await frame(pilot)
        last = [c for c in source.sent if isinstance(c, Start)][-1]
        assert (last.lr, last.steps) == (theory().best_lr, needed)
        assert f"✓ settled: at step {needed}" in text(app, "status")
        assert "no rate settles sooner" in text(app, "numbers")
        assert "steps to settle" not in text(app, "status")
        await press(pilot, "r")
        assert [c.steps for c in source.sent if isinstance(c, Start)][-1] == needed


@pytest.mark.slow
async def test_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(controller_module, "monotonic", lambda: now[0])
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        now[0] += 4.9
        await frame(pilot)
        assert "nothing has come" not in text(app, "status")
        now[0] += 2.3
        await frame(pilot)
        assert "nothing has come from the trainer for 7 s" in text(app, "status")
        source.say(Printed(text="here"))
        await frame(pilot)
        assert "nothing has come" not in text(app, "status")
        await press(pilot, "space")
        await frame(pilot)
        now[0] += 60
        await frame(pilot)
        assert "nothing has come" not in text(app, "status")


async def test_while_torch_loads_nothing_is_said_of_a_loss() -> None:
    source = FakeTrainer(lambda start: [], first=[greeting()])
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert "torch is loading" in text(app, "status")
        assert "converging" not in text(app, "status")
        for pane in ("fit", "bowl"):
            assert "torch is loading" in text(app, pane)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["r", "left_square_bracket"])
async def test_a_held_key_leaves_no_trail_of_runs(key: str) -> None:
    source = FakeTrainer(only_until(1))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        for _ in range(30):
            await press(pilot, key)
        await frame(pilot)
        log = text(app, "log")
        assert log.count("run ") <= 3  # the first key alone has a frame of its own
        if key == "r":
            # The same rate from the same start: what was cut short says nothing more.
            await press(pilot, "r")
            await frame(pilot)
            await press(pilot, "r")
            await frame(pilot)
            assert len(main_screen(app).view.session.runs) == 1


@pytest.mark.parametrize(
    ("typed", "lr"), [("0,5", 0.5), ("0,25", 0.25), (",5", 0.5), ("1e-3", 1e-3)]
)
@pytest.mark.slow
async def test_a_comma_is_a_decimal_point(typed: str, lr: float) -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *typed, "ctrl+j")
        await frame(pilot)
        assert starts(source)[-1] == lr


@pytest.mark.parametrize("typed", ["1_000", "0x1", "0.1%", "1,000", "9" * 41])
@pytest.mark.slow
async def test_nothing_typed_is_dropped(typed: str) -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, *typed, "enter")
        await frame(pilot)
        assert main_screen(app).query_one(RateField).value == typed
        assert text(app, "notice").startswith(" ✕ ")
        assert starts(source) == [0.1]


@pytest.mark.slow
@pytest.mark.parametrize("keys", [["enter"] * 4, ["enter", "escape", "enter"]])
async def test_the_palette_closes_once_however_the_keys_come(keys: list[str]) -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        await press(pilot, "ctrl+p", "ctrl+p", *"pause")
        await pilot.pause(0.3)
        assert isinstance(app.screen, Palette)
        for key in keys:  # in one go, as a slow line bundles them
            app.simulate_key(key)
        await pilot.pause(0.3)
        await frame(pilot)
        assert not app.screen_stack[1:]
        # Twice would be as if never; escape may come first.
        assert main_screen(app).view.session.paused or "escape" in keys
        await press(pilot, "ctrl+p", *"theme")
        await pilot.pause(0.3)
        for key in ["enter"] * 3:
            app.simulate_key(key)
        await pilot.pause(0.3)
        for key in ["down", "enter", "enter", "enter"]:
            app.simulate_key(key)
        await pilot.pause(0.3)
        await press(pilot, "escape", "escape")
        await pilot.pause()
        assert not app.screen_stack[1:]


@pytest.mark.slow
async def test_help_and_palette_do_not_get_in_each_others_way() -> None:
    app = make_app(FakeTrainer(only_until(20)))
    async with app.run_test(size=(140, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "question_mark", "question_mark")
        await pilot.pause()
        assert len(app.screen_stack) == 1  # the second one leaves it again
        app.simulate_key("ctrl+p")
        await pilot.pause(0.3)
        main_screen(app).open_help()  # a click that was on its way to the main screen
        await pilot.pause()
        assert [type(screen) for screen in app.screen_stack[1:]] == [Palette]
        palette = app.screen
        assert isinstance(palette, Palette)
        app.push_screen(Help(main_screen(app).view))
        await pilot.pause()
        palette.dismiss()  # would close what is in front of it
        await pilot.pause()
        assert isinstance(app.screen, Help)
        for _ in range(2):
            await press(pilot, "escape")
            await pilot.pause()
        assert not app.screen_stack[1:]


async def test_one_loss_is_one_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(FakeTrainer(only_until(0)))
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot)
        await press(pilot, "e")
        await frame(pilot)
        assert "1 loss written to" in text(app, "notice")


@pytest.mark.slow
async def test_a_loss_too_steep_to_read_is_drawn_on_a_log_scale() -> None:
    def rising(factor: float) -> FakeTrainer:
        def train(start: Start) -> list[AnyMessage]:
            return [
                Started(run=start.run, lr=start.lr, steps=100),
                Progress(run=start.run, steps=0, scalars={"loss": [1.0, 2.0, factor]}, seconds=1.0),
            ]

        return FakeTrainer(train, [greeting()])

    for factor, scale in ((900.0, "linear"), (1100.0, "log scale, too steep")):
        app = make_app(rising(factor))
        async with app.run_test(size=(120, 36)) as pilot:
            await frame(pilot, 2)
            assert scale in text(app, "loss").splitlines()[0]


async def test_on_a_log_scale_no_earlier_run_falls_off() -> None:
    app = make_app(FakeTrainer(), 1.2, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "y")
        await frame(pilot, 4)
        chart = text(app, "loss").splitlines()[1:-2]
        largest = main_screen(app).view.session.runs[0].series
        assert largest is not None
        top = next(line for line in chart if "┤" in line)
        assert float(top.split("┤")[0].replace("k", "e3")) >= largest.largest / 100
        assert any("1" in line[8:] for line in chart)


@pytest.mark.slow
async def test_the_step_at_which_it_settled_is_marked_as_soon_as_it_is_told() -> None:
    """The losses that settle it can come without moving the curve by a dot."""
    settled = theory().settled_loss
    source = FakeTrainer(
        lambda start: [
            Started(run=start.run, lr=start.lr, steps=10**6),
            Progress(
                run=start.run,
                steps=[0, 100_000],
                scalars={"loss": [7.6, settled * 1.00001]},
                seconds=1.0,
            ),
        ]
    )
    app = make_app(source, steps=10**6)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert "▲" not in text(app, "loss")
        source.say(
            Progress(run=1, steps=100_001, scalars={"loss": [settled * 0.999999]}, seconds=1.1)
        )
        await frame(pilot)
        assert "▲" in text(app, "loss")
        source.say(Ended(run=1, outcome="stopped", step=100_001, loss=settled, reason="stopped"))
        await frame(pilot)
        assert "✓ settled: at step 100,001" in text(app, "status")


@pytest.mark.slow
async def test_a_sweep_of_another_problem_redraws_the_ruler() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        before = text(app, "ruler")
        narrow = quadratic()
        steep = replace(narrow, eigenvalues=[narrow.eigenvalues[0], 10 * narrow.eigenvalues[1]])
        assert isinstance(steep, Quadratic)
        source.say(steep, facts())
        await frame(pilot, 2)
        assert text(app, "ruler") != before
        assert "limit 0.0999" in text(app, "ruler"), text(app, "ruler")
        swept = main_screen(app).view.session.swept
        assert isinstance(swept, SweepResult)


async def test_a_field_that_lost_the_focus_has_it_again_at_the_next_key() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)
        app.screen.set_focus(None)
        await press(pilot, "0", ".", "5", "enter")
        assert starts(source)[-1] == 0.5


@pytest.mark.slow
async def test_a_run_without_a_step_is_not_drawn_behind_another() -> None:
    source = FakeTrainer(lambda start: descent(start, until=0 if start.run == 1 else 20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "right_square_bracket")
        await frame(pilot, 2)
        assert len(main_screen(app).view.session.runs) == 2
        assert "1: 0.1" not in text(app, "loss")


def told_of(*first: AnyMessage, weights: list[float | None]) -> FakeTrainer:
    """Return a source whose run has these weights, with as much of the problem as is given."""
    return FakeTrainer(
        lambda start: [
            Started(run=start.run, lr=start.lr, steps=start.steps),
            Progress(
                run=start.run,
                steps=0,
                scalars={"loss": [3.0, 2.0, 1.5]},
                weights=weights,
                seconds=1.0,
            ),
        ],
        [greeting([]), *first],
    )


@pytest.mark.slow
async def test_a_closed_form_without_a_scene_has_a_bowl_and_no_map() -> None:
    app = make_app(FakeTrainer(lambda start: [], [greeting(), quadratic()]))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "b")
        await frame(pilot, 2)
        assert "torch is loading" in text(app, "map")
    app = make_app(told_of(quadratic(), weights=[1.0, 2.0]))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "b", "b")
        await frame(pilot, 2)
        assert "bowl" in shown(app)
        assert "map" not in shown(app)


async def test_a_scene_without_a_closed_form_has_no_bowl_and_no_map() -> None:
    app = make_app(told_of(scene(), weights=[1.0, 2.0]))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "fit" in shown(app)
        assert not {"bowl", "map", "every-rate"} & set(shown(app))


@pytest.mark.slow
async def test_a_bowl_of_many_weights_that_nobody_tells() -> None:
    many = Quadratic(
        eigenvalues=[1.0, 2.0, 3.0],
        eigenvectors=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        minimum=[0.0, 0.0, 0.0],
        min_loss=0.5,
        start=[1.0, 1.0, 1.0],
    )
    app = make_app(told_of(many, weights=[]))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "loss across the valley" in text(app, "bowl")


async def test_a_scale_that_has_no_meaning_any_more_is_not_called_steep() -> None:
    app = make_app(told_of(weights=[]))
    async with app.run_test(size=(120, 36)) as pilot:
        main_screen(app).view.scale = "above minimum"
        await frame(pilot, 3)
        legend = text(app, "loss").splitlines()[0]
        assert "log scale" in legend
        assert "steep" not in legend


def test_rates_that_are_typed_join_a_race_of_scripts() -> None:
    source = FakeSource([replace(greeting(), capabilities=["add"])], lambda command: [])
    controller = controller_module.Controller(source, [], speed=None)
    controller.hear()
    controller.race_rates([0.1, 0.2])
    assert source.sent == [Add(id=1, lr=0.1), Add(id=2, lr=0.2)]
    assert controller.view.notice[0] == "it starts when there is room"
