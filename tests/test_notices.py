"""The bell and the notice for somebody who does not look, in a real pseudo-terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from lrtui.messages import Ended, Progress, Started
from lrtui.screen.notices import news, sequence
from lrtui.session.session import Session
from tests.monitor.test_monitor import fit
from tests.monitor.test_watch import watching
from tests.monitor.trainings import training
from tests.terminal import Terminal, terminal

AWAY, BACK = "\x1b[O", "\x1b[I"
"""What a terminal reports when it is not looked at any more, and when it is again."""

LONG = ("--steps", "60", "--speed", "30", "--lr", "0.7")


def test_what_is_sent() -> None:
    assert sequence("done\x1b", {"TERM": "xterm"}) == "\x1b]9;done \x07\x07"
    assert sequence("done", {"TMUX": "/s,1,0"}) == "\x1bPtmux;\x1b\x1b]9;done\x07\x1b\\\x07"
    assert sequence("done", {"TERM": "linux"}) == sequence("done", {"STY": "1"}) == "\x07"


@contextmanager
def running(*words: str, **env: str) -> Iterator[Terminal]:
    with terminal(*LONG, *words, env={"TMUX": "", **env}) as lab:
        lab.wait_for(r"step \d+/60")
        yield lab


@pytest.mark.slow
def test_who_does_not_look_is_told_once() -> None:
    with running() as lab:
        lab.type(AWAY)
        lab.wait_for_raw(b"\x1b]9;lrtui: rate 0.7 is over after 60 steps: settled\x07\x07")
        lab.wait_for("step 60/60")
        lab.read(1)
        assert lab.raw.count(b"\x1b]9;") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("words", "keys"), [((), ""), ((), AWAY + BACK), (("--no-notify",), AWAY)])
def test_who_looks_or_does_not_want_to_be_told_is_not(words: tuple[str, ...], keys: str) -> None:
    with running(*words) as lab:
        lab.type(keys)
        lab.wait_for("step 60/60")
        lab.read(1)
        assert b"\x1b]9;" not in lab.raw
        assert b"\x07\x07" not in lab.raw


@pytest.mark.slow
def test_through_tmux() -> None:
    with running(TMUX="/tmp/tmux,1,0") as lab:
        lab.type(AWAY)
        lab.wait_for_raw(b"\x1bPtmux;\x1b\x1b]9;lrtui: rate 0.7 is over after 60 steps")
        lab.wait_for_raw(b": settled\x07\x1b\\\x07")


@pytest.mark.slow
def test_the_death_of_a_training_is_told(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as of, watching(of, "fit", env={"TMUX": ""}) as lab:
        lab.wait_for("● live")
        lab.type(AWAY)
        lab.read(0.5)
        of.process.kill()
        lab.wait_for_raw(b"\x1b]9;lrtui: fit is over after ")
        lab.wait_for_raw(b" steps: disconnected\x07\x07")


def test_a_spike_is_news_while_it_lasts_and_an_end_afterwards() -> None:
    session = Session()
    assert news(session) == ""
    session.apply(Started(run=1, lr=0.1, steps=None, optimizer="SGD"))
    losses = [1.0 + 0.01 * (k % 7) for k in range(300)]
    told = []
    for at, loss in enumerate([*losses, *[20.0] * 12, *losses]):
        session.apply(Progress(run=1, steps=at, scalars={"loss": [loss]}, seconds=1.0))
        told.append(news(session))
    assert {*told} == {"", "rate 0.1: spike"}
    assert told[-1] == ""
    session.apply(Ended(run=1, outcome="done", step=611, loss=1.0, reason="ended"))
    assert news(session).startswith("rate 0.1 is over after 611 steps: ")


@pytest.mark.parametrize("spikes", [False, True])
def test_a_high_norm_is_one_piece_of_news_whether_the_loss_spikes_or_not(spikes: bool) -> None:
    session = Session()
    session.apply(Started(run=1, lr=0.1, steps=None, optimizer="SGD"))
    losses = [1.0 + 0.01 * (k % 7) for k in range(300)]
    after = [20.0] * 12 if spikes else losses[:12]
    told = []
    for at, loss in enumerate([*losses, *after, *losses]):
        norm = 30.0 if at == 300 else 1.0
        scalars: dict[str, list[float | None]] = {"loss": [loss], "grad_norm": [norm]}
        session.apply(Progress(run=1, steps=at, scalars=scalars, seconds=1.0))
        told.append(news(session))
    assert [a for a, b in pairwise(["", *told, ""]) if a != b] == [
        "",
        "rate 0.1: gradient norm ×30 its level, step 300",
    ]
    assert told[300] == "rate 0.1: gradient norm ×30 its level, step 300"
    assert told[-1] == ""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_a_real_tmux_passes_it_on(tmp_path: Path) -> None:
    conf = tmp_path / "tmux.conf"
    conf.write_text("set -g focus-events on\nset -g allow-passthrough on\n")
    socket = str(tmp_path / "tmux")
    inside = [sys.executable, "-m", "lrtui", *LONG]
    command = ["tmux", "-S", socket, "-f", str(conf), "new-session", *inside]
    with terminal(command=command, env={"TMUX": ""}) as lab:
        lab.wait_for(r"step \d+/60")
        lab.type(AWAY)
        lab.wait_for_raw(b"\x1b]9;lrtui: rate 0.7 is over after 60 steps: settled\x07")
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=True)
