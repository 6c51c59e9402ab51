"""Files and tables of a person's own in a real terminal: what goes wrong, and mending it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.terminal import terminal

pytestmark = pytest.mark.slow

FILE = """\
import torch
from torch import nn
x = torch.linspace(-1, 1, 16)[:, None]
y = 2 * x
def model():
    return nn.Linear(1, 1)
loss = nn.functional.mse_loss
"""


def lrtui(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lrtui", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=cwd,
    )


def test_a_broken_file_is_mended_while_the_screen_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(FILE.replace("nn.Linear(1, 1)", "nn.Linear(1, 1"))
    with terminal("mine.py", "--speed", "100", cwd=str(tmp_path)) as lab:
        lab.wait_for(r"mine\.py, line 6: SyntaxError: '\(' was never closed; r loads it again")
        mine.write_text(FILE.replace("loss =", "los ="))
        lab.type("r")
        lab.wait_for(r"mine\.py: a function loss\(prediction, target\) .* is missing")
        mine.write_text(FILE)
        lab.type("r")
        lab.wait_for(r"prediction at step \d+")
        lab.type("0.5\r")
        lab.wait_for(r"rate 0\.5")
        lab.type("q")
        assert lab.wait_for_end() == 0


def test_an_endless_import_is_told_and_left_by_r(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(FILE + "import time\nwhile True:\n    time.sleep(0.01)\n")
    with terminal("mine.py", cwd=str(tmp_path)) as lab:
        lab.wait_for(r"mine\.py, line \d+,")
        lab.wait_for("still running")
        mine.write_text(FILE)
        lab.type("r")
        lab.wait_for(r"prediction at step \d+")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("if calls >= 57:\n        raise ValueError('enough')", "line 13: ValueError: enough"),
        ("if calls >= 57:\n        raise SystemExit", "line 13: it ends the program"),
    ],
)
def test_what_happens_at_step_57(tmp_path: Path, more: str, said: str) -> None:
    text = FILE.replace("loss = nn.functional.mse_loss\n", "") + dedent("""\
        for line in range(300): print(line)
        calls = 0
        def loss(p, t):
            global calls
            calls += 1
        """)
    (tmp_path / "mine.py").write_text(f"{text}    {more}\n    return ((p - t) ** 2).mean()\n")
    done = lrtui("mine.py", "--json", "--steps", "100", cwd=tmp_path)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (ended,) = [m for m in told if m["type"] == "ended"]
    assert ended["outcome"] == "failed"
    assert said in ended["reason"]
    assert said in done.stderr
    assert done.returncode == 1
    summary = told[-1]
    assert summary["type"] == "summary"
    assert summary["ground"] == "measured"
    # Slowly: the log has room for few lines, and what was printed first leaves it soon.
    with terminal("mine.py", "--speed", "10", cwd=str(tmp_path)) as lab:
        lab.wait_for(r"over 50")
        lab.wait_for(rf"failed: at step \d+: mine\.py, {said}")


def test_any_problem_is_saved_and_replayed(tmp_path: Path) -> None:
    first = lrtui("sine", "--steps", "60", "--plain", "--save", "s.jsonl", cwd=tmp_path)
    again = lrtui("replay", "s.jsonl", "--plain", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == first.stdout
    with terminal("replay", "s.jsonl", "--speed", "max", cwd=str(tmp_path)) as lab:
        lab.wait_for("prediction at step 60")
        lab.wait_for("2/rate")


def test_a_table(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i % 7},{3 * i + (i % 5)}" for i in range(90))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n")
    with terminal("t.csv", "--target", "y", cwd=str(tmp_path)) as lab:
        lab.wait_for(r"diverged: not finite at step \d+; past the limit")
        lab.wait_for("standardised 1")
    told = lrtui("t.csv", "--target", "y", "--standardise", "--json", cwd=tmp_path)
    summary = json.loads(told.stdout.splitlines()[-1])
    assert (summary["verdict"], summary["ground"]) == ("settled", "exact")
    assert summary["settled_at"] == summary["forecast"]
    assert 1 < summary["condition"] < 5
