"""What a curve means where nothing but its losses is known, and perhaps the sharpness.

Each rule has a known rate of errors, see ``tests/run/test_measured.py``. The trend is judged at
checkpoints only, so that the words do not flicker.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lrtui.messages import Optimizer
from lrtui.run.advice import share
from lrtui.run.diagnosis import BLOWN, BLOWN_ADAPTIVE, Verdict
from lrtui.run.series import Floats, LossSeries

LEVEL = 0.05
"""A loss that moved by less than this share over a quarter of the run, noise included, is level."""

WITHIN, BEYOND = 1.73, 2.1
"""Standard errors that a loss is level within, and falls or rises beyond: one in twenty is wrong by
chance, on one side and on either, at 18 degrees of freedom."""

BLOCKS = 10
"""Block means in each of the two quarters that are compared."""

OCTAVE = 16
"""Checkpoints while the number of steps doubles: the trend is judged again every 4%."""

ABOVE = 100
"""Losses in a row above the first one that mean something (1 false alarm in 525 runs, against 178
for a single one)."""

SPIKE = 1.05
"""A loss above that many times the first is a spike."""

LINGERS = 50
"""Steps for which a spike is still told; of single batches half have to be."""

SWING = 50
"""Steps in which rises are counted."""

FEWEST_RISES = 2
"""Rises in ``SWING`` steps that make a loss swing: more than 2%."""

RISE = 1e-6
"""Relative difference from which on a loss rises: less is float32 rounding."""

EDGE = 0.9
"""Share of the largest stable product of rate and sharpness from which on a run is at the edge."""

STEADY = 50
"""Batches in a row under the target that make a run settled, where each step sees few samples."""


TINY = 1e-38
"""The smallest float32, in place of a zero that would be divided by."""


class Trend(NamedTuple):
    """How the loss moved between the third and the last quarter of a run.

    Attributes:
        word: what it did.
        change: by how much it is lower, negative where it is higher.
        noise: the standard error of that.
        level: mean of the last quarter.
        by: what shares of the level are shares of: the way come where losses can be negative.
        was: the same for what it was before.
    """

    word: Verdict
    change: float
    noise: float
    level: float
    by: float
    was: float


def measure(
    series: LossSeries,
    optimizer: Optimizer | str,
    lr: float,
    *,
    every_step_sees_all: bool,
    sharpness: float | None,
    target: float | None,
) -> tuple[Verdict, str]:
    """Return what the losses so far mean, and the evidence, a short sentence of measured numbers.

    The same losses always mean the same, in whatever portions they came.

    Args:
        series: the losses; those of a run that was run ahead to its end serve as well.
        optimizer: what takes the steps; in words where it is none of torch's.
        lr: learning rate.
        every_step_sees_all: whether each step sees all samples, so that its loss has no noise.
        sharpness: measured last, of the preconditioned Hessian for Adam; ``None`` where unknown.
        target: loss at which the run counts as settled, that of the series.
    """
    if series.broken is not None:
        return "diverged", f"not finite at step {series.broken:,}"
    if not series.count:
        return "cannot tell yet", "no loss yet"
    # Of single batches the first may be small by chance.
    start = series.first if every_step_sees_all else series.opening
    base, height = scale(series, start)
    known = optimizer if isinstance(optimizer, Optimizer) and optimizer.name != "own" else None
    times = BLOWN if known and not known.is_adaptive else BLOWN_ADAPTIVE
    # A single batch can be off by a factor of thousands and mean nothing, half of them cannot.
    late = series.recent[-LINGERS:]
    now = float(late.max() if every_step_sees_all else np.median(late))
    half = "" if every_step_sees_all else f"half of the last {len(late)} losses over "
    if now > base + times * height:
        return "diverged", f"{half or 'loss '}{now:.3g}, over {times:,.0f} times the first"
    if target is not None and series.under_since is not None:
        since = series.under_since
        if every_step_sees_all or int(series.recent_steps[-1]) - since >= STEADY:
            return "settled", f"at step {since:,}, at most {target:.4g} from there on"
    if (series.recent[-ABOVE:] > start).all():  # as long as they are fewer, the first is there
        return "above its start", f"the last {ABOVE} losses are all above {start:.4g}"
    if now > start + (SPIKE - 1) * height:
        within = "" if half else f" within the last {len(late)} steps"
        return "spike", f"{half or 'loss '}{now:.3g}{within}, the first was {start:.3g}"
    moved = trend(series)
    if moved is None:
        return "cannot tell yet", "too few losses to compare"
    if moved.word == "falling" and every_step_sees_all:
        rises = rises_of_late(series)
        if rises >= FEWEST_RISES:
            said = f"falling and swinging, {rises} rises in {SWING} steps"
            allowed = known.threshold if known else math.inf
            if sharpness is not None and lr * sharpness >= EDGE * allowed:
                edge = f"sharpness {sharpness:.3g} where {allowed:.3g}/rate is {allowed / lr:.3g}"
                return "at the edge", f"{said}; {edge}"
            return "falling, swinging", said
    return moved.word, in_words(moved)


def scale(series: LossSeries, start: float) -> tuple[float, float]:
    """Return what a loss is measured from, and what it is measured by.

    Zero and the first loss; where losses can be negative, the best loss so far and the way that
    was come.
    """
    if series.smallest >= 0:
        return 0.0, max(start, TINY)
    return series.smallest, max(start - series.smallest, abs(start))


def checkpoint(steps: int) -> int:
    """Return the last step at which the trend is judged: 2^(j/16), rounded down."""
    if steps < 1:
        return 0
    j = math.floor(OCTAVE * math.log2(steps))
    after = math.floor(2 ** ((j + 1) / OCTAVE))  # rounding of the logarithm
    return after if after <= steps else math.floor(2 ** (j / OCTAVE))


def trend(series: LossSeries) -> Trend | None:
    """Return how the loss moved of late, ``None`` as long as there are too few losses.

    Of the quarters A = (k/2, 3k/4] and B = (3k/4, k] of k steps ten block means each are taken,
    with d the difference of their means and e its standard error. Level if |d| + 1.73·e is at most
    5% of the mean of B, else falling or rising if |d| is over 2.1·e, else nobody can tell yet.
    """
    k = checkpoint(int(series.recent_steps[-1]) - series.origin + 1)
    size = k // (4 * BLOCKS)
    if not size:
        return None
    means = series.means(k - size * np.arange(2 * BLOCKS, -1, -1))
    if np.isnan(means).any():
        return None
    before, after = means[:BLOCKS], means[BLOCKS:]
    level = float(after.mean())
    moved = float(before.mean()) - level
    error = math.sqrt((before.var(ddof=1) + after.var(ddof=1)) / BLOCKS)
    way = series.first - series.smallest
    by, was = (way, way) if series.smallest < 0 else (level, level + moved)
    word: Verdict = "cannot tell yet"
    if abs(moved) + WITHIN * error <= LEVEL * by:
        word = "level"
    elif abs(moved) > BEYOND * error:
        word = "falling" if moved > 0 else "rising"
    return Trend(word, moved, error, level, by, was)


def rises_of_late(series: LossSeries) -> int:
    """Return in how many of ``SWING`` steps in a row the loss rose, the most of all of late."""
    losses: Floats = series.recent
    rose = np.diff(losses) > RISE * np.abs(losses[:-1])
    counts = np.convolve(rose, np.ones(SWING), mode="valid") if len(rose) >= SWING else rose.sum()
    return int(np.max(counts))


def in_words(moved: Trend) -> str:
    """Say how the loss moved."""
    ago = "than a quarter of the run ago"
    part = share(abs(moved.change) / max(moved.was, TINY))
    match moved.word:
        case "level":
            return f"within 5% of {moved.level:.4g} for the last half of the run"
        case "falling":
            return f"{part} lower {ago}, beyond the noise"
        case "rising":
            return f"{part} higher {ago}, beyond the noise"
    way = "lower" if moved.change > 0 else "higher"
    noise = share(BEYOND * moved.noise / max(moved.was, TINY))
    return f"{part} {way} {ago}, give or take {noise}"


def level_since(series: LossSeries, *, every_step_sees_all: bool) -> int | None:
    """Return the step from which on the loss stays within 5% of where it ends, if that is level.

    Where steps see few samples each, it is the mean over a fortieth of the run that stays, three
    of its deviations aside.
    """
    moved = trend(series) if series.count else None
    if moved is None or moved.word != "level":
        return None
    by = LEVEL * moved.by
    if every_step_sees_all:
        return series.within_since(moved.level - by, moved.level + by)
    steps = int(series.recent_steps[-1]) - series.origin + 1
    by += 3 * moved.noise * math.sqrt(BLOCKS / 2)
    size = max(steps // (4 * BLOCKS), 1)
    edges = np.arange(steps % size, steps + 1, size)
    outside = np.flatnonzero(~(np.abs(series.means(edges) - moved.level) <= by))
    since = int(edges[outside[-1] + 1]) if len(outside) else 0
    return None if since >= edges[-1] else series.origin + since
