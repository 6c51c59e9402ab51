"""A training that is not ours on the screen: its loss, its rate, and what can be asked of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace

from lrtui.analysis.series import LossSeries
from lrtui.messages import (
    Add,
    Command,
    Ended,
    Hold,
    Progress,
    Ranks,
    Rewind,
    Snapshots,
    Started,
    State,
)
from lrtui.screen.control.view import View
from lrtui.screen.dialogs.help import Help
from lrtui.screen.panes.loss import usual_losses, with_gaps
from lrtui.screen.panes.ranks import RANKS
from lrtui.screen.panes.status import verdict_of
from lrtui.screen.rate_field import RateField
from lrtui.session.session import Session
from lrtui.sources.fake import FakeSource
from tests.screen.fake import frame, main_screen, press, text
from tests.screen.live import OFFERS, after_an_overflow, ended, falling, live_app, told

BRAILLE = re.compile("[\u2801-\u28ff]")


def labels(chart: str) -> list[float]:
    """Return the numbers along the y axis, from the top."""
    return [float(line.split("┤")[0]) for line in chart.splitlines() if "┤" in line]


def used(chart: str) -> int:
    """Return how many rows of a chart have a dot."""
    return sum(bool(BRAILLE.search(line)) for line in chart.splitlines()[1:-2])


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
@pytest.mark.slow
async def test_a_loss_from_five_to_two_fills_its_chart(size: tuple[int, int]) -> None:
    app = live_app(*told(falling(2000)))
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 3)
        chart = text(app, "loss")
        assert used(chart) >= 0.8 * (len(chart.splitlines()) - 3)
        assert all(1.5 <= value <= 6 for value in labels(chart))


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_loss_stands_there_as_a_number(size: tuple[int, int]) -> None:
    losses = falling(500)
    app = live_app(*told(losses))
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 3)
        assert f" loss {losses[-1]:.4g}" in text(app, "numbers")


@pytest.mark.slow
async def test_what_was_not_finite_is_a_gap_and_a_mark() -> None:
    app = live_app(*told(after_an_overflow()))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        rows = text(app, "loss").splitlines()
        assert all(value <= 10 for value in labels("\n".join(rows)))  # not 1 to 1e40
        assert "✕" in rows[1]
        assert "2e+36" in "\n".join(rows[1:4])
        # Steps 609 to 648 of 2,000: about the columns 33 and 34 of 106, with nothing below the top.
        there = [row[7 + 33 : 7 + 34] for row in rows[2:-2]]
        assert not BRAILLE.search("".join(there))
        assert used("\n".join(rows)) >= 8


def test_the_mean_is_interrupted_where_nothing_was_finite() -> None:
    at, losses = with_gaps(np.array([1.0, 2, 5, 6]), np.ones(4), [(3, 4)])
    assert at.tolist() == [1, 2, 3, 5, 6]
    assert np.isnan(losses).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("losses", "low", "high"),
    [
        ([5.0, 4.0, 3.0, 2.0], 2.0, 5.0),
        ([2.0] * 300 + [1e37] + [2.0] * 300, 2.0, 2.0),
        ([2.0] * 300 + [8.0] + [2.0] * 300, 2.0, 8.0),  # a spike that can be read is shown
        ([2.0] * 300 + [1e3, 1e9, 1e30], 2.0, 1e30),  # it has not come back yet
        ([2.0] * 300 + [0.0] + [2.0] * 300, 2.0, 2.0),
    ],
)
def test_the_axis_holds_what_is_usual(losses: list[float], low: float, high: float) -> None:
    series = LossSeries()
    series.append(range(len(losses)), losses)
    assert usual_losses(series) == (low, high)


async def test_one_rate_stands_on_the_screen() -> None:
    lrs = [0.01 * 0.997**step for step in range(600)]
    app = live_app(*told(falling(600), lrs=lrs, groups=26, lowest=7.8e-6))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        now = f"{lrs[-1]:.4g}"
        assert main_screen(app).query_one(RateField).placeholder == now
        assert f"in force {now}, " in text(app, "ruler")
        lowest = 7.8e-6 * lrs[-1] / lrs[0]  # it has fallen with the largest
        assert f"26 groups, {lowest:.2g} … {lrs[-1]:.2g}" in text(app, "ruler")
        assert text(app, "rate-in-force").startswith(f"━━ {now}")
        assert "rate" not in text(app, "loss").splitlines()[0]
        # What a command has made of it since the last report is said everywhere at once.
        held = State(run=1, step=599, paused=False, speed=None, lr=0.5, held=0.5, answers=3)
        main_screen(app).controller.take(held)
        await frame(pilot)
        assert main_screen(app).query_one(RateField).placeholder == "0.5"
        assert "in force 0.5 = held" in text(app, "ruler")
        assert text(app, "rate-in-force").startswith("━━ 0.5")


@pytest.mark.parametrize("optimizer", ["AdamW", "unknown"])
async def test_the_rate_that_a_run_started_at_is_said_where_it_is_known(optimizer: str) -> None:
    greeting, started, *others = told(falling(10))
    assert isinstance(started, Started)
    app = live_app(greeting, replace(started, optimizer=optimizer), *others)  # a log's is not
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        rate = ", rate 0.01" if optimizer == "AdamW" else ""
        assert f"run 1 started{rate}" in map(str.strip, text(app, "log").splitlines())


async def test_without_a_loss_steps_and_rate_are_shown() -> None:
    app = live_app(*told(None, steps=500))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "step 499" in text(app, "header")
        assert "no loss known" in text(app, "loss")
        assert "torch" not in text(app, "status")
        assert BRAILLE.search(text(app, "rate-in-force"))
        assert "not finite" not in text(app, "log")


@pytest.mark.parametrize(
    ("key", "offers", "why"),
    [
        ("t", OFFERS, "needs the model: lrtui.Monitor(optimizer, model=model)"),
        ("k", OFFERS, "lrtui.Monitor(optimizer, checkpoint=save)"),
        ("r", OFFERS, "only a run that lrtui itself trains can do this"),
        ("S", (), "this only watches; nothing can be steered"),
    ],
)
@pytest.mark.slow
async def test_a_key_that_does_nothing_says_what_it_needs(
    key: str, offers: tuple[str, ...], why: str
) -> None:
    app = live_app(*told(falling(60), offers=offers))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, key)
        await frame(pilot)
        assert why in text(app, "notice")
        assert "falling" in text(app, "status") or "level" in text(app, "status")


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        (("pause", "stop"), "needs an optimizer of torch with a rate"),
        (("pause", "scale", "stop"), "the optimizer estimates its rate by itself"),
        ((), "this is a record; lrtui itself trains"),
    ],
)
@pytest.mark.slow
async def test_a_typed_rate_that_nothing_takes_says_why(offers: tuple[str, ...], why: str) -> None:
    app = live_app(*told(falling(60), offers=offers))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "1", "enter")
        await frame(pilot)
        assert why in text(app, "notice")


async def test_after_the_end_no_key_steers_and_nothing_is_stopping() -> None:
    messages = told(falling(60))
    stopping = State(run=1, step=59, paused=False, speed=None, lr=0.01, stopping=True)
    app = live_app(*messages, stopping)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert "stopping" in text(app, "ruler")
        assert "hold" in text(app, "footer")
        main_screen(app).controller.take(ended(59, 2.0))
        await frame(pilot, 2)
        assert "stopping" not in text(app, "ruler")
        assert "last rate 0.01" in text(app, "ruler")
        for word in ("hold", "pause", "stop", "scale"):
            assert word not in text(app, "footer")
        await press(pilot, "space")
        await frame(pilot)
        assert "the training is over" in text(app, "notice")


@pytest.mark.slow
async def test_the_help_of_a_training_opens_on_what_steers_it() -> None:
    app = live_app(*told(falling(60)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        await press(pilot, "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        page = app.export_screenshot().replace("&#160;", " ")
        assert "Gradient descent" not in page
        assert "ruler" not in page
        assert page.index("Enter holds it") < page.index("divided or multiplied")
        assert page.index("divided or multiplied") < page.index("linear, logarithmic")


def drawn_ranks(ranks: Ranks, height: int) -> list[str]:
    """Return the rows of the pane of the ranks."""
    view = View(Session(), 0)
    for message in told(falling(60)):
        view.session.apply(message)
    view.session.apply(ranks)
    return ["".join(text for text, _ in row) for row in RANKS.draw(view, 44, height)]


def test_a_rank_that_straggles_and_one_that_has_left() -> None:
    ranks = Ranks(run=1, steps=[60, 60, 60, 60, 12], paces=[10, 8, 7.9, 10, 0], ended=[4])
    rows = drawn_ranks(ranks, 8)
    assert [row.split()[0] for row in rows] == ["0", "1", "2", "3", "4"]
    assert ["straggles" in row for row in rows] == [False, False, True, False, False]
    assert ["ended" in row for row in rows] == [False, False, False, False, True]
    assert rows[2].split()[1:3] == ["60", "7.9/s"]


def test_a_training_that_is_over_waits_for_nothing() -> None:
    view = View(Session(), 0)
    waits = Ranks(run=1, steps=[60], paces=[0], stalled=90, doing="nothing was added; waiting")
    for message in (*told(falling(60)), waits):
        view.session.apply(message)
    assert "no step for 90 s" in verdict_of(view)[1]
    view.session.apply(Ended(run=1, outcome="done", step=59, loss=0.1, reason="the log ends"))
    view.session.apply(waits)
    assert "no step" not in verdict_of(view)[1]


def test_where_not_all_ranks_have_room_the_slowest_are_listed() -> None:
    ranks = Ranks(run=1, steps=[60, 59, 60, 60, 58], paces=[10, 10, 3, 10, 10])
    rows = drawn_ranks(ranks, 3)
    # The slowest by its pace, then by how far it is; in the order of their numbers.
    assert [row.split()[0] for row in rows] == ["1", "2", "4"]


def test_the_curve_of_a_rank_is_measured_by_the_quickest() -> None:
    rows = drawn_ranks(Ranks(run=1, steps=[60, 60], paces=[10, 5]), 8)
    assert "█" in rows[0]
    assert "▅" in rows[1]


async def test_of_a_rate_that_can_only_be_scaled_the_footer_has_that() -> None:
    app = live_app(*told(falling(60), offers=("pause", "scale", "release", "stop")))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        footer = text(app, "footer")
        assert " {} scale " in footer
        assert " u release " in footer
        assert "hold" not in footer


@pytest.mark.parametrize(
    ("norm", "by", "words"), [(1.0, 0.5, "at half the rate"), (30.0, 1.0, "rate kept")]
)
async def test_the_way_back_from_a_spike(norm: float, by: float, words: str) -> None:
    calm = [1.0 + 0.01 * (k % 7) for k in range(300)]
    messages = told(
        [*calm, *[5.0] * 8], grad_norm=[*[1.0] * 300, norm, *[1.0] * 7], offers=(*OFFERS, "rewind")
    )
    app = live_app(*messages, Snapshots(run=1, steps=[100, 250, 303], before=100))
    sent: list[Command] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot, 2)
        main_screen(app).controller.steering._send = sent.append
        assert f"t back to step 250, {words}" in text(app, "status")
        await press(pilot, "t")
        assert sent == []
        await press(pilot, "t")
        assert sent == [Rewind(step=250, by=by)]


def every(steps: int, nth: int, value: Callable[[int], float]) -> list[float | None]:
    """A column with a value at each nth step."""
    return [value(step) if step and step % nth == 0 else None for step in range(steps)]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
@pytest.mark.slow
async def test_validation_losses_are_marked_on_the_chart_and_stand_beside_the_loss(
    size: tuple[int, int],
) -> None:
    losses = falling(4000)
    val = every(4000, 500, lambda step: 6.0 - step / 2000)
    app = live_app(*told(losses, val_loss=val, grad_norm=[1.0] * 4000))
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 3)
        numbers = text(app, "numbers")
        assert f"loss {losses[-1]:.4g} (val 4.25) " in numbers
        assert "val_loss" not in numbers
        chart = text(app, "loss")
        rows = chart.splitlines()
        marks = sorted(
            (column, row) for row, line in enumerate(rows) for column, sign in enumerate(line)
            if sign == "◆"
        )  # fmt: skip
        assert len(marks) == 7
        gaps = [b[0] - a[0] for a, b in pairwise(marks)]
        assert max(gaps) - min(gaps) <= 1
        assert [row for _, row in marks] == sorted(row for _, row in marks)  # they fall
        assert size[0] < 100 or max(labels(chart)) >= 5
        (labelled,) = (row for row, line in enumerate(rows) if "val 4.25" in line)
        assert abs(labelled - marks[-1][1]) <= 1
        assert "grad_norm" in text(app, "scalar") or size[0] < 100
        # The next one is drawn as soon as it is there.
        late = Progress(run=1, steps=[3999], scalars={"loss": [2.0], "val_loss": [2.5]}, seconds=80)
        main_screen(app).controller.take(late)
        await frame(pilot, 2)
        assert "(val 2.5) " in text(app, "numbers")
        assert text(app, "loss").count("◆") == 8
        assert "step 3,999" in text(app, "header")


@pytest.mark.slow
async def test_a_validation_loss_of_each_step_is_marked_here_and_there() -> None:
    app = live_app(*told(falling(2000), val_loss=falling(2000, seed=3), test_loss=falling(2000)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        chart = text(app, "loss")
        assert 25 < chart.count("◆") <= 2 * 36
        for kind in ("val", "test"):
            assert re.search(rf" {kind} [12]\.\d+", chart)


async def test_a_validation_loss_far_off_does_not_flatten_the_loss() -> None:
    app = live_app(*told(falling(2000), val_loss=every(2000, 500, lambda step: 4e3)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 3)
        assert max(labels(text(app, "loss"))) <= 6
        assert "val 4000" in text(app, "loss")


async def test_a_rate_that_is_added_to_a_race_waits_for_no_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lrtui.screen.control.controller.ANSWER_SECONDS", 0.0)
    app = live_app(*told(falling(100), offers=("add", "stop")))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "0", ".", "0", "0", "5", "enter")
        await frame(pilot, 2)
        source = main_screen(app).controller._source
        assert isinstance(source, FakeSource)
        assert isinstance(source.sent[-1], Add)
        assert "between two steps" not in text(app, "notice")


async def test_a_command_that_waits_for_a_long_step_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lrtui.screen.control.controller.ANSWER_SECONDS", 0.0)
    app = live_app(*told(falling(100)))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert "between two steps" not in text(app, "notice")
        await press(pilot, "0", ".", "0", "0", "5", "enter")
        await frame(pilot, 2)
        assert "sent; the training answers between two steps" in text(app, "notice")
        source = main_screen(app).controller._source
        assert isinstance(source, FakeSource)
        sent = source.sent[-1]
        assert isinstance(sent, Hold)
        held = State(run=1, step=100, paused=False, speed=None, lr=sent.lr, held=sent.lr)
        source.say(replace(held, answers=sent.id))
        await frame(pilot, 2)
        assert "between two steps" not in text(app, "notice")
