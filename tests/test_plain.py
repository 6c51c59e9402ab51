"""A session as plain text and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from lrtui.commands.cli import parse
from lrtui.commands.parser import BadInput
from lrtui.commands.plain_text import Printer, play
from lrtui.commands.sweep import SweepOptions, print_table
from lrtui.messages import (
    ALL_CAPABILITIES,
    AnyMessage,
    Command,
    Failed,
    Greeting,
    Printed,
    Progress,
    Start,
    Started,
    State,
    Sweep,
)
from lrtui.messages.problem_settings import Noise, ProblemSettings
from lrtui.session.setup import Setup
from lrtui.sources.fake import FakeSource
from lrtui.sources.source import Source
from tests.in_process import InProcess


def starts(lrs: Sequence[float], steps: int = 100) -> tuple[list[list[float]], Setup, None]:
    """Runs one after another, as ``play`` takes them."""
    return [[lr] for lr in lrs], Setup(steps=steps), None


def text(
    *lrs: float, steps: int = 100, every: int = 10, settings: ProblemSettings | None = None
) -> str:
    """What is printed of some runs."""
    out = io.StringIO()
    assert play(InProcess(settings), *starts(lrs, steps), Printer(every, False, out)) == ""
    return out.getvalue()


def objects(
    *lrs: float, steps: int = 100, settings: ProblemSettings | None = None
) -> list[dict[str, Any]]:
    """What is printed of some runs as JSON."""
    out = io.StringIO()
    assert play(InProcess(settings), *starts(lrs, steps), Printer(10, True, out)) == ""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def summaries(*lrs: float, steps: int = 100, points: int = 100) -> list[dict[str, Any]]:
    found = objects(*lrs, steps=steps, settings=ProblemSettings(points=points))
    return [m for m in found if m["type"] == "summary"]


def greeting(*capabilities: str) -> Greeting:
    return Greeting(program="p", pid=1, folder="/", title="a · b", capabilities=[*capabilities])


def silent(*messages: AnyMessage) -> FakeSource:
    """A source that says something and then no more."""

    def nothing(command: Command) -> Iterable[AnyMessage]:
        return ()

    return FakeSource(messages, nothing)


def test_the_lines_that_the_post_prints() -> None:
    lines = text(0.1).splitlines()
    assert lines[0].startswith("line fit, 100 points, ")
    assert lines[1] == "run 1  rate 0.1"
    steps = [line.split()[1] for line in lines if line.startswith("step")]
    assert steps == [str(k) for k in range(0, 101, 10)]
    assert lines[2] == "step      0  loss 7.65518"


def test_every() -> None:
    steps = [line.split()[1] for line in text(0.1, every=33).splitlines() if line[:4] == "step"]
    assert steps == ["0", "33", "66", "99"]


def test_each_run_ends_with_verdict_evidence_and_advice() -> None:
    printed = text(0.01, 0.744, 1.01)
    *_, done, verdict, advice = printed.split("run 2")[0].splitlines()
    assert done.startswith("run 1  done: all 100 steps taken, the loss went from 7.655 to ")
    assert verdict.startswith("run 1  too slow: ")
    assert verdict.endswith("settles at 698, was given 100")
    assert advice == (
        "run 1  try 0.744, settles at step 7: the quickest: every direction shrinks by at least "
        "51% a step"
    )
    second = [line for line in printed.splitlines() if line.startswith("run 2  ")]
    assert second[-1].startswith("run 2  settled: at step 7, within 0.5%")  # nothing is better
    assert (
        "run 3  diverged: loss 126 at step 100; past the limit 0.999, steps grow by 2.2%" in printed
    )


def test_too_few_steps_are_named_and_more_are_advised() -> None:
    lines = text(0.8, 0.744, steps=3).splitlines()
    assert "run 1  too few steps: settles at 9, was given 3" in lines
    more = "take more steps: 0.744 settles at step 7: no rate settles in 3 steps"
    assert f"run 1  {more}" in lines
    assert "run 2  too few steps: settles at 7, was given 3" in lines
    assert f"run 2  {more}" in lines


def test_a_loss_that_is_not_finite_at_the_first_step() -> None:
    lines = text(1e30).splitlines()
    assert lines[-2].startswith("run 1  diverged: not finite at step 1; past the limit")


def test_json_has_every_loss_and_a_summary_of_each_run() -> None:
    messages = objects(0.7, 1.01, 50, steps=200)
    assert messages[0]["type"] == "greeting"
    found = [m for m in messages if m["type"] == "summary"]
    assert [(s["run"], s["rate"], s["reason"]) for s in found] == [
        (1, 0.7, "done"),
        (2, 1.01, "diverged"),
        (3, 50.0, "diverged"),
    ]
    for summary in found:
        told: list[float | None] = []
        for m in messages:
            if m["type"] == "progress" and m["run"] == summary["run"]:
                assert m["steps"] == len(told)
                told += m["scalars"]["loss"]
        assert len(told) == summary["steps"] + 1
        known = [loss for loss in told if loss is not None]
        assert summary["loss"] == known[-1]
        assert summary["steps_per_second"] > 0
        assert len(summary["weights"]) == 2
    assert told[-1] is None
    assert found[0]["steps"] == 200


def test_the_summary_says_what_the_curve_means_and_what_to_do() -> None:
    found = summaries(0.7, 0.01, 1.01, 0.744)
    assert [m["verdict"] for m in found] == ["settled", "too slow", "diverged", "settled"]
    assert [m["settled_at"] for m in found] == [8, None, None, 7]
    assert [m["forecast"] for m in found] == [8, 698, None, 7]
    for m in found:
        assert m["evidence"]
        assert m["limit"] == pytest.approx(0.99918, abs=1e-4)
        assert m["best"] == 0.744
    assert found[3]["advice"] is None
    for m in found[:3]:
        assert (m["advice"]["rate"], m["advice"]["steps"]) == (0.744, 7)
        assert m["advice"]["reason"]


def test_the_summary_advises_more_steps() -> None:
    (found,) = summaries(0.8, steps=3)
    assert (found["verdict"], found["forecast"]) == ("too few steps", 9)
    assert found["advice"] == {"rate": 0.744, "steps": 7, "reason": "no rate settles in 3 steps"}


def test_two_points_have_no_share_of_a_minimum_of_0() -> None:
    (found,) = summaries(0.866, steps=1000, points=2)
    assert found["verdict"] == "settled"
    assert "%" not in found["evidence"]


@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_losses_are_those_of_float64_descent_on_the_same_data(noise: Noise) -> None:
    messages = objects(0.1, 0.95, settings=ProblemSettings(noise=noise, seed=7, points=50))
    scene = next(m for m in messages if m["type"] == "line_scene")
    x = np.column_stack([scene["x"], np.ones(50)])
    y = np.array(scene["y"])
    for run, lr in [(1, 0.1), (2, 0.95)]:
        reports = [m for m in messages if m["type"] == "progress" and m["run"] == run]
        told = [loss for m in reports for loss in m["scalars"]["loss"]]
        a = np.array([-1.0, 1.0])
        for loss in told:
            residual = x @ a - y
            assert loss == pytest.approx((residual**2).mean(), rel=2e-5)
            a -= lr * 2 / 50 * x.T @ residual


def test_a_change_of_the_rate_and_what_was_printed_are_lines_of_their_own() -> None:
    out = io.StringIO()
    printer = Printer(1, False, out)
    report = Progress(run=1, steps=0, scalars={"loss": [4.0, 3.0]}, seconds=1.0)
    change = State(run=1, step=1, paused=False, speed=None, lr=0.25, asked_by="viewer")
    scheduled = State(run=1, step=1, paused=False, speed=None, lr=0.2)
    for message in (
        greeting(),
        Started(run=1, lr=0.1, steps=9),
        report,
        change,
        Printed(text="hi"),
        scheduled,
    ):
        printer.take(message)
    assert out.getvalue().splitlines() == [
        "a, b (p)",
        "run 1  rate 0.1",
        "step      0  loss 4",
        "step      1  loss 3",
        "rate 0.25 from step 2",
        "hi",
    ]


def test_a_source_that_fails() -> None:
    out = io.StringIO()
    source = silent(greeting(), Failed(reason="it broke", details=["a", "b"]))
    assert play(source, *starts([0.1, 0.7], 10), Printer(10, False, out)) == "it broke\na\nb"
    assert [command for command in source.sent if isinstance(command, Start)] == source.sent[:1]


def test_a_source_that_ends_without_an_answer() -> None:
    out = io.StringIO()
    assert play(silent(greeting()), *starts([0.1], 10), Printer(10, False, out))
    assert print_table(silent(greeting("sweep")), asked("--count", "3", "--steps", "1"), out)


def asked(*words: str) -> SweepOptions:
    options = parse(["sweep", *words])[2]
    assert isinstance(options, SweepOptions)
    return options


def swept(source: Source, low: float | None, high: float | None, as_json: bool = False) -> str:
    out = io.StringIO()
    words = ["--count", "5", "--steps", "60", *(["--json"] if as_json else [])]
    words += ["--from", str(low)] if low else []
    words += ["--to", str(high)] if high else []
    assert print_table(source, asked(*words), out) == ""
    return out.getvalue()


def test_a_sweep_as_a_table_and_as_json() -> None:
    lines = swept(InProcess(), 0.1, 1.6).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["0.1", "0.2", "0.4", "0.8", "1.6"]
    assert len({len(line) for line in lines[:-1]}) == 1
    said = "limit 0.9992, best 0.744 (sgd, 60 steps; 5 rates in one batch)"
    assert lines[-1] == said
    told = json.loads(swept(InProcess(), 0.1, 1.6, as_json=True))
    assert told["type"] == "sweep"
    assert told["rates"] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert told["verdicts"] == ["too slow", "settled", "settled", "settled", "diverged"]
    assert told["settled_at"][0] is None
    assert told["settled_at"][3] is not None
    assert len(told["losses"]) == 5
    assert told["limit"] == pytest.approx(0.99918, abs=1e-4)


def test_the_best_rate_of_a_sweep_is_the_one_that_is_advised() -> None:
    settings = ProblemSettings(spread="unit")
    table = json.loads(swept(InProcess(settings), None, None, as_json=True))
    (summary,) = [m for m in objects(0.1, settings=settings) if m["type"] == "summary"]
    assert table["best"] == summary["best"] == summary["advice"]["rate"]


def test_the_ends_of_a_sweep_follow_from_the_limit() -> None:
    source = InProcess()
    swept(source, None, None)
    (command,) = source.sent
    assert isinstance(command, Sweep)
    assert command.lrs[0] == pytest.approx(0.00099918, rel=1e-3)
    assert command.lrs[-1] == pytest.approx(4 * 0.99918, rel=1e-3)


def test_a_sweep_from_the_smallest_to_the_largest_rate() -> None:
    assert "diverged" in swept(InProcess(), 1e-300, 1e300)


def test_a_sweep_without_a_rate_between_its_ends() -> None:
    with pytest.raises(BadInput, match="no rate is between 9 and 4"):
        swept(InProcess(), 9.0, None)


def test_a_sweep_of_a_source_that_fails_or_cannot_sweep() -> None:
    out = io.StringIO()
    able = {*ALL_CAPABILITIES}
    for source, said in (
        (silent(greeting(*able), Failed(reason="it broke")), "it broke"),
        (silent(greeting(*able - {"sweep"})), "this source cannot be asked for a sweep"),
    ):
        reason = print_table(source, asked("--count", "3", "--steps", "1"), out)
        assert reason == said
    assert out.getvalue() == ""


def test_a_race_is_printed_as_runs_are() -> None:
    race = [[0.1, 1.01]], Setup(), None
    out = io.StringIO()
    assert play(InProcess(), *race, Printer(50, True, out)) == ""
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    alone = objects(0.1, 1.01)
    for key in ("reason", "verdict", "settled_at", "advice", "rate"):
        mine, its = ([m[key] for m in t if m["type"] == "summary"] for t in (told, alone))
        assert mine == its
    out = io.StringIO()
    assert play(InProcess(), *race, Printer(50, False, out)) == ""
    lines = out.getvalue().splitlines()
    assert "run 2  step     50  loss 14.8442" in lines
    assert sum("settled: at step 68" in line for line in lines) == 1


def advised(settings: ProblemSettings, lr: float, steps: int, seconds: float = 60.0) -> list[Any]:
    """What is printed of a run as JSON, where a sweep may take some time."""
    out = io.StringIO()
    source = InProcess(settings)
    assert play(source, *starts([lr], steps), Printer(10, True, out), seconds) == ""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_where_nothing_else_is_known_the_advice_is_that_of_a_sweep() -> None:
    settings = ProblemSettings(name="sine")
    *_, swept, ended, summary = advised(settings, 0.005, 60)
    assert (swept["type"], ended["type"]) == ("swept", "ended")
    assert swept["steps"] == 60
    rate = summary["advice"]["rate"]
    assert rate in swept["lrs"]
    assert rate == float(f"{rate:.3g}")  # one that can be typed
    at = swept["losses"][swept["lrs"].index(rate)]
    *_, after = advised(settings, rate, 60)
    assert after["loss"] == pytest.approx(at, rel=1e-3)
    assert after["loss"] < summary["loss"]
    assert after["advice"] is None


def test_without_time_for_a_sweep_there_is_no_advice() -> None:
    for seconds in (0.0, 1e-3):
        *_, summary = advised(ProblemSettings(name="sine"), 0.005, 60, seconds)
        assert summary["advice"] is None


def test_a_sweep_that_comes_to_no_end_is_told() -> None:
    out = io.StringIO()
    source = InProcess(ProblemSettings(name="sine"))
    assert play(source, *starts([0.005], 60), Printer(60, False, out), 1e-3) == ""
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("sweep: ")]
    assert line.endswith(("in 0.001 s", "as far as 0.001 s of work went"))


def test_a_run_that_rose_is_not_called_good() -> None:
    """It rose from 2.8 to thousands, and was good: try 3.03."""
    settings = ProblemSettings(batch=10, seed=3)
    *_, summary = advised(settings, 1.01, 100)
    assert summary["verdict"] in ("rising", "diverged")
    assert summary["advice"]["rate"] < 1.0


def test_one_sweep_serves_the_runs_of_one_optimizer() -> None:
    out = io.StringIO()
    source = InProcess(ProblemSettings(name="sine"))
    assert play(source, *starts([0.005, 0.01], 30), Printer(10, True, out), 60.0) == ""
    assert sum(isinstance(command, Sweep) for command in source.sent) == 1


def test_with_a_closed_form_no_sweep_is_needed() -> None:
    source = InProcess()
    assert play(source, *starts([0.1], 30), Printer(10, True, io.StringIO()), 60.0) == ""
    assert not any(isinstance(command, Sweep) for command in source.sent)
