"""The verdict on a run of which only the losses are known, and perhaps the sharpness.

Each rule has a known error rate. For runs of the lab see ``tests/analysis/test_measured.py``. On
mini-batch trainings of seven kinds of network with AdamW and SGD, with seeds that no rule was tuned
on (370 trainings, 414,400 steps, ``python -m tests.benchmarks.verdicts``): *falling* in 20 of 671
cases in which the noiseless loss was level, *level* in 2 of 2,207 in which it fell; that a level
loss still fell was said 81 times and never wrong; no false *diverged*, and 38 of 39 rises after a
jump of the rate detected. The trend is judged at checkpoints only, so that the words do not
flicker.
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
from lrtui.analysis.series import OPENING, Floats, LossSeries, quantile
from lrtui.analysis.spikes import GROWTH_FACTOR, Spike, times_text
from lrtui.messages import Optimizer

LEVEL_SHARE = 0.05
"""A loss is level if it moved by less than this share over a quarter of the run, noise included."""

FALL_SHARE = 0.01
"""From this share on it is said that a level loss fell, if that is beyond the noise. (That it rose
is not said: it was wrong in 2 of 2 cases.)"""

WITHIN, BEYOND = 1.73, 2.1
"""Standard errors for a level loss, and for a falling or rising one: the one- and the two-sided 5%
quantile of Student's t at 18 degrees of freedom."""

BLOCKS = 10
"""Block means in each of the two quarters compared."""

OCTAVE = 16
"""Checkpoints per doubling of the steps: the trend is judged every 4%."""

STEPS_ABOVE_START = 100
"""Losses in a row above the first one that are significant: 1 false alarm in 525 runs, against 178
for a single loss."""

SPIKE_SHOWN_STEPS = 50
"""Steps for which a spike is shown; with mini-batches, half of these losses must be high."""

LAST_BATCHES = 10
"""Mini-batch losses that must all exceed each of the first ``OPENING`` for a rise: by chance once
in 180,000 times."""

RANK_DEVIATIONS = 3.7
"""Or by so many standard deviations the last ``SPIKE_SHOWN_STEPS`` must rank above the first
``OPENING``: by chance in one of ten thousand trainings whose loss does not move."""

JUMP, NOT_BACK = 2.0, 0.6
"""Or the loss must have jumped by this factor right after its first step or two, further than noise
explains, and this share of the recent losses must exceed those before."""

JUMPS = ((1, 0.008), (2, 0.05))
"""Losses before the jump, and the largest share of the recent losses that may be as small, each
relative to what surrounds it: by chance in up to 1.8% of looks at a loss of few samples that does
not move."""

MIN_RANKED = 125
"""Least recent losses for that."""

NON_FINITE_IN_A_ROW = 2
"""Non-finite mini-batch losses for a divergence, as a GradScaler skips the step of a single one."""

SWING_WINDOW = 50
"""Steps in which to count rises."""

MIN_RISES = 2
"""Rises in ``SWING_WINDOW`` steps above which a loss swings."""

MIN_RISE = 1e-6
"""Least relative rise of a loss, beyond float32 rounding."""

EDGE_SHARE = 0.9
"""Share of the largest stable product of rate and sharpness above which a run is at the edge."""

MIN_FLOAT32 = 1e-38
"""The smallest normal float32, to avoid dividing by zero."""


class Trend(NamedTuple):
    """Change of the loss between the third and the last quarter of a run.

    Attributes:
        word: the verdict.
        change: decrease of the loss, negative for a rise.
        noise: standard error of the change.
        level: mean of the last quarter.
        by: unit of a change relative to the level: the total fall if losses can be negative.
        was: the same relative to the third quarter.
        quarter: its steps if only a part of the run was judged, ``None`` for the whole run.
    """

    word: Verdict
    change: float
    noise: float
    level: float
    by: float
    was: float
    quarter: int | None = None

    @property
    def still_falls(self) -> bool:
        """Whether the loss fell noticeably and beyond the noise, be it level or not."""
        least = FALL_SHARE * max(self.was, MIN_FLOAT32)
        return self.change > max(BEYOND * self.noise, least)


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
    """Return the verdict on the losses so far, and the evidence, a short sentence with numbers.

    It does not depend on the portions in which the losses arrived.

    Args:
        series: the losses, measured or run ahead.
        optimizer: in words if unknown.
        lr: learning rate.
        every_step_sees_all: whether each step sees all samples, so that its loss has no noise.
        sharpness: last measured, preconditioned for Adam; ``None`` if unknown.
        target: loss at which the run counts as settled, that of the series.
        spike: the last one, with mini-batches.
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
    # The first mini-batch loss may be small by chance.
    start = series.first if every_step_sees_all else float(np.fmax.reduce(series.opening))
    base, height = scale(series, start)
    known = optimizer if isinstance(optimizer, Optimizer) and optimizer.name != "own" else None
    times = DIVERGED_FACTOR if known and not known.is_adaptive else DIVERGED_FACTOR_ADAPTIVE
    # A single mini-batch can be off by thousands, half of them cannot.
    late = series.recent[np.isfinite(series.recent)][-SPIKE_SHOWN_STEPS:]
    now = float(late[-2:].max() if every_step_sees_all else quantile(late, 0.5))
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
            said = spike.in_words() + (", above its start" if risen else "")
            return "rising" if spike.still_rises else "spike", said
        return "above its start" if risen else "above its level", spike.in_words()
    if risen is not None:
        return risen
    back = came_back(series, spike)
    moved = trend(series, back)
    if moved is None:
        return "cannot tell yet", "too few losses to compare"
    if moved.word == "falling" and every_step_sees_all:
        rises = rises_of_late(series)
        if rises >= MIN_RISES:
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
    """Return the verdict on a loss above its start, ``None`` if it is not.

    Args:
        series: the losses.
        start: the first, or with mini-batches the largest of the first few.
        by: least distance from the start.
        every_step_sees_all: see ``measure``.
    """
    finite = series.recent[np.isfinite(series.recent)]
    above = f"the first was {start:.3g}"
    if not every_step_sees_all:
        if (found := rise_of_batches(series, start)) is None:
            return None
        start, now, said = found
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
    older, newer = (quantile(half, 0.5) for half in np.array_split(finite[-SPIKE_SHOWN_STEPS:], 2))
    if older <= start or newer - start > GROWTH_FACTOR * (older - start):
        return "rising", said
    if row >= STEPS_ABOVE_START:
        said = f"the last {STEPS_ABOVE_START} losses are all above {start:.4g}"
    return "above its start", said


def rise_of_batches(series: LossSeries, start: float) -> tuple[float, float, str] | None:
    """Return where a mini-batch loss began, where it is, and what shows that it has risen.

    By ranks, which hold for noise of any distribution; ``None`` if nothing shows it.

    Args:
        series: the losses.
        start: the largest of the first.
    """

    def risen(start: float) -> float:
        return start + (RISEN_FACTOR - 1) * scale(series, start)[1]

    before = series.count - len(series.recent)
    later = series.recent[max(OPENING - before, 0) :]
    later = later[np.isfinite(later)]
    early = series.opening[np.isfinite(series.opening)]
    late = later[-LAST_BATCHES:]
    if len(late) == LAST_BATCHES and (now := float(late.min())) > risen(start):
        said = f"none of the last {LAST_BATCHES} losses is under {now:.3g}"
        return start, now, f"{said}, none of the first {OPENING} was over {start:.3g}"
    late = later[-SPIKE_SHOWN_STEPS:]
    if len(early) < OPENING or len(late) < SPIKE_SHOWN_STEPS:
        return None
    began, now = quantile(early, 0.5), quantile(late, 0.5)
    if ranks(early + risen(began) - began, late) > RANK_DEVIATIONS:
        said = f"half of the last {len(late)} losses are over {now:.3g}"
        return began, now, f"{said}, half of the first {OPENING} were under {began:.3g}"
    late = later[-MIN_RANKED:]
    if len(late) < MIN_RANKED or series.smallest < 0:
        return None
    now = quantile(late, 0.5)
    for first, most in JUMPS:
        began, after = float(early[:first].max()), quantile(early[first:], 0.5)
        over = int((late > risen(began)).sum())
        as_small = int((late * after <= began * now).sum())
        is_rare = as_small + 1 <= most * (len(late) + 1)
        if after > JUMP * began and over >= NOT_BACK * len(late) and is_rare:
            said = f"it began at {began:.3g} and jumped to {after:.3g}"
            return began, now, f"{said}; {over} of the last {len(late)} losses are still higher"
    return None


def ranks(low: Floats, high: Floats) -> float:
    """Return by how many standard deviations values rank above others (Mann and Whitney's test)."""
    n, m = len(low), len(high)
    above = (high > low[:, None]).sum() + (high == low[:, None]).sum() / 2
    return float((above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def came_back(series: LossSeries, spike: Spike | None) -> int | None:
    """Return the step of the last recovery from a spike or from non-finite losses."""
    lost = series.non_finite()
    steps = [lost[-1][1] + 1] if lost else []
    if spike is not None and spike.over is not None:
        steps.append(spike.step + spike.over)
    return max(steps, default=None)


def scale(series: LossSeries, start: float) -> tuple[float, float]:
    """Return the base and the unit of a loss: zero and the first loss.

    If losses can be negative, the best loss and the fall to it.
    """
    if series.smallest >= 0:
        return 0.0, max(start, MIN_FLOAT32)
    return series.smallest, max(start - series.smallest, abs(start))


def checkpoint(steps: int) -> int:
    """Return the last checkpoint of the trend: 2^(j/16), rounded down."""
    if steps < 1:
        return 0
    j = math.floor(OCTAVE * math.log2(steps))
    after = math.floor(2 ** ((j + 1) / OCTAVE))  # rounding of the logarithm
    return after if after <= steps else math.floor(2 ** (j / OCTAVE))


def trend(series: LossSeries, since: int | None = None) -> Trend | None:
    """Return the recent trend of the loss, ``None`` if there are too few losses.

    Compares ten block means of each of the quarters A = (k/2, 3k/4] and B = (3k/4, k] of k steps,
    with d the difference of their means and e its standard error. Level if |d| + 1.73·e is at most
    5% of the mean of B, else falling or rising if |d| is over 2.1·e, else cannot tell yet.

    Args:
        series: the losses.
        since: step before which losses are ignored, if it is within the two quarters.
    """
    steps = int(series.recent_steps[-1]) - series.origin + 1
    begin = 0 if since is None else since - series.origin
    begin = begin if begin > checkpoint(steps) // 2 else 0
    k = checkpoint(steps - begin)
    if k < 4 * BLOCKS:
        return None
    # The last half of the steps in blocks of nearly equal sizes.
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
    """Return the most rises in ``SWING_WINDOW`` consecutive recent steps."""
    losses: Floats = series.recent
    rose = np.diff(losses) > MIN_RISE * np.abs(losses[:-1])
    counts = (
        np.convolve(rose, np.ones(SWING_WINDOW), mode="valid")
        if len(rose) >= SWING_WINDOW
        else rose.sum()
    )
    return int(np.max(counts))


def in_words(moved: Trend) -> str:
    """Describe a trend."""
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
            said = f"within 5% of {moved.level:.4g} for {half}"
            return f"{said}; it fell by {part}, beyond the noise" if moved.still_falls else said
        case "falling" | "rising":
            return f"{part} {way} {ago}, beyond the noise"
    noise = BEYOND * moved.noise / max(moved.was, MIN_FLOAT32)
    give_or_take = f"give or take {share(noise)}" if noise < 10 else "within the noise"
    return f"{part} {way} {ago}, {give_or_take}"
