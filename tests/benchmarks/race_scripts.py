"""A race of a script at four rates, two at a time, over a shell loop of the same commands."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

RATES = ("0.01", "0.03", "0.1", "0.3")
JOBS = 2
ROUNDS = 3

SCRIPT = """
import sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(0)
first, last = torch.nn.Linear(64, {width}), torch.nn.Linear({width}, 1)
model = torch.nn.Sequential(first, torch.nn.Tanh(), last)
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))
x = torch.randn(4096, 64)
y = x[:, :1].sin()
for step in range(2500):
    i = torch.randint(0, 4096, ({batch},))
    loss = (model(x[i]) - y[i]).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    {wait}
"""

SCRIPTS = {
    "waits for its device": SCRIPT.format(width=64, batch=32, wait="time.sleep(0.003)"),
    "computes": SCRIPT.format(width=2048, batch=256, wait=""),
}


class Took(NamedTuple):
    """How long a command took, and how much time of all cores."""

    wall: float
    cpu: float


def took(words: list[str], folder: Path, text: str = "") -> Took:
    """Run a command to its end."""
    begun, before = time.perf_counter(), os.times()
    subprocess.run(words, cwd=folder, input=text, text=True, capture_output=True, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return Took(time.perf_counter() - begun, cpu - before.children_user - before.children_system)


def main() -> None:
    """Print the ratios of each script, and how busy the machine was besides."""
    for name, script in SCRIPTS.items():
        compare(name, script)


def compare(what: str, script: str) -> None:
    """Print the ratios of a script."""
    found: list[tuple[Took, Took]] = []
    loads = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fit.py").write_text(script)
        # A session each, as in a race: Linux shares a busy machine by session.
        each = ["setsid", "--wait", sys.executable, "fit.py"]
        loop = ["xargs", "-P", str(JOBS), "-n", "1", *each]
        race = [sys.executable, "-m", "lrtui", "race", *RATES, "--jobs", str(JOBS), "--plain"]
        for turn in range(ROUNDS):
            out = ["--out", f"race-{turn}", "--", sys.executable, "fit.py", "{lr}"]
            loads.append(os.getloadavg()[0])
            found.append((took(loop, folder, "\n".join(RATES)), took([*race, *out], folder)))
    for time_of, ratios in (
        ("wall", [raced.wall / alone.wall for alone, raced in found]),
        ("time of all cores", [raced.cpu / alone.cpu for alone, raced in found]),
    ):
        print(
            f"a script that {what}, at four rates by lrtui race --jobs {JOBS}, over a shell loop, "
            f"{time_of}: "
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )
    alone, raced = found[-1]
    print(f"  the last: {alone.wall:.1f} s and {raced.wall:.1f} s", end="; ")
    print(f"load before each round {', '.join(f'{load:.1f}' for load in loads)}")


if __name__ == "__main__":
    main()
