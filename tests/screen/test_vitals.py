"""What a training shows of itself, on the screen."""

from __future__ import annotations

import pytest

from lrtui.messages import Ranks, Vitals
from tests.screen.fake import frame, main_screen, text
from tests.screen.live import falling, live_app, told


def vitals(**changed: object) -> Vitals:
    known = {
        "total": 3000,
        "total_by": "max_iters, as the script says",
        "epoch": 3,
        "epochs": 10,
        "data_wait": 0.034,
        "clip_limit": 1.0,
        "clipped": 0.12,
        "memory": 357_000_000,
        "settings": "betas 0.9, 0.95, weight decay 0.1",
    }
    return Vitals(run=1, **(known | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_how_long_it_will_take_and_what_it_does(size: tuple[int, int]) -> None:
    messages = told(falling(600), grad_norm=[0.8] * 600)
    app = live_app(*messages, Ranks(run=1, steps=[600], paces=[10.0]), vitals())
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        header = text(app, "header")
        assert "step 599/3,000" in header
        assert "4 min left" in header
        numbers = text(app, "numbers")
        assert "norm 0.8" in numbers
        assert "12% clipped" in numbers
        assert "data wait 3%" in numbers
        assert [*main_screen(app).view.log][-1][0] == "3,000 steps (max_iters, as the script says)"
        if size[0] > 100:
            assert "epoch 3/10" in numbers
            whole = "".join(line.text for line in app.screen._compositor.render_strips())
            assert "betas 0.9, 0.95, weight decay 0.1   357 MB of memory" in whole


async def test_a_stall_comes_before_the_verdict() -> None:
    stalled = Ranks(
        run=1, steps=[600], paces=[0.0], stalled=42.4, doing="waits for data in train.py, line 31"
    )
    app = live_app(*told(falling(600)), stalled)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        said = "! no step for 42 s, waits for data in train.py, line 31; "
        assert said in text(app, "status")
