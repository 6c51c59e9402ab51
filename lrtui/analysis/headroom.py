"""What the slope left after a step allows to be said of the learning rate.

``left``, ``calm``, ``growth`` and ``pairs`` are those of ``lrtui.monitor.headroom``.
"""

from __future__ import annotations

ROOM = "room for ×2"

LEAST_LEFT = 0.3
"""``left`` from which there is room. Nothing is said of a rate that is too high: by the benchmark
four times the rate was no worse in 16 of 64 trials with a ``left`` of at most −0.25, and in 17 of
91 with a step that would have raised the loss of its own batch if it were three times as long."""

HYSTERESIS = 0.05
"""By how much ``left`` may fall below its threshold before a word ends."""

MOST_CALM = 0.97
"""Size of ``calm`` above which ``left`` says nothing, as in full-batch training: gradients are
nearly the same there, or each is the opposite of the last."""

MOST_GROWTH = 0.001
"""Growth of the steps, each step, above which the training still warms up."""

LEAST_PAIRS = 27
"""Pairs that a word needs."""

LOWERED, TRIALS = 56, 57
"""Trials of ``tests/benchmarks/headroom.py`` with this word in which doubling lowered the loss, and
all of them."""


def word(
    left: float,
    calm: float,
    growth: float | None,
    pairs: int,
    *,
    before: str = "",
    full_batch: bool = False,
    alone: bool = True,
    risen: bool = False,
) -> str:
    """Return the word for a measurement, empty where nothing can be said.

    Args:
        left: see above.
        calm: its largest size among the last measurements. Where steps cross a valley, gradients
            alternate, but not at each measurement.
        growth: ``None`` if unknown.
        pairs: see above.
        before: the word of the last measurement.
        full_batch: whether each step sees all data.
        alone: whether its optimizer takes all steps. ``left`` is of that one only, while a rate
            is doubled for all: of Muon for the matrices and AdamW for the rest it was wrong.
        risen: whether the loss is above its start: of a training that diverged it was wrong.
    """
    less = HYSTERESIS if before == ROOM else 0.0
    sees = pairs >= LEAST_PAIRS and calm <= MOST_CALM and alone and not (full_batch or risen)
    steady = growth is not None and growth <= MOST_GROWTH
    return ROOM if sees and steady and left >= LEAST_LEFT - less else ""


def sentence(word: str, left: float) -> str:
    """Return a word with its evidence, empty without a word."""
    if word != ROOM:
        return ""
    return (
        f"{ROOM}: fresh batches still slope along the last steps ({left:.0%}); "
        f"doubling lowered the loss in {LOWERED} of {TRIALS} such trials"
    )
