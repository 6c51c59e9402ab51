"""What the slope left after a step allows to be said of the learning rate.

``left``, ``calm``, ``growth`` and ``pairs`` are those of ``lrtui.monitor.headroom``; ``own`` is how
many times as long a step would have to be before it raised the loss of its own batch.
"""

from __future__ import annotations

ROOM, NO_ROOM = "room for ×2", "no room for ×4"

LEAST_LEFT, MOST_OWN = 0.3, 3.0
"""``left`` from which there is room, ``own`` up to which there is none. That a low ``left`` means
the latter was wrong in 16 of 64 trials of the benchmark, so it says nothing."""

HYSTERESIS = 0.05
"""By how much ``left``, and by which share ``own``, may pass its threshold before a word ends."""

MOST_CALM = 0.97
"""``calm`` above which ``left`` says nothing, as in full-batch training."""

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
    own: float | None = None,
    *,
    before: str = "",
    full_batch: bool = False,
) -> str:
    """Return the word for a measurement, empty where nothing can be said.

    Args:
        left: see above.
        calm: see above.
        growth: ``None`` if unknown.
        pairs: see above.
        own: ``None`` if unknown.
        before: the word of the last measurement.
        full_batch: whether each step sees all data.
    """
    more = HYSTERESIS if before == NO_ROOM else 0.0
    if own is not None and own <= MOST_OWN * (1 + more):
        return NO_ROOM
    less = HYSTERESIS if before == ROOM else 0.0
    sees = pairs >= LEAST_PAIRS and calm <= MOST_CALM and not full_batch
    steady = growth is not None and growth <= MOST_GROWTH
    return ROOM if sees and steady and left >= LEAST_LEFT - less else ""


def sentence(word: str, left: float, own: float | None) -> str:
    """Return a word with its evidence, empty without a word."""
    if word == ROOM:
        return (
            f"{ROOM}: fresh batches still slope along the last steps ({left:.0%}); "
            f"doubling lowered the loss in {LOWERED} of {TRIALS} such trials"
        )
    if word == NO_ROOM and own is not None:
        return f"{NO_ROOM}: a step {own:.2g} × as long would have raised the loss of its own batch"
    return ""
