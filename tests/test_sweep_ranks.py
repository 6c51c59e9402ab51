"""A sweep whose rates torchrun's processes share: the table is that of one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lrtui.commands.ranks import rank_and_count, share_of, together
from lrtui.messages import SweepResult
from tests import forks

SWEEP = ("sweep", "moons", "--count", "5", "--steps", "60", "--csv")
LIMIT = 90

pytestmark = pytest.mark.timeout(2 * LIMIT)


def run(*command: str, code: int = 0) -> str:
    done = forks.run([*command], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == code, done.stderr[-2000:]
    return str(done.stdout if code == 0 else done.stderr)


def torchrun(*words: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *words, "-m", "lrtui"]


@pytest.fixture(scope="module")
def alone() -> str:
    return run(sys.executable, "-m", "lrtui", *SWEEP)


def test_shares_are_put_together_in_the_order_of_the_rates() -> None:
    lrs = [0.1, 0.2, 0.3, 0.4, 0.5]
    parts = []
    for rank in range(2):
        mine = share_of(lrs, rank, 2)
        losses = [None if lr == 0.5 else lr for lr in mine]
        settled = [int(10 * lr) if lr < 0.3 else None for lr in mine]
        taken = [7] * len(mine) if rank else []
        parts.append(SweepResult(lrs=mine, steps=9, losses=losses, settled_at=settled, taken=taken))
    whole = together(parts)
    assert whole.lrs == lrs
    assert whole.losses == [0.1, 0.2, 0.3, 0.4, None]
    assert whole.settled_at == [1, 2, None, None, None]
    assert whole.taken == [9, 7, 9, 7, 9]
    assert whole.failures == []
    assert whole.how == "5 rates on 2 ranks"


def test_without_torchrun_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert rank_and_count() == (0, 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert rank_and_count() == (0, 1)  # some launchers set only these
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    assert rank_and_count() == (1, 2)


@pytest.mark.slow
def test_two_ranks_print_the_table_of_one_process(alone: str) -> None:
    assert run(*torchrun("--standalone", "--nproc-per-node", "2"), *SWEEP) == alone


@pytest.mark.slow
def test_what_cannot_be_swept_is_said(tmp_path: Path) -> None:
    launch = torchrun("--standalone", "--nproc-per-node", "2")
    said = run(*launch, "sweep", "moons", "--count", "1", code=1)
    assert "2 ranks need at least as many rates; --count is 1" in said
    said = run(*launch, *SWEEP, "--range-test", code=1)
    assert "--range-test needs one process, not the ranks of torchrun" in said
    assert "Traceback (most recent call last)" not in said.split("needs one process")[0]


@pytest.fixture
def hosts() -> Iterator[Sequence[str]]:
    """Two hosts of their own, network namespaces joined by a cable."""
    names = [f"lrtui{os.getpid()}{end}" for end in "ab"]
    if shutil.which("ip") is None or os.geteuid():
        pytest.skip("ip and root are needed for hosts of our own")
    try:
        for command in (
            *(f"netns add {name}" for name in names),
            f"link add {names[0]} type veth peer name {names[1]}",
            *(f"link set {name} netns {name}" for name in names),
            *(f"-n {n} addr add 10.77.0.{i + 1}/24 dev {n}" for i, n in enumerate(names)),
            *(f"-n {name} link set {dev} up" for name in names for dev in (name, "lo")),
        ):
            done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no hosts of our own here: {done.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.mark.slow
def test_on_two_machines(hosts: Sequence[str], alone: str) -> None:
    processes = []
    for rank, host in enumerate(hosts):
        launch = torchrun(
            *("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank)),
            *("--master-addr", "10.77.0.1", "--master-port", "29511"),
        )
        command = ["ip", "netns", "exec", host, *launch, *SWEEP]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
    results = [process.communicate(timeout=LIMIT) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert [out for out, _ in results] == [alone, ""]
