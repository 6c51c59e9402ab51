"""A try of other rates, on the screen."""

from __future__ import annotations

import pytest

from lrtui.analysis.comparison import AS_GOOD, BETTER, IN_FORCE, STAYED
from lrtui.messages import (
    Adopt,
    AnyMessage,
    Branch,
    Cancel,
    Command,
    Greeting,
    Scale,
    State,
    Steered,
    Tried,
    Try,
    Trying,
)
from lrtui.screen.app import LrtuiApp
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.sources.fake import FakeSource
from tests.screen.fake import frame, main_screen, text
from tests.screen.live import OFFERS, falling, told

CANCELLED = "the try is cancelled; the training is as it was"
COST = "try 0.5× 1× 2× 4× on the next 100 steps, then training waits for about 8 s; memory 2 MB"


def branch(factor: float, difference: float, word: str) -> Branch:
    return Branch(
        factor=factor,
        losses=[2.0 * (1 + difference)] * 100,
        difference=difference,
        word=word,
    )


RESULT = Tried(
    run=1,
    steps=100,
    from_step=500,
    exact=True,
    branches=[
        branch(0.5, 0.02, AS_GOOD),
        branch(1, 0, IN_FORCE),
        branch(2, -0.042, BETTER),
        branch(4, -0.09, BETTER),
    ],
)


def app_that_tries(sent: list[Command], *more: AnyMessage) -> LrtuiApp:
    """Return the app that watches a training, which answers that it could be done."""

    def answer(command: Command) -> list[AnyMessage]:
        sent.append(command)
        if isinstance(command, Try):
            said = COST if command.only_ask else "trying"
            state = State(run=1, step=599, paused=False, speed=None, lr=0.01, answers=command.id)
            steered = Steered(
                run=1, step=599, command="try", text=said, lr=0.01, asked_by="me", at=1.0,
                answers=command.id,
            )  # fmt: skip
            return [steered, state]
        if isinstance(command, Cancel):
            return [
                Steered(
                    run=1, step=600, command=kind, text=CANCELLED, done=kind == "cancel", lr=0.01,
                    asked_by="me", at=2.0, answers=number,
                )
                for kind, number in (("try", 99), ("cancel", command.id))
            ]  # fmt: skip
        return []

    messages = told(falling(600), offers=(*OFFERS, "try", "adopt"))
    assert isinstance(messages[0], Greeting)
    source = FakeSource([*messages, *more], answer)
    return LrtuiApp(MainScreen(Controller(source, [], speed=None), fps=0.001), "textual-dark")


@pytest.mark.slow
async def test_a_try_says_first_what_it_takes() -> None:
    sent: list[Command] = []
    app = app_that_tries(sent)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await pilot.press("T")
        await frame(pilot, 2)
        assert [(c.only_ask, c.factors) for c in sent if isinstance(c, Try)] == [
            (True, [0.5, 1, 2, 4])
        ]
        assert f"T again: {COST}" in text(app, "notice")
        await pilot.press("T")
        await frame(pilot, 2)
        assert [c.only_ask for c in sent if isinstance(c, Try)] == [True, False]
        await pilot.press("T")  # asks anew
        await frame(pilot, 2)
        assert [c.only_ask for c in sent if isinstance(c, Try)] == [True, False, True]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_its_progress_and_how_to_cancel_it(size: tuple[int, int]) -> None:
    sent: list[Command] = []
    trying = Trying(run=1, phase="replaying", factor=2, share=0.5, seconds_left=62)
    app = app_that_tries(sent, trying)
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        row = text(app, "tried")
        assert "trying: replaying at 2×" in row
        assert "50%  1 min left   esc cancels" in row
        await pilot.press("escape")
        assert any(isinstance(command, Cancel) for command in sent)
        await frame(pilot, 2)
        assert f"· {CANCELLED}" in text(app, "notice")  # asked for, so nothing was refused
        log = main_screen(app).view.log
        assert [line for line, _ in log if CANCELLED in line] == [f"600 {CANCELLED} (you)"]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
@pytest.mark.slow
async def test_its_result_can_be_adopted_or_closed(size: tuple[int, int]) -> None:
    sent: list[Command] = []
    app = app_that_tries(sent, RESULT)
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        title, *rows = text(app, "tried").splitlines()
        assert "tried on the same 100 steps from 500  control exact" in title
        assert "A adopt 4×" in title
        assert [row.split()[0] for row in rows] == ["0.5×", "1×", "2×", "▸"]
        assert "2.0% higher" in rows[0]
        assert "loss 2 " in rows[1]
        stayed = "better; stayed so once the rate decayed: {} of {}".format(*STAYED)
        assert rows[3].endswith(stayed)
        assert "9.0% lower" in rows[3]
        await pilot.press("A")
        await frame(pilot, 1)
        assert "A again goes on from the branch at 4×" in text(app, "notice")
        await pilot.press("A")
        assert [c.factor for c in sent if isinstance(c, Adopt)] == [4]
        await pilot.press("escape")
        await frame(pilot, 2)
        assert "tried" not in main_screen(app)._places[0]


async def test_without_a_better_branch_none_is_offered() -> None:
    sent: list[Command] = []
    worse = Tried(run=1, steps=100, from_step=5, exact=True, branches=RESULT.branches[:2])
    app = app_that_tries(sent, worse)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert "adopt" not in text(app, "tried")
        await pilot.press("A", "A")
        await frame(pilot, 1)
        assert "no branch of the last try is better" in text(app, "notice")
        assert not any(isinstance(command, Adopt) for command in sent)


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_only_its_rate_can_be_taken(size: tuple[int, int]) -> None:
    sent: list[Command] = []
    app = app_that_tries(sent, RESULT)
    async with app.run_test(size=size) as pilot:
        await frame(pilot, 2)
        assert ("Enter only its rate" in text(app, "tried")) == (size[0] == 120)
        await pilot.press("enter")
        await frame(pilot, 1)
        assert "Enter again goes on from here at 4× the rate" in text(app, "notice")
        assert not any(isinstance(command, Scale) for command in sent)
        await pilot.press("enter")
        assert [command.by for command in sent if isinstance(command, Scale)] == [4]
        # Once the rate is another one, what was tried says nothing of its multiples.
        state = State(run=1, step=650, paused=False, speed=None, lr=0.04, scale=4.0)
        main_screen(app).controller.take(state)
        await frame(pilot, 2)
        assert "Enter" not in text(app, "tried")
        await pilot.press("enter", "enter")
        assert len([command for command in sent if isinstance(command, Scale)]) == 1


async def test_a_click_adopts_only_on_its_key() -> None:
    sent: list[Command] = []
    app = app_that_tries(sent, RESULT)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        title = text(app, "tried").splitlines()[0]
        for word in ("esc", "only its rate", "tried"):
            for _ in range(2):
                await pilot.click("#tried", offset=(title.index(word), 0))
        assert not any(isinstance(command, Adopt) for command in sent)
        for _ in range(2):
            await pilot.click("#tried", offset=(title.index("adopt"), 0))
        assert [command.factor for command in sent if isinstance(command, Adopt)] == [4]
