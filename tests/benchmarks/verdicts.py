"""How often the words about a mini-batch training are wrong.

Hundreds of trainings that are not ours, of seven kinds of network, with AdamW and SGD, on
data that never repeats, told to a session as a Monitor tells them. The truth is the loss of the
same weights on a large held-out set, which has next to no noise.

    python -m tests.benchmarks.verdicts            # held-out seeds: these are the counts
    python -m tests.benchmarks.verdicts --tuning   # seeds that rules may be tuned on
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lrtui.messages import Greeting, Progress, Started
from lrtui.session.run import Run
from lrtui.session.session import Session

STEPS = 1200
EVERY = 10
"""Steps between two looks at the truth."""

HELD_OUT = 2048
"""Samples of the truth."""

MOMENTS = [120, 240, 360, 480, 600, 720, 840, 960, 1080, 1200]
"""Steps at which the verdict is read."""

LEVEL, FALLING = 0.02, 0.05
"""The truth is level where it moved by less than the one between the third and the last quarter,
and falling where it fell by more than the other. Between the two both words are right."""

BACK = 1.05
"""A spike is false where the truth is not above its median before by that factor."""

JUMP, JUMPS_AT, RISEN, WITHIN = 30.0, 800, 1.5, 50
"""In every fourth training the rate is multiplied by ``JUMP`` at a step. Where the truth is then
``RISEN`` times as high on average over the next steps, the words have to say so within as many."""

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Kind:
    """A kind of network: its model, its loss, its data and the rates worth a try."""

    name: str
    model: Callable[[], nn.Module]
    draw: Callable[[torch.Generator, int], Batch]
    loss: Callable[[Tensor, Tensor], Tensor]
    sgd: tuple[float, ...]
    adamw: tuple[float, ...]
    batches: tuple[int, ...] = (8, 32)


class Recurrent(nn.Module):
    """A recurrent layer and what reads its last state, or each."""

    def __init__(self, layer: type[nn.LSTM] | type[nn.GRU], out: int) -> None:
        super().__init__()
        self.layer = layer(4, 16, batch_first=True)
        self.head = nn.Linear(16, out)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        read: Tensor = self.head(states[:, -1])
        return read


class Language(nn.Module):
    """One causal block of attention on tokens."""

    def __init__(self, tokens: int = 16, width: int = 16, length: int = 12) -> None:
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.places = nn.Parameter(0.1 * torch.randn(length, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.head = nn.Linear(width, tokens)

    def forward(self, x: Tensor) -> Tensor:
        h = self.tokens(x) + self.places[: x.shape[1]]
        q, k, v = self.mix(self.norms[0](h)).chunk(3, dim=-1)
        scores = (q @ k.transpose(1, 2)) / math.sqrt(q.shape[-1])
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        h = h + self.out(scores.masked_fill(mask, -math.inf).softmax(-1) @ v)
        h = h + self.narrow(functional.gelu(self.wide(self.norms[1](h))))
        logits: Tensor = self.head(self.norms[2](h))
        return logits.transpose(1, 2)


def kinds(seed: int) -> list[Kind]:
    """The kinds of network, with data of their own for each seed."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    centres, mixing, teacher = normal(5, 6), normal(3, 12), normal(6, 12)
    patterns, follows = normal(4, 8, 8), (2 * normal(16, 16)).softmax(1)
    readout, weights = normal(12, 1), normal(4)

    def blobs(g: torch.Generator, n: int) -> Batch:
        label = torch.randint(5, (n,), generator=g)
        return centres[label] + 1.2 * torch.randn(n, 6, generator=g), label

    def values(g: torch.Generator, n: int) -> Batch:
        x = torch.randn(n, 6, generator=g)
        y = (x @ teacher).tanh() @ readout + 0.3 * torch.randn(n, 1, generator=g)
        return x, y

    def images(g: torch.Generator, n: int) -> Batch:
        label = torch.randint(4, (n,), generator=g)
        return (0.5 * patterns[label] + torch.randn(n, 8, 8, generator=g))[:, None], label

    def text(g: torch.Generator, n: int) -> Batch:
        rows = torch.randint(16, (n, 1), generator=g)
        for _ in range(12):
            drawn = torch.multinomial(follows[rows[:, -1]], 1, generator=g)
            rows = torch.cat([rows, drawn], dim=1)
        return rows[:, :-1], rows[:, 1:]

    def sequences(g: torch.Generator, n: int) -> Batch:
        x = torch.randn(n, 10, 4, generator=g)
        fade = 0.8 ** torch.arange(10.0).flip(0)
        return x, ((x @ weights) * fade).sum(1, keepdim=True).tanh()

    def signs(g: torch.Generator, n: int) -> Batch:
        x, y = sequences(g, n)
        return x, (y[:, 0] > 0).long()

    def low_rank(g: torch.Generator, n: int) -> Batch:
        x = torch.randn(n, 3, generator=g) @ mixing + 0.1 * torch.randn(n, 12, generator=g)
        return x, x

    def perceptron(*widths: int, activation: type[nn.Module]) -> nn.Module:
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), activation()]
        return nn.Sequential(*layers[:-1])

    def cnn() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128, 4),
        )

    entropy, mse = functional.cross_entropy, functional.mse_loss
    return [
        Kind(
            "mlp",
            lambda: perceptron(6, 24, 5, activation=nn.ReLU),
            blobs,
            entropy,
            (0.01, 0.1, 0.5),
            (3e-4, 3e-3, 3e-2),
        ),
        Kind(
            "regression",
            lambda: perceptron(6, 24, 24, 1, activation=nn.Tanh),
            values,
            mse,
            (0.003, 0.02, 0.1),
            (3e-4, 3e-3, 3e-2),
        ),
        Kind("cnn", cnn, images, entropy, (0.003, 0.03, 0.2), (3e-4, 3e-3, 2e-2)),
        Kind("language", Language, text, entropy, (0.02, 0.1, 0.4), (3e-4, 3e-3, 1e-2), (4, 16)),
        Kind("lstm", lambda: Recurrent(nn.LSTM, 1), sequences, mse, (0.02, 0.2), (1e-3, 1e-2)),
        Kind("gru", lambda: Recurrent(nn.GRU, 2), signs, entropy, (0.02, 0.2), (1e-3, 1e-2)),
        Kind(
            "autoencoder",
            lambda: perceptron(12, 24, 3, 24, 12, activation=nn.GELU),
            low_rank,
            mse,
            (0.01, 0.1),
            (3e-4, 3e-3, 2e-2),
        ),
    ]


@dataclass
class Counts:
    """What was said, and what was true."""

    trainings: int = 0
    steps: int = 0
    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    still_fell: Counter[bool] = field(default_factory=Counter)
    spikes: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    jumps: int = 0
    missed: list[str] = field(default_factory=list)

    def share(self, truth: str, word: str) -> float:
        """The share of moments at which a word was said though the truth was another."""
        return self.said[truth, word] / max(self.total(truth), 1)

    def total(self, truth: str) -> int:
        """At how many moments something was true."""
        return sum(count for (was, _), count in self.said.items() if was == truth)

    def __str__(self) -> str:
        lines = [f"{self.trainings} trainings, {self.steps:,} steps"]
        for truth in ("level", "falling", "between", "rising"):
            words = ", ".join(
                f"{word} {count}" for (was, word), count in self.said.most_common() if was == truth
            )
            lines.append(f"{truth}: {self.total(truth)} moments: {words}")
        lines.append(f"falling though level {self.share('level', 'falling'):.1%}")
        lines.append(f"level though falling {self.share('falling', 'level'):.1%}")
        said, wrong = self.still_fell.total(), self.still_fell[False]
        lines.append(f"level, but still falling: {said}, of which it did not {wrong}")
        lines.append(f"false diverged {len(self.diverged)} {self.diverged}")
        rate = 10_000 * len(self.spikes) / max(self.steps, 1)
        lines.append(f"false spikes {len(self.spikes)}, {rate:.2g} in 10,000 steps: {self.spikes}")
        lines.append(f"rises after a rate that jumps: {self.jumps}, missed {self.missed}")
        return "\n".join([*lines, *self.wrong])


def watched(optimizer: str, lr: float) -> tuple[Session, Run]:
    """A session that watches a training of which nothing else is known."""
    session = Session()
    hello = Greeting(program="", pid=1, folder="/", title="train.py", capabilities=[], since=1.0)
    session.apply(hello)
    session.apply(Started(run=1, lr=lr, steps=None, optimizer=optimizer))
    assert session.current is not None
    return session, session.current


def fall(truths: np.ndarray, step: int) -> float:
    """By what share the loss without noise fell from the third quarter of the steps to the last."""
    at = np.arange(len(truths)) * EVERY
    before = truths[(at > step / 2) & (at <= 3 * step / 4)].mean()
    after = truths[(at > 3 * step / 4) & (at <= step)].mean()
    return float((before - after) / after)


def truth_of(fell: float) -> str:
    """What the loss without noise did."""
    if abs(fell) < LEVEL:
        return "level"
    return "falling" if fell > FALLING else "rising" if fell < -FALLING else "between"


RAISED_WORDS = ("spike", "rising", "above its level", "above its start", "diverged")


def follow(
    kind: Kind, name: str, lr: float, batch: int, seed: int, counts: Counts, jumps: bool = False
) -> None:
    """Train once, and count what is said of it."""
    torch.manual_seed(seed)
    model = kind.model()
    rng = torch.Generator().manual_seed(seed + 1)
    x, y = kind.draw(torch.Generator().manual_seed(seed + 2), HELD_OUT)
    momentum = 0.9 if seed // 1000 % 2 else 0.0
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr)
    if name == "SGD":
        optimizer = torch.optim.SGD(model.parameters(), lr * (1 - momentum), momentum=momentum)
    session, run = watched(name, lr)
    truths: list[float] = []
    seen, words = None, set[str]()
    about = f"{kind.name} {name} {lr:g} batch {batch} seed {seed}"

    def truth() -> float:
        model.eval()  # the statistics of all data, not of a batch
        with torch.no_grad():
            loss = float(kind.loss(model(x), y))
        model.train()
        return loss

    for step in range(STEPS + 1):
        if step % EVERY == 0:
            truths.append(truth())
        inputs, targets = kind.draw(rng, batch)
        loss = kind.loss(model(inputs), targets)
        told = loss.item() if math.isfinite(loss.item()) else None
        session.apply(Progress(run=1, steps=step, scalars={"loss": [told]}, seconds=1.0))
        spike = run.spikes.last
        if spike is not None and spike is not seen:
            seen = spike
            usual = float(np.median(truths[-13:-1]))
            highest = max(truth(), *truths[-3:])
            if not highest > BACK * usual:
                counts.spikes.append(f"{about} step {step}: {usual:.3g}, {highest:.3g}")
        if jumps and step == JUMPS_AT:
            for group in optimizer.param_groups:
                group["lr"] *= JUMP
        if jumps and step > JUMPS_AT:
            if step <= JUMPS_AT + WITHIN:
                words.add(run.verdict()[0])
                continue_training(optimizer, loss)
                continue
            was = float(np.median(truths[-25:-8]))
            after = float(np.mean(np.minimum(truths[-6:], 1e9)))
            if not after < RISEN * was:
                counts.jumps += 1
                if not words & set(RAISED_WORDS):
                    counts.missed.append(f"{about}: {was:.3g}, {after:.3g}, {words}")
            break
        if step in MOMENTS:
            word, evidence = run.verdict()
            fell = fall(np.array(truths), step)
            moved = truth_of(fell)
            if word == "level" and "it fell" in evidence:
                counts.still_fell[fell > 0] += 1
            counts.said[moved, word] += 1
            if (moved, word) in (("level", "falling"), ("falling", "level")):
                counts.wrong.append(f"{moved}, said {word}: {about} step {step}")
            if word == "diverged" and truths[-1] < 1000 * truths[0]:
                counts.diverged.append(f"{about} step {step}")
        continue_training(optimizer, loss)
    counts.trainings += 1
    counts.steps += JUMPS_AT if jumps else STEPS


def continue_training(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take a step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def settings(seeds: Sequence[int]) -> Iterator[tuple[Kind, str, float, int, int]]:
    """Every training: kind, optimizer, rate, batch size and seed."""
    for seed in seeds:
        for kind in kinds(seed):
            for batch in kind.batches:
                for name, rates in (("SGD", kind.sgd), ("AdamW", kind.adamw)):
                    for lr in rates:
                        yield kind, name, lr, batch, 1000 * seed + round(1e5 * lr) + batch


def count(seeds: Sequence[int], every: int = 1) -> Counts:
    """Count over seeds; only one training in ``every``."""
    torch.set_num_threads(1)
    counts = Counts()
    for i, (kind, name, lr, batch, seed) in enumerate(settings(seeds)):
        if i % every == 0:
            follow(kind, name, lr, batch, seed, counts)
            if i % (4 * every) == 0:
                follow(kind, name, lr, batch, seed + 7, counts, jumps=True)
    return counts


TUNING, COUNTED = range(100, 101), (7700, 7701, 8801, 8802)
"""Seeds that rules were tuned on, and seeds that they were not."""


def main() -> None:
    """Print the counts."""
    print(count(TUNING if "--tuning" in sys.argv else COUNTED))


if __name__ == "__main__":
    main()
