"""Every size, one after the other, forty times a second, while a run diverges."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrtui.messages import Ended, Progress
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.panes.pane import TALL
from lrtui.screen.panes.small import NEEDED
from tests.screen.fake import FakeTrainer, make_app, only_until
from tests.terminal import terminal

sizes = st.tuples(st.integers(1, 200), st.integers(1, 60))


async def seen(resizes: list[tuple[int, int]], losses: list[float]) -> list[str]:
    """What every pane shows after a diverging run was watched at these sizes."""
    source = FakeTrainer(only_until(5))
    app = make_app(source, 1.01)
    async with app.run_test(size=resizes[0]) as pilot:
        lab = app.screen
        assert isinstance(lab, MainScreen)
        for i, size in enumerate(resizes):
            await pilot.resize_terminal(*size)
            first, end = (len(losses) * j // len(resizes) for j in (i, i + 1))
            for step in range(first, end):
                source.say(
                    Progress(
                        run=1,
                        steps=6 + step,
                        scalars={"loss": [losses[step]]},
                        weights=[3.0 + step, 2.5 - step],
                        seconds=1.0,
                    )
                )
            await lab.frame()
        over = "at rate 1.01 it is over"
        source.say(Ended(run=1, outcome="diverged", step=35, loss=losses[-1], reason=over))
        for _ in range(2):
            await pilot.pause()
            await lab.frame()
        columns, rows = resizes[-1]
        shown = []
        for pane in lab.query(PaneWidget):
            if pane.region.area and pane.display:
                assert pane.region.right <= columns, pane
                assert pane.region.bottom <= rows, pane
                lines = [pane.render_line(y).text for y in range(pane.content_size.height)]
                assert all(len(line) == pane.content_size.width for line in lines)
                shown += [str(pane.id), *lines]
        if columns >= NEEDED[0] and rows >= NEEDED[1]:
            footer = shown[shown.index("footer") + 1]
            assert "? help" in footer
            assert "q quit" in footer
            assert "loss" in shown, shown
            assert "diverged: loss 12.3 at step 35" in shown[shown.index("status") + 1], shown
            if rows >= TALL:
                assert "past the limit" in " ".join(
                    " ".join(shown[shown.index("status") :]).split()
                )
        else:
            assert shown[0] == "small"
        return shown


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(sizes, min_size=1, max_size=8))
async def test_the_last_frame_is_as_if_it_had_always_been_that_size(
    resizes: list[tuple[int, int]],
) -> None:
    losses = [3.0 * 1.05**k for k in range(30)]
    assert await seen(resizes, losses) == await seen([resizes[-1]] * len(resizes), losses)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_in_a_real_terminal(seed: int) -> None:
    rng = random.Random(seed)
    final = [(120, 36), (80, 24)][seed]
    arguments = ("--lr", "1.01", "--steps", "300", "--speed", "100")
    with terminal(*arguments) as lab:
        lab.wait_for(r"1\.01\s+[↗✕] diverg")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            lab.resize(rng.randint(1, 200), rng.randint(1, 60))
            lab.drain(1 / 40)
        lab.resize(*final)
        lab.wait_for("step 300/300")
        lab.wait_for("░")  # what each rate would do
        lab.drain(0.5)
        shown = lab.text
        assert b"Traceback" not in lab.raw
    with terminal(*arguments, columns=final[0], rows=final[1]) as lab:
        lab.wait_for("step 300/300")
        lab.wait_for("░")  # what each rate would do
        lab.drain(0.5)
        # But for the steps a second, no two runs differ.
        assert re.sub(r" +\d+ (?=│)", "", shown) == re.sub(r" +\d+ (?=│)", "", lab.text)
