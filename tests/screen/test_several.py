"""Several trainings on one screen: the table, the axis, the scalars, and who is steered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from lrtui.messages import Greeting, Hold, Pause, Printed, Progress, Ranks
from lrtui.screen.app import LrtuiApp
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.panes import along
from lrtui.sources.fake import FakeSource
from lrtui.sources.several import Several
from tests.screen.fake import frame, main_screen, press, text
from tests.screen.live import falling, told

SIZES = [(120, 36), (80, 24)]


def training(
    name: str, losses: Sequence[float], *, settings: dict[str, str] | None = None, pace: float = 50
) -> FakeSource:
    """A training whose tokens and time grow with its steps."""
    messages = told(losses, tokens=[512.0 * step for step in range(len(losses))])
    first, last = messages[0], messages[-1]
    assert isinstance(first, Greeting)
    assert isinstance(last, Progress)
    messages[0] = replace(first, name=name)
    messages[-1] = replace(last, seconds=len(losses) / pace)
    source = FakeSource(messages, lambda command: [])
    source.settings = settings or {}
    return source


def app_of(*sources: FakeSource) -> LrtuiApp:
    controller = Controller(Several(sources), [], speed=None)
    return LrtuiApp(MainScreen(controller, fps=0.001), "textual-dark")


def two() -> tuple[FakeSource, FakeSource]:
    wide = {"lr": "0.01", "width": "64", "seed": "1"}
    narrow = {"lr": "0.01", "width": "32", "seed": "1"}
    return (
        training("wide", falling(900), settings=wide),
        training("narrow", falling(400, 5.0, 3.0), settings=narrow, pace=10),
    )


@pytest.mark.parametrize("size", SIZES)
async def test_each_has_a_row_a_curve_and_a_label(size: tuple[int, int]) -> None:
    app = app_of(*two())
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 3)
        table = text(app, "trainings").splitlines()
        assert "wide" in table[1]
        assert "narrow" in table[2]
        assert "falling" in table[1]
        assert f"{np.mean(falling(900)[-50:]):.4g}" in table[1]
        chart = text(app, "loss")
        assert "1 wide" in chart
        assert "2 narrow" in chart
        assert "2 live" in text(app, "header")
        low = min(falling(900))
        if size[0] == 120:
            assert f"{falling(900)[-1]:.4g}" in table[1]
            assert f"{low:.4g} @ {np.argmin(falling(900))}" in table[1]


@pytest.mark.parametrize("size", SIZES)
async def test_verdict_and_events_are_told_in_full(size: tuple[int, int]) -> None:
    source = training("wide", falling(900))
    said = "all runs have ended; " + "a conclusion of many words " * 4
    app = app_of(source, training("narrow", falling(400, 5.0, 3.0)))
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 3)
        source.say(Printed(text=said.strip()))
        await frame(pilot, 3)
        assert "falling (measured): " in text(app, "status")
        assert said.split() == [w for w in text(app, "notice").split() if w not in ("·", "wide:")]
        assert "narrow" in text(app, "trainings")


@pytest.mark.slow
async def test_only_settings_that_differ_are_columns() -> None:
    app = app_of(*two())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        title, first, second, *_ = text(app, "trainings").splitlines()
        assert title.split()[-1] == "width"
        assert "seed" not in title
        assert (first.split()[-1], second.split()[-1]) == ("64", "32")


@pytest.mark.slow
async def test_a_question_stays_though_another_training_begins() -> None:
    wide, narrow = two()
    greeting, *later = narrow.poll()
    narrow.say(greeting)
    app = app_of(wide, narrow)
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "S")
        await frame(pilot)
        assert "S again stops the training cleanly" in text(app, "notice")
        narrow.say(*later)
        await frame(pilot, 3)
        assert "narrow" in text(app, "loss")
        assert "S again stops the training cleanly" in text(app, "notice")


@pytest.mark.slow
async def test_keys_are_for_the_one_in_focus() -> None:
    wide, narrow = two()
    app = app_of(wide, narrow)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "space")
        assert [type(command) for command in wide.sent] == [Pause]
        await press(pilot, "down")
        await frame(pilot)
        assert text(app, "status").lstrip().startswith("2 ")
        await press(pilot, "0", ".", "5", "enter")
        assert isinstance(narrow.sent[-1], Hold)
        assert narrow.sent[-1].lr == 0.5
        assert len(wide.sent) == 1


@pytest.mark.slow
async def test_the_loss_by_time_and_by_tokens() -> None:
    app = app_of(*two())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        view = main_screen(app).view
        wide, narrow = view.session.runs
        assert along.place(view, wide, 900) == 900
        await press(pilot, "X")
        await frame(pilot)
        assert "by time (s)" in text(app, "loss")
        # 900 steps at 50 a second, 400 at 10: the shorter run took longer.
        assert along.place(view, wide, 899) == pytest.approx(18.0)
        assert along.place(view, narrow, 399) == pytest.approx(40.0)
        assert along.place(view, narrow, 199.5) == pytest.approx(20.0)
        assert along.step_at(view, narrow, 20.0) == pytest.approx(200, abs=1)
        await press(pilot, "X")
        await frame(pilot)
        assert "by thousand tokens" in text(app, "loss")
        assert along.place(view, wide, 800) == pytest.approx(0.512 * 800)
        await press(pilot, "X")
        await frame(pilot)
        assert ", by" not in text(app, "loss")


@pytest.mark.slow
async def test_a_scalar_is_drawn_for_all_and_found_by_its_name() -> None:
    app = app_of(*two())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "tokens" in text(app, "scalar")
        await press(pilot, "slash")
        for key in ("t", "o", "k"):
            await pilot.press(key)
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert main_screen(app).view.scalar == "tokens"


async def test_how_long_ago_each_was_heard_of() -> None:
    wide, narrow = two()
    app = app_of(wide, narrow)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        quiet = Ranks(run=1, steps=[400], paces=[0.0], stalled=8000.0, doing="waits")
        narrow.say(quiet)
        await frame(pilot, 2)
        _, first, second, *_ = text(app, "trainings").splitlines()
        assert " now " in first
        assert "2 h 13" in second
        assert "1 live · 1 waiting" in text(app, "header")


@pytest.mark.slow
async def test_as_many_as_have_room_and_the_one_in_focus_always() -> None:
    app = app_of(*(training(f"run{i}", falling(50, seed=i)) for i in range(30)))
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot, 3)
        for _ in range(29):
            await pilot.press("down")
        await frame(pilot, 2)
        rows = text(app, "trainings").splitlines()
        assert any("run29" in row for row in rows)
        assert 4 <= len(rows) <= 10
        current = main_screen(app).view.session.current
        assert current is not None
        assert current.number == 30


async def test_one_that_diverges_does_not_flatten_the_others() -> None:
    grows = [5.0 * 10 ** min(step / 10, 30) for step in range(300)]
    app = app_of(training("wild", grows), training("calm", falling(300)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        rows = text(app, "loss").splitlines()
        labels = [float(row.split("┤")[0]) for row in rows if "┤" in row]
        assert max(labels) <= 100
        assert any("2 calm" in row for row in rows)
        assert any("1 wild" in row for row in rows)
