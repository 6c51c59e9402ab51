"""What losses of the same batches at two rates allow to be said."""

from __future__ import annotations

import math
import random

import pytest

from lrtui.analysis.comparison import (
    AS_GOOD,
    BETTER,
    HIGHER_FOR_NOW,
    IN_FORCE,
    LOWER_FOR_NOW,
    NOT_TOO_HIGH,
    SEVERAL,
    TOO_FEW,
    compare,
)


def noisy(mean: float, steps: int = 100, seed: int = 0) -> list[float]:
    """Return losses whose noise is that of the batches, the same at each rate."""
    draw = random.Random(seed)
    return [mean * (1 + 0.1 * draw.gauss(0, 1)) for _ in range(steps)]


BASE = noisy(2.0)


@pytest.mark.parametrize(
    ("factor", "mean", "word"),
    [
        (2, 1.8, BETTER),
        (4, 2.2, HIGHER_FOR_NOW),
        (0.5, 2.2, NOT_TOO_HIGH),
        (0.5, 1.8, LOWER_FOR_NOW),
        (2, 1.96, AS_GOOD),  # 2 %
        (2, 2.04, AS_GOOD),
    ],
)
def test_the_word_follows_from_which_rate_is_lower(factor: float, mean: float, word: str) -> None:
    found = compare(factor, noisy(mean), BASE)
    assert found.word == word
    assert found.difference == pytest.approx(mean / 2 - 1, rel=1e-3)
    assert found.is_better == (word == BETTER)


def test_of_one_loss_of_several_lower_is_not_better() -> None:
    for mean, word in ((1.8, SEVERAL), (2.2, SEVERAL), (1.96, AS_GOOD), (9.0, "rose")):
        assert compare(2, noisy(mean), BASE, several=True).word.startswith(word)


def test_only_the_last_half_counts() -> None:
    early = [loss * (0.5 if i < 50 else 1) for i, loss in enumerate(BASE)]
    assert compare(2, early, BASE).word == AS_GOOD


def test_a_difference_within_the_noise_is_none() -> None:
    # Four per cent lower, but with noise of its own: not paired with that of the batches.
    words = [compare(2, noisy(1.92, seed=seed), BASE).word for seed in range(1, 30)]
    assert words.count(AS_GOOD) > 15


def test_a_rise_is_told_from_a_higher_loss() -> None:
    rises = [loss * (1 + i) for i, loss in enumerate(BASE)]
    found = compare(4, rises, BASE)
    assert found.difference == math.inf
    assert found.word.startswith("rose ")
    assert found.word.endswith("-fold within 100 steps")
    for broken in ([*BASE[:90], *[math.nan] * 10], [*BASE[:90], *[math.inf] * 10], BASE[:50]):
        assert compare(4, broken, BASE).word == "rose out of bounds within 100 steps"


def test_where_nothing_can_be_said() -> None:
    assert compare(1, BASE, BASE).word == IN_FORCE
    assert compare(2, BASE[:99], BASE[:99]).word == TOO_FEW
    assert compare(2, BASE[:10], BASE[:10]).word == ""
    below = [-loss for loss in BASE]
    assert compare(2, below, below).word == ""
    assert compare(2, BASE, [*BASE[:99], math.nan]).word == ""
