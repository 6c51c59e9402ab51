"""How often the alarms of loss and gradient norm are false, miss, or name the wrong cause.

Trainings of the kinds of ``tests.benchmarks.verdicts``: calm ones, ones whose rate is too high,
ones with bad batches (targets of another scale, or shuffled, and inputs of another scale), and
ones whose rate jumps for a while. The truth is what was done to them, and the loss of the same
weights on held-out data.

    python -m tests.benchmarks.spikes            # held-out seeds: these are the counts
    python -m tests.benchmarks.spikes --tuning   # seeds that rules may be tuned on
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lrtui.analysis.spikes import LEVEL_WINDOW, HighNorm, Spike, SpikeWatch, find_raise
from tests.benchmarks.verdicts import Batch, Kind, kinds

STEPS = 1200
EVERY = 5
"""Steps between two looks at the truth."""

SAMPLES, FEW = 2048, 256
"""Samples of a training; few for a rate that is too high, whose spikes no noise hides."""

FIRST = 200
"""Steps before which nothing is counted: the level is not known."""

RISEN, LOOKS = 2.0, 20
"""The truth rises where two looks in a row exceed the median of so many looks before by the factor,
after it had fallen."""

SHOWN, SHARE = 10, 0.9
"""The losses show it if half of so many exceed that share of those before; else noise hides it."""

WITHIN, SAME = 60, 50
"""Steps within which a rise must be found; alarms so close are one."""

HOT = (1.0, 2.5, 6.0)
"""A rate that is too high: the highest worth a try, times these."""

JUMP, JUMP_STEPS = 30.0, 15
BAD = 5
"""Bad batches of a training."""


@dataclass
class Trained:
    """A training: what was done to it, and what it reports."""

    about: str
    what: str
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    truths: list[float] = field(default_factory=list)
    events: list[int] = field(default_factory=list)

    def rises(self) -> list[int]:
        """The steps at which the held-out loss begins to rise."""
        looks = np.nan_to_num(np.array(self.truths), nan=1e12, posinf=1e12)
        losses = np.array(self.losses)
        found: list[int] = []
        after = FIRST // EVERY
        for k in range(FIRST // EVERY, len(looks) - 1):
            usual = float(np.median(looks[k - LOOKS : k]))
            batches = losses[EVERY * (k - LOOKS) : EVERY * k]
            shown = np.median(losses[EVERY * k : EVERY * k + SHOWN]) > np.quantile(batches, SHARE)
            risen = looks[k : k + 2].min() > RISEN * usual
            if k >= after and usual < looks[0] / 2 and risen and shown:
                found.append(k * EVERY)
                after = k + LOOKS
        return found


def spoiled(x: Tensor, y: Tensor, g: torch.Generator) -> Batch:
    """A bad batch: targets or inputs of another scale, or of a language model shuffled tokens."""
    if y.dtype.is_floating_point:
        return x, y + 30 * torch.randn(y.shape, generator=g)
    if x.dtype.is_floating_point:
        return 30 * x, y
    return x, y.flatten()[torch.randperm(y.numel(), generator=g)].reshape(y.shape)


def train(kind: Kind, name: str, lr: float, batch: int, seed: int, what: str) -> Trained:
    """Train once."""
    torch.manual_seed(seed)
    model = kind.model()
    rng = torch.Generator().manual_seed(seed + 1)
    x, y = kind.draw(torch.Generator().manual_seed(seed + 2), FEW if what == "hot" else SAMPLES)
    held = (x, y) if what == "hot" else kind.draw(torch.Generator().manual_seed(seed + 4), FEW)
    chance = torch.Generator().manual_seed(seed + 3)
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr)
    if name == "SGD":
        optimizer = torch.optim.SGD(model.parameters(), 0.1 * lr, momentum=0.9)
    limit = 1.0 if seed % 2 else math.inf
    done = Trained(f"{kind.name} {name} {lr:g} batch {batch} seed {seed} clip {limit:g}", what)
    at = (FIRST + 100 + torch.randperm(8, generator=chance)[:BAD] * 100).tolist()
    if what in ("bad", "jump"):
        done.events = sorted(at)[: BAD if what == "bad" else 1]
    for step in range(STEPS):
        if step % EVERY == 0:
            with torch.no_grad():  # by the statistics of a batch, as in training
                done.truths.append(float(kind.loss(model(held[0]), held[1])))
        index = torch.randint(len(x), (batch,), generator=rng)
        drawn = x[index], y[index]
        if what == "bad" and step in done.events:
            drawn = spoiled(*drawn, chance)
        if what == "jump" and step - done.events[0] in (0, JUMP_STEPS):
            for group in optimizer.param_groups:
                group["lr"] *= JUMP if step == done.events[0] else 1 / JUMP
        loss: Tensor = kind.loss(model(drawn[0]), drawn[1])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        done.losses.append(loss.item())
        done.norms.append(float(norm))
        done.rates.append(optimizer.param_groups[0]["lr"])
        if not math.isfinite(done.losses[-1]):
            break
    return done


def trainings(seeds: Sequence[int]) -> Iterator[Trained]:
    """Every training of these seeds."""
    for seed in seeds:
        for number, kind in enumerate(kinds(seed)):
            for name, rates in (("SGD", kind.sgd), ("AdamW", kind.adamw)):
                batch = kind.batches[(seed + number) % 2]
                own = 10_000 * seed + 10 * number + (name == "SGD")
                calm, high = rates[-2], rates[-1]
                for lr in rates[:-1]:
                    yield train(kind, name, lr, batch, own + 1000, "calm")
                yield train(kind, name, calm, batch, own + 3001, "calm")
                for k, times in enumerate(HOT):
                    yield train(kind, name, times * high, batch, own + 4000 + 1001 * k, "hot")
                for k in range(2):
                    yield train(kind, name, calm, batch, own + 6000 + 1001 * k, "bad")
                yield train(kind, name, calm, batch, own + 8000, "jump")


@dataclass
class Counts:
    """What the alarms said of trainings, and what was true."""

    trainings: int = 0
    steps: int = 0
    calm: int = 0
    false_loss: int = 0
    false_norm: int = 0
    found: Counter[str] = field(default_factory=Counter)
    rises: Counter[str] = field(default_factory=Counter)
    norms: int = 0
    highs: Counter[str] = field(default_factory=Counter)
    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    about: list[str] = field(default_factory=list)

    def add(self, done: Trained) -> None:
        """Count what is said of a training."""
        self.trainings += 1
        self.steps += len(done.losses)
        spikes, highs = alarms(done)
        rises = done.rises()
        self.highs[done.what] += len(highs)
        if done.what == "calm":
            self.calm += max(len(done.losses) - FIRST, 0)
            self.false_loss += len(spikes)
            self.false_norm += len(highs)
            self.about += [f"false: {done.about} step {spike.step}" for spike in spikes]
            return
        if done.what == "bad":
            rises = [k for k in rises if any(k - EVERY <= at <= k + EVERY for at in done.events)]
            for high in highs:
                if not any(at <= high.step <= at + SAME for at in done.events):
                    self.about.append(f"norm, no bad batch: {done.about} step {high.step}")
        for step in rises:
            self.rises[done.what] += 1
            if any(is_found(spike, step) for spike in spikes):
                self.found[done.what] += 1
            else:
                self.about.append(f"missed, {done.what}: {done.about} step {step}")
            if done.what == "bad":
                self.norms += any(abs(high.step - step) <= 2 * EVERY for high in highs)
        for spike in spikes:
            self.words[done.what, spike.cause] += 1
            if (done.what, spike.cause) in WRONG:
                self.about.append(f"{spike.cause or 'no cause'}: {done.about} step {spike.step}")

    def __str__(self) -> str:
        lines = [f"{self.trainings} trainings, {self.steps:,} steps; calm: {self.calm:,}"]
        for name, false in (("loss", self.false_loss), ("norm", self.false_norm)):
            rate = 10_000 * false / max(self.calm, 1)
            lines.append(f"false alarms of the {name}: {false}, {rate:.2g} in 10,000 steps")
        for what, rises in self.rises.items():
            lines.append(f"rises, {what}: {rises}, found {self.found[what]}")
        lines.append(f"rises after a bad batch with an alarm of the norm: {self.norms}")
        lines.append(f"alarms of the norm: {dict(self.highs)}")
        lines += [f"spike, {a}, said {b!r}: {n}" for (a, b), n in sorted(self.words.items())]
        return "\n".join([*lines, *self.about])


def is_found(spike: Spike, step: int) -> bool:
    """Return whether the alarm for a rise at a step stands already, or begins in time."""
    stands = spike.step < step and (spike.over is None or spike.step + spike.over >= step)
    return stands or step - 3 * EVERY <= spike.step <= step + WITHIN


WRONG = {("hot", "bad batch"), ("jump", "bad batch"), ("bad", ""), ("bad", "rate raised")}
"""What was done, and the cause named though it was another."""


def alarms(done: Trained) -> tuple[list[Spike], list[HighNorm]]:
    """Return the spikes and high norms found after the first steps."""
    watch = SpikeWatch()
    spikes: list[Spike] = []
    highs: list[HighNorm] = []
    for step, (loss, norm) in enumerate(zip(done.losses, done.norms, strict=True)):
        spike, high = watch.last, watch.norms.last
        watch.add([step], [loss if math.isfinite(loss) else None], [norm])
        first = max(step - LEVEL_WINDOW, 0)
        steps, rates = range(first, step + 1), done.rates[first : step + 1]
        if watch.last is not spike and watch.last is not None and watch.last.step >= FIRST:
            watch.last.raised = find_raise(steps, rates)
            spikes.append(watch.last)
        if watch.norms.last is not high and watch.norms.last is not None and step >= FIRST:
            highs.append(watch.norms.last)
    return spikes, highs


TUNING, COUNTED = (100, 9100), (9200, 9300)
"""Seeds that rules were tuned on, and seeds that they were not."""


def main() -> None:
    """Print the counts."""
    torch.set_num_threads(1)
    counts = Counts()
    for done in trainings(TUNING if "--tuning" in sys.argv else COUNTED):
        counts.add(done)
    print(counts)


if __name__ == "__main__":
    main()
