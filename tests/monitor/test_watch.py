"""``lrtui watch`` in a real pseudo-terminal, on a real training."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lrtui.messages import Hold
from tests.monitor.test_monitor import at, fit
from tests.monitor.trainings import Running, alone, training, until
from tests.terminal import Terminal, terminal

pytestmark = pytest.mark.slow


@contextmanager
def watching(
    running: Running,
    *words: str,
    columns: int = 120,
    rows: int = 36,
    env: dict[str, str] | None = None,
) -> Iterator[Terminal]:
    env = {"LRTUI_DIR": str(running.folder), **(env or {})}
    running.socket()
    with terminal("watch", *words, columns=columns, rows=rows, env=env) as opened:
        yield opened


def test_keys_steer_and_the_screen_says_what_took_effect(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running, watching(running, "fit") as lab:
        lab.wait_for(r"fit · pid \d+.*step [\d,]+ · .* steps/s ● live")
        lab.wait_for(r"in force 0\.0\d+, the script's own")
        for pane in ("loss", "rate", "scalar", "events"):
            lab.wait_for(rf"[╭├┬] {pane} ")
        lab.type("0.05\r")
        lab.wait_for(r"in force 0\.05 = held, since step [\d,]+; the schedule asks for 0\.0")
        lab.wait_for(r"[\d,]+ rate held at 0\.05 \(you\)|rate held at 0\.05")
        lab.type("{")
        lab.wait_for(r"in force 0\.04 = held")
        lab.type("u")
        lab.wait_for(r"in force 0\.0\d+, the script's own")
        lab.type("{{")
        lab.wait_for(r"= schedule 0\.\d+ × 0\.64, since step [\d,]+")
        lab.type(" ")
        lab.wait_for(r"‖ paused")
        lab.wait_for(r"paused at step ([\d,]+)")
        before = paused_at(lab)
        lab.type(".")
        lab.wait_for(f"paused at step {before + 1:,}")
        lab.type(" ")
        lab.wait_for("● live")
        lab.type("k")
        lab.wait_for("k again writes a checkpoint")
        lab.type("k")
        lab.wait_for("checkpoint written")
        viewer = running.viewer()
        viewer.wait_for_snapshot()
        lab.type("t")
        lab.wait_for(
            r"t again goes back to the weights of step [\d,]+, on at half the rate of then"
        )
        lab.type("t")
        lab.wait_for(r"↺")
        lab.type("S")
        lab.wait_for("S again stops the training cleanly")
        lab.type("S")
        assert running.wait() == 0
        lab.wait_for(r"■ stopped")
        lab.type("q")
        assert lab.wait_for_end() == 0


def paused_at(lab: Terminal) -> int:
    found = re.search(r"paused at step ([\d,]+)", lab.text)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_it_says_how_a_training_died_and_waits_for_it_to_come_back(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running, watching(running, "fit") as lab:
        lab.wait_for("● live")
        running.process.kill()
        lab.wait_for(r"■ disconnected")
        lab.wait_for(r"lost at step [\d,]+: it was killed or crashed; waiting for it to come back")
        env = {"LRTUI_DIR": str(running.folder)}
        with training(*fit(tmp_path / "out"), env=env) as again:
            lab.wait_for("● live")
            lab.wait_for(rf"fit · pid {again.process.pid}")
            lab.wait_for(r"\b2\s+0\.\d+")  # the table of runs has both
            lab.wait_for(r"\b1\s+0\.\d+\s.*∅ disconnected")
            lab.type("0.02\r")
            lab.wait_for(r"in force 0\.02 = held")


def test_one_is_chosen_from_the_list_which_is_kept_fresh(tmp_path: Path) -> None:
    seen = alone(tmp_path / "alone")
    with training(*fit(tmp_path / "out")) as running, watching(running, env=seen) as lab:
        lab.wait_for("trainings of this machine")
        lab.wait_for(rf"{running.process.pid}\s+fit")
        steps = re.search(r"step +([\d,]+)", lab.text)
        assert steps is not None
        lab.wait_for(rf"step +(?!{steps[1]}\b)[\d,]+")
        lab.type("\r")
        lab.wait_for("● live")
        lab.type("q")
        assert lab.wait_for_end() == 0
        assert running.process.poll() is None  # it goes on
    empty = tmp_path / "empty"
    with terminal("watch", env={"LRTUI_DIR": str(empty), **seen}) as lab:
        lab.wait_for("No training is running yet")
        lab.type("q")
        assert lab.wait_for_end() == 0


def test_who_only_reads_steers_nothing_and_sees_what_others_do(tmp_path: Path) -> None:
    read_only = ("fit", "--read-only")
    with training(*fit(tmp_path / "out")) as running, watching(running, *read_only) as lab:
        lab.wait_for("● live")
        assert "hold" not in lab.text.splitlines()[-1]
        lab.type("S")
        lab.wait_for(r"S \(stop the training\): this only watches")
        lab.type("0.5\r")
        lab.read(0.5)
        viewer = running.viewer()
        told = viewer.tell(Hold(lr=0.03))
        lab.wait_for(r"in force 0\.03 = held")
        lab.wait_for(rf"{told.step:,} rate held at 0\.03")
        assert "0.5" not in [f"{lr:.3g}" for lr in viewer.column("lr").values() if lr]


def test_small_screens_show_loss_and_rate(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        with watching(running, "fit", columns=80, rows=24) as lab:
            lab.wait_for("● live")
            lab.wait_for(r"in force 0\.\d+")
            lab.wait_for("╭ loss ")
            lab.wait_for("├ rate ")
        with watching(running, "fit", columns=40, rows=12) as lab:
            lab.wait_for(r"rate 0\.\d+ +loss 0\.\d+")
            lab.type("\t")
            lab.read(0.5)


def test_a_viewer_that_is_killed_costs_the_training_nothing(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        viewer = running.viewer()
        with watching(running, "fit") as lab:
            lab.wait_for("● live")
            os.kill(lab.process.pid, signal.SIGKILL)
            before = at(viewer)
            until(lambda: viewer.read() and at(viewer) > before + 200, "steps")
            assert viewer.tell(Hold(lr=0.05)).done


def test_a_training_that_stands_still_is_told(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running, watching(running, "fit") as lab:
        lab.wait_for("● live")
        running.process.send_signal(signal.SIGSTOP)
        lab.wait_for(r"nothing has come from the train(er|ing) for \d+ s")
        running.process.send_signal(signal.SIGCONT)
        lab.wait_for(r"● live")


@pytest.mark.parametrize("target", ["nobody", "999999999", "/no/such.sock"])
def test_what_cannot_be_watched_is_told_in_a_sentence(target: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrtui", "watch", target, "--plain"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LRTUI_DIR": str(tmp_path / "s")},
    )
    assert done.returncode == 1
    assert f"no training is called '{target}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
