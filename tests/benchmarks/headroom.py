"""How often the words on the headroom are right: ``python -m tests.benchmarks headroom``.

At each snapshot of a training the shipped gauge and rule are asked. Then the training is continued
on the same batches at its rate, at twice and at four times it; the means of the last losses are
the truth. No rule was tuned on these set-ups; their rates are from far too low to far too high.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from lrtui.analysis.headroom import LEAST_PAIRS, MOST_CALM, ROOM, word
from lrtui.monitor.headroom import Headroom
from lrtui.monitor.own_batch import STEPS as OWN_STEPS
from lrtui.monitor.own_batch import OwnBatch
from lrtui.monitor.rate_control import RateControl

SNAPSHOTS, STEPS, LAST, SEEDS = (60, 160, 420), 120, 40, (0, 1)
TOLERANCE = 1.02
"""A mean loss this many times that of the training as it was is a higher one."""

NO_ROOM = "no room for ×4"

Batch = tuple[Tensor, ...]
Loss = Callable[[Any, Batch], Tensor]

# --- data: a batch is a function of seed and step ---------------------------------------------


def rng(*seeds: int) -> torch.Generator:
    """Return a generator of its own for some numbers."""
    return torch.Generator().manual_seed(sum(s * 7919**i for i, s in enumerate(seeds, 1)))


def glyphs(n: int, g: torch.Generator) -> Batch:
    """Ten shapes of 12 × 12 pixels, shifted, scaled and noisy."""
    shapes = fn.interpolate(
        torch.randn(10, 1, 4, 4, generator=rng(5)), size=12, mode="bilinear", align_corners=False
    )
    y = torch.randint(0, 10, (n,), generator=g)
    moves = torch.randint(-2, 3, (n, 2), generator=g).tolist()
    x = torch.stack([torch.roll(shapes[c], m, (1, 2)) for c, m in zip(y, moves, strict=True)])
    x = x * (0.6 + 0.8 * torch.rand(n, 1, 1, 1, generator=g))
    return x + 0.7 * torch.randn(n, 1, 12, 12, generator=g), y


def letters(n: int, g: torch.Generator, length: int = 24) -> Batch:
    """Texts of a language of 24 letters, each of which depends on the two before."""
    table = (2.5 * torch.randn(24, 24, 24, generator=rng(6))).softmax(-1)
    text = [torch.randint(0, 24, (n,), generator=g) for _ in range(2)]
    for _ in range(length - 1):
        text.append(torch.multinomial(table[text[-2], text[-1]], 1, generator=g)[:, 0])
    whole = torch.stack(text, 1)
    return whole[:, :-1], whole[:, 1:]


def surface(n: int, g: torch.Generator) -> Batch:
    """A smooth function of eight numbers, with noise of heavy tails."""
    x = torch.randn(n, 8, generator=g)
    y = torch.sin(2 * x[:, :1]) * x[:, 1:2] + x[:, 2:3].abs() + 0.3 * x[:, 3:4] ** 2
    return x, y + 0.2 * torch.randn(n, 1, generator=g) / (0.3 + torch.rand(n, 1, generator=g))


def picture(n: int, g: torch.Generator) -> Batch:
    """Points of a picture of stripes and rings, and its brightness there."""
    x = 2 * torch.rand(n, 2, generator=g) - 1
    radius = x.norm(dim=1, keepdim=True)
    return x, torch.sin(9 * radius) + 0.5 * torch.sign(torch.sin(7 * x[:, :1] + 3 * x[:, 1:]))


def ratings(n: int, g: torch.Generator) -> Batch:
    """Users, things and tags, mostly the popular ones, and whether they match."""
    tastes, traits = torch.randn(400, 5, generator=rng(7)), torch.randn(600, 5, generator=rng(8))
    users = (400 * torch.rand(n, generator=g) ** 2).long()
    things = (600 * torch.rand(n, generator=g) ** 3).long()
    tags = torch.randint(0, 50, (n, 3), generator=g)
    score = (tastes[users] * traits[things]).sum(1) + 0.3 * (tags % 5).float().sum(1) - 1.8
    return users, things, tags, (score + torch.randn(n, generator=g) > 0).float()


def graphs(n: int, g: torch.Generator) -> Batch:
    """Graphs of 12 nodes, and the mean distance of their points as the answer."""
    at = torch.randn(n, 12, 2, generator=g) * (0.4 + torch.rand(n, 1, 1, generator=g))
    distances = torch.cdist(at, at)
    near = (distances < 0.9).float()
    marks = torch.cat([torch.rand(n, 12, 3, generator=g), near.sum(-1, keepdim=True) / 12], -1)
    return marks, near / near.sum(-1, keepdim=True), distances.mean((1, 2))[:, None]


def waves(n: int, g: torch.Generator) -> Batch:
    """Noisy waves of three channels, and which of six kinds they are."""
    y = torch.randint(0, 6, (n,), generator=g)
    at = torch.arange(48) / 48
    pace = (1.5 + y)[:, None, None] * torch.tensor([1.0, 1.5, 2.0])[None, :, None]
    x = torch.sin(6.28 * (pace * at + torch.rand(n, 3, 1, generator=g)))
    return x + 0.8 * torch.randn(n, 3, 48, generator=g), y


def bags(n: int, g: torch.Generator) -> Batch:
    """Sets of 10 points, and how many of them lie in a ring."""
    x = torch.randn(n, 10, 2, generator=g)
    radius = x.norm(dim=2)
    return x, ((radius > 0.8) & (radius < 1.6)).sum(1).clamp_max(7)


def finite(make: Callable[[int, torch.Generator], Batch], total: int) -> Any:
    """Return batches of a fixed set of data in place of ever new ones."""
    whole = make(total, rng(99))

    def batch(n: int, g: torch.Generator) -> Batch:
        chosen = torch.randint(0, total, (n,), generator=g)
        return tuple(part[chosen] for part in whole)

    return batch


# --- networks ---------------------------------------------------------------------------------


class Vit(nn.Module):
    """A transformer on nine patches of a glyph."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.place = nn.Linear(16, 24), nn.Parameter(0.02 * torch.randn(9, 24))
        layer = nn.TransformerEncoderLayer(24, 2, 48, 0.05, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(fn.unfold(x, 4, stride=4).transpose(1, 2))
        found: Tensor = self.head(self.body(patches + self.place).mean(1))
        return found


class Gru(nn.Module):
    """A language model with tied letters."""

    def __init__(self) -> None:
        super().__init__()
        self.letters, self.body = nn.Embedding(24, 32), nn.GRU(32, 32, 1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return fn.linear(self.body(self.letters(x))[0], self.letters.weight)


class Vae(nn.Module):
    """Of glyphs, with six hidden numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Linear(144, 64), nn.SiLU(), nn.Linear(64, 12))
        self.up = nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 144))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        mean, log = self.down(flat).chunk(2, 1)
        seen = self.up(mean + torch.randn_like(mean) * (0.5 * log).exp())
        apart = -0.5 * (1 + log - mean**2 - log.exp()).sum(1)
        loss: Tensor = ((seen - flat) ** 2).sum(1).mean() / 2 + apart.mean()
        return loss


class Siamese(nn.Module):
    """Two noisy views of a glyph, to be told from those of the others."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(144, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 16)
        )

    def forward(self, x: Tensor) -> Tensor:
        a, b = (fn.normalize(self.body(x + 0.5 * torch.randn_like(x)), dim=1) for _ in range(2))
        return fn.cross_entropy(a @ b.T / 0.2, torch.arange(len(x)))


class Messages(nn.Module):
    """Three rounds of messages between the nodes of a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 24), nn.Linear(24, 1)
        self.rounds = nn.ModuleList(nn.Linear(48, 24) for _ in range(3))

    def forward(self, marks: Tensor, near: Tensor) -> Tensor:
        h = self.first(marks)
        for each in self.rounds:
            h = h + torch.tanh(each(torch.cat([h, near @ h], -1)))
        found: Tensor = self.last(h.mean(1))
        return found


class Recommender(nn.Module):
    """Mostly tables of users, things and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.things = nn.Embedding(400, 12), nn.Embedding(600, 12)
        self.tags = nn.EmbeddingBag(50, 12, mode="mean")
        self.top = nn.Sequential(nn.Linear(36, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, users: Tensor, things: Tensor, tags: Tensor) -> Tensor:
        found = torch.cat([self.users(users), self.things(things), self.tags(tags)], 1)
        score: Tensor = self.top(found)[:, 0]
        return score


class Residual(nn.Module):
    """Convolutions with BatchNorm around which the input passes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            for _ in range(2)
        )
        self.last = nn.Linear(8 * 9, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        found: Tensor = self.last(fn.avg_pool2d(h, 2).flatten(1))
        return found


class Waves(nn.Module):
    """The sine of a network of coordinates, layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 48), nn.Linear(48, 48), nn.Linear(48, 1)])
        with torch.no_grad():
            self.layers[0].weight.mul_(10)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        for layer in [*self.layers][:-1]:
            x = torch.sin(layer(x))
        found: Tensor = self.layers[-1](x)
        return found


class Bags(nn.Module):
    """Attention over the points of a set."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(2, 32), nn.GELU(), nn.Linear(32, 32))
        self.weigh, self.last = nn.Linear(32, 4), nn.Linear(128, 8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.each(x)
        found: Tensor = self.last((self.weigh(h).softmax(1).transpose(1, 2) @ h).flatten(1))
        return found


class Lion(torch.optim.Optimizer):
    """Steps by the sign of an average (Chen and others 2023)."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0.01})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.sign(mean.lerp(p.grad, 0.1)), alpha=-group["lr"])
                mean.lerp_(p.grad, 0.01)


def classes(net: Any, batch: Batch) -> Tensor:
    """Cross-entropy."""
    return fn.cross_entropy(net(batch[0]), batch[1])


def next_letter(net: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each letter."""
    return fn.cross_entropy(net(batch[0]).flatten(0, 1), batch[1].flatten())


def itself(net: Any, batch: Batch) -> Tensor:
    """Return what the network computes as its loss."""
    loss: Tensor = net(batch[0])
    return loss


# --- the set-ups ------------------------------------------------------------------------------


@dataclass
class Setup:
    """A network, its data and how it is trained; ``shape`` is the rate over its base by step."""

    net: Callable[[], nn.Module]
    optimizer: Callable[[Any, float], torch.optim.Optimizer]
    data: Callable[[int, torch.Generator], Batch]
    size: int
    loss: Loss
    rates: tuple[float, ...]
    shape: Callable[[int], float] = lambda step: 1.0
    clip: float | None = None


def warm_cosine(step: int) -> float:
    """A warm-up of 40 steps, then a cosine down to a tenth."""
    done = min(max(step - 40, 0) / 560, 1)
    return min((step + 1) / 40, 1) * (0.55 + 0.45 * math.cos(math.pi * done))


OPTIM = torch.optim
ADAM_RATES = (1e-4, 6e-4, 3e-3, 1e-2, 3e-2, 1e-1)
SETUPS = {
    "vision transformer, AdamW, warm-up and cosine": Setup(
        Vit, lambda p, lr: OPTIM.AdamW(p, lr, (0.9, 0.98), weight_decay=0.05),
        glyphs, 32, classes, ADAM_RATES, warm_cosine, 1.0,
    ),
    "GRU language model, tied, Adam": Setup(
        Gru, lambda p, lr: OPTIM.Adam(p, lr), letters, 16, next_letter, ADAM_RATES, clip=1.0
    ),
    "variational autoencoder, Adam": Setup(
        Vae, lambda p, lr: OPTIM.Adam(p, lr), finite(glyphs, 2000), 32, itself, ADAM_RATES
    ),
    "contrastive, Lion": Setup(
        Siamese, Lion, glyphs, 32, itself, (1e-5, 1e-4, 4e-4, 1.5e-3, 5e-3, 2e-2)
    ),
    "message passing, RMSprop with momentum": Setup(
        Messages, lambda p, lr: OPTIM.RMSprop(p, lr, momentum=0.5), graphs, 24,
        lambda net, b: fn.mse_loss(net(b[0], b[1]), b[2]), (1e-5, 1e-4, 5e-4, 2e-3, 8e-3, 3e-2),
    ),
    "recommender of embeddings, Adam": Setup(
        Recommender, lambda p, lr: OPTIM.Adam(p, lr), ratings, 64,
        lambda net, b: fn.binary_cross_entropy_with_logits(net(*b[:3]), b[3]), ADAM_RATES,
    ),
    "regression, SiLU, NAdam": Setup(
        lambda: nn.Sequential(
            nn.Linear(8, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 1)
        ),
        lambda p, lr: OPTIM.NAdam(p, lr), surface, 32,
        lambda net, b: fn.smooth_l1_loss(net(b[0]), b[1]), ADAM_RATES,
    ),
    "residual BatchNorm, momentum and decay": Setup(
        Residual, lambda p, lr: OPTIM.SGD(p, lr, momentum=0.9, weight_decay=1e-3),
        finite(glyphs, 2000), 32, classes, (3e-4, 3e-3, 0.02, 0.08, 0.3, 1.0),
        lambda step: 1.0 if step < 300 else 0.3,
    ),
    "1-D convolutions, Adagrad": Setup(
        lambda: nn.Sequential(
            nn.Conv1d(3, 12, 5, 2), nn.ReLU(), nn.Conv1d(12, 16, 5, 2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(3), nn.Flatten(), nn.Linear(48, 6),
        ),
        lambda p, lr: OPTIM.Adagrad(p, lr), waves, 24, classes,
        (3e-4, 3e-3, 0.015, 0.05, 0.2, 0.8),
    ),
    "network of coordinates, SGD": Setup(
        Waves, lambda p, lr: OPTIM.SGD(p, lr), picture, 64,
        lambda net, b: fn.mse_loss(net(b[0]), b[1]), (1e-3, 6e-3, 0.03, 0.1, 0.3, 1.0),
    ),
    "attention over sets, RAdam": Setup(
        Bags, lambda p, lr: OPTIM.RAdam(p, lr), finite(bags, 3000), 32, classes, ADAM_RATES
    ),
}  # fmt: skip


@dataclass
class Taken:
    """A training under way."""

    setup: Setup
    net: nn.Module
    optimizer: torch.optim.Optimizer
    base: float
    seed: int

    def step(self, step: int, times: float = 1.0) -> float:
        """Take a step on the batch of that step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.base * self.setup.shape(step) * times
        batch = self.setup.data(self.setup.size, rng(self.seed + 1, step))
        loss = self.setup.loss(self.net, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.setup.clip is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.setup.clip)
        self.optimizer.step()
        return loss.item()

    def continued(self, since: int, times: float) -> float:
        """Return the mean of the last losses of a copy that goes on at so many times the rate."""
        net = copy.deepcopy(self.net)
        optimizer = self.setup.optimizer(net.parameters(), self.base)
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        other = Taken(self.setup, net, optimizer, self.base, self.seed)
        with torch.random.fork_rng([]):
            losses = [other.step(since + i, times) for i in range(STEPS)]
        mean = sum(losses[-LAST:]) / LAST
        return mean if math.isfinite(mean) else math.inf


def trials(name: str, seed: int, base: float) -> Iterator[dict[str, Any]]:
    """Train, and yield what the gauge showed at each snapshot and what came of other rates."""
    setup = SETUPS[name]
    torch.manual_seed(31 + seed)
    net = setup.net()
    optimizer = setup.optimizer(net.parameters(), base)
    training = Taken(setup, net, optimizer, base, seed)
    control = RateControl(optimizer)
    control.attach(optimizer)
    headroom = Headroom(control, print)
    headroom.due = SNAPSHOTS[0] - LEAST_PAIRS - 1
    line, own = OwnBatch(control, print), None
    for step in range(SNAPSHOTS[-1]):
        if not math.isfinite(training.step(step)):
            break
        # Seven steps before each snapshot, as near to it as the slope's.
        line.due = 0 if any(0 < s - step <= 3 * OWN_STEPS for s in SNAPSHOTS) else 10**6
        line.after_step(step + 1)
        own, line.reading = line.reading["own"] if line.reading is not None else own, None
        headroom.after_step(step + 1)
        if headroom.reading is None:
            continue
        reading = {key: float(value) for key, value in headroom.reading.items()}
        headroom.reading = None
        headroom.due = next((s for s in SNAPSHOTS if s > step + 1), 10**6) - LEAST_PAIRS - 1
        after = {times: training.continued(step + 1, times) for times in (1, 2, 4)}
        yield {
            "setup": name, "seed": seed, "base": base, "step": step + 1,
            "after": list(after.values()), "own": own, **reading,
        }  # fmt: skip
        own = None
    line.detach()  # whatever it records


def doubling_lowers(trial: dict[str, Any]) -> bool:
    """Return whether the loss was lower at twice the rate."""
    as_was, twice, _ = trial["after"]
    return bool(twice < as_was)


def four_is_worse(trial: dict[str, Any]) -> bool:
    """Return whether the loss was higher at four times the rate."""
    as_was, _, four = trial["after"]
    return not four <= TOLERANCE * as_was


def said_of(trial: dict[str, Any], before: str = "") -> str:
    """Return the word for a trial."""
    reading = (trial["left"], trial["calm"], trial["growth"], int(trial["pairs"]))
    return word(*reading, before=before)


def falls_back(trial: dict[str, Any]) -> bool:
    """Return whether the slope left would have said that there is no room for ×4, if it could."""
    return bool(trial["left"] <= -0.25 and trial["calm"] <= MOST_CALM)


def turns_back(trial: dict[str, Any]) -> bool:
    """Return whether a step three times as long would have raised the loss of its own batch."""
    return bool(trial["own"] is not None and trial["own"] <= 3.0)


def show(found: list[dict[str, Any]]) -> None:
    """Print how often each word was said, and how often it was wrong."""
    trainings = {(t["setup"], t["seed"], t["base"]) for t in found}
    print(f"headroom: {len(found)} snapshots of {len(trainings)} trainings, {len(SETUPS)} set-ups")
    rules: tuple[tuple[str, Callable[[Any], bool], Callable[[Any], bool]], ...] = (
        (ROOM, lambda trial: said_of(trial) == ROOM, doubling_lowers),
        (f"{ROOM}, once said", lambda trial: said_of(trial, ROOM) == ROOM, doubling_lowers),
        (f"{NO_ROOM} by the own batch, which is not said", turns_back, four_is_worse),
        (f"{NO_ROOM} by the slope left, which is not said", falls_back, four_is_worse),
    )
    for name, says, holds in rules:
        said = [trial for trial in found if says(trial)]
        wrong = [trial for trial in said if not holds(trial)]
        always = sum(not holds(trial) for trial in found) / len(found)
        print(
            f"  {name}: said {len(said)}, wrong {len(wrong)} "
            f"({len(wrong) / max(len(said), 1):.1%}); if always said {always:.0%} wrong"
        )
        for trial in wrong:
            print(
                f"    wrong: {trial['setup']}, rate {trial['base']:g}, step {trial['step']}, "
                f"left {trial['left']:.2f}, calm {trial['calm']:.2f}"
            )
    for setup in SETUPS:
        here = [said_of(trial) for trial in found if trial["setup"] == setup]
        with_room = here.count(ROOM)
        print(f"  {setup}: {len(here)} snapshots, {with_room} with room")


def main() -> None:
    """Run all trials; ``--keep FILE`` keeps them as lines of JSON."""
    torch.set_num_threads(1)
    began = time.monotonic()
    found: list[dict[str, Any]] = []
    for name, setup in SETUPS.items():
        for seed in SEEDS:
            for base in setup.rates:
                found += trials(name, seed, base)
    if "--keep" in sys.argv:
        lines = [json.dumps(trial) for trial in found]
        Path(sys.argv[sys.argv.index("--keep") + 1]).write_text("\n".join(lines) + "\n")
    show(found)
    print(f"  in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
