"""What losses alone mean: each word by a curve made for it, and how often the words are wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from lrtui.analysis.diagnosis import Verdict
from lrtui.analysis.measured import checkpoint, has_settled, measure, trend
from lrtui.analysis.series import LossSeries
from lrtui.messages import Optimizer

PLAIN, HEAVY = Optimizer(), Optimizer(momentum=0.9)
ADAM = Optimizer(name="adam")


def series_of(
    losses: Sequence[float | None], target: float | None = None, first: int = 0
) -> LossSeries:
    series = LossSeries(target)
    series.append(range(first, first + len(losses)), losses)
    return series


def read(
    losses: Sequence[float | None] | np.ndarray,
    optimizer: Optimizer | str = PLAIN,
    lr: float = 0.1,
    whole: bool = True,
    sharpness: float | None = None,
    target: float | None = None,
) -> tuple[Verdict, str]:
    told = losses.tolist() if isinstance(losses, np.ndarray) else losses
    return measure(
        series_of(told, target),
        optimizer,
        lr,
        every_step_sees_all=whole,
        sharpness=sharpness,
        target=target,
    )


def noisy(level: np.ndarray, size: float, seed: int = 0) -> np.ndarray:
    return level * (1 + size * np.random.default_rng(seed).normal(size=len(level)))


def test_a_loss_that_is_not_finite_has_diverged() -> None:
    assert read([1.0, 2.0, None]) == ("diverged", "not finite at step 2")
    assert read([1.0, 2.0, None, None]) == ("diverged", "not finite since step 2")
    assert read([None]) == ("diverged", "not finite at step 0")
    assert read([1.0, None], whole=False)[0] != "diverged"
    assert read([1.0, None, None], whole=False) == ("diverged", "not finite since step 1")


def test_a_training_that_came_back_from_losses_that_are_not_finite_has_not_diverged() -> None:
    level = noisy(np.full(400, 0.5), 0.1).tolist()
    for whole in (True, False):
        assert read([1.0, 2.0, None, 1.0], whole=whole)[0] != "diverged"
        for lost in ([None] * 40, [1e37] * 40):
            told = [*level, *lost, *level, *level, *level]
            assert read(told[:430], whole=whole)[0] == "diverged"
            if not whole:
                assert read(told, whole=whole)[0] == "level"


@pytest.mark.parametrize(
    ("optimizer", "times"),
    [(PLAIN, 1e3), (HEAVY, 1e3), (ADAM, 1e6), (Optimizer(name="own"), 1e6), ("lion", 1e6)],
)
def test_a_loss_out_of_all_proportion_has_diverged(
    optimizer: Optimizer | str, times: float
) -> None:
    for start in (1e-3, 1.0, 1e5):
        verdict, evidence = read([start, 1.1 * times * start], optimizer)
        assert verdict == "diverged"
        assert f"over {times:,.0f} times the first" in evidence
        assert read([start, 0.9 * times * start], optimizer)[0] == "rising"


def test_a_loss_that_came_back_has_not_diverged() -> None:
    told = [1.0, 2000.0, *np.linspace(1000, 0.1, 300).tolist()]
    assert read(told[:2])[0] == "diverged"
    assert read(told[:5])[0] != "diverged"
    assert read(told[:250])[0] == "above its start"
    assert read(told + [0.1] * 60)[0] not in ("diverged", "spike", "above its start")


def test_above_its_start() -> None:
    told = [1.0, *[1.06] * 99]
    assert read(told) == ("above its start", "loss 1.06, the first was 1")
    assert read([*told, 1.06]) == ("above its start", "the last 100 losses are all above 1")
    assert read([*told, 1.06, 0.99])[0] == "above its start"
    assert read([*told, 1.06, 0.99, 0.99])[0] != "above its start"
    assert read([1.0, *[1.04] * 99])[0] != "above its start"  # a twentieth is nothing


def test_a_late_rise_of_single_batches_is_told() -> None:
    """A run that ended at 44 from 9.8 was "cannot tell yet"."""
    told = np.concatenate([noisy(np.full(90, 5.0), 0.4).clip(1, 12), np.geomspace(20, 44, 10)])
    verdict, evidence = read(told, whole=False)
    assert verdict == "rising"
    first = max(told[:10])
    said = f"none of the last 10 losses is under 20, none of the first 10 was over {first:.3g}"
    assert evidence == said


@pytest.mark.parametrize("whole", [True, False])
def test_a_rise_that_does_not_come_back_is_no_spike(whole: bool) -> None:
    """Batches of ten at 1.01: from 8.5 to 5,393 in 100 steps was a spike, and then nothing."""
    told = noisy(2.84 * 1.05 ** np.arange(100), 0.2).clip(1)
    words = {read(told[:count], whole=whole)[0] for count in range(60, 101)}
    assert words <= {"rising", "above its start"}
    verdict, evidence = read(told, whole=whole)
    assert verdict == "rising"
    first = told[0] if whole else max(told[:10])
    assert f"{first:.3g}" in evidence


def test_of_single_batches_the_first_loss_may_be_small_by_chance() -> None:
    heavy = np.random.default_rng(0).chisquare(1, 300)  # squared errors of single samples
    told = [float(np.quantile(heavy, 0.05)), *heavy]
    assert read(told, whole=False)[0] in ("level", "cannot tell yet")
    assert read(told)[0] != "cannot tell yet"
    assert read([1e-5, 1.0, 1.2, 0.4, 20.0], whole=False)[0] != "diverged"


def test_a_loss_that_jumped_at_its_first_step_and_stays_above_its_start_is_told() -> None:
    """AdamW at 1.92 on a classifier: 1.5, 157, 226, 177, …, and 4.7 in the end."""
    level = np.concatenate([[1.5], np.geomspace(150, 5, 30), np.full(300, 5.0)])
    told = noisy(level, 0.3).clip(1.2)
    verdict, evidence = read(told, whole=False)
    assert verdict == "above its start"
    over = int((told[-125:] > 1.05 * told[0]).sum())
    jumped = f"it began at {told[0]:.3g} and jumped to {np.median(told[1:10]):.3g}"
    assert evidence == f"{jumped}; {over} of the last 125 losses are still higher"
    came_back = np.concatenate([told[:100], noisy(np.full(300, 1.2), 0.3).clip(0.5)])
    assert read(came_back, whole=False)[0] != "above its start"
    fell = noisy(np.concatenate([np.geomspace(5, 2, 30), np.full(300, 2.0)]), 0.6).clip(0.1)
    assert read([1.0, *fell], whole=False)[0] != "above its start"  # within the noise


def test_a_loss_that_ranks_above_its_start_is_told_though_single_batches_are_below() -> None:
    """SGD at 12.8 on a GRU: 0.7 in the beginning, and from 0.03 to 22 in the end."""
    rng = np.random.default_rng(0)
    told = np.concatenate([0.7 * rng.chisquare(4, 10) / 4, 5 * rng.chisquare(2, 100) / 2])
    assert told[-50:].min() < told[:10].max()
    verdict, evidence = read(told, whole=False)
    assert verdict == "above its start"
    now, began = np.median(told[-50:]), np.median(told[:10])
    half = f"half of the last 50 losses are over {now:.3g}"
    assert evidence == f"{half}, half of the first 10 were under {began:.3g}"


@pytest.mark.parametrize("samples", [1, 2, 8])
@pytest.mark.parametrize("fall", [1.0, 0.5])
def test_a_loss_of_few_samples_that_does_not_rise_is_rarely_above_its_start(
    samples: int, fall: float
) -> None:
    rng = np.random.default_rng(0)
    level = fall + (1 - fall) * np.exp(-np.arange(400) / 60)
    words = Counter(
        read(level * rng.chisquare(samples, 400) / samples, whole=False)[0] for _ in range(400)
    )
    assert words["above its start"] + words["diverged"] <= 0.03 * 400


def test_of_single_batches_half_have_to_be_high() -> None:
    told = noisy(np.full(300, 1.0), 0.2).clip(0.05)
    told[250:300:3] = 1e5
    assert read(told, whole=False)[0] not in ("diverged", "spike")
    assert read(told)[0] == "diverged"
    told[260:300] = 1e5
    verdict, evidence = read(told, whole=False)
    assert verdict == "diverged"
    said = "half of the last 50 losses over 1e+05, 1,000 times the largest of the first 10"
    assert evidence == said
    told[250:300] = 3.0
    verdict, evidence = read(told, whole=False)
    assert verdict == "above its start"
    first = max(told[:10])
    said = f"none of the last 10 losses is under 3, none of the first 10 was over {first:.3g}"
    assert evidence == said


def test_a_spike_is_told_for_a_while() -> None:
    told = np.exp(-np.arange(400) / 100)
    told[300] = 1.06
    assert read(told[:300])[0] == "falling"
    assert read(told[:301])[0] == "rising"  # nobody can tell yet whether it comes back
    assert read(told[:303])[0] == "spike"
    verdict, evidence = read(told[:340])
    assert verdict == "spike"
    assert evidence == "loss 1.06 within the last 50 steps, the first was 1"
    assert read(told[:351])[0] == "falling"
    told[300] = 1.04
    assert read(told[:301])[0] != "spike"


def swinging(steps: int = 400) -> np.ndarray:
    k = np.arange(steps)
    losses: np.ndarray = np.exp(-k / 200) * (1 + 0.2 * (-1.0) ** k)
    return losses


@pytest.mark.parametrize(
    ("optimizer", "lr", "sharpness", "evidence"),
    [
        (PLAIN, 0.1, 19.8, "sharpness 19.8 where 2/rate is 20"),
        (HEAVY, 0.1, 36.0, "sharpness 36 where 3.8/rate is 38"),
        (Optimizer(name="nesterov", momentum=0.9), 0.1, 13.0, "where 1.36/rate is 13.6"),
        (ADAM, 0.1, 370.0, "sharpness 370 where 38/rate is 380"),
    ],
)
def test_at_the_edge(optimizer: Optimizer, lr: float, sharpness: float, evidence: str) -> None:
    verdict, said = read(swinging(), optimizer, lr, sharpness=sharpness)
    assert verdict == "at the edge"
    assert said.startswith("it rose in 25 of the last 50 steps; ")
    assert evidence in said
    assert read(swinging(), optimizer, lr, sharpness=0.8 * sharpness)[0] == "falling, swinging"
    assert read(swinging(), optimizer, lr)[0] == "falling, swinging"
    assert read(swinging(), "lion", lr, sharpness=1e9)[0] == "falling, swinging"
    smooth = np.exp(-np.arange(400) / 200)
    assert read(smooth, optimizer, lr, sharpness=sharpness)[0] == "falling"


def test_how_many_rises_make_it_swing() -> None:
    told = np.exp(-np.arange(400) / 200)
    told[380] *= 1.02
    assert read(told)[0] == "falling"
    told[360] *= 1.02
    assert read(told) == ("falling, swinging", "it rose in 2 of the last 50 steps")
    told[360], told[380] = np.exp(-360 / 200), 1.0000005 * told[379]  # rounding
    assert read(told)[0] == "falling"


def test_what_is_noise_is_not_called_swinging() -> None:
    assert read(noisy(swinging(), 0.1), whole=False)[0] == "falling"


def test_level_falling_and_rising() -> None:
    k = np.arange(1000)
    verdict, evidence = read(0.5 + np.exp(-k / 20))
    assert (verdict, evidence) == ("level", "within 5% of 0.5 for the last half of the run")
    verdict, evidence = read(noisy(0.5 - k / 20_000, 0.01), whole=False)
    assert verdict == "level"
    fell = re.search("for the last half of the run; it fell by (.*)%, beyond the noise$", evidence)
    assert fell is not None
    assert float(fell[1]) == pytest.approx(100 * 250 / 20_000 / 0.469, rel=0.1)
    told = np.concatenate([np.full(20, 1.0), 0.5 + k / 20_000])
    verdict, evidence = read(noisy(told, 0.01), whole=False)
    assert (verdict, "beyond" in evidence) == ("level", False)
    told = 1 / (1 + k / 300)
    verdict, evidence = read(told)
    assert verdict == "falling"
    end = checkpoint(1000)
    quarter = 1 - told[3 * end // 4 : end].mean() / told[end // 2 : 3 * end // 4].mean()
    assert evidence.endswith("% lower than a quarter of the run ago, beyond the noise")
    assert float(evidence.split("%")[0]) == pytest.approx(100 * quarter, abs=1)
    verdict, evidence = read(np.concatenate([[2.0], 0.5 + k / 2000]))
    assert verdict == "rising"
    assert "% higher than a quarter of the run ago, beyond the noise" in evidence
    verdict, evidence = read(noisy(np.ones(1000), 0.8).clip(0.01), whole=False)
    assert verdict == "cannot tell yet"
    assert "give or take" in evidence
    part, noise = map(float, re.findall(r"([\d.]+)%", evidence))
    assert noise > 5
    assert part < noise


def test_a_loss_that_goes_to_zero_is_not_level() -> None:
    assert read(np.exp(-np.arange(1000) / 50.0))[0] == "falling"
    assert read([1.0] + [0.0] * 500)[0] == "level"


def test_how_much_higher_is_never_absurd() -> None:
    told = noisy(np.concatenate([np.full(500, 0.0005), np.full(500, 1.0)]), 1.0).clip(1e-5)
    told[:10] = 5.0  # else it is above its start
    _, evidence = read(told[:600], whole=False)
    ratios = [float(r.replace(",", "")) for r in re.findall(r"×([\d,.]+)", evidence)]
    assert len(ratios) == 1
    assert ratios[0] > 100
    assert not re.search(r"\d{4,}%", evidence)


def test_too_few_losses() -> None:
    assert read([])[0] == "cannot tell yet"
    assert read([3.0]) == ("cannot tell yet", "too few losses to compare")
    assert read(np.exp(-np.arange(30) / 9))[0] == "cannot tell yet"
    assert read(np.exp(-np.arange(60) / 9))[0] == "falling"
    assert read([3.0] * 60)[0] == "level"


def test_settled_under_a_target() -> None:
    told = np.exp(-np.arange(200) / 20)
    first = int(np.argmax(told <= 0.01))
    said = read(told, target=0.01)
    assert said == ("settled", f"at step {first}, at most 0.01 from there on")
    assert read(told[: first + 1], target=0.01)[0] == "settled"
    assert read(told[:first], target=0.01)[0] != "settled"
    assert read([*told.tolist(), 0.02], target=0.01)[0] != "settled"
    # Of single batches one below the target says little.
    assert read(told[: first + 1], target=0.01, whole=False)[0] != "settled"
    assert read(told[: first + 60], target=0.01, whole=False)[0] == "settled"


def test_losses_below_zero_are_measured_from_the_best_one() -> None:
    k = np.arange(600)
    falling = 2 - 5 * (1 - np.exp(-k / 300))
    assert read(falling)[0] == "falling"
    assert read(-3 + 5 * np.exp(-k / 20))[0] == "level"
    assert read([2.0, -3.0, 2.2])[0] != "rising"
    assert read([2.0, -3.0, 2.3])[0] == "rising"
    assert read([2.0, -3.0, 4000.0])[0] == "rising"
    assert read([2.0, -3.0, 5100.0])[0] == "diverged"
    assert read([-1.0, -1.02, -1.04])[0] == "cannot tell yet"
    assert read([-1.0, -0.99, -0.97])[0] == "cannot tell yet"
    moved = trend(series_of((falling - 1000).tolist()))
    assert moved is not None
    assert moved.word == "falling"  # 1,000 lower is no more level


@pytest.mark.slow
def test_the_words_do_not_flicker() -> None:
    for told, whole in (
        (swinging(3000) + 0.01, True),
        (0.5 + np.exp(-np.arange(9000) / 20), True),
    ):
        series, words = LossSeries(), []
        for step, loss in enumerate(told.tolist()):
            series.append([step], [loss])
            verdict, _ = measure(
                series, PLAIN, 0.1, every_step_sees_all=whole, sharpness=None, target=None
            )
            words.append((checkpoint(step + 1), verdict))
        between = [a != b for (at, a), (now, b) in pairwise(words) if at == now]
        assert sum(between) <= 2  # from falling to swinging, and back
        changes = sum(a != b for (_, a), (_, b) in pairwise(words))
        assert changes < 12


@pytest.mark.slow
def test_under_noise_the_words_change_seldom() -> None:
    """Whatever the noise: one series alone may be lucky, or not."""
    counts = []
    for seed in range(12):
        told = noisy(0.05 + np.exp(-np.arange(3000) / 400), 0.3, seed).tolist()
        series, words = LossSeries(), []
        for step, loss in enumerate(told):
            series.append([step], [loss])
            if checkpoint(step + 1) == step + 1:
                verdict, _ = measure(
                    series, PLAIN, 0.1, every_step_sees_all=False, sharpness=None, target=None
                )
                words.append(verdict)
        counts.append(sum(a != b for a, b in pairwise(words)))
    assert np.mean(counts) < 8
    assert max(counts) < 16


def test_the_same_losses_mean_the_same_in_whatever_portions_they_come() -> None:
    told = noisy(0.05 + np.exp(-np.arange(20_000) / 3000), 0.3).tolist()
    for count in (100, 4095, 4096, 4200, 8191, 8200, 20_000):
        apart = LossSeries()
        for first in range(0, count, 77):
            apart.append(range(first, min(first + 77, count)), told[first : min(first + 77, count)])
        a, b = trend(apart), trend(series_of(told[:count]))
        assert a is not None
        assert b is not None
        assert a.word == b.word
        assert a.change == pytest.approx(b.change)
        later = trend(series_of(told[:count], first=10**6))
        assert later is not None
        assert later.change == pytest.approx(b.change)


def test_between_checkpoints_the_trend_stays_though_buckets_merge() -> None:
    told = noisy(np.ones(9000), 0.2)
    series, seen = LossSeries(), dict[int, float]()
    for first in range(0, 9000, 10):
        series.append(range(first, first + 10), told[first : first + 10].tolist())
        moved = trend(series)
        if moved is not None:
            at = checkpoint(first + 10)
            assert seen.setdefault(at, moved.change) == pytest.approx(moved.change)
    assert series.stride == 4


def test_checkpoints() -> None:
    at = [checkpoint(k) for k in range(1, 5000)]
    assert all(k * 0.95 < found <= k for k, found in enumerate(at, 1) if k > 60)
    assert all(a <= b for a, b in pairwise(at))
    octave = {found for found in at if 1024 < found <= 2048}
    assert len(octave) == 16


def test_with_gaps_between_the_steps() -> None:
    series = LossSeries()
    series.append(range(0, 50_000, 50), (0.5 + np.exp(-np.arange(1000) / 20)).tolist())
    said = measure(series, PLAIN, 0.1, every_step_sees_all=True, sharpness=None, target=None)
    assert said[0] == "level"
    sparse = LossSeries()
    sparse.append(range(0, 20_000, 1000), [1.0] * 20)
    said = measure(sparse, PLAIN, 0.1, every_step_sees_all=True, sharpness=None, target=None)
    assert said == ("cannot tell yet", "too few losses to compare")


# --- how often it is wrong: runs of problems and seeds that no rule was made on ---

OPTIMIZERS = {"sgd": PLAIN, "momentum": HEAVY, "adam": ADAM}
STEPS = 1050
EVERY = 10
"""Steps between two looks at the loss on all data, for the truth."""
LOOK = 50
"""Steps between two looks at the words."""

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class HeldOut:
    """A problem: inputs, targets, widths of a network, and the rates of SGD worth a try."""

    x: Tensor
    y: Tensor
    widths: tuple[int, ...]
    activation: Callable[[Tensor], Tensor]
    rates: tuple[float, float]

    def losses(self, weights: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
        """The loss of each of R runs: weights of shape [R, ...], inputs [R, n, d]."""
        for i in range(0, len(weights), 2):
            x = torch.baddbmm(weights[i + 1], x, weights[i])
            x = self.activation(x) if i + 2 < len(weights) else x
        if y.dtype == torch.long:
            each = torch.nn.functional.cross_entropy(x.transpose(1, 2), y, reduction="none")
            return each.mean(dim=1)
        return ((x - y) ** 2).mean(dim=(1, 2))

    def weights(self, seeds: Sequence[int]) -> list[Tensor]:
        """The first weights of a run for each seed, as torch.nn.Linear draws them."""
        runs: list[list[Tensor]] = []
        for seed in seeds:
            rng = torch.Generator().manual_seed(seed)
            runs.append([])
            for fan, out in pairwise(self.widths):
                for rows in (fan, 1):
                    drawn = torch.rand(rows, out, generator=rng) * 2 - 1
                    runs[-1].append(drawn * fan**-0.5)
        return [torch.stack(same).requires_grad_() for same in zip(*runs, strict=True)]


def held_out(seed: int, n: int = 96) -> list[HeldOut]:
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=rng)

    x = normal(n, 5)
    x[:, 1] = x[:, 0] + 0.3 * x[:, 1]
    linear = HeldOut(x, x @ normal(5, 1) + 0.5 * normal(n, 1), (5, 1), torch.tanh, (0.002, 3.0))
    label = torch.randint(0, 3, (n,), generator=rng)
    x = 1.2 * normal(3, 4)[label] + normal(n, 4)
    blobs = HeldOut(x, label, (4, 3), torch.tanh, (0.003, 18.0))
    x = 4 * uniform(n, 2) - 2
    y = x[:, :1] * x[:, 1:] + 0.1 * normal(n, 1)
    saddle = HeldOut(x, y, (2, 24, 1), torch.tanh, (0.001, 1.5))
    x = torch.linspace(-1, 1, n)[:, None]
    y = 0.8 * torch.sign(torch.sin(5 * x)) + 0.1 * normal(n, 1)
    stairs = HeldOut(x, y, (1, 32, 16, 1), torch.relu, (0.002, 3.0))
    radius, angle = 2 * uniform(n, 1), 6.283 * uniform(n, 1)
    x = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
    ring = ((radius > 0.8) & (radius < 1.5)).long()[:, 0]
    label = torch.where(uniform(n) < 0.08, 1 - ring, ring)
    rings = HeldOut(x, label, (2, 24, 2), torch.relu, (0.005, 15.0))
    return [linear, blobs, saddle, stairs, rings]


def train(
    problem: HeldOut, batch: int | None, lrs: Mapping[str, np.ndarray], seeds: Sequence[int]
) -> Iterator[tuple[str, float, int, np.ndarray, np.ndarray]]:
    """Train a run for each optimizer, rate and seed, all at once.

    With all samples a step the seed draws the first weights, with batches their order.

    Yields:
        Optimizer, rate and number of the seed; the losses as a run tells them, shape [STEPS + 1],
        and those on all data every ``EVERY`` steps.
    """
    keys = [(kind, lr) for kind, rates in lrs.items() for lr in rates.tolist()]
    count, n = len(keys) * len(seeds), len(problem.x)
    weights = problem.weights([*(seeds if batch is None else [seeds[0]] * len(seeds))] * len(keys))

    def column(values: Iterable[float]) -> Tensor:
        return torch.tensor([*values]).repeat_interleave(len(seeds))[:, None, None]

    lr = column(lr for _, lr in keys)
    keeps = column(0.9 if kind != "sgd" else 0.0 for kind, _ in keys)
    takes = column(0.1 if kind == "adam" else 1.0 for kind, _ in keys)
    is_adam = column(kind == "adam" for kind, _ in keys)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    x, y = (part.expand(count, *part.shape) for part in (problem.x, problem.y))
    means, squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    told, whole = [], []
    rows = torch.zeros(0)
    for k in range(STEPS + 1):
        if batch is None:
            losses = problem.losses(weights, x, y)
        else:
            if k % EVERY == 0:
                with torch.no_grad():
                    whole.append(problem.losses(weights, x, y))
            place = k % (n // batch)
            if place == 0:
                rows = torch.stack([torch.randperm(n, generator=order) for order in orders])
            these = rows[:, place * batch : (place + 1) * batch].repeat(len(keys), 1)
            losses = problem.losses(weights, problem.x[these], problem.y[these])
        told.append(losses.detach())
        slopes = torch.autograd.grad(losses.sum(), weights)
        with torch.no_grad():
            for w, slope, mean, square in zip(weights, slopes, means, squares, strict=True):
                mean.mul_(keeps).add_(takes * slope)
                square.mul_(0.999).addcmul_(slope, slope, value=0.001)
                root = (square / (1 - 0.999 ** (k + 1))).sqrt() + 1e-8
                w -= lr * torch.where(is_adam, mean / (1 - 0.9 ** (k + 1)) / root, mean)
    tells = torch.stack(told).T.numpy().astype(float)
    truths = tells if batch is None else torch.stack(whole).T.numpy().astype(float)
    for (i, (kind, rate)), j in product(enumerate(keys), range(len(seeds))):
        row = i * len(seeds) + j
        yield kind, rate, j, tells[row], truths[row]


def gain(whole: np.ndarray, k: int, every: int) -> float:
    """By which share the loss will be lower after step k than it is now."""

    def mean(first: float, end: float) -> float:
        return float(whole[int(first / every) : int(end / every)].mean())

    return 1 - mean(1.25 * k, 1.5 * k) / mean(0.75 * k, k)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_how_often_the_words_are_wrong() -> None:
    diverged, trends, runs = Counter[tuple[str, bool]](), Counter[tuple[str, str]](), 0
    torch.set_num_threads(1)
    for number, problem in enumerate(held_out(seed=2027)):
        lrs = {
            kind: np.geomspace(*((1e-4, 1.0) if kind == "adam" else problem.rates), 5)
            * (0.3 if kind == "momentum" else 1.0)
            for kind in OPTIMIZERS
        }
        for batch in (None, (4, 16)[number % 2]):
            seeds = [*range(200, 202 if batch is None else 206)]
            every = 1 if batch is None else EVERY
            found = [*train(problem, batch, lrs, seeds)]
            runs += len(found)
            for kind, lr, _, losses, whole in found:
                words, said = follow(losses, OPTIMIZERS[kind], lr, batch is None)
                blown = not np.isfinite(losses).all()
                ended = np.median(whole[-max(75 // every, 1) :])
                end = "blown" if blown else "above" if ended > whole[0] else "below"
                diverged[end, "diverged" in words] += 1
                # The truth of a noisy run: the loss on all data, over several orders.
                same = [run[4] for run in found if run[:2] == (kind, lr)]
                truth = whole if batch is None else np.mean(same, axis=0)
                for k, word in said.items() if np.isfinite(truth).all() else ():
                    gained = gain(truth, k, every)
                    if abs(gained) < 0.02:
                        trends["level", word] += 1
                    elif gained > 0.10:
                        trends["falling", word] += 1
    print(runs, "runs", diverged, trends)
    assert runs >= 400
    assert diverged["below", True] == 0
    assert diverged["blown", False] == 0
    assert diverged["blown", True] > 40
    level = sum(count for (truth, _), count in trends.items() if truth == "level")
    falling = sum(count for (truth, _), count in trends.items() if truth == "falling")
    assert level > 400
    assert falling > 400
    assert trends["level", "falling"] <= 0.04 * level
    assert trends["falling", "level"] <= 0.04 * falling
    assert trends["level", "level"] >= 0.5 * level
    assert trends["falling", "falling"] >= 0.6 * falling


def follow(
    losses: np.ndarray, optimizer: Optimizer, lr: float, whole: bool
) -> tuple[set[str], dict[int, str]]:
    """All words that were said of a run, and the trend at some steps."""
    told = [loss if np.isfinite(loss) else None for loss in losses.tolist()]
    series = LossSeries()
    words: set[str] = set()
    found: dict[int, str] = {}
    for first in range(0, len(told), LOOK):
        part = told[first : first + LOOK]
        series.append(range(first, first + len(part)), part)
        said, _ = measure(
            series, optimizer, lr, every_step_sees_all=whole, sharpness=None, target=None
        )
        words.add(said)
        if first + LOOK in (200, 400, 700) and series.broken is None:
            moved = trend(series)
            assert moved is not None
            found[first + LOOK] = moved.word
    return words, found


def test_a_loss_that_may_pass_through_its_target_has_settled_once_it_stayed() -> None:
    series = LossSeries(target=1.0)
    series.append(range(61), [*np.linspace(8.0, 0.9, 61)])
    assert series.under_since is not None
    assert not has_settled(series, every_step_sees_all=True, is_over=False)
    assert has_settled(series, every_step_sees_all=True, is_over=True)
    assert not has_settled(series, every_step_sees_all=False, is_over=True)
    since = series.under_since
    series.append(range(61, since + 51), [0.9] * (since - 10))
    assert has_settled(series, every_step_sees_all=True, is_over=False)
    assert has_settled(series, every_step_sees_all=False, is_over=False)
    series.append([since + 51], [1.1])
    assert not has_settled(series, every_step_sees_all=True, is_over=True)
