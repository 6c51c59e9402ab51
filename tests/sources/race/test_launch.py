"""Races whose runs are started by a launcher: by Slurm where it can be, and by one like it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.monitor.trainings import until
from tests.sources.race.test_source import Racing, command, racing
from tests.terminal import gone

LAUNCHER = str(Path(__file__).parent / "scripts" / "launcher")

CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
"""Of a cluster of one machine."""


def free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of this machine."""
    if os.getuid() or not all(map(shutil.which, ("slurmctld", "slurmd", "srun", "munged"))):
        pytest.skip("Slurm is not there, or this is not root")
    folder = tmp_path / "slurm"
    (folder / "spool").mkdir(parents=True)
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o600)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=socket.gethostname(), ports=free_ports(2), folder=folder))
    monkeypatch.setenv("SLURM_CONF", str(config))
    munge = {"key-file": "key", "socket": "munge.sock", "pid-file": "munged.pid"}
    munge |= {"log-file": "munged.log", "seed-file": "seed"}
    options = [f"--{name}={folder / file}" for name, file in munge.items()]
    daemons = [["munged", "--force", *options], ["slurmctld", "-c"], ["slurmd"]]
    try:
        for words in daemons:
            subprocess.run(words, check=True, capture_output=True, timeout=30)
        until(lambda: "idle" in said("sinfo", "-h", "-o", "%t"), "a node that is idle", 20)
        yield
    finally:
        for path in folder.glob("*.pid"):
            os.kill(int(path.read_text()), signal.SIGTERM)


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout


def check(race: Racing) -> None:
    """Both runs were told whole, each beside what it has printed."""
    race.finish()
    assert {name: end[0] for name, end in race.ends().items()} == {
        "lr-0.1": "done", "lr-0.2": "done"
    }  # fmt: skip
    for name, losses in race.losses().items():
        assert [*losses] == [*range(1, len(losses) + 1)]
        assert "begins" in (race.folder.path / f"{name}.log").read_text()


def check_end(race: Racing) -> None:
    """No run is left where a launcher has put it."""
    while len(race.losses()) < 2:
        race.read()
    race.source.close()
    assert {end[0::2] for end in race.ends().values()} == {("stopped", "stopped with the race")}
    assert gone(race.processes(), 10)


@pytest.mark.slow
def test_a_launcher_with_a_session_a_folder_and_an_environment_of_its_own(tmp_path: Path) -> None:
    launch = [sys.executable, LAUNCHER]
    with racing(tmp_path, command("ends"), [0.1, 0.2], launch=launch) as race:
        check(race)
    log = race.folder.path / "lr-0.1.log"
    assert log.read_text().split() == ["0:", "lr-0.1", "begins", "-", "/"]
    (tmp_path / "end").mkdir()
    with racing(tmp_path / "end", command("family", "60"), [0.1, 0.2], launch=launch) as race:
        check_end(race)
        logs = [race.folder.path / f"lr-0.{i}.log" for i in (1, 2)]
        children = [int(path.read_text().split("child ")[1]) for path in logs]
        assert gone([psutil.Process(pid) for pid in children if psutil.pid_exists(pid)], 5)


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_slurm_on_one_machine(tmp_path: Path) -> None:
    launch = ["srun", "-N1", "-n1"]
    with racing(tmp_path, command("ends"), [0.1, 0.2], launch=launch) as race:
        check(race)
    (tmp_path / "end").mkdir()
    with racing(tmp_path / "end", command("ends", "60"), [0.1, 0.2], launch=launch) as race:
        check_end(race)
    end = time.monotonic() + 20
    while said("squeue", "-h"):
        assert time.monotonic() < end
        time.sleep(0.2)
