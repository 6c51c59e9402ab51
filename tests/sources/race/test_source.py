"""Races of real processes, which train nothing and write what ``lrtui run --save`` would."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from lrtui import messages as msg
from lrtui.sources.race import job, plan
from lrtui.sources.race.job import devices
from lrtui.sources.race.plan import Entry, Folder, Plan
from lrtui.sources.race.source import Judge, RaceSource
from tests.terminal import gone, named

FAKE = str(Path(__file__).parent / "scripts" / "lrtui")


def command(mode: str, *more: str) -> list[str]:
    return [sys.executable, FAKE, "run", "{lr}", mode, *more]


class Racing:
    """A race, and all that it tells."""

    def __init__(self, folder: Folder, jobs: int, judge: Judge) -> None:
        """Start it."""
        self.folder = folder
        self.source = RaceSource(folder, jobs, self.judge)
        self.told: list[msg.AnyMessage] = []
        self._judge = judge

    def judge(self, messages: Sequence[msg.AnyMessage]) -> Mapping[str, str]:
        self.told += messages
        return self._judge(messages)

    def read(self) -> None:
        self.source.poll(0.02)

    def finish(self) -> None:
        end = time.monotonic() + 60
        while not self.source.is_over:
            assert time.monotonic() < end, self.told[-5:]
            self.read()

    def names(self) -> dict[int, str]:
        return {m.run: m.greeting.name for m in self.told if isinstance(m, msg.Joined)}

    def ends(self) -> dict[str, tuple[str, int, str]]:
        names = self.names()
        found = [m for m in self.told if isinstance(m, msg.Ended)]
        assert len({m.run for m in found}) == len(found), "an end that was told twice"
        return {names[m.run]: (m.outcome, m.step, m.reason) for m in found}

    def losses(self) -> dict[str, dict[int, float | None]]:
        names = self.names()
        found: dict[str, dict[int, float | None]] = {}
        for m in self.told:
            if isinstance(m, msg.Progress):
                there = found.setdefault(names[m.run], {})
                there |= zip(m.numbered(), m.losses, strict=True)
        return found

    def printed(self) -> list[str]:
        return [m.text for m in self.told if isinstance(m, msg.Printed)]

    def processes(self) -> list[psutil.Process]:
        return named(str(self.folder.path), psutil.process_iter())


def nobody(messages: Sequence[msg.AnyMessage]) -> dict[str, str]:
    return {}


@contextlib.contextmanager
def racing(
    where: Path,
    words: list[str],
    lrs: Sequence[float],
    jobs: int = 2,
    judge: Judge = nobody,
    **settings: object,
) -> Iterator[Racing]:
    made = Plan(command=words, cwd=str(where), lrs=[*lrs], **settings)  # type: ignore[arg-type]
    plan.check(made)
    race = Racing(Folder.make(where / "race", made), jobs, judge)
    try:
        yield race
    finally:
        race.source.close()
        assert race.processes() == []


@pytest.mark.slow
def test_every_run_is_told_whole_under_its_own_name_and_rate(tmp_path: Path) -> None:
    with racing(tmp_path, command("ends"), [0.1, 0.2, 0.3], jobs=2) as race:
        most = 0
        while not race.source.is_over:
            race.read()
            most = max(most, len(race.processes()))
    names = ["lr-0.1", "lr-0.2", "lr-0.3"]
    assert most == 2
    assert [*race.names().values()] == names
    for name, lr in zip(names, (0.1, 0.2, 0.3), strict=True):
        found = race.losses()[name]
        assert [*found] == [*range(1, len(found) + 1)]
        assert all(loss == lr * 0.9**step for step, loss in found.items())
        assert race.ends()[name] == ("done", len(found), "the program has ended")
    starts = [m for m in race.told if isinstance(m, msg.Started)]
    assert {(m.run, m.lr) for m in starts} == {(1, 0.1), (2, 0.2), (3, 0.3)}
    assert starts[-1].race == [1, 2, 3]
    joined = [m for m in race.told if isinstance(m, msg.Joined)][-1]
    assert (joined.settings, joined.greeting.capabilities) == ({}, ["stop"])
    assert not race.source.has_failed
    assert not race.source.was_cut_short


@pytest.mark.slow
def test_how_a_run_fails_is_said_with_its_last_lines(tmp_path: Path) -> None:
    cases = {
        "early": ("failed", 0, "no step was seen: exit code 3"),
        "fails": ("failed", 5, "RuntimeError: as asked"),
        "dies": ("failed", 5, "killed by SIGKILL at step 5"),
    }
    for mode, end in cases.items():
        (tmp_path / mode).mkdir()
        with racing(tmp_path / mode, command(mode), [0.1]) as race:
            race.finish()
        assert race.ends() == {"lr-0.1": end}
        assert race.source.has_failed
        (said,) = race.printed()
        lines = said.splitlines()
        assert lines[0].startswith("lr-0.1: ")
        assert lines[0].endswith("; its last lines:")
        assert lines[-1] == {
            "early": "\x1b[31mthis is why\x1b[0m", "fails": "RuntimeError: as asked"
        }.get(mode, lines[-1])  # fmt: skip


def test_what_has_diverged_is_ended_and_the_next_run_begins(tmp_path: Path) -> None:
    def judge(messages: Sequence[msg.AnyMessage]) -> dict[str, str]:
        lost = any(isinstance(m, msg.Progress) and None in m.losses for m in messages)
        return {"lr-1": "it is lost"} if lost else {}

    with racing(tmp_path, command("diverges"), [1.0, 0.1], jobs=1, judge=judge) as race:
        race.finish()
    ends = race.ends()
    assert ends["lr-1"][0::2] == ("diverged", "it is lost")
    assert ends["lr-0.1"][0] == "done"
    assert Folder.open(race.folder.path).plan.diverged == {"lr-1": "it is lost"}
    assert not race.source.has_failed
    # Both are complete, and are told again as they were.
    again = Racing(Folder.open(race.folder.path), 1, nobody)
    again.finish()
    assert again.ends() == ends
    assert again.losses() == race.losses()
    assert again.processes() == []


def test_nothing_is_left_running_not_even_what_ignores_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.sources.race.source.GRACE_SECONDS", 0.5)
    with racing(tmp_path, command("stubborn"), [0.1, 0.2, 0.3], jobs=2) as race:
        while len(race.losses()) < 2:
            race.read()
        logs = "".join(path.read_text() for path in race.folder.path.glob("*.log"))
        children = [psutil.Process(int(pid)) for pid in re.findall(r"child (\d+)", logs)]
        assert len(children) == 2
        race.source.close()
        assert race.processes() == []
        assert gone(children, 5)
    assert race.source.was_cut_short
    assert {end[0::2] for end in race.ends().values()} == {("stopped", "stopped with the race")}


def test_one_run_is_stopped_and_a_rate_is_added(tmp_path: Path) -> None:
    with racing(tmp_path, command("ends", "30"), [0.1], jobs=2) as race:
        race.source.send(msg.Add(lr=0.2))
        race.source.send(msg.Add(lr=0.1))
        while len(race.losses()) < 2:
            race.read()
        race.source.send(msg.Stop(to=1))
        while "lr-0.1" not in race.ends():
            race.read()
        assert race.ends()["lr-0.1"][0::2] == ("stopped", "stopped as asked")
        assert sorted(race.losses()) == ["lr-0.1", "lr-0.2"]
        assert race.printed() == ["0.1 is in the race already"]
        assert not race.source.is_over
        assert race.folder.plan.lrs == [0.1, 0.2]


@pytest.mark.slow
def test_a_race_that_was_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "GROWTH_SECONDS", 0.3)
    with racing(tmp_path, command("ends", "2"), [0.1, 0.2, 0.3], jobs=1) as race:
        while len(race.losses().get("lr-0.2", {})) < 5:
            race.read()
        with pytest.raises(ValueError, match=r"lr-0\.2 is still on: its file grows"):
            Folder.open(race.folder.path)
    before = (race.folder.path / "lr-0.1.jsonl").read_bytes()
    again = Racing(Folder.open(race.folder.path), 2, nobody)
    again.finish()
    assert {name: end[0] for name, end in again.ends().items()} == {
        "lr-0.1": "done", "lr-0.2": "done", "lr-0.3": "done"
    }  # fmt: skip
    assert (race.folder.path / "lr-0.1.jsonl").read_bytes() == before
    assert [*again.losses()["lr-0.2"]][:3] == [1, 2, 3]
    assert (race.folder.path / "lr-0.2.jsonl.old").exists()
    assert not (race.folder.path / "lr-0.3.jsonl.old").exists()


def test_placeholders_are_filled_in_and_the_folder_is_there(tmp_path: Path) -> None:
    script = tmp_path / "show.py"
    script.write_text("import os, sys\nprint(sys.argv[1:], os.path.isdir(sys.argv[2]))\n")
    words = [sys.executable, FAKE, "run", "{lr}", "ends", "0", "{out}/{name}", "{seed}", "{x}"]
    with racing(tmp_path, words, [0.1], seeds=[7], launch=["env", "A=1"]) as race:
        race.finish()
        entry = Entry(0.1, 7)
        folder = race.folder
        assert folder.prepare(entry) == [
            "env", "A=1", sys.executable, FAKE, "run", "--name", "lr-0.1-s7", "--save",
            str(folder.path / "lr-0.1-s7.jsonl"), "0.1", "ends", "0",
            f"{folder.path}/lr-0.1-s7/lr-0.1-s7", "7", "{x}",
        ]  # fmt: skip
        assert (folder.path / "lr-0.1-s7").is_dir()
        assert str(tmp_path) in folder.log(entry).read_text()  # it ran where the race was started


@pytest.mark.slow
def test_each_run_gets_a_gpu_where_there_are_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-abc")
    with racing(tmp_path, command("ends"), [0.1, 0.2, 0.3], jobs=2) as race:
        race.finish()
    given = [(race.folder.path / f"lr-0.{i}.log").read_text().split()[2] for i in (1, 2, 3)]
    assert {*given[:2]} == {"4", "GPU-abc"}
    assert given[2] in given[:2]


def test_gpus_are_listed_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: A (UUID: GPU-a)'\necho '  MIG 1g Device 0: (UUID: MIG-b)'\n"
        "echo 'GPU 1: B (UUID: GPU-c)'\n"
    )
    tool.chmod(0o755)
    assert devices() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices() == []


def test_a_command_that_cannot_be_started_ends_the_race(tmp_path: Path) -> None:
    with racing(tmp_path, ["python99.9", "x.py", "{lr}"], [0.1, 0.2]) as race:
        race.finish()
    assert race.source.trouble == "python99.9: No such file or directory"


@pytest.mark.parametrize(
    ("words", "seeds", "why"),
    [
        (["python", "x.py"], [], "the command needs {lr}"),
        (["python", "x.py", "{lr}"], [1], "--seeds needs {seed}"),
        (["python", "x.py", "{lr}", "{seed}"], [], "{seed} in the command needs --seeds"),
    ],
)
def test_a_command_without_a_place_for_what_varies(
    words: list[str], seeds: list[int], why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        plan.check(Plan(command=words, cwd="/", lrs=[0.1], seeds=seeds))


def test_a_folder_is_used_once(tmp_path: Path) -> None:
    made = Plan(command=["python", "x.py", "{lr}"], cwd="/", lrs=[0.1])
    Folder.make(tmp_path / "race", made)
    with pytest.raises(ValueError, match="has a race already; lrtui race --resume"):
        Folder.make(tmp_path / "race", made)
    with pytest.raises(ValueError, match="is not empty"):
        Folder.make(tmp_path, made)
    with pytest.raises(ValueError, match=r"it has no race\.json"):
        Folder.open(tmp_path)
    (tmp_path / "race" / "race.json").write_text('{"command": 1}')
    with pytest.raises(ValueError, match=r"race\.json: "):
        Folder.open(tmp_path / "race")


def test_process_groups_below_are_found() -> None:
    assert os.getpgrp() not in job.groups_below(os.getpid())


@pytest.mark.slow
def test_the_end_of_all_runs_is_told_once_with_the_conclusion(tmp_path: Path) -> None:
    with racing(tmp_path, command("ends", "5"), [0.1]) as race:
        race.finish()
    source = RaceSource(race.folder, 1, lambda messages: {}, lambda: ["0.1 is lowest"])
    told = [message for _ in range(9) for message in source.poll(0.02)]
    said = [message.text for message in told if isinstance(message, msg.Printed)]
    source.close()
    assert said == ["all runs have ended; 0.1 is lowest"]
