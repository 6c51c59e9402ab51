"""What a Monitor costs a training, and how soon a command takes effect.

Costs are the CPU time that the threads of lrtui take beside the training's own, and that of
``monitor.step`` and the hooks in it; both over the time of the training.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lrtui.messages import Hold, Pause, Resume, Step, Stop
from tests.monitor.test_ranks import torchrun, watched
from tests.monitor.trainings import Running, training

SECONDS = 8.0

KEEP = str(1 << 30)
"""Bytes that glibc keeps."""

LOOP = """
import json, sys, time, torch, lrtui
torch.set_num_threads(1)
pace, seconds, out, vitals = float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
clipping = torch.nn.utils.clip_grad
own_scale = clipping._clip_grads_with_norm_
w = torch.nn.Parameter(torch.ones(4)); w.grad = torch.zeros(4)
loss = torch.tensor(1.25)

def take(optimizer, note, steps, scale):
    # The CPU time of steps of this thread, spread over the cache as between real steps.
    clipping._clip_grads_with_norm_, clock = scale, time.thread_time
    begin = clock()
    for _ in range(steps):
        torch.nn.utils.clip_grad_norm_(w, 1.0); optimizer.step(); note(loss)
    return (clock() - begin) / steps

bare, watched = torch.optim.SGD([w], lr=0.0), torch.optim.SGD([w], lr=0.0)
monitor = lrtui.Monitor(watched, vitals=vitals != "none")
watched.step(); monitor.step(loss)
if vitals == "idle":  # no measurement is due
    found = monitor._channel.vitals
    found.headroom.due = 1 << 60
noted_scale = clipping._clip_grads_with_norm_
print("ready", flush=True)
sys.stdin.readline()
thread = time.thread_time
begin, whole, own = time.perf_counter(), time.process_time(), thread()
steps, inside = 0, 0.0
while time.perf_counter() - begin < seconds:
    end = time.perf_counter() + pace
    torch.nn.utils.clip_grad_norm_(w, 1.0); watched.step(); monitor.step(loss)
    steps += 1
    while (left := end - time.perf_counter()) > 0:
        if left > 2e-4: time.sleep(left - 1e-4)  # frees the interpreter, as torch's kernels do
took = time.perf_counter() - begin
others = (time.process_time() - whole) - (thread() - own)
nothing = lambda loss: None
calls = sorted(
    take(watched, monitor.step, 2000, noted_scale) - take(bare, nothing, 2000, own_scale)
    for _ in range(9)
)
json.dump({"steps": steps, "took": took, "others": others, "call": calls[4]}, open(out, "w"))
monitor.close()
"""

OF_RANKS = """
import json, sys, time, torch, lrtui
import torch.distributed as dist
torch.set_num_threads(1)
dist.init_process_group("gloo")
w = torch.nn.Parameter(torch.ones(4)); w.grad = torch.zeros(4)
loss = 1.25

def take(optimizer, note, steps):
    begin = time.thread_time()
    for _ in range(steps):
        optimizer.step(); note(loss)
    return (time.thread_time() - begin) / steps

bare, watched = torch.optim.SGD([w], lr=0.0), torch.optim.SGD([w], lr=0.0)
with lrtui.Monitor(watched) as monitor:
    for _ in range(100):
        watched.step(); monitor.step(loss)
        time.sleep(0.01)
    nothing = lambda loss: None
    calls = [take(watched, monitor.step, 2000) - take(bare, nothing, 2000) for _ in range(15)]
json.dump(sorted(calls)[7], open(f"{sys.argv[1]}/{dist.get_rank()}", "w"))
dist.destroy_process_group()
"""

READ = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'{"type":"watch"}\\n')
while s.recv(65536): pass
"""

STUCK = READ.replace("while s.recv(65536): pass", "time.sleep(1000)")

WHOLE = """
import torch, time
torch.manual_seed(0); torch.set_num_threads(1)
x, y = torch.randn(4096, 64), torch.randn(4096, 1)
a, b = torch.nn.Linear(64, {width}), torch.nn.Linear({width}, 1)
net = torch.nn.Sequential(a, torch.nn.ReLU(), b)
o = torch.optim.Adam(net.parameters(), 1e-3)
for _ in range({steps}):
    batch = torch.randint(4096, (256,))
    o.zero_grad(); loss = ((net(x[batch]) - y[batch]) ** 2).mean(); loss.backward(); o.step()
"""


def cost(
    pace: float, reading: int, stuck: int, vitals: str = "vitals"
) -> tuple[float, float, float]:
    """Return the shares of a step: in the training's thread, in lrtui's, and together."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["-c", LOOP, str(pace), str(SECONDS), str(out), vitals]
        running = Running(Path(folder) / "s", command, {})
        viewers = []
        try:
            path = running.socket()
            for code in [READ] * reading + [STUCK] * stuck:
                viewers.append(subprocess.Popen([sys.executable, "-c", code, str(path)]))
            time.sleep(1.5)
            running.begin()
            running.wait()
        finally:
            for viewer in viewers:
                viewer.kill()
                viewer.wait()
            running.close()
        found = json.loads(out.read_text())
    step = found["took"] / found["steps"]
    inside, beside = found["call"] / step, found["others"] / found["took"]
    return inside, beside, inside + beside


def costs() -> None:
    """Print what a step costs."""
    for pace, reading, stuck, name, *vitals in (
        (1e-3, 0, 0, "1 ms step, no viewer"),
        (1e-3, 0, 0, "1 ms step, no viewer, no vitals", "none"),
        (1e-3, 1, 0, "1 ms step, one viewer"),
        (1e-3, 1, 0, "1 ms step, one viewer, no vitals", "none"),
        (1e-3, 0, 1, "1 ms step, one that is stuck"),
        (1e-3, 4, 4, "1 ms step, eight of which four are stuck"),
        (1e-2, 1, 0, "10 ms step, one viewer"),
        (1e-2, 1, 0, "10 ms step, one viewer, no measurement due", "idle"),
        (1e-2, 1, 0, "10 ms step, one viewer, no vitals", "none"),
        (1e-4, 1, 0, "0.1 ms step, one viewer"),
    ):
        inside, beside, both = cost(pace, reading, stuck, *vitals)
        print(
            f"monitor, {name}: {both:.2%} of a step "
            f"({inside:.2%} in its thread, {beside:.2%} beside it)"
        )


def whole_script(width: int) -> None:
    """Print the CPU time of a script of ten seconds under ``lrtui run``, over ``python``.

    Once of the steps alone, once with the start, which is a tenth of a second longer.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"

        def seconds(steps: int, *ways: list[str]) -> list[float]:
            path.write_text(WHOLE.format(width=width, steps=steps))
            return in_turn([[sys.executable, *way, str(path)] for way in ways])

        short, long = *seconds(500, []), *seconds(2500, [])
        step = max(long - short, 0.1) / 2000
        run = ["-m", "lrtui", "run"]
        ways: list[list[str]] = [[], run, [*run, "--no-vitals"]]
        taken = [(seconds(1, *ways), seconds(int(10 / step), *ways)) for _ in range(5)]
        for number, name in ((1, "lrtui run"), (2, "lrtui run --no-vitals")):
            steps = [
                (whole[number] - start[number]) / (whole[0] - start[0]) for start, whole in taken
            ]
            ratios = [whole[number] / whole[0] for _, whole in taken]
            later = [start[number] - start[0] for start, _ in taken]
            print(
                f"{name} over python, CPU time of steps of {1e3 * step:.1f} ms: "
                f"{statistics.median(steps):.3f} ({min(steps):.3f} to {max(steps):.3f}); "
                f"of a script of ten seconds with its start: {statistics.median(ratios):.3f}; "
                f"the start took {statistics.median(later):.2f} s more"
            )


def in_turn(commands: list[list[str]]) -> list[float]:
    """Return the CPU seconds of programs that run a tenth of a second each, in turn.

    So other work on the machine meets them alike.
    """
    # Or chance decides whether glibc gives the memory of a step back, which can take as long as it.
    env = os.environ | dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), KEEP)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled
    running = {}
    for number, command in enumerate(commands):
        running[subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL).pid] = number
    taken = [0.0] * len(commands)
    for pid in running:
        os.kill(pid, signal.SIGSTOP)
    while running:
        for pid in [*running]:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.1)
            os.kill(pid, signal.SIGSTOP)
            ended, status, used = os.wait4(pid, os.WNOHANG)
            if ended:
                assert status == 0, commands[running[pid]]
                taken[running.pop(pid)] = used.ru_utime + used.ru_stime
    return taken


def until_it_takes_effect() -> None:
    """Print how long after a command its answer is there, at steps of 1 ms."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-c", LOOP, "0.001", "6", str(Path(folder) / "out"), "vitals"]
        running = Running(Path(folder) / "s", command, {})
        viewer = running.viewer()
        running.begin()
        times = []
        for number in range(100):
            begin = time.perf_counter()
            viewer.tell(Hold(lr=0.001 * (number + 1)))
            times.append(time.perf_counter() - begin)
            time.sleep(0.02)
        print(f"command to effect, 1 ms steps: {1e3 * statistics.median(times):.1f} ms, median")
        running.close()


def ranks(count: int) -> None:
    """Print at how many of 40 commands all ranks took the same step, and that weights are equal."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with training(*watched(count, out, 1500 * 2, 0.02)) as running:
            viewer = running.viewer()
            done = 0
            for number in range(40):
                done += viewer.tell(Hold(lr=(number + 1) / 10_000)).done
            running.wait(300)
        found = [json.loads((out / f"{rank}.json").read_text()) for rank in range(count)]
        same = all(each["rates"] == found[0]["rates"] for each in found)
        weights = all(each["weights"] == found[0]["weights"] for each in found)
        print(
            f"{count} ranks with stragglers: {done if same else 0} of 40 commands at the same step "
            f"on all; weights equal: {'yes' if weights else 'no'}"
        )


def twice(count: int, times: int = 100) -> None:
    """Print how many commands were answered that were sent in pairs within 20 ms, and how exact."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with training(*watched(count, out, 10**6, 0.05)) as running:
            viewer = running.viewer()
            done, exact, slowest = 0, 0, 0.0
            for _ in range(times):
                begun = time.perf_counter()
                paused = viewer.tell(Pause())
                sent = []
                for _ in range(2):
                    sent.append(viewer.send(Step()))
                    time.sleep(0.005)
                viewer.wait_for(lambda s=sent: viewer.answer(s[-1]) is not None, "answers")  # type: ignore[misc]
                answers = [viewer.answer(each) for each in sent]
                done += sum(answer is not None and answer.done for answer in answers)
                resumed = viewer.tell(Resume())
                exact += resumed.step == paused.step + 2
                slowest = max(slowest, time.perf_counter() - begun)
            viewer.tell(Stop())
            running.wait(100)
    print(
        f"{count} ranks, a step sent twice within 20 ms, {times} times: {done} of {2 * times} "
        f"answered, {exact} of {times} at the step that was asked for, slowest round "
        f"{slowest:.2f} s"
    )


def control_of_ranks(count: int) -> None:
    """Print what a step costs each rank while nothing is asked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ranks.py"
        path.write_text(OF_RANKS)
        command = [sys.executable, *torchrun(count, str(path), folder)]
        env = os.environ | {"LRTUI_DIR": f"{folder}/s", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=env, stderr=subprocess.DEVNULL)
        calls = [1e6 * json.loads((Path(folder) / str(rank)).read_text()) for rank in range(count)]
        print(
            f"{count} ranks, a step while nothing is asked: {calls[0]:.1f} µs on rank 0, which "
            f"tells, {statistics.median(calls[1:]):.1f} µs on the others"
        )


def main() -> None:
    """Print all of it."""
    costs()
    until_it_takes_effect()
    whole_script(256)
    whole_script(512)
    whole_script(3072)
    for count in (2, 4):
        control_of_ranks(count)
        ranks(count)
        twice(count, 200)


if __name__ == "__main__":
    main()
