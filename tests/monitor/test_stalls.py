"""A training that takes no step says for how long and where, and which rank the others wait for."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch.utils.data

from lrtui.messages import Ranks
from lrtui.monitor.stack import find_blocker, where
from lrtui.monitor.stalls import Stalls
from tests.monitor.test_ranks import torchrun
from tests.monitor.trainings import Viewer, script, training


def test_a_stall_is_ten_times_the_usual_time_and_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1e6
    monkeypatch.setattr("lrtui.monitor.stalls.time.monotonic", lambda: now)
    stalls = Stalls()
    now += 100
    stalls.track(0, moves=True)
    now += 100  # before the first step nothing is usual
    assert stalls.seconds == 0
    for step in range(11):
        now += 1
        stalls.track(2 * step, moves=True)  # half a second a step
    now += 4.5
    stalls.track(20, moves=True)
    assert stalls.seconds == 0
    now += 1
    assert stalls.seconds == 5.5
    assert " in test_stalls.py, line" in stalls.doing()
    stalls.track(21, moves=True)
    assert stalls.seconds == 0
    for step in range(22, 60):
        now += 3
        stalls.track(step, moves=True)
    now += 29
    assert stalls.seconds == 0
    now += 1
    assert stalls.seconds == 30
    stalls.track(59, moves=False)  # paused
    assert stalls.seconds == 0


@pytest.mark.parametrize("computes", [True, False])
def test_a_thread_that_uses_no_processor_waits(computes: bool) -> None:
    made: SimpleQueue[Stalls] = SimpleQueue()
    over: list[bool] = []

    def train() -> None:
        made.put(Stalls())
        while not over:
            if computes:
                sum(range(10_000))
            else:
                time.sleep(0.05)

    thread = threading.Thread(target=train)
    thread.start()
    stalls = made.get(timeout=10)
    stalls.track(1, moves=True)
    stalls.track(1, moves=True)
    time.sleep(0.5)
    said = stalls.doing()
    over.append(True)
    thread.join()
    assert said.startswith(f"{'runs' if computes else 'waits'} in test_stalls.py, line")


def test_a_dataset_of_the_script_is_waited_for() -> None:
    started, over = threading.Event(), threading.Event()

    class Slow(torch.utils.data.Dataset[int]):
        def __getitem__(self, index: int) -> int:
            started.set()
            over.wait()
            return index

        def __len__(self) -> int:
            return 1

    thread = threading.Thread(target=lambda: [*torch.utils.data.DataLoader(Slow())])
    thread.start()
    assert started.wait(10)
    assert thread.ident is not None
    said = where(thread.ident)
    over.set()
    thread.join()
    assert re.fullmatch(r"waits for (data|a lock) in test_stalls.py, line \d+", said)


def test_one_that_others_wait_for_is_known_if_all_of_them_wait() -> None:
    waits, computes = "waits for other ranks in train.py, line 9", "is in backward in train.py"
    assert find_blocker([waits, "waits for data in train.py, line 3", computes]) == 1
    assert find_blocker([waits, waits]) is None
    assert find_blocker(["runs in a.py, line 1", "runs in a.py, line 2", waits]) is None
    assert find_blocker([waits, ""]) is None  # not known what that one does
    assert find_blocker(["runs in a.py, line 1"]) is None


def stalled(viewer: Viewer) -> Ranks | None:
    found = [m for m in viewer.messages if isinstance(m, Ranks) and m.stalled]
    return found[-1] if found else None


@pytest.mark.slow
def test_a_training_that_waits_for_its_loader_says_so(tmp_path: Path) -> None:
    command = [script("vitals"), str(tmp_path / "out"), "100", "0.0005", "20"]
    with training("-m", "lrtui", "run", *command) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: stalled(viewer) is not None, "a stall")
        told = stalled(viewer)
        assert told is not None
        assert told.stalled >= 5
        assert "waits for data in vitals.py, line" in told.doing


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_rank_that_holds_up_the_others_is_named(tmp_path: Path) -> None:
    command = torchrun(3, "-m", "lrtui", "run", script("ranks_stalled"))
    with training(*command) as running:
        viewer = running.viewer()

        def named() -> bool:
            told = stalled(viewer)
            return told is not None and told.blocker is not None

        viewer.wait_for(named, "a blocker")
        told = stalled(viewer)
        assert told is not None
        assert told.blocker == 2
        assert "waits in ranks_stalled.py, line 25" in told.doing
