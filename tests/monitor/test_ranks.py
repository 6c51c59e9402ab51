"""Real torchrun: what is asked for takes effect after the same step on all ranks."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch.distributed as dist

from lrtui.messages import Hold, Pause, Ranks, Resume, Rewind, Snapshots, Step, Stop
from lrtui.monitor.command_queue import CommandQueue, PendingCommand
from lrtui.monitor.ranks import Ranks as Agreement
from lrtui.monitor.stalls import Stalls
from tests.forks import SERVER
from tests.monitor.trainings import Running, Viewer, script, step_in, training, until
from tests.terminal import gone, name_of

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def torchrun(count: int, *command: str) -> list[str]:
    where = ["--nproc-per-node", str(count), "--master-port", str(free_port())]
    return ["-m", "torch.distributed.run", *where, *command]


def watched(count: int, out: Path, steps: int, straggle: float) -> list[str]:
    arguments = (script("ranks"), str(out), str(steps), str(straggle))
    return torchrun(count, "-m", "lrtui", "run", *arguments)


def results(out: Path, count: int) -> list[dict[str, list[float]]]:
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(count)]


@pytest.mark.usefixtures("any_device")
@pytest.mark.timeout(300)
def test_commands_with_stragglers_take_effect_at_the_same_step(tmp_path: Path) -> None:
    rng = random.Random(5)
    with training(*watched(2, tmp_path, 1500, 0.02)) as running:
        viewer = running.viewer()
        assert viewer.greeting.ranks == 2
        assert viewer.greeting.rank == 0
        told = []
        for number in range(20):
            answer = viewer.tell(Hold(lr=(number + 1) / 10_000))
            assert answer.done, answer.text
            told.append(answer)
            time.sleep(rng.uniform(0, 0.03))
        assert len(running.sockets()) == 1
        assert running.wait(200) == 0, running.output()
    first, second = results(tmp_path, 2)
    assert first == second  # rates of all steps, and the weights at the end
    rates = first["rates"]  # from the second step on: it was attached after the first
    ends = [*(answer.step for answer in told), len(rates) + 1]
    for answer, (first_step, last) in zip(told, pairwise(ends), strict=True):
        for step in range(max(first_step + 1, 2), last + 1):
            assert rates[step - 2] == pytest.approx(answer.lr, rel=1e-12)


@pytest.mark.usefixtures("any_device")
@pytest.mark.timeout(300)
def test_going_back_takes_all_ranks_to_the_same_weights(tmp_path: Path) -> None:
    with training(*torchrun(2, script("ranks_monitored"), str(tmp_path), "1000000")) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(snapshots(viewer)) >= 2, "snapshots")
        blown = viewer.tell(Hold(lr=3.0))  # past the limit: the loss grows
        viewer.wait_for(lambda: viewer.column("loss").keys() >= {blown.step + 20}, "a spike")
        back = viewer.tell(Rewind())
        assert back.done, back.text
        viewer.wait_for(lambda: max(viewer.column("loss")) > back.step + 20, "more steps")
        assert viewer.tell(Stop()).done
        assert running.wait(100) == 0, running.output()
    to = step_in(back.text)
    first, second = (found["weights"] for found in results(tmp_path, 2))
    assert first == second
    assert first[back.step] == first[to]
    assert not abs(first[back.step - 1] - first[to]) <= 1  # far off, or not finite any more


def snapshots(viewer: Viewer) -> list[int]:
    found = [message for message in viewer.messages if isinstance(message, Snapshots)]
    return found[-1].steps if found else []


@pytest.mark.timeout(300)
def test_pause_step_resume_and_stop(tmp_path: Path) -> None:
    with training(*watched(2, tmp_path, 10**6, 0.01)) as running:
        viewer = running.viewer()
        paused = viewer.tell(Pause())
        stepped = viewer.tell(Step())
        time.sleep(0.5)
        held = viewer.tell(Hold(lr=0.001))
        assert (stepped.step, held.step) == (paused.step, paused.step + 1)
        viewer.wait_for(lambda: ranks(viewer) is not None, "ranks")
        assert viewer.tell(Resume()).step == paused.step + 1
        viewer.wait_for(lambda: min(far(viewer)) > paused.step + 20, "both ranks go on")
        assert viewer.tell(Stop()).done
        running.wait(100)
        viewer.read_all()
        assert viewer.ended() is not None


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.timeout(300)
def test_commands_one_after_another_are_answered_and_exact(count: int, tmp_path: Path) -> None:
    with training(*watched(count, tmp_path, 10**6, 0.05)) as running:
        viewer = running.viewer()
        for number in range(12):
            # Sent together: each is answered, in order, and none waits for ever.
            sent = [viewer.send(command) for command in (Pause(), Step(), Step(), Hold(lr=0.001))]
            viewer.wait_for(lambda: viewer.answer(sent[-1]) is not None, "answers")  # noqa: B023
            answers = [viewer.answer(each) for each in sent]
            assert all(answer is not None and answer.done for answer in answers)
            paused = answers[0].step  # type: ignore[union-attr]
            assert [answer.step - paused for answer in answers if answer] == [0, 0, 1, 2]
            assert viewer.tell(Resume()).step == paused + 2, number
        viewer.wait_for(lambda: len({*far(viewer)}) >= 1 and min(far(viewer)) > 0, "ranks")
        assert viewer.tell(Stop()).done
        running.wait(100)


@pytest.mark.timeout(300)
def test_ranks_go_back_together_or_not_at_all(tmp_path: Path) -> None:
    # Rank 1 has no memory for snapshots: rank 0 must not go back alone.
    lean = (
        "import lrtui.monitor.snapshots as s, os\n"
        + "s.free_memory = lambda: 1 if os.environ['RANK'] == '1' else 1 << 34\n"
    )
    source = (
        Path(script("ranks_monitored"))
        .read_text()
        .replace("import lrtui\n", f"import lrtui\n{lean}", 1)
    )
    path = tmp_path / "lean.py"
    path.write_text(source.replace("Path(__file__).parents[1]", repr(str(Path(__file__).parent))))
    with training(*torchrun(2, str(path), str(tmp_path), "1000000")) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(snapshots(viewer)) >= 1, "snapshots")
        refused = viewer.tell(Rewind())
        assert not refused.done
        assert "rank 1: no snapshots, so there is no going back" in refused.text
        viewer.wait_for(lambda: max(viewer.column("loss")) > refused.step + 20, "more steps")
        assert viewer.tell(Stop()).done
        assert running.wait(100) == 0, running.output()
    first, second = (found["weights"] for found in results(tmp_path, 2))
    assert first == second


def ranks(viewer: Viewer) -> Ranks | None:
    found = [message for message in viewer.messages if isinstance(message, Ranks)]
    return found[-1] if found else None


def far(viewer: Viewer) -> list[int]:
    found = ranks(viewer)
    return found.steps if found is not None else [0, 0]


APART = """
import datetime, sys, time, torch, torch.distributed as dist, lrtui
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
rank = dist.get_rank()
w = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([w], 0.1)
monitor = lrtui.Monitor(optimizer, name="apart")
steps = int(sys.argv[1 + rank])
while not monitor.should_stop and steps:
    w.grad = 0 * w.detach()
    optimizer.step()
    monitor.step(1.0)
    steps -= 1
    time.sleep(0.001)
if not int(sys.argv[3]):
    monitor.close()
print("rank", rank, "out of its loop", flush=True)
time.sleep(float(sys.argv[4]) if rank else 0)
if rank == 0:
    time.sleep(0.5)
"""


def apart(tmp_path: Path, *arguments: str) -> list[str]:
    path = tmp_path / "apart.py"
    path.write_text(APART)
    return torchrun(2, str(path), *arguments)


@pytest.mark.timeout(200)
def test_a_rank_that_has_ended_leaves_the_other_steerable(tmp_path: Path) -> None:
    # Rank 1 takes 300 steps of its own and stays; rank 0 goes on alone.
    with training(*apart(tmp_path, "1000000", "300", "0", "60")) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: bool((found := ranks(viewer)) and found.ended == [1]), "its end")
        begun = time.monotonic()
        assert viewer.tell(Hold(lr=0.01)).done
        assert time.monotonic() - begun < 5
        assert viewer.tell(Stop()).done


@pytest.mark.timeout(200)
def test_a_rank_that_does_not_answer_cancels_and_nobody_hangs(tmp_path: Path) -> None:
    with training(*apart(tmp_path, "1000000", "1000000", "0", "0")) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: min(far(viewer)) > 0, "both ranks")
        other = rank_process(running, viewer.greeting.pid)
        other.send_signal(signal.SIGSTOP)
        try:
            refused = viewer.tell(Hold(lr=0.01))
            assert not refused.done
            assert "no answer within 10 s from rank 1" in refused.text
            before = max(viewer.column("loss"))
            viewer.wait_for(lambda: max(viewer.column("loss")) > before + 50, "rank 0 goes on")
        finally:
            other.send_signal(signal.SIGCONT)
        viewer.wait_for(lambda: not is_waiting(viewer), "rank 1 goes on")
        held = viewer.tell(Hold(lr=0.02))
        assert held.done
        viewer.wait_for(lambda: min(far(viewer)) > held.step, "rank 1 has come as far")
        ranks_of = psutil.Process(running.process.pid).children(recursive=True)
        assert len(ranks_of) >= 3  # and the server by which they were started
    assert gone(ranks_of, 10)  # the test leaves none of them behind


def is_waiting(viewer: Viewer) -> bool:
    found = [message for message in viewer.messages if isinstance(message, Ranks)][-3:]
    return len(found) < 3 or found[-1].steps[1] <= found[0].steps[1]


@pytest.mark.timeout(200)
def test_a_rank_that_is_killed_takes_all_down_and_leaves_nothing(tmp_path: Path) -> None:
    with training(*watched(2, tmp_path, 10**6, 0.0)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: min(far(viewer)) > 0, "both ranks")
        os.kill(rank_process(running, viewer.greeting.pid).pid, signal.SIGKILL)
        assert running.wait(60) != 0  # torchrun ends the others
        viewer.read_all()
        assert not psutil.pid_exists(viewer.greeting.pid)


def rank_process(running: Running, but: int) -> psutil.Process:
    """The process of the other rank."""
    torchrun = psutil.Process(running.process.pid)

    def found() -> list[psutil.Process]:
        return [child for child in torchrun.children() if name_of(child) not in (SERVER, None)]

    until(lambda: len(found()) >= 2, "two ranks")
    return next(child for child in found() if child.pid != but)


class Gone:
    """A store whose process has ended."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("connection reset")


def test_without_the_store_each_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.TCPStore("127.0.0.1", 0, 1, is_master=True)  # type: ignore[attr-defined]
    monkeypatch.setattr(dist.distributed_c10d, "_get_default_store", lambda: store)
    refused: list[tuple[PendingCommand, str]] = []
    queue = CommandQueue(lambda pending: None)
    stalls = Stalls()
    agreed = Agreement(
        queue, 0, 2, lambda pending, why: refused.append((pending, why)), lambda c: "", stalls
    )
    monkeypatch.setattr(agreed, "_store", Gone())
    orders = [PendingCommand(Hold(id=number, lr=0.1), asked_by="you") for number in (1, 2)]
    for pending in orders:
        agreed.submit(pending)
    until(lambda: len(refused) == 2, "both are refused")
    assert [pending for pending, _ in refused] == orders
    assert {why for _, why in refused} == {"the ranks can no longer agree: RuntimeError"}
    agreed.end()
    assert queue.is_idle
