"""What a curve means where nothing but its losses is known, and perhaps the sharpness.

Each rule has a known rate of errors. Of the lab's runs: ``tests/analysis/test_measured.py``. Of
mini-batch trainings of seven kinds of network with AdamW and SGD, on seeds that no rule was tuned
on (370 trainings, 414,400 steps, ``python -m tests.benchmarks.verdicts``): *falling* was said at 19
of 671 moments at which the loss without noise was level, *level* at 2 of 2,207 at which it fell,
*diverged* never though it had not, and of 39 rises after a rate that jumped 38 were told. The trend
is judged at checkpoints only, so that the words do not flicker.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lrtui.analysis.advice import share
from lrtui.analysis.diagnosis import (
    DIVERGED_FACTOR,
    DIVERGED_FACTOR_ADAPTIVE,
    RISEN_FACTOR,
    STEADY,
    Verdict,
)
from lrtui.analysis.series import OPENING, Floats, LossSeries
from lrtui.analysis.spikes import GROWTH_FACTOR, Spike, times_text
from lrtui.messages import Optimizer

LEVEL_SHARE = 0.05
"""A loss that moved by less than this share over a quarter of the run, noise included, is level."""

WITHIN, BEYOND = 1.73, 2.1
"""Standard errors that a loss is level within, and falls or rises beyond: one in twenty is wrong by
chance, on one side and on either, at 18 degrees of freedom."""

BLOCKS = 10
"""Block means in each of the two quarters that are compared."""

OCTAVE = 16
"""Checkpoints while the number of steps doubles: the trend is judged again every 4%."""

STEPS_ABOVE_START = 100
"""Losses in a row above the first one that mean something (1 false alarm in 525 runs, against 178
for a single one)."""

SPIKE_SHOWN_STEPS = 50
"""Steps for which a spike is still told; of single batches half have to be."""

LAST_BATCHES = 10
"""Losses of single batches that all have to be above each of the first ``OPENING`` for a loss to
have risen: those of a level one are so once in 180,000 times."""

NON_FINITE_IN_A_ROW = 2
"""Losses of single batches that have to be non-finite: a GradScaler leaves out a step of one."""

SWING_WINDOW = 50
"""Steps in which rises are counted."""

FEWEST_RISES = 2
"""Rises in ``SWING_WINDOW`` steps that make a loss swing: more than 2%."""

MIN_RISE = 1e-6
"""Relative difference from which on a loss rises: less is float32 rounding."""

EDGE_SHARE = 0.9
"""Share of the largest stable product of rate and sharpness from which on a run is at the edge."""

MIN_FLOAT32 = 1e-38
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
        quarter: steps of it, where only a part of the run was judged; ``None`` for the whole run.
    """

    word: Verdict
    change: float
    noise: float
    level: float
    by: float
    was: float
    quarter: int | None = None


def measure(
    series: LossSeries,
    optimizer: Optimizer | str,
    lr: float,
    *,
    every_step_sees_all: bool,
    sharpness: float | None,
    target: float | None,
    spike: Spike | None = None,
    is_over: bool = True,
) -> tuple[Verdict, str]:
    """Return what the losses so far mean, and the evidence, a short sentence of measured numbers.

    The same losses always mean the same, in whatever portions they came.

    Args:
        series: the losses; those of a run that was run ahead to its end serve as well.
        optimizer: the optimizer, in words if it is none of torch's.
        lr: learning rate.
        every_step_sees_all: whether each step sees all samples, so that its loss has no noise.
        sharpness: measured last, of the preconditioned Hessian for Adam; ``None`` if unknown.
        target: loss at which the run counts as settled, that of the series.
        spike: the last one, where steps do not see all samples.
        is_over: whether these are all losses of the run.
    """
    if not series.count:
        return "cannot tell yet", "no loss yet"
    lost, row = series.non_finite_since, 1 if every_step_sees_all else NON_FINITE_IN_A_ROW
    if lost is not None and np.isnan(series.recent[-row:]).all():
        since = "at" if lost == series.recent_steps[-1] else "since"
        return "diverged", f"not finite {since} step {lost:,}"
    if not np.isfinite(series.recent).any():
        return "cannot tell yet", "no finite loss"
    # Of single batches the first may be small by chance.
    start = series.first if every_step_sees_all else series.opening
    base, height = scale(series, start)
    known = optimizer if isinstance(optimizer, Optimizer) and optimizer.name != "own" else None
    times = DIVERGED_FACTOR if known and not known.is_adaptive else DIVERGED_FACTOR_ADAPTIVE
    # A single batch can be off by a factor of thousands and mean nothing, half of them cannot.
    late = series.recent[np.isfinite(series.recent)][-SPIKE_SHOWN_STEPS:]
    now = float(late[-2:].max() if every_step_sees_all else np.median(late))
    if now > base + times * height:
        if every_step_sees_all:
            return "diverged", f"loss {now:.3g}, over {times:,.0f} times the first"
        said = f"half of the last {len(late)} losses over {now:.3g}"
        return "diverged", f"{said}, {times:,.0f} times the largest of the first {OPENING}"
    if target is not None and series.under_since is not None:
        since_step = series.under_since
        if has_settled(series, every_step_sees_all, is_over):
            return "settled", f"at step {since_step:,}, at most {target:.4g} from there on"
    risen = rise(series, start, (RISEN_FACTOR - 1) * height, every_step_sees_all)
    if spike is not None and spike.over is None and (spike.level <= start or risen is None):
        if spike.is_brief:
            return "rising" if spike.still_rises else "spike", spike.in_words()
        return "above its level", spike.in_words()
    if risen is not None:
        return risen
    back = came_back(series, spike)
    moved = trend(series, back)
    if moved is None:
        return "cannot tell yet", "too few losses to compare"
    if moved.word == "falling" and every_step_sees_all:
        rises = rises_of_late(series)
        if rises >= FEWEST_RISES:
            said = f"it rose in {rises} of the last {SWING_WINDOW} steps"
            allowed = known.threshold if known else math.inf
            if sharpness is not None and lr * sharpness >= EDGE_SHARE * allowed:
                edge = f"sharpness {sharpness:.3g} where {allowed:.3g}/rate is {allowed / lr:.3g}"
                return "at the edge", f"{said}; {edge}"
            return "falling, swinging", said
    return moved.word, in_words(moved)


def has_settled(series: LossSeries, every_step_sees_all: bool, is_over: bool) -> bool:
    """Return whether a loss at its target has stayed there.

    Momentum and Adam may pass through a minimum, and a single batch is below it by chance: a loss
    has settled after ``STEADY`` steps, or at the end of a run whose steps see all the data.
    """
    since = series.under_since
    if since is None:
        return False
    return (every_step_sees_all and is_over) or int(series.recent_steps[-1]) - since >= STEADY


def rise(
    series: LossSeries, start: float, by: float, every_step_sees_all: bool
) -> tuple[Verdict, str] | None:
    """Return what a loss above where it started means, ``None`` where it is not.

    Args:
        series: the losses.
        start: the first, or the largest of the first few.
        by: how far above it a loss has to be.
        every_step_sees_all: whether its losses have no noise.
    """
    finite = series.recent[np.isfinite(series.recent)]
    above = f"the first was {start:.3g}"
    if not every_step_sees_all:
        above = f"none of the first {OPENING} was over {start:.3g}"
        late = finite[-LAST_BATCHES:]
        now = float(late.min())
        if len(finite) < OPENING + LAST_BATCHES or now <= start + by:
            return None
        said = f"none of the last {LAST_BATCHES} losses is under {now:.3g}, {above}"
    else:
        late = finite[-SPIKE_SHOWN_STEPS:]
        peak, now = float(late.max()), float(late[-2:].max())
        if peak <= start + by:
            return None
        if peak - now > (peak - start) / 2:
            return "spike", f"loss {peak:.3g} within the last {len(late)} steps, {above}"
        said = f"loss {now:.3g}, {above}"
    under = np.flatnonzero(finite <= start)
    row = len(finite) - (int(under[-1]) + 1 if len(under) else 0)
    older, newer = (
        float(np.median(half)) for half in np.array_split(finite[-SPIKE_SHOWN_STEPS:], 2)
    )
    if older <= start or newer - start > GROWTH_FACTOR * (older - start):
        return "rising", said
    if row >= STEPS_ABOVE_START:
        said = f"the last {STEPS_ABOVE_START} losses are all above {start:.4g}"
    return "above its start", said


def came_back(series: LossSeries, spike: Spike | None) -> int | None:
    """Return the step at which the loss came back last from a rise or from no finite losses."""
    lost = series.non_finite()
    steps = [lost[-1][1] + 1] if lost else []
    if spike is not None and spike.over is not None:
        steps.append(spike.step + spike.over)
    return max(steps, default=None)


def scale(series: LossSeries, start: float) -> tuple[float, float]:
    """Return what a loss is measured from, and what it is measured by.

    Zero and the first loss; where losses can be negative, the best loss so far and the way that
    was come.
    """
    if series.smallest >= 0:
        return 0.0, max(start, MIN_FLOAT32)
    return series.smallest, max(start - series.smallest, abs(start))


def checkpoint(steps: int) -> int:
    """Return the last step at which the trend is judged: 2^(j/16), rounded down."""
    if steps < 1:
        return 0
    j = math.floor(OCTAVE * math.log2(steps))
    after = math.floor(2 ** ((j + 1) / OCTAVE))  # rounding of the logarithm
    return after if after <= steps else math.floor(2 ** (j / OCTAVE))


def trend(series: LossSeries, since: int | None = None) -> Trend | None:
    """Return how the loss moved recently, ``None`` while there are too few losses.

    Args:
        series: the losses.
        since: step from which on alone it is judged, where the half before that is part of it.

    Of the quarters A = (k/2, 3k/4] and B = (3k/4, k] of k steps ten block means each are taken,
    with d the difference of their means and e its standard error. Level if |d| + 1.73·e is at most
    5% of the mean of B, else falling or rising if |d| is over 2.1·e, else nobody can tell yet.
    """
    steps = int(series.recent_steps[-1]) - series.origin + 1
    begin = 0 if since is None else since - series.origin
    begin = begin if begin > checkpoint(steps) // 2 else 0
    k = checkpoint(steps - begin)
    if k < 4 * BLOCKS:
        return None
    # To the last half of the steps there are as many blocks of as equal sizes as can be.
    back = k * np.arange(2 * BLOCKS, -1, -1) // (4 * BLOCKS)
    means = series.means(begin + k - back)
    if np.isnan(means).any():
        return None
    before, after = means[:BLOCKS], means[BLOCKS:]
    level = float(after.mean())
    moved = float(before.mean()) - level
    error = math.sqrt((before.var(ddof=1) + after.var(ddof=1)) / BLOCKS)
    way = series.first - series.smallest
    by, was = (way, way) if series.smallest < 0 else (level, level + moved)
    word: Verdict = "cannot tell yet"
    if abs(moved) + WITHIN * error <= LEVEL_SHARE * by:
        word = "level"
    elif abs(moved) > BEYOND * error:
        word = "falling" if moved > 0 else "rising"
    return Trend(word, moved, error, level, by, was, k // 4 if begin else None)


def rises_of_late(series: LossSeries) -> int:
    """Return the most rises in ``SWING_WINDOW`` steps in a row, among the recent losses."""
    losses: Floats = series.recent
    rose = np.diff(losses) > MIN_RISE * np.abs(losses[:-1])
    counts = (
        np.convolve(rose, np.ones(SWING_WINDOW), mode="valid")
        if len(rose) >= SWING_WINDOW
        else rose.sum()
    )
    return int(np.max(counts))


def in_words(moved: Trend) -> str:
    """Say how the loss moved."""
    if moved.quarter is None:
        before, half = "a quarter of the run ago", "the last half of the run"
    else:
        before, half = f"{moved.quarter:,} steps ago", f"{2 * moved.quarter:,} steps"
    ago = f"than {before}"
    part = share(abs(moved.change) / max(moved.was, MIN_FLOAT32))
    if moved.change < -moved.was:  # more than twice as high
        part, ago = times_text(1 - moved.change / max(moved.was, MIN_FLOAT32)), before
    way = "lower" if moved.change > 0 else "as high as" if part[0] == "×" else "higher"
    match moved.word:
        case "level":
            return f"within 5% of {moved.level:.4g} for {half}"
        case "falling" | "rising":
            return f"{part} {way} {ago}, beyond the noise"
    noise = BEYOND * moved.noise / max(moved.was, MIN_FLOAT32)
    give_or_take = f"give or take {share(noise)}" if noise < 10 else "within the noise"
    return f"{part} {way} {ago}, {give_or_take}"
