"""Sweeps and heat maps as text, JSON and CSV, with schedules."""

from __future__ import annotations

import csv
import io
import json

import pytest
import torch

from lrtui.commands import heat, sweep
from lrtui.commands.cli import parse
from lrtui.commands.lab import LabOptions
from lrtui.commands.plain_text import Printer, play
from lrtui.messages import ProblemFacts, Progress, Start, Started
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import LineFit
from lrtui.session.session import Session
from tests.analysis.quadratics import greeting, quadratic
from tests.in_process import InProcess


def printed(*words: str, settings: ProblemSettings | None = None) -> str:
    out = io.StringIO()
    options = parse(words)[2]
    command = sweep if words[0] == "sweep" else heat
    assert command.print_table(InProcess(settings), options, out) == ""
    return out.getvalue()


def test_a_heat_map_as_json_and_the_same_as_csv() -> None:
    told = json.loads(printed("heat", "--steps", "40", "--json"))
    assert told["type"] == "heat"
    assert (len(told["rates"]), len(told["momenta"])) == (48, 24)
    assert [len(row) for row in told["settled_at"]] == [48] * 24
    settled = [
        (at, lr, beta)
        for beta, row in zip(told["momenta"], told["settled_at"], strict=True)
        for lr, at in zip(told["rates"], row, strict=True)
        if at is not None
    ]
    best = told["best"]
    assert best["steps"] == min(settled)[0]
    assert (best["steps"], best["rate"], best["momentum"]) in settled
    table = [*csv.DictReader(io.StringIO(printed("heat", "--steps", "40", "--csv")))]
    assert len(table) == 48 * 24
    row = next(
        r for r in table
        if (float(r["rate"]), float(r["momentum"])) == (best["rate"], best["momentum"])
    )  # fmt: skip
    assert int(row["settled_at"]) == best["steps"]
    assert float(row["loss"]) == pytest.approx(best["loss"])
    assert {r["settled_at"] for r in table} >= {""}


def test_the_best_of_a_heat_map_is_what_that_run_does() -> None:
    best = json.loads(printed("heat", "--json"))["best"]
    problem = LineFit(ProblemSettings())
    assert problem.quadratic is not None
    target = 1.005 * problem.quadratic.min_loss
    weights = torch.tensor([-1.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], best["rate"], momentum=best["momentum"])
    losses = []
    for _ in range(60):
        loss = ((problem.x.double() @ weights - problem.y.double()) ** 2).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    above = [k for k, loss in enumerate(losses) if loss > target]
    assert best["steps"] == above[-1] + 1


def test_a_heat_map_as_text_has_a_row_for_each_momentum() -> None:
    lines = printed("heat", "--steps", "40").splitlines()
    assert [float(line.split()[0]) for line in lines[:24]] == sorted(
        json.loads(printed("heat", "--steps", "40", "--json"))["momenta"], reverse=True
    )
    assert {len(line) for line in lines[:24]} == {10 + 48}
    assert lines[-1].startswith("best 0.")
    assert lines[-1].endswith("(sgd, 40 steps; 1,152 runs in one batch)")


def test_a_sweep_as_csv_and_with_a_schedule() -> None:
    words = ("sweep", "--count", "4", "--from", "0.1", "--to", "4", "--steps", "50")
    table = [*csv.DictReader(io.StringIO(printed(*words, "--csv")))]
    told = json.loads(printed(*words, "--json"))
    assert [float(row["rate"]) for row in table] == pytest.approx(told["rates"])
    assert [row["verdict"] for row in table] == told["verdicts"]
    assert [row["settled_at"] for row in table] == [
        "" if at is None else str(at) for at in told["settled_at"]
    ]
    moved = json.loads(printed(*words, "--schedule", "linear", "--json"))
    assert (told["schedule"], moved["schedule"]) == ("constant", "linear")
    assert moved["limit"] is None  # one of a rate that stays
    assert moved["losses"] != told["losses"]
    assert printed(*words, "--schedule", "linear").endswith(
        "(sgd, linear, 50 steps; 4 rates in one batch)\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--schedule", "cosin"], "no schedule is called 'cosin'; there are constant, cosine, "),
        (["--schedule", "warmup:0"], "no schedule is called 'warmup:0'"),
        (["--schedule", "warmup"], "no schedule is called 'warmup'"),
        (["--schedule", "cosine\n"], "no schedule is called"),
        (["heat", "--optimizer", "adam"], "adam has no momentum; heat is for sgd and nesterov"),
        (["heat", "--momentum", "0.9"], "--momentum is not for heat"),
        (["heat", "--json", "--csv"], "--json and --csv are two forms of the same"),
        (["sweep", "--json", "--csv"], "--json and --csv are two forms of the same"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words)
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_run_with_a_schedule_tells_the_rate_where_it_changes() -> None:
    out = io.StringIO()
    options = parse(["--lr", "0.7", "--schedule", "warmup:5", "--steps", "20", "--json"])[2]
    assert isinstance(options, LabOptions)
    assert play(InProcess(), options.races, options.setup, None, Printer(10, True, out)) == ""
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    rates = [lr for m in told if m["type"] == "progress" for lr in m["scalars"]["lr"]]
    assert rates[:6] == pytest.approx([0.14, 0.28, 0.42, 0.56, 0.7, 0.7])
    (summary,) = [m for m in told if m["type"] == "summary"]
    assert (summary["schedule"], summary["rate"], summary["limit"]) == ("warmup:5", 0.7, None)
    assert summary["ground"] != "exact"
    assert summary["settled_at"] is not None
    plain = InProcess()
    plain.send(Start(run=1, lr=0.7, steps=20, speed=None))
    reports = [m for m in plain.poll() if isinstance(m, Progress)]
    assert all("lr" not in m.scalars for m in reports)


def test_a_level_loss_under_a_low_rate_says_so() -> None:
    session = Session()
    for message in (greeting(), quadratic(), ProblemFacts(name="line", weights=2)):
        session.apply(message)
    session.apply(Started(run=1, lr=0.1, steps=400, schedule="cosine"))
    rates = [0.1 * (1 - k / 400) for k in range(400)]
    column: dict[str, list[float | None]] = {"loss": [50.0 + 0.01 * (k % 2) for k in range(400)]}
    session.apply(
        Progress(run=1, steps=0, scalars={**column, "lr": [*rates]}, seconds=1.0, weights=[1, 2])
    )
    run = session.current
    assert run is not None
    verdict, evidence, ground = run.reading()
    assert (verdict, ground) == ("level", "measured")
    assert evidence.endswith("the schedule has brought the rate down to 0.00025")


def test_runs_under_another_schedule_are_other_runs() -> None:
    session = Session()
    session.begin(0.1, 100)
    session.apply(Started(run=1, lr=0.1, steps=100))
    session.apply(Progress(run=1, steps=0, scalars={"loss": [4.0, 3.0]}, seconds=1.0))
    session.begin(0.1, 100, schedule="cosine")
    assert [run.schedule for run in session.runs] == ["constant", "cosine"]
    assert [run.by for run in session.runs] == ["sgd", "sgd cosine"]
