"""``lrtui run --save``: the file holds what a viewer would have got, and replays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lrtui import messages as msg
from lrtui.monitor.saving import SavedFile
from lrtui.session.session import Session
from lrtui.sources.replay import Replay
from tests.monitor.test_ranks import torchrun
from tests.monitor.trainings import script, training, until


def messages(path: Path) -> list[msg.AnyMessage]:
    """What a file has in whole lines; an unknown one is an error."""
    text = path.read_bytes() if path.exists() else b""
    found = [msg.decode_message(line) for line in text.split(b"\n")[:-1]]
    assert None not in found
    return [message for message in found if message is not None]


def losses(told: list[msg.AnyMessage], run: int = 1) -> dict[int, float | None]:
    found: dict[int, float | None] = {}
    for message in told:
        if isinstance(message, msg.Progress) and message.run == run and not message.no_loss:
            found |= zip(message.numbered(), message.losses, strict=True)
    return found


def has_losses(path: Path, count: int) -> bool:
    return len(losses(messages(path))) >= count


def ends(told: list[msg.AnyMessage]) -> list[tuple[str, int, str]]:
    return [(m.outcome, m.step, m.reason) for m in told if isinstance(m, msg.Ended)]


def replayed(path: Path) -> tuple[Session, str]:
    session, replay = Session(), Replay(path, None)
    while found := replay.poll(None):
        for message in found:
            session.apply(message)
    replay.close()
    return session, replay.trouble


def saved(path: Path, *words: str) -> list[str]:
    return ["-m", "lrtui", "run", "--save", str(path), script("saved"), *words]


@pytest.mark.slow
def test_every_loss_is_in_the_file_also_of_later_trainings(tmp_path: Path) -> None:
    file, out = tmp_path / "run.jsonl", tmp_path / "losses.json"
    with training(*saved(file, str(out), "thrice")) as running:
        assert running.wait() == 0, running.output()
    own, told = json.loads(out.read_text()), messages(file)
    assert isinstance(told[0], msg.Greeting)
    for run in (1, 2, 3):
        assert losses(told, run) == dict(enumerate(own[run - 1], 1))
    session, trouble = replayed(file)
    assert not trouble
    assert [(run.number, run.step, run.outcome) for run in session.runs] == [
        (1, 40, "done"), (2, 40, "done"), (3, 40, "done")
    ]  # fmt: skip


@pytest.mark.slow
def test_the_end_is_written_whatever_ends_the_training(tmp_path: Path) -> None:
    cases = {
        "raises": (1, [("failed", 40, "RuntimeError: as asked")]),
        "waits": (-signal.SIGTERM, [("stopped", 40, "ended by SIGTERM")]),
        "handles": (7, [("failed", 40, "exit code 7")]),
    }
    files = {mode: tmp_path / f"{mode}.jsonl" for mode in cases}
    with ExitStack() as stack:
        running = {
            mode: stack.enter_context(training(*saved(file, str(tmp_path / "out"), mode)))
            for mode, file in files.items()
        }
        for mode, (code, end) in cases.items():
            if mode != "raises":
                until(partial(has_losses, files[mode], 40), "40 losses")
                running[mode].process.send_signal(signal.SIGTERM)
            assert running[mode].wait() == code, running[mode].output()
            assert ends(messages(files[mode])) == end
            assert files[mode].read_bytes().endswith(b"\n")


@pytest.mark.slow
def test_rank_0_alone_saves(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    words = ("-m", "lrtui", "run", "--save", str(file), script("ranks"), str(tmp_path), "60", "0")
    with training(*torchrun(2, *words)) as running:
        assert running.wait() == 0, running.output()
        assert "already" not in running.output()
    told = messages(file)
    assert [m.ranks for m in told if isinstance(m, msg.Greeting)][:1] == [2]
    assert len([m for m in told if isinstance(m, msg.Started)]) == 1
    assert [*losses(told)] == [*range(1, 61)]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("mine")
    for path, why in [
        (file, f"{file} is there already; --save makes a new file"),
        (tmp_path / "no" / "run.jsonl", f"there is no folder {tmp_path / 'no'}"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "lrtui", "run", "--save", str(path), "no.py"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert why in done.stderr
    assert file.read_text() == "mine"


def test_a_file_that_was_removed_is_not_made_again(tmp_path: Path) -> None:
    said: list[str] = []
    file = SavedFile(tmp_path / "run.jsonl", said.append)
    file.add([msg.Printed(text="one")])
    assert (tmp_path / "run.jsonl").read_bytes() == msg.encode(msg.Printed(text="one")) + b"\n"
    (tmp_path / "run.jsonl").unlink()
    for _ in range(3):
        file.add([msg.Printed(text="two")])
        file.write()
    assert not (tmp_path / "run.jsonl").exists()
    assert said == [
        f"{tmp_path}/run.jsonl is not complete: No such file or directory; training goes on"
    ]
