"""How it looks, at three sizes: pictures made on the pinned versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from lrtui.screen.main_screen import MainScreen
from tests.screen.fake import FakeTrainer, make_app, only_until, settle
from tests.screen.live import after_an_overflow, falling, live_app, told
from tests.screen.network import network_app

SIZES = [(120, 36), (80, 24), (40, 12)]


async def frames(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    for _ in range(4):
        await settle(pilot)
        await screen.frame()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.slow
def test_while_it_runs(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    source = FakeTrainer(only_until(43))
    assert snap_compare(make_app(source), terminal_size=size, run_before=frames)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.slow
def test_after_it_diverged(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    app = make_app(FakeTrainer(), 0.1, 0.7, 1.01)
    assert snap_compare(app, terminal_size=size, run_before=frames)


TWO = [(120, 36), (80, 24)]


@pytest.mark.parametrize("size", TWO)
@pytest.mark.slow
def test_a_network(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert snap_compare(network_app(), terminal_size=size, run_before=frames)


@pytest.mark.parametrize("size", TWO)
@pytest.mark.slow
def test_a_live_training(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    lrs = [0.01 * 0.999**step for step in range(1549)]
    accuracy = [1 - 0.9 * 0.997**step for step in range(1549)]
    app = live_app(*told(after_an_overflow(), lrs=lrs, accuracy=accuracy))
    assert snap_compare(app, terminal_size=size, run_before=frames)


@pytest.mark.parametrize("size", TWO)
@pytest.mark.slow
def test_ranks(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    app = live_app(*told(falling(900), ranks=4, groups=26, lowest=7.8e-6))
    assert snap_compare(app, terminal_size=size, run_before=frames)


@pytest.mark.parametrize("size", TWO)
@pytest.mark.slow
def test_the_heat_map(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await frames(pilot)
        await pilot.press("h")
        await frames(pilot)

    assert snap_compare(make_app(FakeTrainer()), terminal_size=size, run_before=shown)
