"""Whether a training's memory stays flat over 100,000 steps with numbers on a device.

On a rank that tells nothing, without a socket, with a viewer that is stuck, and after the end of
what is watched. The device is the one of the tests: tensors whose numbers arrive late.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.monitor import STUCK
from tests.monitor.test_ranks import torchrun
from tests.monitor.trainings import Running

STEPS = 100_000

LOOP = """
import json, os, sys, time, torch, lrtui
sys.path.insert(0, {tests!r})
from late import LateTensor
torch.set_num_threads(1)
out, closed = sys.argv[1], sys.argv[2] == "closed"
if "RANK" in os.environ:
    import torch.distributed as dist
    dist.init_process_group("gloo")
w = torch.nn.Parameter(torch.ones(4)); w.grad = torch.zeros(4)
optimizer = torch.optim.SGD([w], lr=0.0)
monitor = lrtui.Monitor(optimizer)
number = torch.tensor(1.25)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
optimizer.step(); monitor.step(LateTensor(number))
if closed: monitor.close()
print("ready", flush=True)
if "RANK" not in os.environ: sys.stdin.readline()
sizes = []
for step in range({steps}):
    optimizer.step(); monitor.step(LateTensor(number), other=LateTensor(number))
    if step % 10_000 == 9_999: sizes.append(resident())
json.dump(sizes, open(f"{{out}}.{{os.environ.get('RANK', 0)}}", "w"))
if "RANK" in os.environ: dist.barrier()
"""


def grown(name: str, *, env: dict[str, str], closed: bool = False, stuck: bool = False) -> None:
    """Print by how much a training's memory grew after its first tenth."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "loop.py", Path(folder) / "out"
        late = str(Path(__file__).parents[1] / "monitor")
        path.write_text(LOOP.format(tests=late, steps=STEPS))
        words = [str(path), str(out), "closed" if closed else "open"]
        ranks = 2 if name.startswith("rank") else 1
        running = Running(Path(folder) / "s", torchrun(2, *words) if ranks == 2 else words, env)
        viewer = None
        try:
            if stuck:
                viewer = subprocess.Popen([sys.executable, "-c", STUCK, str(running.socket())])
                time.sleep(1)
            if ranks == 1:
                running.begin()
            running.wait(600)
            sizes = json.loads(Path(f"{out}.{ranks - 1}").read_text())
        finally:
            if viewer is not None:
                viewer.kill()
                viewer.wait()
            running.close()
    change = [(size - sizes[0]) / 1e6 for size in sizes[1:]]
    print(
        f"memory over {STEPS:,} steps with numbers on a device, {name}: "
        f"{change[-1]:+.1f} MB at the end, at most {max(change):+.1f} MB"
    )


def main() -> None:
    """Print all of it."""
    grown("rank 1 of 2", env={})
    grown("no socket", env={"LRTUI_DIR": "/no/such/place"})
    grown("a viewer that is stuck", env={}, stuck=True)
    grown("nobody watches", env={})
    grown("after the end", env={}, closed=True)


if __name__ == "__main__":
    main()
