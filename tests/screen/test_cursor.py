"""The cursor that reads out charts, and the ruler zoomed round a rate."""

from __future__ import annotations

import math

import pytest

from lrtui.messages import Progress, Start, Sweep
from tests.screen.fake import (
    FakeTrainer,
    descent,
    frame,
    main_screen,
    make_app,
    press,
    starts,
    text,
    theory,
)


def read_out(legend: str) -> tuple[int, float]:
    """The step and the loss that stand in the first row of the loss chart."""
    words = legend.replace(",", "").split()
    return int(words[words.index("step") + 1]), float(words[words.index("loss") + 1])


@pytest.mark.slow
async def test_the_cursor_reads_the_loss_at_its_step() -> None:
    app = make_app(FakeTrainer(), 0.1)
    start = Start(run=1, lr=0.1, steps=100, speed=20)
    losses = next(m for m in descent(start) if isinstance(m, Progress)).losses
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        seen = set()
        for _ in range(30):
            await press(pilot, "left")
            await frame(pilot)
            step, loss = read_out(text(app, "loss").splitlines()[0])
            assert loss == pytest.approx(losses[step], rel=1e-4)
            seen.add(step)
        assert len(seen) == 30
        await press(pilot, *["shift+left"] * 20)
        await frame(pilot)
        assert read_out(text(app, "loss").splitlines()[0])[0] == 0
        await press(pilot, "b")
        await frame(pilot)
        assert "step 0  loss" in text(app, "map").splitlines()[0]
        await press(pilot, "escape")
        await frame(pilot)
        assert text(app, "loss").startswith("linear scale")


@pytest.mark.slow
async def test_a_click_puts_the_cursor_where_it_is() -> None:
    app = make_app(FakeTrainer(), 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await pilot.click("#loss", offset=(30, 6))
        await frame(pilot)
        step, _ = read_out(text(app, "loss").splitlines()[0])
        column = 30 - 2  # border and padding
        marks = [line.index("◇") for line in text(app, "loss").splitlines() if "◇" in line]
        assert marks == [column]
        assert main_screen(app).view.cursor == step
        await press(pilot, "b")
        await frame(pilot)
        await pilot.click("#map", offset=(14, 5))
        await frame(pilot)
        first, *_ = text(app, "map").splitlines()
        assert first.startswith("here  loss ")
        place = main_screen(app).view.place
        assert place is not None
        assert float(first.split()[2]) == pytest.approx(theory().loss_at(place), rel=1e-3)


@pytest.mark.slow
async def test_on_the_chart_of_every_rate_enter_runs_the_rate_at_the_cursor() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "w")
        await frame(pilot)
        await press(pilot, *["right"] * 10)
        await frame(pilot)
        first = text(app, "every-rate").splitlines()[0].split()
        lr, at = float(first[1]), int(first[5])
        assert theory().settles_at(theory().start, lr) == at
        await press(pilot, "enter")
        await frame(pilot)
        assert starts(source)[-1] == lr
        assert text(app, "ruler").splitlines()[0].count("•") == 1  # the run before


@pytest.mark.slow
async def test_the_ruler_is_zoomed_round_a_rate_and_its_sweep_refined() -> None:
    source = FakeTrainer()
    limit = theory().max_stable_lr
    app = make_app(source, float(f"{limit:.3g}"))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        whole = text(app, "ruler")
        for reach in (1.5, 1.05):
            await press(pilot, "z")
            await frame(pilot, 2)
            sweep = [c for c in source.sent if isinstance(c, Sweep)][-1]
            assert sweep.lrs[-1] / sweep.lrs[0] == pytest.approx(reach**2)
            ruler = text(app, "ruler").split("  ")[0]
            first, cells, last = ruler.split()
            low, high = float(first), float(last)
            assert low == pytest.approx(sweep.lrs[0], rel=1e-2)
            # The mark of the run, whose rate is the limit, is at its rate, to the cell.
            count = len(cells)
            share = math.log(limit / sweep.lrs[0]) / math.log(sweep.lrs[-1] / sweep.lrs[0])
            assert cells.index("◆") == pytest.approx(share * count, abs=1)
        assert math.log(high / low) / count < 0.0013  # a cell is about a thousandth of the rate
        await press(pilot, "z")
        await frame(pilot)
        assert text(app, "ruler") == whole
