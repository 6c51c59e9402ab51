"""Settings from inside, names and pins of runs, and the command line that reproduces one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from lrtui.commands.cli import parse
from lrtui.commands.lab import LabOptions
from lrtui.messages import SCHEDULES, Load, Marked, Optimizer, Start, Sweep
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.dialogs.settings_panel import SettingsPanel
from lrtui.session.setup import FIELDS, MOMENTUM_AND_DECAY, Setup
from tests.screen.fake import FakeTrainer, asked, frame, main_screen, make_app, press, starts, text

momentum = st.floats(0.01, 0.99).map(lambda x: float(f"{x:.3g}"))
optimizers = st.one_of(
    st.builds(Optimizer, momentum=st.one_of(st.just(0.0), momentum)),
    st.builds(Optimizer, name=st.just("nesterov"), momentum=momentum),
    st.builds(Optimizer, name=st.just("adam"), betas=st.tuples(momentum, momentum)),
    st.builds(Optimizer, name=st.just("adamw"), weight_decay=momentum),
)
schedules = st.sampled_from([*SCHEDULES[:-1], "warmup:7"])
problems = st.builds(
    ProblemSettings,
    name=st.sampled_from(["line", "edge", "spiral"]),
    seed=st.integers(0, 2**63 - 1),
    batch=st.none() | st.integers(1, 10**9),
)


@over(
    problems,
    optimizers,
    st.sampled_from([*SCHEDULES[:-1], "warmup:7"]),
    st.integers(1, 10**9),
    momentum,
)
def test_the_command_line_of_a_run_asks_for_just_that_run(
    settings: ProblemSettings, optimizer: Optimizer, schedule: str, steps: int, lr: float
) -> None:
    setup = Setup(settings, optimizer, schedule, steps)
    program, *rest = shlex.split(setup.command_line([lr]))
    *_, found = parse(rest)
    assert program == "lrtui"
    assert isinstance(found, LabOptions)
    assert (found.setup, found.lrs) == (setup, [lr])


def test_what_is_as_usual_is_left_out() -> None:
    assert Setup().command_line() == "lrtui"
    assert Setup().command_line([0.1, 0.7]) == "lrtui --race --lr 0.1 --lr 0.7"
    for name, (beta, decay) in MOMENTUM_AND_DECAY.items():
        by = Optimizer(name=name, momentum=beta, weight_decay=decay)
        assert Setup(optimizer=by).command_line() == f"lrtui --optimizer {name}"


@pytest.mark.slow
async def test_settings_are_changed_and_run() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "m")
        await pilot.pause()
        await press(pilot, "down", "right", "down", "right")  # nesterov, the next momentum
        await press(pilot, "down", "down", *"250", "down", *"7", "enter")
        await frame(pilot, 2)
        load, start = [c for c in asked(source) if isinstance(c, Load | Start)][-2:]
        assert load == Load(problem=ProblemSettings(seed=7))
        assert isinstance(start, Start)
        assert start.optimizer == Optimizer(name="nesterov", momentum=0.95)
        assert (start.lr, start.steps) == (0.3, 250)
        runs = text(app, "runs")
        assert "nesterov .95" in runs  # what tells the two runs apart
        assert main_screen(app).query_one("#rate").has_focus


@pytest.mark.slow
async def test_a_setting_that_cannot_be_is_refused_with_a_reason() -> None:
    source = FakeTrainer()
    app = make_app(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await frame(pilot, 2)
        sent = len(source.sent)
        await press(pilot, "m")
        await pilot.pause()
        await press(pilot, "down", "down", *"1.5", "enter")
        await pilot.pause()
        panel = app.screen
        assert isinstance(panel, SettingsPanel)
        assert "a number from 0 to below 1" in panel._wrong
        await press(pilot, "escape")
        await frame(pilot)
        assert len(source.sent) == sent


@pytest.mark.slow
async def test_another_problem_begins_with_its_own_rate() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.3)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "m")
        await pilot.pause()
        await press(pilot, "right", "enter")
        await frame(pilot)
        assert [c for c in asked(source) if isinstance(c, Load)] == [
            Load(problem=ProblemSettings(name="bowl"))
        ]
        assert starts(source)[-1] == 0.016


@pytest.mark.slow
async def test_the_factor_of_the_keys_can_be_set() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "m")
        await pilot.pause()
        await press(pilot, "up", *"2", "enter")
        await frame(pilot)
        await press(pilot, "right_square_bracket")
        assert starts(source)[-2:] == [0.1, 0.2]
        assert [c for c in source.sent if isinstance(c, Sweep)]


@pytest.mark.slow
async def test_runs_are_pinned_named_hidden_and_removed() -> None:
    source = FakeTrainer()
    app = make_app(source, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 7)
        controller = main_screen(app).controller
        await press(pilot, *["down"] * 5)
        await press(pilot, "i", "n")
        await pilot.pause()
        await press(pilot, *"slow", "enter")
        await pilot.pause()
        await press(pilot, *["up"] * 5)
        await frame(pilot)
        row = text(app, "runs").splitlines()[6]
        assert "1* 0.01" in row
        assert "slow" in row
        assert " slow" in text(app, "loss")
        await press(pilot, "down", "i", "i")
        await press(pilot, "up")
        await frame(pilot)
        assert "5: 0.4" not in text(app, "loss").splitlines()[0]
        assert "5- 0.4" in text(app, "runs")
        await press(pilot, "down", "down", "x")
        await frame(pilot)
        assert [run.number for run in controller.session.runs] == [1, 2, 3, 5, 6]
        assert source.noted[-1] == Marked(run=4, removed=True)
        await press(pilot, "x")  # none is highlighted any more
        await frame(pilot)
        assert "highlight a run with ↓ first" in text(app, "notice")
        assert len(controller.session.runs) == 5


@pytest.mark.slow
async def test_the_command_line_is_shown_and_copied() -> None:
    app = make_app(FakeTrainer(), 0.7, settings=ProblemSettings(seed=3))
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "c")
        await frame(pilot)
        assert "lrtui --lr 0.7 --seed 3" in text(app, "notice")
        assert app.clipboard == "lrtui --lr 0.7 --seed 3"


async def test_the_screen_is_written_as_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(FakeTrainer(), 0.7)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        await press(pilot, "P", "P")
        await frame(pilot)
        assert f"the screen was written to {tmp_path}" in text(app, "notice")
        for name in ("lrtui-screen.svg", "lrtui-screen-2.svg"):
            svg = (tmp_path / name).read_text()
            assert svg.startswith("<svg")
            assert "&#160;quit" in svg


def test_every_setting_of_the_panel_shows_its_value() -> None:
    for problem in ("line", "edge", "bowl"):
        setup = Setup.of(problem)
        for row in FIELDS:
            if row.values and row.applies(setup):
                assert row.text(setup), row.name
                assert setup.changed(row.name, row.text(setup)) == setup
