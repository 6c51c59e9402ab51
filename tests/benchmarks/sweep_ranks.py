"""A sweep of 64 rates by two ranks of torchrun, over one process with two threads.

The model has an LSTM, which cannot be trained at many rates in one batch: one rate comes after the
other. What can be batched gains nothing from ranks, as one process does it at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATES, STEPS = 64, 200

MODEL = """
import torch
from torch import nn

generator = torch.Generator().manual_seed(0)
x = torch.randn(256, 24, 8, generator=generator)
y = x[:, :, 0].sum(1, keepdim=True).sin()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.body(x)[0][:, -1])


def model():
    return Net()


loss = nn.functional.mse_loss
"""


def took(words: list[str], threads: int, folder: Path) -> tuple[float, str]:
    """Return the seconds of a command, and what it printed."""
    begun, env = time.perf_counter(), os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stdout


def main() -> None:
    """Print the ratio, and whether the tables are equal."""
    sweep = ["-m", "lrtui", "sweep", "mine.py", "--count", str(RATES), "--steps", str(STEPS)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mine.py").write_text(MODEL)
        one, table = took([sys.executable, *sweep, "--csv"], 2, folder)
        two, same = took([sys.executable, *torchrun, *sweep, "--csv"], 1, folder)
    print(
        f"{RATES} rates × {STEPS} steps of an LSTM, by two ranks over one process of two threads: "
        f"{two / one:.2f} ({two:.0f} s and {one:.0f} s), "
        f"tables {'equal' if table == same else 'UNEQUAL'}"
    )


if __name__ == "__main__":
    main()
