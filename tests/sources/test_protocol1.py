"""Files that lrtui 0.1 saved, with what it printed when it made them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from lrtui.commands.plain_text import Printer, replay
from lrtui.messages import AnyMessage, Ended, Greeting, Progress, Quadratic, State, SweepResult
from lrtui.session.session import Session
from lrtui.sources.protocol1 import Reader
from lrtui.sources.replay import Replay

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("four-rates", "rate-changes")


def lines(name: str) -> list[bytes]:
    return (FIXTURES / f"{name}.jsonl").read_bytes().splitlines(keepends=True)


def read(name: str) -> list[AnyMessage]:
    reader = Reader()
    return [message for line in lines(name) for message in reader.read(line)]


def printed(name: str) -> tuple[list[str], Session]:
    source = Replay(FIXTURES / f"{name}.jsonl", None)
    out = io.StringIO()
    printer = Printer(10, False, out)
    replay(source, printer)
    source.close()
    assert source.trouble == ""
    return out.getvalue().splitlines(), printer.session


def is_measured(line: str) -> bool:
    """Return whether a line says what was measured, which no later version may say otherwise."""
    return bool(re.match(r"step |rate |run \d+  (rate |\w+: .*\(weights )", line))


@pytest.mark.parametrize("name", NAMES)
def test_every_step_rate_and_end_is_what_was_printed_then(name: str) -> None:
    then = (FIXTURES / f"{name}.txt").read_text().splitlines()
    now, _ = printed(name)
    assert [*filter(is_measured, now)] == [*filter(is_measured, then)]
    assert len([*filter(is_measured, now)]) > 15


def test_every_verdict_is_what_was_printed_then() -> None:
    verdict = re.compile(r"run (\d+)  (too slow|settled|diverged|on the edge): (?!.*\(weights)")
    for name in NAMES:
        then = verdict.findall((FIXTURES / f"{name}.txt").read_text())
        now, _ = printed(name)
        assert verdict.findall("\n".join(now)) == then


@pytest.mark.parametrize("name", [*NAMES, "json"])
def test_every_loss_is_that_of_the_file(name: str) -> None:
    kept = [loss for line in lines(name) for loss in json.loads(line).get("losses", ())]
    told = [
        loss for m in read(name) if isinstance(m, Progress | SweepResult) for loss in m_losses(m)
    ]
    assert told == kept
    assert len(told) >= 6


def m_losses(message: Progress | SweepResult) -> list[float | None]:
    return message.losses


def test_a_changed_rate_is_the_one_that_the_live_run_showed() -> None:
    _, session = printed("rate-changes")
    changed, plain = session.runs
    assert (changed.first_lr, changed.lr) == (0.1, 0.156)
    assert changed.changes == [(17, 0.125), (33, 0.156)]
    assert (plain.lr, plain.changes) == (1.2, [])
    states = [m for m in read("rate-changes") if isinstance(m, State)]
    assert [(m.step, m.lr) for m in states] == [(17, 0.125), (33, 0.156)]


def test_the_problem_is_that_of_the_file() -> None:
    told = read("four-rates")
    ready = json.loads(lines("four-rates")[0])
    curvature = json.loads(lines("four-rates")[1])
    greeting, scene, quadratic = told[:3]
    assert isinstance(greeting, Greeting)
    assert greeting.protocol == 1
    assert "8 points" in greeting.title
    assert isinstance(quadratic, Quadratic)
    assert quadratic.start == ready["weights"]
    assert quadratic.min_loss == curvature["floor"]
    assert quadratic.eigenvalues == curvature["eigenvalues"]
    assert [scene.x, scene.y] == [ready["x"], ready["y"]]  # type: ignore[union-attr]


def test_the_reports_that_json_adds_are_left_out() -> None:
    assert b'"summary"' in b"".join(lines("json"))
    told = read("json")
    assert isinstance(told[-1], Ended)
    assert not any(type(m).__name__ == "Summary" for m in told)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"type":"curvature","eigenvalues":[1,2],"directions":[[1,0],[0,1]],"minimum":[0,0],'
         b'"floor":1}', "before the data"),
        (b'{"type":"progress","run":1,"rate":0.5,"step":0,"losses":[1],"weights":[0,0],'
         b'"seconds":0}', "a rate that it was not given"),
        (b'{"type":"started","run":1,"rate":0.1,"steps":3,"new":1}', "new"),
        (b'{"type":"stranger"}', "stranger"),
    ],
)  # fmt: skip
def test_what_0_1_never_wrote_is_an_error(line: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Reader().read(line)
