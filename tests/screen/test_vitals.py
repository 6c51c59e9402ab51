"""What a training shows of itself, on the screen."""

from __future__ import annotations

from io import StringIO

import pytest
from msgspec.structs import replace

from lrtui.analysis.headroom import LOWERED, ROOM, TRIALS
from lrtui.commands.plain_text import Printer
from lrtui.messages import (
    AnyMessage,
    Gauge,
    Progress,
    Ranks,
    Sharpness,
    Snapshots,
    Started,
    State,
    Updates,
    Vitals,
)
from tests.screen.fake import frame, main_screen, press, text
from tests.screen.live import OFFERS, falling, live_app, told


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
@pytest.mark.slow
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
        said, _ = [*main_screen(app).view.log][-1]
        assert said == "in all 3,000 steps (max_iters, as the script says)"
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


def updates(count: int) -> Updates:
    names = [f"transformer.blocks.{i}.attention.projection.weight" for i in range(count)]
    ratios = [3e-3 * 0.9**i for i in range(count)]
    return Updates(run=1, step=570, names=names, ratios=ratios, median=8.8e-4, tensors=2 * count)


@pytest.mark.parametrize(("columns", "count"), [(120, 40), (120, 1), (120, 3), (80, 40)])
@pytest.mark.slow
async def test_updates_by_tensor_take_turns_with_the_scalars(columns: int, count: int) -> None:
    app = live_app(*told(falling(600), grad_norm=[0.8] * 600), updates(count))
    async with app.run_test(size=(columns, 36)) as pilot:
        await frame(pilot, 2)
        assert not app.screen.query_one("#updates").display
        await press(pilot, "l")
        await frame(pilot, 2)
        if columns < 100:  # there is no room beside the others
            assert "grad_norm" in text(app, "scalar")
            await press(pilot, "l")
            await frame(pilot, 2)
            assert main_screen(app).view.alone == "updates"
        rows = text(app, "updates").splitlines()
        assert f"median 8.8e-4 of {2 * count}" in rows[0]
        listed = [row.strip() for row in rows[1:] if row.strip()]
        assert len(listed) == min(count, len(rows) - 1)
        smallest = 3e-3 * 0.9 ** (count - 1)
        assert listed[0].startswith("3.0e-3 ")
        assert f"{count - 1}.attent" in listed[-1]
        assert float(listed[-1].split()[0]) == pytest.approx(smallest, rel=0.05)
        bars = [row.count("━") for row in listed]
        assert bars == sorted(bars, reverse=True)
        assert bars[0] > 0
        await press(pilot, "l")
        await frame(pilot, 2)
        assert "grad_norm" in text(app, "scalar")


def measured(step: int, left: float, word: str) -> Gauge:
    return Gauge(run=1, step=step, left=left, calm=0.1, pairs=27, word=word)


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (40, 12)])
@pytest.mark.slow
async def test_whether_the_rate_may_go_up(size: tuple[int, int]) -> None:
    said = told(falling(600), grad_norm=[0.8] * 600, offers=(*OFFERS, "try"))
    gauges = (measured(47, -0.6, ""), measured(300, 0.2, ""), measured(500, 0.53, ROOM))
    app = live_app(*said, *gauges)
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        status, log = text(app, "status"), [*main_screen(app).view.log]
        assert "↑ room for ×2" in status
        sentence = "room for ×2: fresh batches still slope along the last steps (53%)"
        counts = f"; doubling lowered the loss in {LOWERED} of {TRIALS} such trials"
        assert (sentence in status) == (size[0] >= 80)
        assert (counts in status) == (size[0] == 120)
        assert ("500 room for ×2", "text") in log
        if size[0] == 120:
            assert "slope left 53%  ▁▄▆" in text(app, "numbers")
        # The footer has the key as well: it is not worth the words for what was found.
        assert ("   T try 0.5× 1× 2× 4×" in status) == (size[0] == 120)
        # The rate is changed: what was said was said of another one.
        for message in (measured(500, 0.53, ""), Snapshots(run=1, steps=[40], before=40)):
            main_screen(app).controller.take(message)
        await frame(pilot, 2)
        assert "room" not in text(app, "status")
        main_screen(app).controller.take(measured(700, 0.9, ROOM))
        await frame(pilot, 2)
        status = text(app, "status")
        assert "↑ room for ×2" in status
        assert "t back" not in status  # there is nothing to come back from


@pytest.mark.slow
async def test_of_full_batches_the_sharpness_stands_in_place_of_the_slope() -> None:
    found = [
        Sharpness(run=1, step=step, value=value, error=0.01, threshold=2.0)
        for step, value in ((150, 130.0), (400, 200.0))
    ]
    app = live_app(*told(falling(600)), measured(47, 0.53, ""), *found)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        numbers = text(app, "numbers")
        assert "slope left" not in numbers
        assert "sharpness 200     1.00 of 2/rate" in numbers  # the rate is 0.01
        chart = text(app, "sharpness")
        assert "200  1.00 of 2/rate" in chart
        assert "2/rate = 200" in chart


def test_updates_are_for_programs_and_the_screen() -> None:
    for as_json in (False, True):
        out = StringIO()
        printer = Printer(every=10_000, as_json=as_json, out=out)
        for message in told(falling(60)):
            printer.take(message)
        before = out.getvalue()
        printer.take(updates(3))
        assert (out.getvalue() != before) == as_json
    assert '"type":"updates"' in out.getvalue()


def test_as_plain_text_once_for_each_word() -> None:
    out = StringIO()
    printer = Printer(every=10_000, as_json=False, out=out)
    for message in told(falling(600)):
        printer.take(message)
    for left, word in ((0.1, ""), (0.53, ROOM), (0.6, ROOM), (0.1, ""), (0.4, ROOM)):
        printer.take(measured(int(100 * left), left, word))
    lines = [line for line in out.getvalue().splitlines() if "room" in line]
    assert [line.partition(": fresh")[0] for line in lines] == [
        "step     53  room for ×2",
        "step     40  room for ×2",
    ]
    assert lines[0].endswith(
        f"(53%); doubling lowered the loss in {LOWERED} of {TRIALS} such trials"
    )


async def test_a_rate_that_is_not_known_is_not_said_to_be_zero() -> None:
    """A script that moves its weights by hand was said to be at rate 0, its own."""
    messages: list[AnyMessage] = []
    for message in told(falling(100)):
        match message:
            case Started():
                messages.append(replace(message, lr=0.0))
            case State():
                messages.append(replace(message, lr=0.0))
            case Progress():
                losses = {"loss": message.scalars["loss"]}
                messages.append(replace(message, scalars=losses))
            case _:
                messages.append(message)
    app = live_app(*messages, vitals())
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        whole = "\n".join(line.text for line in app.screen._compositor.render_strips())
    assert "no rate is recorded" in whole
    assert "rate –" in whole
    assert "357 MB of memory" in whole
    assert "in force" not in whole
    assert "rate 0" not in whole
