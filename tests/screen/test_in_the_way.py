"""What is not in a person's way: answers, clicks, the cursor, signs, the ends of a record."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from lrtui.messages import SetSpeed, Start, encode
from lrtui.screen.app import LrtuiApp
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.rate_field import JOINS
from lrtui.sources.replay import Replay
from tests.screen.fake import (
    FakeTrainer,
    descent,
    frame,
    greeting,
    main_screen,
    make_app,
    only_until,
    press,
    scene,
    starts,
    text,
)


async def test_an_answer_hides_no_verdict_and_goes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(FakeTrainer(), 1.01)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        verdict = text(app, "status")
        assert "diverged" in verdict
        before = {pane.id: pane.region for pane in main_screen(app).query("PaneWidget")}
        await press(pilot, "e")
        await frame(pilot, 2)
        assert text(app, "status") == verdict
        assert "losses written to" in text(app, "notice")
        after = {pane.id: pane.region for pane in main_screen(app).query("PaneWidget")}
        assert {**before, "notice": after["notice"]} == after  # nothing else moves
        main_screen(app).controller._notice_until = 0.0  # it was there for long enough
        await frame(pilot, 2)
        assert text(app, "notice") == ""


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (40, 12)])
async def test_an_answer_is_seen_at_every_size(size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        await press(pilot, "space")
        await frame(pilot, 2)
        notice = main_screen(app).query_one("#notice")
        assert "no run is on" in text(app, "notice")
        assert notice.region.bottom == size[1] - 1
        assert "quit" in text(app, "footer")


@pytest.mark.slow
async def test_hints_on_borders_do_what_they_say() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        screen = main_screen(app)

        async def click(text_: str, pane: str) -> None:
            widget = screen.query_one(f"#{pane}")
            row = "".join(s.text for s in screen._compositor.render_strips()[widget.region.y])
            at = row.rindex(text_, widget.region.x, widget.region.right)
            await pilot.click(offset=(at, widget.region.y))
            await frame(pilot, 2)

        await click("y scale", "loss")
        scales = [screen.view.scale]
        await click("scale", "loss")  # the word as well as the key
        assert [*scales, screen.view.scale] == ["log", "above minimum"]
        await click("←", "loss")
        first = screen.view.cursor
        await click("→", "loss")
        await click("→", "loss")
        assert (first, screen.view.cursor) == (20, 22)
        await press(pilot, "w")
        await frame(pilot)
        assert screen.view.alone == "every-rate"
        await click("back", "every-rate")
        assert screen.view.alone is None
        assert starts(source) == [0.1]


@pytest.mark.slow
async def test_the_cursor_reaches_every_step() -> None:
    app = make_app(FakeTrainer())
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "left")
        seen = []
        for _ in range(101):
            seen.append(main_screen(app).view.cursor)
            await press(pilot, "left")
        assert seen == [*range(100, -1, -1)]
        await press(pilot, "shift+right")
        assert main_screen(app).view.cursor in range(10, 50)


@pytest.mark.slow
async def test_a_minus_and_a_number_are_one_number() -> None:
    source = FakeTrainer(only_until(20))
    app = make_app(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "-", "5", "enter")
        await frame(pilot, 2)
        assert "-5" in main_screen(app).query_one(Input).value
        assert "✕" in text(app, "notice")
        await pilot.pause(2 * JOINS)
        await pilot.pause()
        assert not [command for command in source.sent if isinstance(command, SetSpeed)]
        assert starts(source) == [0.1]
        await press(pilot, "escape")
        await press(pilot, "-")
        await pilot.pause(2 * JOINS)
        await pilot.pause()
        await press(pilot, "-", "-")
        await pilot.pause(2 * JOINS)
        await pilot.pause()
        speeds = [command.speed for command in source.sent if isinstance(command, SetSpeed)]
        assert speeds == [10, 5, 2]


def record(path: Path) -> Replay:
    """Return a record of two runs of 100 steps, at a standstill."""
    runs = [Start(run=run, lr=lr, steps=100, speed=None) for run, lr in ((1, 0.1), (2, 0.7))]
    told = [greeting(), scene(), *(message for run in runs for message in descent(run))]
    path.write_bytes(b"".join(encode(message) + b"\n" for message in told))
    return Replay(path, 1e-9)


def on_a_record(replay: Replay) -> LrtuiApp:
    """Return the app that shows a record."""
    controller = Controller(replay, [], speed=1e-9)
    return LrtuiApp(MainScreen(controller, fps=0.001), "textual-dark")


@pytest.mark.parametrize("keys", [["5", "0", "0", "enter"], ["end"], ["1", "0", "0", "enter"]])
@pytest.mark.slow
async def test_a_record_stays_within_its_run(tmp_path: Path, keys: list[str]) -> None:
    replay = record(tmp_path / "record.jsonl")
    app = on_a_record(replay)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 5)
        await press(pilot, *keys)
        await frame(pilot, 12)
        assert main_screen(app).view.session.current.number == 1  # type: ignore[union-attr]
        assert "step 100/100" in text(app, "header")
        await press(pilot, "pagedown")
        await frame(pilot, 5)
        assert main_screen(app).view.session.current.number == 2  # type: ignore[union-attr]
    replay.close()
