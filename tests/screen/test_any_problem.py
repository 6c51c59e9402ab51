"""The screen on any problem: what is shown is what the real trainer tells, whole runs at a time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lrtui.analysis.advice import best_swept
from lrtui.messages import (
    Ahead,
    Load,
    Optimizer,
    ProblemFacts,
    Progress,
    Start,
    SweepResult,
    Unusable,
)
from lrtui.messages.problem_settings import BUILT_IN, ProblemSettings
from lrtui.screen import layout
from lrtui.screen.app import LrtuiApp
from lrtui.sources.fake import FakeSource
from tests.in_process import InProcess
from tests.screen.fake import (
    FakeTrainer,
    asked,
    facts,
    frame,
    greeting,
    main_screen,
    make_app,
    only_until,
    press,
    starts,
    text,
)

pytestmark = pytest.mark.slow

FILES = Path(__file__).parents[1] / "problems" / "files"


def app_of(name: str, lr: float, steps: int, **more: object) -> tuple[LrtuiApp, InProcess]:
    settings = ProblemSettings(name=name, **more)  # type: ignore[arg-type]
    source = InProcess(settings)
    app = make_app(source, lr, steps=steps, settings=settings, speed=200.0)  # type: ignore[arg-type]
    return app, source


def shown(app: LrtuiApp) -> list[str]:
    return [pane.id for pane in layout.shown(main_screen(app).view)]


@pytest.mark.parametrize(
    ("name", "top", "chart"),
    [
        ("line", "fit", "bowl"),
        ("bowl", "plane", "bowl"),
        ("rosenbrock", "plane", "sharpness"),
        ("sine", "curve", "sharpness"),
        ("edge", "curve", "sharpness"),
        ("moons", "classes", "sharpness"),
        ("spiral", "classes", "sharpness"),
    ],
)
async def test_each_problem_has_its_panes_from_the_first_frame_on(
    name: str, top: str, chart: str
) -> None:
    settings = ProblemSettings(name=name)
    waiting = make_app(FakeTrainer(lambda start: [], [greeting()]), 0.01, settings=settings)
    app, _ = app_of(name, BUILT_IN[name].lrs[0], 20)
    for each in (waiting, app):
        async with each.run_test(size=(120, 36)) as pilot:
            await frame(pilot, 3)
            beside = ["loss", *([chart] if chart else []), "runs", "log"]
            assert shown(each)[4:-2] == [top, *beside]


async def test_a_curve_and_its_sharpness_and_slice() -> None:
    app, _ = app_of("sine", 0.05, 60)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "prediction at step 60" in text(app, "curve")
        assert "2/rate = 40" in text(app, "sharpness")
        run = main_screen(app).view.session.current
        assert run is not None
        step, value, error = run.sharpness[-1]
        assert (step, len(run.sharpness) > 1) == (60, True)
        await press(pilot, "tab", "tab", "tab", "tab")
        await frame(pilot)
        assert f"━━ {value:.4g} ± {error:.1g}" in text(app, "sharpness")
        assert f"{value / 40:.2f} of 2/rate" in text(app, "sharpness")
        await press(pilot, "b")
        await frame(pilot)
        assert "a step of 0.05 lowers the loss to" in text(app, "slice")
        assert "would lower it most" in text(app, "slice")
        assert "◆" in text(app, "slice")


async def test_classes_have_regions_and_say_how_many_points_are_right() -> None:
    app, _ = app_of("moons", 2.0, 300)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        shown = text(app, "classes")
        assert "% of the points classified correctly" in shown
        assert int(shown.split("%")[0].split()[-1]) > 90
        assert shown.count("+") > 20
        # On a busy machine it may have come there before it was run ahead.
        assert re.search(r"settled \((ahead|measured)\): at step 145", text(app, "status"))


async def test_a_plane_shows_the_way_of_the_weights() -> None:
    app, _ = app_of("rosenbrock", 0.002, 400)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "✚ minimum  w₁ → w₂ ↑" in text(app, "plane")
        assert "●" in text(app, "plane")


async def test_without_a_scene_the_loss_has_the_room() -> None:
    app, _ = app_of(str(FILES / "two_inputs.py"), 0.05, 30)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert (
            main_screen(app).query_one("#sharpness").outer_size.height
            == main_screen(app).query_one("#loss").outer_size.height
        )
        # Whether it was run ahead in time is up to the machine.
        assert "cannot tell yet (" in text(app, "status")


async def test_o_goes_through_the_optimizers_at_the_same_rate() -> None:
    app, source = app_of("bowl", 0.05, 100)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot)  # a run that is replaced before it is heard of leaves no row
        for title in ("sgd .9", "nesterov .9", "adam", "adamw"):
            await press(pilot, "o")
            await frame(pilot, 3)
            run = main_screen(app).view.session.current
            assert run is not None
            assert run.title.startswith(title)
            assert run.lr == 0.05
            assert title.split()[0] in text(app, "runs")
        assert "limit" not in text(app, "ruler")  # Adam has none
        await press(pilot, "o")
        await frame(pilot, 3)
        kinds = [c.optimizer for c in source.sent if isinstance(c, Start)]
        assert kinds[0] == kinds[-1] == Optimizer()
        assert "limit 0.08" in text(app, "ruler")


async def test_a_files_own_optimizer_is_among_them() -> None:
    app, source = app_of(str(FILES / "own_batches.py"), 0.01, 10)
    controller = app.main.controller
    controller.setup = replace(controller.setup, optimizer=Optimizer(name="own"))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "o")
        await frame(pilot, 3)
        assert {"rmsprop", "sgd"} <= {run.title for run in main_screen(app).view.session.runs}
        sent = [c.optimizer.name for c in source.sent if isinstance(c, Start)]
        assert sent == ["own", "sgd"]


async def test_the_ruler_of_a_network_names_its_horizon_and_runs_what_is_clicked() -> None:
    app, source = app_of("moons", 2.0, 60)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 4)
        ruler = text(app, "ruler")
        assert "in 60 steps" in ruler
        assert "limit" not in ruler
        swept = main_screen(app).view.session.swept
        assert swept is not None
        star = ruler.index("★")
        await pilot.click("#ruler", offset=(star, 0))
        await pilot.click("#ruler", offset=(star, 0))
        await frame(pilot, 2)
        assert starts(source)[-1] in swept.lrs  # type: ignore[arg-type]
        await press(pilot, "w")
        await frame(pilot)
        assert "loss after 60 steps, by rate" in text(app, "every-rate")
        assert "loss at the start" in text(app, "every-rate")


async def test_the_advice_comes_from_the_sweep() -> None:
    app, source = app_of("moons", 0.01, 20)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 4)
        swept = main_screen(app).view.session.swept
        assert swept is not None
        best = best_swept(swept)
        assert best is not None
        lowest = swept.losses[swept.lrs.index(best)]
        reason = "lowest loss after 20 steps of the 32 rates tried short of the edge, "
        reason += f"{lowest:.2g}"
        assert reason in text(app, "numbers")
        await press(pilot, "a")
        await frame(pilot, 2)
        assert starts(source)[-1] == pytest.approx(best, rel=0.05)  # type: ignore[arg-type]
        assert "none of the rates tried did better" in text(app, "numbers")


async def test_the_palette_takes_up_another_problem() -> None:
    source = FakeTrainer(only_until(10))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        commands = {c.title: c.callback for c in app.get_system_commands(app.screen)}
        assert {f"problem: {name}" for name in BUILT_IN} <= set(commands)
        commands["problem: edge"]()
        await frame(pilot, 2)
        load, start = [c for c in asked(source) if isinstance(c, Load | Start)][-2:]
        assert load == Load(problem=ProblemSettings(name="edge"))
        assert isinstance(start, Start)
        assert (start.lr, start.steps) == (0.1, 4000)
        runs = len(main_screen(app).view.session.runs)
        source.say(greeting(), ProblemFacts(name="edge", weights=1153, target=0.001))
        await frame(pilot)
        assert len(main_screen(app).view.session.runs) == runs  # the others are still listed
        assert "fit" not in shown(app)


async def test_a_problem_that_cannot_be_used_is_told_and_r_tries_again() -> None:
    source = FakeSource([greeting()], lambda command: [])
    app = make_app(source, settings=ProblemSettings(name="mine.py"))
    async with app.run_test(size=(120, 36)) as pilot:
        source.say(Unusable(reason="mine.py, line 3: NameError: name 'y' is not defined"))
        source.say(Unusable(reason="mine.py, line 3: NameError: name 'y' is not defined"))
        await frame(pilot, 2)
        assert "mine.py, line 3: NameError" in text(app, "status")
        assert "r loads it again" in text(app, "status")
        assert text(app, "log").count("line 3") == 1
        assert "failed" in text(app, "runs")
        train = only_until(5)
        source.answer = lambda command: train(command) if isinstance(command, Start) else []
        await press(pilot, "r")
        source.say(facts())
        await frame(pilot, 2)
        assert "mine.py, line 3" not in text(app, "status")


async def test_what_is_run_ahead_is_drawn_and_told_and_given_up_where_it_is_not_the_run() -> None:
    losses = [2.0 / (step + 1) for step in range(101)]
    source = FakeTrainer(
        only_until(20), [greeting(), ProblemFacts(name="n", weights=9, target=0.05)]
    )
    app = make_app(source, 0.1, settings=ProblemSettings(name="mine.py"))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        run = main_screen(app).view.session.current
        assert run is not None
        assert run.series is not None
        told: list[float | None] = [*run.series.curve()[1].tolist()]
        told += losses[len(told) :]
        ahead = Ahead(run=1, since=0, lr=0.1, first=0, losses=told[:50])
        source.say(ahead)
        await frame(pilot)
        assert "run ahead" in text(app, "loss")
        assert "(measured)" in text(app, "status")  # it has not come to the end
        source.say(
            Ahead(run=1, since=0, lr=0.1, first=50, losses=told[50:], outcome="done", reason="r")
        )
        await frame(pilot)
        assert "settles at step 39" in text(app, "status")
        assert run.forecast == 39
        source.say(
            Progress(run=1, steps=21, scalars={"loss": [2 * (told[21] or 0.0)]}, seconds=1.0)
        )  # another loss than was run ahead
        await frame(pilot)
        assert run.ahead is None
        assert "settles at" not in text(app, "status")
        assert "run ahead" not in text(app, "loss")


async def test_a_sweep_that_ran_out_of_time_shows_what_it_did_not_try() -> None:
    source = FakeTrainer(only_until(20), [greeting(), ProblemFacts(name="n", weights=9)])
    app = make_app(source, 0.1, settings=ProblemSettings(name="mine.py"))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        lrs = [0.001 * 2**i for i in range(12)]
        source.say(
            SweepResult(
                lrs=lrs,
                steps=100,
                losses=[0.5] * 11 + [None],
                settled_at=[None] * 12,
                taken=[100] * 6 + [0] * 5 + [3],
                first_loss=1.0,
            )
        )
        await frame(pilot)
        assert "?" in text(app, "ruler")
        assert "╳" in text(app, "ruler")
