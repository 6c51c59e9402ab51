"""Schedules on the screen: the key, the rate's curve, and what is known of such a run."""

from __future__ import annotations

import pytest

from lrtui.messages import SCHEDULES, Progress, Start, Started, State, Sweep
from tests.screen.fake import FakeTrainer, frame, make_app, press, text


def falling(start: Start) -> list[Started | State | Progress]:
    """A run at step 20 whose rate has come down to half its peak."""
    return [
        Started(run=start.run, lr=start.lr, steps=start.steps, schedule=start.schedule),
        State(
            run=start.run, step=0, paused=False, speed=start.speed, lr=start.lr, answers=start.id
        ),
        Progress(
            run=start.run,
            steps=0,
            scalars={
                "loss": [7.6 * 0.8**k for k in range(21)],
                "lr": [start.lr * (1 - k / 40) for k in range(21)],
            },
            seconds=1.0,
            weights=[3.0, 2.0],
        ),
    ]


@pytest.mark.slow
async def test_a_key_goes_through_the_schedules_at_the_same_peak() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        for _ in SCHEDULES:
            await press(pilot, "s")
            await frame(pilot)
        starts = [c for c in source.sent if isinstance(c, Start)]
        names = [name.replace("N", "10") for name in SCHEDULES]
        assert [c.schedule for c in starts] == [*names, "constant"]
        assert {c.lr for c in starts} == {0.3}
        swept = [c.schedule for c in source.sent if isinstance(c, Sweep)]
        assert set(swept) == set(names)


@pytest.mark.slow
async def test_the_rate_is_a_pane_where_it_moves() -> None:
    source = FakeTrainer(falling)  # type: ignore[arg-type]
    app = make_app(source, 0.3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert app.main.controller.session.current is not None
        await press(pilot, "s")
        await frame(pilot)
        session = app.main.controller.session
        run = session.current
        assert run is not None
        assert (run.lr, run.rate_now) == (0.3, 0.15)
        assert session.theory is None  # what it says is of a rate that stays
        assert "limit" not in text(app, "ruler")
        assert "cosine schedule" in text(app, "numbers")
        assert "cosine" in text(app, "runs")
        for _ in range(4):
            await press(pilot, "b")
            await frame(pilot)
            if app.main.query_one("#learning-rate").display:
                break
        assert text(app, "learning-rate").startswith("━━ 0.15")
