"""A try replays a training exactly, and changes not one bit of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.scripts.setups import EXACT, REFUSED
from tests.monitor.scripts.tried import AT, RECORDED, STEPS
from tests.monitor.trainings import script

FACTORS = "0.5,1,2,4"
QUICK = ("mlp", "accumulation")
NEEDS = {"huggingface": "transformers", "lightning": "lightning"}
ALL = tuple(f.__name__ for f in EXACT if find_spec(NEEDS.get(f.__name__, "torch")))

# Where a script keeps state of its own or makes data of the network's numbers, or adopts later than
# at the end of its branch, the weights of a branch meet another world than they had in it.
ALIKE = tuple(n for n in ALL if n not in ("gan", "lstm", "mixed_precision", "bandit", *NEEDS))


@cache
def outcomes(mode: str, names: Sequence[str]) -> dict[str, Any]:
    """Run trainings in a process of their own; return what came of each."""
    with_own_folder = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script("tried"), mode, *names],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=with_own_folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [line["name"] for line in lines] == [*names]
    return {line["name"]: line for line in lines}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / "s"))


@pytest.mark.parametrize("names", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)], ids=len)
def test_a_try_is_exact_and_changes_nothing(names: tuple[str, ...]) -> None:
    plain, tried = outcomes("plain", names), outcomes(FACTORS, names)
    for name in names:
        found = tried[name]
        assert found["done"], (name, found["text"])
        assert found["digest"] == plain[name]["digest"], name
        factors, curves, _ = zip(*found["branches"], strict=True)
        assert factors == (0.5, 1, 2, 4)
        if name != "gan":  # which begins after the other optimizer's step
            assert curves[1] == found["losses"][AT : AT + RECORDED], name
        assert curves[0] != curves[1] != curves[2] != curves[3], name


@pytest.mark.parametrize("names", [QUICK, pytest.param(ALIKE, marks=pytest.mark.slow)], ids=len)
def test_a_branch_is_the_training_at_that_rate_and_adopted_goes_on_so(
    names: tuple[str, ...],
) -> None:
    scaled, tried = outcomes("scale=2", names), outcomes("adopt=2", names)
    for name in names:
        losses = scaled[name]["losses"]
        assert len(losses) == STEPS
        (branch,) = (curve for factor, curve, _ in tried[name]["branches"] if factor == 2)
        assert branch == losses[AT : AT + RECORDED], name
        assert tried[name]["losses"][AT + RECORDED :] == losses[AT + RECORDED :], name


@pytest.mark.slow
def test_what_cannot_be_replayed_is_refused_with_the_reason() -> None:
    names = tuple(f.__name__ for f in REFUSED)
    plain, tried = outcomes("plain", names), outcomes(FACTORS, names)
    for name, reason in zip(names, REFUSED.values(), strict=True):
        assert not tried[name]["done"], name
        assert reason in tried[name]["text"]
        assert "branches" not in tried[name]
        if name != "hidden_state":  # which moves on by the steps that show it
            assert tried[name]["digest"] == plain[name]["digest"], name


@pytest.mark.slow
def test_what_limits_the_result_is_said() -> None:
    names = ("bandit", "transformer")
    tried = outcomes(FACTORS, names)
    assert "numbers out of the network" in tried["bandit"]["warning"]
    assert tried["transformer"]["warning"] == ""
    # Its loss is below zero, so a share of it means nothing.
    assert [word for factor, _, word in tried["bandit"]["branches"] if factor != 1] == [""] * 3
