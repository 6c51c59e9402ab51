"""The heat map on the screen: cells, limits, cursor, and what runs a cell."""

from __future__ import annotations

import math

import pytest

from lrtui.messages import Heat, Optimizer, Start
from lrtui.screen.panes.heat import LEFT
from lrtui.session.heat_grid import best_cell
from tests.screen.fake import FakeTrainer, frame, main_screen, make_app, press, text, theory

pytestmark = pytest.mark.slow

ROWS = 24


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_map_shows_limits_and_the_best_where_they_are(size: tuple[int, int]) -> None:
    source = FakeTrainer()
    app = make_app(source, 0.7)
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        await press(pilot, "h")
        await frame(pilot, 2)
        heated = app.main.view.session.heated
        assert heated is not None
        rows = text(app, "heat").split("\n")[1:]
        wide = 2 if size[0] == 120 else 1
        shown = [row for row in rows if not row.startswith(" up to")]
        rows = [row.removeprefix("momentum").rjust(len(row)) for row in shown]
        momenta = [float(row[:LEFT]) for row in rows if "┃" in row]
        assert len(momenta) == (ROWS if size[1] == 36 else 13)
        best = best_cell(heated)
        assert best is not None
        assert heated.momenta[best.row] in momenta
        for row in rows[: len(momenta)]:
            momentum, cells = float(row[:LEFT]), row[LEFT:]
            limit = theory().with_optimizer(Optimizer(momentum=momentum)).max_stable_lr
            at = cells.index("┃")
            # Rates are equal factors apart, and each is at the middle of its cell.
            apart = math.log(heated.lrs[-1] / heated.lrs[0]) / (len(heated.lrs) - 1)
            exact = wide * (math.log(limit / heated.lrs[0]) / apart + 0.5)
            assert exact - 1.1 < at < exact + 0.1
            assert set(cells[at + wide :].strip()) <= {"╳", "╱", "┊"}
            if heated.momenta[best.row] == momentum:
                assert cells.index("★") == wide * best.column


async def test_the_arrow_keys_read_cells_and_enter_runs_one() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "h")
        await frame(pilot, 2)
        assert text(app, "heat").startswith("★ rate")
        heated = app.main.view.session.heated
        assert heated is not None
        best = best_cell(heated)
        assert best is not None
        await press(pilot, "left")
        await frame(pilot)
        said = f"rate {heated.lrs[best.column]:g} · momentum {heated.momenta[best.row]:g} · settles"
        assert said in text(app, "heat")
        assert "(limit " in text(app, "heat")
        await press(pilot, "left", "left", "up", "right", "down", "down")
        await frame(pilot)
        lr, momentum = heated.lrs[best.column - 1], heated.momenta[best.row - 1]
        assert f"rate {lr:g} · momentum {momentum:g} · " in text(app, "heat")
        await press(pilot, "enter")
        await frame(pilot)
        started = [c for c in source.sent if isinstance(c, Start)][-1]
        assert (started.lr, started.optimizer) == (lr, Optimizer(momentum=momentum))
        assert "●" in text(app, "heat")
        # What is typed goes into the field, and the keys back to it.
        await press(pilot, "0", ".", "5", "left")
        await frame(pilot)
        assert f"rate {lr:g} · momentum {momentum:g} · " in text(app, "heat")
        assert app.main.view.typed == "0.5"


async def test_a_click_runs_the_cell_under_it() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "h")
        await frame(pilot, 2)
        heated = app.main.view.session.heated
        assert heated is not None
        place = (2 + LEFT + 2 * 20 + 1, ROWS)  # inside its border
        await pilot.click("#heat", offset=place)
        await frame(pilot)
        assert len([c for c in source.sent if isinstance(c, Start)]) == 1
        assert app.main.view.heat_cursor == (0.0, heated.lrs[20])
        await pilot.click("#heat", offset=place)
        await frame(pilot)
        started = [c for c in source.sent if isinstance(c, Start)][-1]
        assert (started.lr, started.optimizer) == (heated.lrs[20], Optimizer())


async def test_it_is_asked_for_once_and_again_where_something_differs() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        asked = [c for c in source.sent if isinstance(c, Heat)]
        assert not asked
        await press(pilot, "h", "h", "h", "r")
        await frame(pilot, 2)
        assert [c.steps for c in source.sent if isinstance(c, Heat)] == [100]
        await press(pilot, "s")
        await frame(pilot, 2)
        last = [c for c in source.sent if isinstance(c, Heat)][-1]
        assert last.schedule == "cosine"
        assert "┃" not in text(app, "heat")  # the limit is one of a rate that stays
        await press(pilot, "h")
        await frame(pilot)
        assert not main_screen(app).query_one("#heat").display
