"""How it looks, at three sizes: pictures made on the pinned versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from lrtui.screen.main_screen import MainScreen
from tests.screen.fake import FakeTrainer, make_app, only_until

SIZES = [(120, 36), (80, 24), (40, 12)]


async def frames(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    for _ in range(4):
        await pilot.pause()
        await screen.frame()


@pytest.mark.parametrize("size", SIZES)
def test_while_it_runs(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    source = FakeTrainer(only_until(43))
    assert snap_compare(make_app(source), terminal_size=size, run_before=frames)


@pytest.mark.parametrize("size", SIZES)
def test_after_it_diverged(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer(), 0.1, 0.7, 1.01)
    assert snap_compare(app, terminal_size=size, run_before=frames)
