"""What the driver writes, with the terminal left out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from lrtui.screen.terminal.driver import QUESTION, LineDriver

FRAME = "\x1b[1;1Hloss 0.08\x1b[2;1Hrate 0.1"
NEXT = "\x1b[1;1Hloss 0.07\x1b[2;1Hrate 0.1"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All that was written, in order."""
    pieces: list[str] = []
    monkeypatch.setattr(LinuxDriver, "write", lambda _, data: pieces.append(data))
    monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda _: None)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    monkeypatch.setattr("lrtui.screen.terminal.driver.keeps_up", lambda _: True)
    numbers = (signal.SIGTSTP, signal.SIGCONT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield pieces
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def make_driver() -> LineDriver:
    driver = LineDriver(cast(App[object], SimpleNamespace(line=None)))
    driver.start_application_mode()
    return driver


async def test_what_was_drawn_before_something_unknown_is_written_before_it(
    written: list[str],
) -> None:
    driver = make_driver()
    driver.write(FRAME)
    driver.write("\x1b[2J")
    first, unknown = written
    assert "loss 0.08" in first
    assert "rate 0.1" in first
    assert unknown == "\x1b[2J"


async def test_a_frame_after_something_unknown_is_written_whole(written: list[str]) -> None:
    driver = make_driver()
    driver.write(FRAME)
    await asyncio.sleep(0.01)
    written.clear()
    unknown = FRAME.replace("loss", "\x1b[4:3mloss")
    driver.write(unknown)
    assert written == [unknown]
    driver.write(FRAME)
    await asyncio.sleep(0.01)
    assert "loss 0.08" in written[1]
    assert "rate 0.1" in written[1]


async def test_after_something_harmless_only_changes_are_written(written: list[str]) -> None:
    driver = make_driver()
    driver.write(FRAME)
    await asyncio.sleep(0.01)
    written.clear()
    for data in ("\x1b[?25h", "\x1b]2;title\x07", "\x1b[>1u", "\x07"):
        driver.write(data)
    driver.write(NEXT)
    await asyncio.sleep(0.01)
    *harmless, changes = written
    assert len(harmless) == 4
    assert changes.replace(QUESTION, "") == "\x1b[1;9H7\x1b[2;9H"


async def test_what_was_drawn_is_written_again_on_the_way_back_to_the_screen(
    written: list[str],
) -> None:
    driver = make_driver()
    driver.write(FRAME)
    await asyncio.sleep(0.01)
    driver.write("\x1b[?1049l")
    written.clear()
    driver.write("\x1b[?1049h")
    driver.redraw()
    await asyncio.sleep(0.01)
    assert written[0] == "\x1b[?1049h"
    assert "loss 0.08" in written[1]
