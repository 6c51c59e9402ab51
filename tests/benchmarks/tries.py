"""How often the words of a try are right, and what a replay costs.

    python -m tests.benchmarks tries

At each snapshot of a training the next 100 steps are taken at several rates on the same batches,
and compared by the shipped rule. What it says is held against the loss 1,100 steps after the
snapshot, with the rate kept and with the rate decayed to 0. The set-ups are those of ``headroom``
with other seeds; no rule was tuned on them.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as fn

from lrtui.analysis.comparison import BETTER, NOT_TOO_HIGH, compare
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.tape import Tape
from tests.benchmarks.headroom import SETUPS, Taken

SEED, SNAPSHOTS, STEPS, LATER, LAST = 5, (150, 400), 100, 1100, 100
FACTORS = (0.5, 1.0, 2.0, 4.0)
SAME = 0.02
"""Share within which two later losses are equal."""


@dataclass
class Claim:
    """What was said of a factor, and the later loss over that at the rate in force."""

    setup: str
    base: float
    step: int
    factor: float
    word: str
    kept: float
    decayed: float


def branch(
    training: Taken, since: int, steps: int, times: float, shape: Callable[[int], float]
) -> list[float]:
    """Return the losses of a copy that goes on at another rate."""
    net = copy.deepcopy(training.net)
    optimizer = training.setup.optimizer(net.parameters(), training.base)
    optimizer.load_state_dict(copy.deepcopy(training.optimizer.state_dict()))
    other = Taken(training.setup, net, optimizer, training.base, training.seed)
    with torch.random.fork_rng([]):
        return [other.step(since + i, times * shape(i)) for i in range(steps)]


def later(training: Taken, since: int, times: float) -> tuple[float, float]:
    """Return the later loss with the rate kept, and decayed."""
    kept = branch(training, since, LATER, times, lambda step: 1.0)
    decayed = branch(training, since, LATER, times, lambda step: 1 - step / LATER)
    return statistics.fmean(kept[-LAST:]), statistics.fmean(decayed[-LAST // 2 :])


def claims(name: str, base: float) -> list[Claim]:
    """Train, and return what a try says at each snapshot, and what came of it."""
    setup = SETUPS[name]
    torch.manual_seed(97)
    net = setup.net()
    training = Taken(setup, net, setup.optimizer(net.parameters(), base), base, SEED)
    found: list[Claim] = []
    for step in range(SNAPSHOTS[-1]):
        training.step(step)
        if step + 1 not in SNAPSHOTS:
            continue
        curves = {f: branch(training, step + 1, STEPS, f, lambda step: 1.0) for f in FACTORS}
        words = {f: compare(f, curves[f], curves[1.0]).word for f in FACTORS if f != 1}
        said = {f: word for f, word in words.items() if word in (BETTER, NOT_TOO_HIGH)}
        truth = {f: later(training, step + 1, f) for f in ([1.0, *said] if said else [])}
        for factor, word in words.items():
            ratios = (1.0, 1.0)
            if factor in said:
                (kept, decayed), (kept_1, decayed_1) = truth[factor], truth[1.0]
                ratios = (kept / kept_1, decayed / decayed_1)
            found.append(Claim(name, base, step + 1, factor, word, *ratios))
    return found


def count_words() -> None:
    """Print how often each word was said, and what came of it."""
    began = time.monotonic()
    found = [c for name, s in SETUPS.items() for base in s.rates for c in claims(name, base)]
    snapshots = {(c.setup, c.base, c.step) for c in found}
    print(f"tries: {len(snapshots)} snapshots, {len(SETUPS)} set-ups")
    for word, better in ((BETTER, True), (NOT_TOO_HIGH, False)):
        said = [c for c in found if c.word == word]
        for kind in ("kept", "decayed"):
            ratios = [getattr(c, kind) if better else 1 / getattr(c, kind) for c in said]
            right = sum(ratio < 1 - SAME for ratio in ratios)
            wrong = sum(not ratio <= 1 + SAME for ratio in ratios)
            print(
                f"  {word!r}, {len(said)} said; {LATER:,} steps later, rate {kind}: "
                f"right {right}, the same {len(said) - right - wrong}, wrong {wrong}"
            )
            for c, ratio in zip(said, ratios, strict=True):
                if not ratio <= 1 + SAME:
                    print(f"    wrong: {c.setup}, rate {c.base:g}, step {c.step}, ×{c.factor:g}")
    print(f"  in {time.monotonic() - began:.0f} s")


class Reader(nn.Module):
    """A transformer of ten million weights."""

    def __init__(self, width: int = 320, layers: int = 8, letters: int = 256) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 8, 4 * width, 0.1, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.head = nn.Linear(width, letters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.letters(x)
        for layer in self.layers:
            h = layer(h)
        return fn.cross_entropy(self.head(h).flatten(0, 1), x.flatten())


def cost(rounds: int = 5, steps: int = 6) -> None:
    """Print a replayed step, and a recorded one, over a step, by the CPU time."""
    net = Reader()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    ratios: list[tuple[float, float]] = []

    def step() -> None:
        loss = net(torch.randint(0, 256, (4, 64)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    for _ in range(3):
        step()
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(steps):
            step()
        plain = time.process_time() - began
        tape = Tape(RateControl(optimizer), [optimizer], 1e12)
        tape.start()
        began = time.process_time()
        for _ in range(steps):
            step()
        recorded = time.process_time() - began
        tape.stop()
        began = time.process_time()
        tape.replay(1.0, [], lambda: None)
        ratios.append(((time.process_time() - began) / plain, recorded / plain))
    replayed, recording = (sorted(column) for column in zip(*ratios, strict=True))
    weights = sum(p.numel() for p in net.parameters())
    print(
        f"a replayed step over a step, {weights / 1e6:.0f} M weights: "
        f"{statistics.median(replayed):.2f} ({replayed[0]:.2f} to {replayed[-1]:.2f}); a recorded "
        f"one {statistics.median(recording):.2f} ({recording[0]:.2f} to {recording[-1]:.2f})"
    )


def main() -> None:
    """Measure the cost, then count the words: twenty minutes."""
    torch.set_num_threads(1)
    cost()
    count_words()


if __name__ == "__main__":
    main()
