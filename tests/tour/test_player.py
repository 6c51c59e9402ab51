"""The tour: by itself, the same every time, and anybody's from the first digit on."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import time
from pathlib import Path

import pyte
import pytest

from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.app import LrtuiApp
from lrtui.screen.pane_widget import PaneWidget
from lrtui.session.setup import Setup
from lrtui.sources.process import ProcessSource
from lrtui.tour.lockstep import Lockstep
from lrtui.tour.player import Tour
from lrtui.tour.script import read_script
from tests.terminal import UNKNOWN_TO_PYTE, terminal

pytestmark = pytest.mark.slow

ASCIINEMA = shutil.which("asciinema", path=str(Path(sys.executable).parent)) or shutil.which(
    "asciinema"
)

SCRIPT = """\
say Watch.
type 0.1
say It settles at step {forecast}, below {limit}; the best is {best}.
until step 20
type 1.01
until step 30
press a
until step 5
press b
wait 0.5
"""


class Watched(Tour):
    """A tour that keeps what each frame showed."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        self.frames_shown: list[list[str]] = []

    async def frame(self) -> None:
        await super().frame()
        shown = []
        for pane in self.query(PaneWidget):
            if pane.region.area:
                shown.append(str(pane.id))
                shown += [pane.render_line(y).text for y in range(pane.size.height)]
        self.frames_shown.append(shown)


async def frames(script: Path | None, size: tuple[int, int], pace: float) -> list[list[str]]:
    """Every frame of a tour with the real trainer."""
    trainer = Lockstep(ProcessSource(ProblemSettings()))
    scenes = read_script(str(script) if script else None)
    tour = Watched(trainer, scenes, Setup(), fps=10, pace=pace)
    app = LrtuiApp(tour, "textual-dark")
    try:
        async with app.run_test(size=size):
            end = time.monotonic() + 60
            while tour.is_running and tour.playing and app.is_running:
                assert time.monotonic() < end
                await asyncio.sleep(0.02)
    finally:
        trainer.close()
    return tour.frames_shown


async def test_the_post_takes_less_than_a_minute() -> None:
    # Counted in frames, each of a tenth of a second: the machine's own speed has no part in it,
    # nor has the size, and a small screen is drawn faster.
    shown = await frames(None, (40, 12), pace=1000)
    assert 30 < len(shown) / 10 + 5 < 60  # and torch takes less than five to load


@pytest.mark.skipif(ASCIINEMA is None, reason="asciinema is not installed")
def test_the_post_recorded_by_asciinema(tmp_path: Path) -> None:
    cast = tmp_path / "demo.cast"
    tour = f"{sys.executable} -m lrtui tour --pace 3"
    captions = [s.text for s in read_script(None) if s.verb == "say"]
    with terminal(command=[str(ASCIINEMA), "rec", "-q", "-c", tour, str(cast)]) as recorder:
        recorder.wait_for("▌ ")
        for caption in captions:
            recorder.wait_for("▌ " + re.escape(caption[:30]))
            if "{forecast}" in caption:
                recorder.wait_for(re.escape(caption).replace(r"\{forecast\}", r"\d+"))
        assert recorder.wait_for_end() == 0
        assert b"rate 0.744" in recorder.raw.rpartition(b"\x1b[?1049l")[2]
    assert 20_000 < cast.stat().st_size < 300_000
    header, *events = map(json.loads, cast.read_text().splitlines())
    assert (header["width"], header["height"]) == (120, 36)
    screen = pyte.Screen(120, 36)
    stream = pyte.ByteStream(screen)
    for _, _, data in events:
        if "\x1b[?1049l" in data:
            break
        stream.feed(UNKNOWN_TO_PYTE.sub(b"", data.encode()))
    shown = "\n".join(screen.display)
    assert "✓ settled: at step 7" in shown
    for row in ("5  0.744", "4  1 ", "3  1.01", "2  0.7", "1  0.1", "▌ Your turn"):
        assert row in shown


async def test_the_same_frames_every_time(tmp_path: Path) -> None:
    script = tmp_path / "tour.txt"
    script.write_text(SCRIPT)
    first = await frames(script, (100, 30), pace=20)
    second = await frames(script, (100, 30), pace=12)
    assert len(first) > 60
    assert any("▌ It settles at step 68, below 0.999; the best is 0.744." in f for f in first[20])
    assert first == second


def test_space_holds_it_and_a_digit_takes_over() -> None:
    with terminal("tour", "--pace", "2") as lab:
        lab.wait_for(r"step [1-9]\d?/100")
        lab.type(" ")
        lab.wait_for("‖ paused")
        lab.drain(0.3)
        held = lab.text
        lab.drain(0.7)
        assert lab.text == held
        lab.type(" ")
        lab.wait_for(r"step [3-9]\d/100")
        lab.type("0.5\r")
        lab.wait_for(r"0\.5\s+✓ settled")
        lab.wait_for("(?s)^(?!.*▌)")
        lab.wait_for("step 100/100")
        lab.drain(1)
        lab.type("r")
        lab.wait_for(r"3\s+0\.5\s+(×2\s+)?[⇄✓]")
        lab.type("q")
        assert lab.wait_for_end() == 0


def test_a_click_on_the_ruler_takes_over() -> None:
    with terminal("tour", "--pace", "2") as lab:
        lab.wait_for(r"step [1-9]\d?/100")
        x = lab.screen.display[2].index("★") + 1
        lab.type(f"\x1b[<0;{x};3M\x1b[<0;{x};3m")
        lab.wait_for("a second click runs it")
        lab.wait_for("(?s)^(?!.*▌)")  # in the same frame, but that may arrive in parts
        lab.type(f"\x1b[<0;{x};3M\x1b[<0;{x};3m")
        lab.wait_for(r"2\s+0\.7\d+\s+✓ settled")
        lab.wait_for("(?s)^(?!.*▌)")
        lab.wait_for(r"step 100/100")


def test_ones_own_tour(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("say This is mine.\ntype 0.3\nuntil step 10\n")
    with terminal("tour", str(tmp_path / "mine.txt"), "--pace", "3") as lab:
        lab.wait_for("▌ This is mine")
        lab.wait_for(r"1\s+0\.3\s+▶")
        assert lab.wait_for_end() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nosuch.txt",), "nosuch.txt: No such file"),
        (("--pace", "0"), "a pace from 0.1 to 20 is needed"),
        (("--pace", "nan"), "a pace from 0.1 to 20 is needed"),
        ((str(Path(__file__)),), "line 1: "),
    ],
)
def test_what_cannot_be_played_is_told(arguments: tuple[str, ...], said: str) -> None:
    with terminal("tour", *arguments) as lab:
        lab.wait_for(said)
        assert lab.wait_for_end() == 2
        assert b"Traceback" not in lab.raw


def test_a_trainer_that_fails_ends_the_tour_not_the_lab(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch for you')")
    with terminal("tour", env={"PYTHONPATH": str(tmp_path)}) as lab:
        lab.wait_for("the trainer ended: exit code 1")
        lab.type("q")
        assert lab.wait_for_end() == 0
