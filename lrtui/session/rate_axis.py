"""The axis of rates: the rates that a sweep compares, and their outcomes."""

from __future__ import annotations

import math

from lrtui.analysis.advice import best_of
from lrtui.analysis.diagnosis import RISEN_FACTOR, Verdict, judge
from lrtui.analysis.theory import Theory
from lrtui.messages import OWN, Optimizer, ProblemFacts, Sweep, SweepResult
from lrtui.session.reports import SweepTable
from lrtui.session.run import Run
from lrtui.session.session import Session

BELOW, ABOVE = 1 / 1000, 4.0
"""Ends of the axis, as shares of the limit."""

BEYOND_LIMIT = 20.0
"""Upper end for a network, as a multiple of the rate that its initial curvature allows; many larger
rates still train it."""

ADAPTIVE = (1e-5, 10.0)
"""Ends for adaptive optimizers, and where nothing is known."""

MAX_SWEEP_STEPS = 1000
"""Steps of a sweep on the screen; the rest of a slow run is forecast."""

MAX_SWEEP_WORK = 1.5e7
"""Rates × points × steps of a sweep on the screen: a few hundred milliseconds."""

FEWEST_LRS = 24
"""Fewest rates of a sweep on the screen, so that each cell of the ruler has one nearby."""

NETWORK_LRS = 32
"""Rates of a sweep of a network on the screen."""

SWEEP_SECONDS = 20.0
"""Time limit of such a sweep, in case the rates cannot be trained together."""

ZOOM_FACTORS = (1.5, 1.05)
"""Factors to either side of the rate on a ruler zoomed once and twice; a cell of a hundred is then
0.8% or 0.1% of the rate."""

Ends = tuple[float, float]
"""The smallest and the largest rate."""


def spaced(low: float, high: float, count: int) -> list[float]:
    """Return rates from ``low`` to ``high`` on a log scale."""
    shares = [i / (count - 1) for i in range(count)] if count > 1 else [0.0]
    found = [low ** (1 - share) * high**share for share in shares]
    return [low, *found[1:-1], high] if count > 1 else found


def typable(lrs: list[float]) -> list[float]:
    """Round rates to the fewest digits that keep neighbours distinct.

    The advised rate is then exactly one that was tried.
    """
    if len(lrs) < 3:
        return lrs
    digits = max(2, 2 - math.floor(math.log10(lrs[1] / lrs[0] - 1)))
    return [lrs[0], *(float(f"{lr:.{digits}g}") for lr in lrs[1:-1]), lrs[-1]]


def ends(theory: Theory | None, optimizer: Optimizer | str, sharpness: float | None) -> Ends | None:
    """Return the ends of the axis, ``None`` while they are unknown.

    They follow from the closed form, else from the sharpness at the start of the runs.
    """
    if isinstance(optimizer, str) or optimizer.is_adaptive or optimizer.name == "own":
        return ADAPTIVE
    if theory is not None:
        return BELOW * theory.max_stable_lr, ABOVE * theory.max_stable_lr
    if sharpness is None:
        return None
    if sharpness <= 0:
        return ADAPTIVE
    allowed = optimizer.threshold / sharpness
    return BELOW * allowed, BEYOND_LIMIT * allowed


def ruler_sweep(
    theory: Theory | None,
    optimizer: Optimizer | str,
    sharpness: float | None,
    facts: ProblemFacts | None,
    steps: int,
    schedule: str = "constant",
    zoom: Ends | None = None,
) -> Sweep | None:
    """Return the sweep behind the ruler, ``None`` while its ends are not known.

    Its ends are those of ``zoom``, if the ruler shows only a part, else see ``ends``.
    """
    found = zoom or ends(theory, optimizer, sharpness)
    if found is None:
        return None
    by = OWN if isinstance(optimizer, str) else optimizer
    if theory is None or not by.is_plain:
        lrs, steps = typable(spaced(*found, NETWORK_LRS)), min(steps, MAX_SWEEP_STEPS)
        return Sweep(lrs=lrs, steps=steps, optimizer=by, schedule=schedule, seconds=SWEEP_SECONDS)
    points = (facts and facts.samples) or 1
    affordable = int(MAX_SWEEP_WORK / (points * FEWEST_LRS))
    steps = max(min(steps, MAX_SWEEP_STEPS, affordable), 1)
    count = min(256, max(FEWEST_LRS, int(MAX_SWEEP_WORK / (points * steps))))
    return Sweep(lrs=spaced(*found, count), steps=steps, optimizer=by, schedule=schedule)


def advice_sweep(session: Session, run: Run, seconds: float) -> Sweep | None:
    """Return the sweep of at most ``seconds`` that is needed for advice after a run.

    ``None`` if the advice follows from a closed form or an earlier sweep, or if the ends of the
    axis are unknown.
    """
    by, schedule = run.optimizer, run.schedule
    swept, facts = session.swept_by(by, schedule), run.facts
    if session.theory_of(by, schedule) is not None or run.steps is None:
        return None
    if swept is not None and swept.steps == run.steps:
        return None
    found = ends(session.theory_of(by), by, facts.sharpness if facts else None)
    if found is None:
        return None
    return Sweep(
        lrs=typable(spaced(float(f"{found[0]:.2g}"), float(f"{found[1]:.2g}"), NETWORK_LRS)),
        steps=run.steps,
        optimizer=OWN if isinstance(by, str) else by,
        schedule=schedule,
        seconds=seconds,
    )


def zoomed(lr: float, around: Ends | None) -> Ends | None:
    """Return the ends of the next closer zoom on a rate, after those now in ``around``.

    ``None`` stands for the whole axis.
    """
    now = math.sqrt(around[1] / around[0]) if around else math.inf
    reach = next((reach for reach in ZOOM_FACTORS if reach < 0.99 * now), None)
    return None if reach is None else (lr / reach, lr * reach)


def outcomes(
    swept: SweepResult, theory: Theory | None, steps: int
) -> list[tuple[Verdict, int | None]]:
    """Return the verdict on each rate of a sweep, and the step at which it settles.

    For runs of ``steps`` steps; where there is a closed form, it extends a shorter sweep.
    """
    found: list[tuple[Verdict, int | None]] = []
    if theory is not None:
        theory.settles_each(theory.start, swept.lrs)  # together, and remembered
    for i, lr in enumerate(swept.lrs):
        loss, at = swept.losses[i], swept.settled_at[i]
        if at is not None and at > steps:
            at = None
        if theory is None or (swept.failures and swept.failures[i]):
            found.append((measured(swept, i, at), at))
            continue
        verdict, settled = judge(theory, lr, steps, loss, at)
        if verdict in ("converging", "side to side"):  # it settles after the end of the sweep
            verdict, settled = "settled", theory.settles_at(theory.start, lr)
        found.append((verdict, settled))
    return found


def measured(swept: SweepResult, i: int, settled_at: int | None) -> Verdict:
    """Return the verdict on a rate from its last loss alone."""
    loss = swept.losses[i]
    if swept.failures and swept.failures[i]:
        return "failed"
    if loss is None:
        return "diverged"
    if not swept.is_finished(i):
        return "unfinished"
    if settled_at is not None:
        return "settled"
    first = swept.first_loss
    if first is None or loss <= first:
        return "falling"
    return "above its start" if loss - first > (RISEN_FACTOR - 1) * abs(first) else "level"


def graded(swept: SweepResult) -> list[float | None]:
    """Grade each rate of a sweep from 0, the best, to 1, no better than the start.

    By the steps to settle if any rate settled, else by the last loss, on a log scale. ``None`` for
    a rate that diverged, ended above its start, or did not finish.
    """
    settled = [at for at in swept.settled_at if at is not None]
    losses = [
        loss for i, loss in enumerate(swept.losses) if loss is not None and swept.is_finished(i)
    ]
    first = swept.first_loss
    found: list[float | None] = []
    for i, (loss, at) in enumerate(zip(swept.losses, swept.settled_at, strict=True)):
        if loss is None or not swept.is_finished(i) or (first is not None and loss > first):
            found.append(None)
        elif settled:
            fewest = max(min(settled), 1)
            found.append(1.0 if at is None else log_share(max(at, 1), fewest, swept.steps))
        else:
            found.append(log_share(loss, min(losses), first if first is not None else max(losses)))
    return found


def log_share(value: float, low: float, high: float) -> float:
    """Return the position of a value between two others, 0 to 1, on a log scale if possible."""
    if low > 0:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0


def table(swept: SweepResult, session: Session) -> SweepTable:
    """Return the report of a sweep."""
    theory = session.theory_of(swept.optimizer, swept.schedule)
    found = outcomes(swept, theory, swept.steps)
    limit = theory.max_stable_lr if theory else math.inf
    return SweepTable(
        rates=swept.lrs,
        losses=swept.losses,
        settled_at=[settled for _, settled in found],
        verdicts=[verdict for verdict, _ in found],
        steps=swept.steps,
        problem=session.facts.name if session.facts else "",
        optimizer=swept.optimizer.title,
        schedule=swept.schedule,
        how=swept.how,
        limit=limit if math.isfinite(limit) else None,
        best=best_of(swept, theory),
        range_test=swept.range_test,
    )
