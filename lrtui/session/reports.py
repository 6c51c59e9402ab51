"""JSON reports for other programs (``--json``); not part of the wire.

Scripts rely on the field names, which say ``rate`` as people do.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Report(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One JSON object; its ``type`` names the report."""


class AdviceReport(Struct, frozen=True, kw_only=True):
    """Advice; see ``lrtui.analysis.advice.Advice``."""

    rate: float
    steps: int | None
    reason: str


class Event(Report, tag="event", frozen=True, kw_only=True):
    """What losses or ranks show: a spike, its end, a rank that lags, a training that stalls.

    Attributes:
        kind: ``spike``, ``recovery`` or ``ranks``.
        text: in words.
    """

    run: int
    step: int | None
    kind: str
    text: str


class Summary(Report, tag="summary", frozen=True, kw_only=True):
    """A run in one line, printed after it.

    Attributes:
        problem: name of a built-in problem, or path of a file; empty if unknown.
        optimizer: in words.
        rate: that it ended with; the peak of a schedule.
        rates: one after another, if the rate was changed.
        steps: taken.
        loss: last finite one.
        weights: at the end, ``None`` where not finite; empty if they are many.
        reason: how it ended.
        ground: basis of the verdict: ``exact`` from a closed form, ``ahead`` from the same run run
            ahead, else ``measured``.
        settled_at: step from which on the loss is within 0.5% of its minimum, or at most its
            target; ``None`` if never or unknown.
        limit: rate from which on runs diverge, ``None`` if there is none or it is unknown.
        best: rate that settles first from this start, ``None`` if unknown.
        condition: condition number of the loss, ``None`` without a closed form.
        forecast: step at which it was to settle; ``None`` if never.
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
    """The built-in problems (``lrtui problems --json``)."""

    names: list[str]


class SweepTable(Report, tag="sweep", frozen=True, kw_only=True):
    """A sweep (``lrtui sweep --json``); see ``SweepResult`` and ``Summary``.

    Attributes:
        verdicts: one for each rate.
        best: rate that settles first from this start, or ended lowest of those tried.
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


class RaceRow(Struct, frozen=True, kw_only=True):
    """A run of a race of scripts; its losses are means over the last steps.

    Attributes:
        seed: ``None`` where seeds were not filled in.
        outcome: how it ended, or ``not run``.
        steps: taken.
        loss: at its last step.
        best: the lowest, and the step at the end of that stretch.
        at_step: at the step at which rates are compared; ``None`` if it is not compared.
    """

    name: str
    rate: float
    seed: int | None
    verdict: str
    evidence: str
    outcome: str
    steps: int
    loss: float | None
    best: float | None
    best_step: int | None
    at_step: float | None


class RaceTable(Report, tag="race", frozen=True, kw_only=True):
    """The end of a race of scripts (``lrtui race --json``).

    Attributes:
        step: the last one that all runs compared have reached.
        best: rate with the lowest loss there, mean over its seeds; ``None`` without any.
        second: the next one.
        difference: between the losses of the two.
        spread: pooled standard deviation between the seeds of a rate, ``None`` if unknown.
        within_chance: rates that it cannot distinguish from the best.
        broke: rates of which a run diverged or failed; they are not compared.
        advice: the same in sentences.
    """

    runs: list[RaceRow]
    step: int
    best: float | None
    second: float | None
    difference: float | None
    spread: float | None
    within_chance: list[float]
    broke: list[float]
    advice: list[str]


class HeatBest(Struct, frozen=True, kw_only=True):
    """The best cell of a heat map, and the step at which it settled if it did."""

    rate: float
    momentum: float
    steps: int | None
    loss: float | None


class HeatTable(Report, tag="heat", frozen=True, kw_only=True):
    """A heat map (``lrtui heat --json``); see ``GridResult``.

    Attributes:
        settled_at, losses: a list for each momentum, with a value for each rate.
        best: the cell that settled first, or else ended lowest; ``None`` if none ended lower than
            it began.
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
