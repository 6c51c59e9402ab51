"""A try replays a training exactly, and changes not one bit of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from lrtui.analysis.comparison import SEVERAL
from lrtui.messages import Adopt, Cancel, Scale, State, Steered, Tried, Try, Trying
from lrtui.monitor.command_queue import CommandQueue, PendingCommand
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.tape import CannotTry, Tape
from lrtui.monitor.tries import Tries
from tests import forks
from tests.monitor.late import late
from tests.monitor.scripts.setups import EXACT, REFUSED
from tests.monitor.scripts.tried import AT, RECORDED, STEPS
from tests.monitor.test_ranks import rank_process, torchrun
from tests.monitor.trainings import Running, script, training

FACTORS = "0.5,1,2,4"
QUICK = ("mlp", "accumulation")
NEEDS = {"huggingface": "transformers", "lightning": "lightning"}
ALL = tuple(f.__name__ for f in EXACT if find_spec(NEEDS.get(f.__name__, "torch")))

# Where a script keeps state of its own or makes data of the network's numbers, or adopts later than
# at the end of its branch, the weights of a branch meet another world than they had in it.
UNLIKE = ("gan", "lstm", "mixed_precision", "bandit", *NEEDS)


CHUNKS = [QUICK, *(pytest.param(ALL[i::6], marks=pytest.mark.slow) for i in range(6))]
"""Trainings of a test; those that compile come last, as nothing more is recorded after them."""


def outcomes(modes: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """Run trainings in each of some ways; return what came of each, by its name."""
    done = forks.run(
        [sys.executable, script("tried"), *modes, "--", *names],
        capture_output=True,
        text=True,
        timeout=200,  # with a compiler, on a busy machine
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = [{} for _ in modes]
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            outcome = json.loads(line)
            found[modes.index(outcome["mode"])][outcome["name"]] = outcome
    assert all(set(outcome) == {*names} for outcome in found)
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRTUI_DIR", str(tmp_path / "s"))


@pytest.mark.parametrize("names", CHUNKS, ids=" ".join)
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_neither_a_try_nor_the_measurements_change_a_training(names: tuple[str, ...]) -> None:
    names = tuple(sorted(names, key=lambda name: name.startswith("compiled")))
    plain, tried, watched = outcomes(("plain", FACTORS, "watched"), names)
    for name in names:
        found = tried[name]
        assert found["done"], (name, found["text"])
        assert found["digest"] == plain[name]["digest"], name
        factors, curves, _ = zip(*found["branches"], strict=True)
        assert factors == (0.5, 1, 2, 4)
        if name != "gan":  # which begins after the other optimizer's step
            assert curves[1] == found["losses"][AT : AT + RECORDED], name
        assert curves[0] != curves[1] != curves[2] != curves[3], name
        assert watched[name]["digest"] == plain[name]["digest"], name
        assert watched[name].get("slope left"), name
        # Not of a compiled network, nor where the weights do not stay where a step has put them.
        has_own = not name.startswith("compiled") and name != "clamped"
        assert bool(watched[name].get("slope own")) == has_own, name


@pytest.mark.slow
def test_nor_does_a_measurement_of_the_sharpness() -> None:
    names = ("mlp", "cnn_batchnorm", "transformer", "diffusion", "evaluated", "checkpointed")
    plain, sharp = outcomes(("plain", "sharp"), names)
    for name in names:
        assert sharp[name]["digest"] == plain[name]["digest"], name
        assert sharp[name].get("slope sharpness"), name


@pytest.mark.parametrize("names", CHUNKS[1::2], ids=" ".join)
def test_a_branch_is_the_training_at_that_rate_and_adopted_goes_on_so(
    names: tuple[str, ...],
) -> None:
    names = tuple(name for name in names if name not in UNLIKE)
    scaled, tried = outcomes(("scale=2", "adopt=2"), names)
    for name in names:
        losses = scaled[name]["losses"]
        assert len(losses) == STEPS
        (branch,) = (curve for factor, curve, _ in tried[name]["branches"] if factor == 2)
        assert branch == losses[AT : AT + RECORDED], name
        assert tried[name]["losses"][AT + RECORDED :] == losses[AT + RECORDED :], name


@pytest.mark.slow
def test_what_cannot_be_replayed_is_refused_with_the_reason() -> None:
    names = tuple(f.__name__ for f in REFUSED)
    plain, tried = outcomes(("plain", FACTORS), names)
    for name, reason in zip(names, REFUSED.values(), strict=True):
        assert not tried[name]["done"], name
        assert reason in tried[name]["text"]
        assert "branches" not in tried[name]
        if name != "hidden_state":  # which moves on by the steps that show it
            assert tried[name]["digest"] == plain[name]["digest"], name


@pytest.mark.slow
def test_what_limits_the_result_is_said() -> None:
    names = ("bandit", "transformer")
    (tried,) = outcomes((FACTORS,), names)
    assert "numbers out of the network" in tried["bandit"]["warning"]
    assert tried["transformer"]["warning"] == ""
    # Its loss is below zero, so a share of it means nothing.
    assert [word for factor, _, word in tried["bandit"]["branches"] if factor != 1] == [""] * 3


def ddp(folder: Path, ranks: int, steps: int, *more: str, watched: bool) -> list[str]:
    folder.mkdir()
    ours = ["-m", "lrtui", "run"] if watched else []
    return torchrun(ranks, *ours, script("ddp"), str(folder), str(steps), *more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "how"), [(2, ()), (4, ()), (2, ("sharded",))], ids=["2", "4", "2 sharded"]
)
def test_all_ranks_try_together_and_go_on_as_if_they_had_not(
    ranks: int, how: tuple[str, ...], tmp_path: Path
) -> None:
    plain, tried = tmp_path / "plain", tmp_path / "tried"
    with training(*ddp(plain, ranks, 200, *how, watched=False)) as running:
        assert running.wait(240) == 0, running.output()
    with training(*ddp(tried, ranks, 200, *how, watched=True)) as running:
        viewer = running.viewer()
        number = viewer.send(Try(factors=[0.5, 1.0, 3.0], steps=20))
        result = viewer.result(number)
        assert isinstance(result, Tried), result
        assert result.exact
        assert [branch.factor for branch in result.branches] == [0.5, 1, 3]
        assert running.wait(240) == 0, running.output()
    assert [f.read_text() for f in sorted(tried.iterdir())] == [
        f.read_text() for f in sorted(plain.iterdir())
    ]


@pytest.mark.slow
def test_one_rank_that_cannot_be_replayed_refuses_for_all(tmp_path: Path) -> None:
    with training(*ddp(tmp_path / "t", 2, 300, "hidden", watched=True)) as running:
        viewer = running.viewer()
        result = viewer.result(viewer.send(Try(factors=[1.0, 2.0], steps=10)))
        assert isinstance(result, Steered)
        assert "the replay at the rate in force did not reproduce the training" in result.text
        assert running.wait(240) == 0, running.output()


@pytest.mark.slow
def test_an_error_of_the_script_at_another_rate_ends_that_branch_alone() -> None:
    plain, tried = outcomes(("plain", "1,2,1e5"), ("strict",))
    found = tried["strict"]
    assert found["done"]
    (_, control, _), (_, doubled, _), (factor, losses, word) = found["branches"]
    assert (len(control), len(doubled), factor) == (RECORDED, RECORDED, 1e5)
    assert len(losses) < RECORDED
    assert word == f"stopped at step {len(losses) + 1}: ValueError: the output exploded"
    assert found["digest"] == plain["strict"]["digest"]


def fitted(steps: int) -> list[str]:
    return ["-m", "lrtui", "run", script("setups"), "mlp", str(steps)]


@pytest.mark.parametrize(("name", "several"), [("gan", True), ("mlp", False)])
@pytest.mark.slow
def test_where_several_losses_are_trained_a_try_has_no_word(name: str, several: bool) -> None:
    with training("-m", "lrtui", "run", script("setups"), name, "3000") as running:
        viewer = running.viewer()
        result = viewer.result(viewer.send(Try(factors=[0.01, 1.0], steps=100)))
        assert isinstance(result, Tried), result
        words = {branch.word for branch in result.branches if branch.factor != 1}
        assert (SEVERAL in words) == several, words


def digest_of(running: Running) -> str:
    assert running.wait(240) == 0, running.output()
    return running.output().split()[-1]


@pytest.mark.slow
def test_a_try_cancelled_at_any_stage_leaves_the_training_as_it_was(tmp_path: Path) -> None:
    with training(script("setups"), "mlp", "4000") as running:
        plain = digest_of(running)
    with training(*fitted(4000)) as running:
        viewer = running.viewer()
        for stage in ("recording", "replaying"):
            asked = viewer.send(Try(factors=[0.5, 2.0, 4.0, 8.0], steps=600))
            viewer.messages.clear()
            viewer.wait_for(
                lambda stage=stage: any(  # type: ignore[misc]
                    isinstance(m, Trying) and m.phase == stage for m in viewer.messages
                ),
                stage,
            )
            answer = viewer.tell(Cancel())
            assert answer.done, answer.text
            assert answer.text == "the try is cancelled; the training is as it was"
            result = viewer.result(asked)
            assert isinstance(result, Steered)
            assert result.text == answer.text
        assert not viewer.tell(Cancel()).done
        assert not viewer.tell(Adopt(factor=2)).done
        assert digest_of(running) == plain


@pytest.mark.slow
def test_a_viewer_that_dies_in_a_try_changes_nothing(tmp_path: Path) -> None:
    with training(script("setups"), "mlp", "2000") as running:
        plain = digest_of(running)
    with training(*fitted(2000)) as running:
        viewer = running.viewer()
        viewer.tell(Try(factors=[0.5, 2.0], steps=300))
        viewer.close()
        running.viewers.clear()
        other = running.viewer()
        other.wait_for(lambda: any(isinstance(m, Tried) for m in other.messages), "the result")
        assert digest_of(running) == plain


@pytest.mark.slow
def test_what_changes_the_rate_ends_a_try(tmp_path: Path) -> None:
    with training(*fitted(100_000)) as running:
        viewer = running.viewer()
        asked = viewer.send(Try(factors=[2.0], steps=10_000))
        viewer.tell(Scale(by=0.5))
        result = viewer.result(asked)
        assert isinstance(result, Steered)
        assert result.text == "the try has ended: the rate or the weights were changed"
        # While the rate is scaled by hand, factors are of the rate in force.
        result = viewer.result(viewer.send(Try(factors=[1.0, 2.0], steps=30)))
        assert isinstance(result, Tried)
        adopted = viewer.send(Adopt(factor=2))
        states: list[State] = []

        def is_told() -> bool:
            states[:] = [
                m for m in viewer.messages if isinstance(m, State) and m.answers == adopted
            ]
            return bool(states)

        viewer.wait_for(is_told, "the state after it")
        assert [(state.scale, state.lr) for state in states] == [(1.0, 0.05)]


def test_without_memory_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.monitor.rate_try.free_bytes", lambda device: 1000)
    model = torch.nn.Linear(100, 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for only_ask in (True, False):
        with pytest.raises(CannotTry, match=r"takes 16.2 kB for copies .* is 500 bytes"):
            tries().begin(
                PendingCommand(Try(factors=[2.0], only_ask=only_ask)),
                Try(factors=[2.0], only_ask=only_ask),
                RateControl(optimizer),
                [optimizer],
                run=1,
                step=0,
                pace=1.0,
            )


def test_batches_that_take_too_much_memory_end_the_recording() -> None:
    model = torch.nn.Linear(100, 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tape = Tape(RateControl(optimizer), [optimizer], max_bytes=10_000)
    tape.start()
    for _ in range(3):
        model(torch.zeros(10, 100)).sum().backward()
        optimizer.step()
    tape.stop()
    assert "the batches take more than" in tape.trouble


def tries() -> Tries:
    queue = CommandQueue(lambda pending: None)
    return Tries(queue, lambda pending, text, done: None, lambda message: None)


def test_what_a_try_would_take_is_said_beforehand() -> None:
    model = torch.nn.Linear(1000, 250, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    command = Try(factors=[0.5, 1.0, 2.0], only_ask=True)
    said = tries().begin(
        PendingCommand(command), command, RateControl(optimizer), [optimizer], 1, 0, pace=10.0
    )
    # 300 replayed steps at ten a second; weights and gradients, twice.
    assert said == (
        "try 0.5× 1× 2× on the next 100 steps, then training waits for about 30 s; "
        "memory 4 MB and the batches"
    )


@pytest.mark.slow
def test_a_rank_killed_in_a_try_ends_the_training_as_it_would_have(tmp_path: Path) -> None:
    with training(*ddp(tmp_path / "t", 2, 1_000_000, watched=True)) as running:
        viewer = running.viewer()
        viewer.tell(Try(factors=[1.0, 2.0], steps=10_000))
        viewer.wait_for(lambda: any(isinstance(m, Trying) for m in viewer.messages), "a try")
        rank_process(running, viewer.greeting.pid).kill()
        assert running.wait(60) != 0  # torchrun ends the others


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["recording", "replaying"])
def test_a_training_killed_in_a_try_leaves_a_viewer_that_says_so(phase: str) -> None:
    with training(*fitted(1_000_000)) as running:
        viewer = running.viewer()
        viewer.send(Try(factors=[2.0, 4.0], steps=2000))
        viewer.wait_for(
            lambda: any(isinstance(m, Trying) and m.phase == phase for m in viewer.messages), phase
        )
        running.process.kill()
        viewer.read_all()
        assert not any(isinstance(m, Tried) for m in viewer.messages)


def test_recording_never_waits_for_a_device() -> None:
    model = torch.nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    tape = Tape(RateControl(optimizer), [optimizer], 1e9)
    tape.start()
    for _ in range(3):
        optimizer.zero_grad()
        loss = late(torch.nn.functional.mse_loss(model(torch.randn(4, 8)), torch.randn(4, 1)))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    tape.stop()
    assert (tape.steps, tape.trouble) == (3, "")
