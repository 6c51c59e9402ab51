"""What is printed after runs for other programs (``--json``): not part of the wire.

Field names are relied on by scripts; people and scripts say "rate".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Report(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One JSON object, told apart by its ``type``."""


class AdviceReport(Struct, frozen=True, kw_only=True):
    """Which rate to try next.

    Attributes:
        rate: learning rate.
        steps: step at which it settles, ``None`` where that is not known.
        reason: evidence for it, in a short sentence.
    """

    rate: float
    steps: int | None
    reason: str


class Summary(Report, tag="summary", frozen=True, kw_only=True):
    """A run in one line, printed after it.

    Attributes:
        run: number of the run.
        problem: name of a built-in problem, or path of a file; empty where that is not known.
        optimizer: what took the steps, in words.
        schedule: how the rate moved; ``constant`` where it did not.
        rate: learning rate that it ended with; the peak, where it has a schedule.
        rates: the rates one after another, where it was changed on the way.
        steps: steps taken.
        loss: last finite loss.
        weights: at the end, ``None`` where not finite; empty where they are many.
        reason: how it ended.
        steps_per_second: steps over the time spent training; ``None`` before the first step.
        ground: what the verdict stands on: ``exact`` where the loss has a closed form, ``ahead``
            where the same run was run ahead, else ``measured``.
        verdict: what the curve means.
        settled_at: step from which on the loss is within 0.5% of its minimum, or at most its
            target; ``None`` if never, or where neither is known.
        evidence: for the verdict, in a sentence.
        limit: rate from which on it diverges, ``None`` where there is none or it is not known.
        best: rate that settles first from this start, ``None`` where that is not known.
        condition: condition number of the loss, ``None`` where it has no closed form.
        forecast: step at which it was to settle, known at step 0 or run ahead; ``None`` if never.
        advice: which rate to try next, ``None`` where none is better.
    """

    run: int
    problem: str
    optimizer: str
    schedule: str = "constant"
    rate: float
    rates: list[float] = []
    steps: int
    loss: float | None
    weights: list[float | None]
    reason: str
    steps_per_second: float | None
    ground: Literal["exact", "ahead", "measured"]
    verdict: str
    settled_at: int | None
    evidence: str
    limit: float | None
    best: float | None
    condition: float | None
    forecast: int | None
    advice: AdviceReport | None


class Problems(Report, tag="problems", frozen=True, kw_only=True):
    """The problems that come with lrtui (``lrtui problems --json``).

    Attributes:
        names: what ``lrtui NAME`` takes.
    """

    names: list[str]


class SweepTable(Report, tag="sweep", frozen=True, kw_only=True):
    """What every rate would do (``lrtui sweep --json``).

    Attributes:
        rates: learning rates, ascending.
        losses: last loss of each, ``None`` where not finite.
        settled_at: step at which each settled, ``None`` if it did not.
        verdicts: what became of each.
        steps: steps that each was given.
        problem: name of a built-in problem, or path of a file.
        optimizer: what took the steps, in words.
        schedule: how each rate moved from its peak.
        how: how they were trained, in words.
        limit: rate from which on it diverges, ``None`` where there is none or it is not known.
        best: rate that settles first from this start, or ended lowest of those tried.
        range_test: what the usual range tests suggest, by name, ``None`` where one suggests
            nothing; empty where it was not asked for.
    """

    rates: list[float]
    losses: list[float | None]
    settled_at: list[int | None]
    verdicts: list[str]
    steps: int
    problem: str
    optimizer: str
    schedule: str = "constant"
    how: str
    limit: float | None
    best: float | None
    range_test: dict[str, float | None] = {}


class HeatBest(Struct, frozen=True, kw_only=True):
    """The best cell of a heat map.

    Attributes:
        rate: learning rate.
        momentum: of the optimizer.
        steps: step at which it settled, ``None`` if it did not.
        loss: its last loss.
    """

    rate: float
    momentum: float
    steps: int | None
    loss: float | None


class HeatTable(Report, tag="heat", frozen=True, kw_only=True):
    """Momentum and rate side by side (``lrtui heat --json``).

    Attributes:
        rates: learning rates, ascending.
        momenta: of the optimizer, ascending.
        settled_at: a list for each momentum: step at which each rate settled, ``None`` if it did
            not.
        losses: in the same order, the last loss of each, ``None`` where not finite.
        first_loss: loss at the start of them all.
        best: the cell that settled first, or else ended lowest; ``None`` where none ended lower
            than it began.
        steps: steps that each was given.
        problem: name of a built-in problem, or path of a file.
        optimizer: what took the steps, but for the momentum, in words.
        schedule: how each rate moved from its peak.
        how: how they were trained, in words.
    """

    rates: list[float]
    momenta: list[float]
    settled_at: list[list[int | None]]
    losses: list[list[float | None]]
    first_loss: float | None
    best: HeatBest | None
    steps: int
    problem: str
    optimizer: str
    schedule: str
    how: str
