"""Whatever makes a run another one ends a tour, however it is chosen."""

from __future__ import annotations

import asyncio
import time

import pytest

from lrtui.messages import Resume, Start
from lrtui.screen.app import LrtuiApp
from lrtui.session.setup import Setup
from lrtui.tour.lockstep import Lockstep
from lrtui.tour.player import Tour
from lrtui.tour.script import Scene
from tests.screen.fake import FakeTrainer, only_until


@pytest.mark.parametrize(("title", "ends"), [("restart", True), ("pause", False)])
async def test_a_command_from_the_palette(title: str, ends: bool) -> None:
    source = FakeTrainer(only_until(3))
    lockstep = Lockstep(source)
    scenes = [Scene("type", "0.1"), Scene("wait", number=60)]
    tour = Tour(lockstep, scenes, Setup(), fps=50, pace=20)
    app = LrtuiApp(tour, "textual-dark")
    async with app.run_test(size=(120, 36)) as pilot:
        end = time.monotonic() + 20
        while not any(isinstance(command, Start) for command in source.sent):
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        command = next(c for c in app.get_system_commands(app.screen) if c.title == title)
        app.call_later(command.callback)
        await pilot.pause(0.3)
        assert tour.playing is not ends
        assert any(isinstance(c, Resume) for c in source.sent) is ends
        assert lockstep.paused is not ends
