"""What is printed after runs for other programs (``--json``): not part of the wire.

Field names are relied on by scripts; people and scripts say "rate".
"""

from __future__ import annotations

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
        rate: learning rate that it ended with.
        steps: steps taken.
        loss: last finite loss.
        weights: at the end, ``None`` where not finite; empty where they are many.
        reason: how it ended.
        steps_per_second: steps over the time spent training; ``None`` before the first step.
        verdict: what the curve means.
        settled_at: step at which the loss came within 0.5% of its minimum, ``None`` if never.
        evidence: for the verdict, in a sentence.
        limit: rate from which on it diverges.
        best: rate that settles first from this start.
        forecast: step at which it was to settle, known at step 0; ``None`` if never.
        advice: which rate to try next, ``None`` where none is better.
    """

    run: int
    rate: float
    steps: int
    loss: float | None
    weights: list[float | None]
    reason: str
    steps_per_second: float | None
    verdict: str
    settled_at: int | None
    evidence: str
    limit: float | None
    best: float | None
    forecast: int | None
    advice: AdviceReport | None


class SweepTable(Report, tag="sweep", frozen=True, kw_only=True):
    """What every rate would do (``lrtui sweep --json``).

    Attributes:
        rates: learning rates, ascending.
        losses: last loss of each, ``None`` where not finite.
        settled_at: step at which each settled, ``None`` if it did not.
        verdicts: what became of each.
        limit: rate from which on it diverges.
        best: rate that settles first from this start.
    """

    rates: list[float]
    losses: list[float | None]
    settled_at: list[int | None]
    verdicts: list[str]
    limit: float
    best: float
