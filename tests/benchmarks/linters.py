"""How often "diverged" is false or missing, beside linters of logs: losslint and runmedic.

Trainings of the kinds of ``tests.benchmarks.verdicts`` that no rule was tuned on, calm, at rates
that are far too high, and with a rate that jumps for a while. Each is written as CSV, which all
read. The truth is the loss on much data, before and after: diverged is what is not finite or half
above its start, fine is what has fallen by a tenth. Those in between are not counted: most are
networks that a rate has killed, and whose loss stands where it began.

    pip install losslint runmedic
    python -m tests.benchmarks linters
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from lrtui.session.session import Session
from lrtui.sources.logs.find import open_log
from lrtui.sources.logs.source import LogSource
from tests.benchmarks.verdicts import HELD_OUT, Kind, continue_training, kinds

SEEDS = (8700, 8800, 8900, 9000, 9100, 9200)
STEPS = 800
LOOKS, APART = 5, 10
"""Looks at the truth at the end, and steps between two."""

HOT = (4.0, 16.0, 64.0)
"""Rates that are too high: the highest worth a try, times these."""

JUMP, JUMP_AT, JUMP_STEPS = 30.0, 400, 15
FELL, ROSE = 0.9, 1.5

WORDS = {"diverged", "diverging", "above its start"}
ABOVE = ("of the first", "it began at", "above its start")
"""Verdicts of ours that mean it, and the evidence of a rise or spike that is above its start."""


def train(kind: Kind, name: str, lr: float, batch: int, seed: int, jumps: bool, path: Path) -> str:
    """Train once, write its log, and return the truth."""
    torch.manual_seed(seed)
    model = kind.model()
    rng = torch.Generator().manual_seed(seed + 1)
    x, y = kind.draw(torch.Generator().manual_seed(seed + 2), HELD_OUT)
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr)
    if name == "SGD":
        optimizer = torch.optim.SGD(model.parameters(), 0.1 * lr, momentum=0.9)

    def truth() -> float:
        with torch.no_grad():  # by the statistics of a batch, as in training
            return float(kind.loss(model(x), y))

    start, looks = truth(), []
    with path.open("w") as file:
        print("step,loss,lr", file=file)
        for step in range(STEPS):
            if jumps and step in (JUMP_AT, JUMP_AT + JUMP_STEPS):
                for group in optimizer.param_groups:
                    group["lr"] *= JUMP if step == JUMP_AT else 1 / JUMP
            inputs, targets = kind.draw(rng, batch)
            loss = kind.loss(model(inputs), targets)
            print(f"{step},{loss.item()},{optimizer.param_groups[0]['lr']}", file=file)
            continue_training(optimizer, loss)
            if step >= STEPS - LOOKS * APART and step % APART == APART - 1:
                looks.append(truth())
    end = sum(looks) / len(looks)
    if not math.isfinite(end) or end > ROSE * start:
        return "diverged"
    return "fine" if end < FELL * start else "between"


def logs(folder: Path) -> Iterator[tuple[Path, str]]:
    """Train; yield the path of each log and the truth."""
    for seed in SEEDS:
        for number, kind in enumerate(kinds(seed)):
            for name, rates in (("SGD", kind.sgd), ("AdamW", kind.adamw)):
                own = 10_000 * seed + 10 * number + (name == "SGD")
                calm = [(rate, False) for rate in (rates[0], rates[-2])]
                hot = [(times * rates[-1], False) for times in HOT]
                for k, (lr, jumps) in enumerate([*calm, *hot, (rates[-2], True)]):
                    path = folder / f"{kind.name}-{name}-{lr:g}-{seed}-{k}.csv"
                    batch = kind.batches[(seed + k) % 2]
                    yield path, train(kind, name, lr, batch, own + 1000 * k, jumps, path)


def ours(path: Path) -> bool:
    """Whether our verdict on a log is that it diverged."""
    source, session = LogSource(*open_log(path), once=True), Session()
    while messages := source.poll(None):
        for message in messages:
            session.apply(message)
    assert session.current is not None
    word, evidence, _ = session.current.reading()
    is_above = any(part in evidence for part in ABOVE)
    return word in WORDS or (word in ("rising", "spike") and is_above)


def losslint(folder: Path) -> set[str]:
    """Names of the logs that losslint says diverged."""
    command = ["losslint", "check", str(folder), "--format", "json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)["findings"]
    checks = ("divergence", "nan_inf")
    return {Path(one["source"]).name for one in found if one["check"] in checks}


def runmedic(folder: Path) -> set[str]:
    """Names of the logs that runmedic says diverged."""
    command = ["runmedic", "diagnose", str(folder), "--json"]
    runs = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return {
        Path(run["path"]).name
        for run in runs
        for finding in run["findings"]
        if finding["check"] in ("divergence", "non_finite", "nan")
    }


def main() -> None:
    """Print the counts."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truths = dict(logs(folder))
        said = {"lrtui": {path.name for path in truths if ours(path)}}
        for tool in (losslint, runmedic):
            if shutil.which(tool.__name__):
                said[tool.__name__] = tool(folder)
    print(f"{len(truths)} trainings: {dict(Counter(truths.values()))}")
    for name, names in said.items():
        fine, diverged = (
            [path.name for path, truth in truths.items() if truth == wanted]
            for wanted in ("fine", "diverged")
        )
        false = [log for log in fine if log in names]
        missed = [log for log in diverged if log not in names]
        print(f"{name}: false {len(false)} of {len(fine)}, missed {len(missed)} of {len(diverged)}")
        if name == "lrtui":
            print(f"  false: {', '.join(false) or '–'}; missed: {', '.join(missed) or '–'}")


if __name__ == "__main__":
    main()
