"""How a run ended, in a word and in a sentence."""

from __future__ import annotations

import math

from lrtui.messages import LARGEST, Outcome
from lrtui.run.diagnosis import has_diverged


def conclusion(
    loss: float, lr: float, step: int, first: float, last_finite: float | None
) -> tuple[Outcome, str]:
    """Return how a run that was not interrupted ended, and the sentence that says so.

    Args:
        loss: its last loss.
        lr: learning rate that it ended with.
        step: steps taken.
        first: loss at step 0.
        last_finite: last loss that was finite.
    """
    if not abs(loss) <= LARGEST:
        word = "not a number" if math.isnan(loss) else "infinite"
        reason = f"at rate {lr:g} the loss was {word} at step {step:,}"
        if last_finite is not None:
            reason += f"; the last finite one was {last_finite:.4g}"
        return "diverged", reason
    if has_diverged(loss, first):
        times = f"{loss / first:.3g} × the first" if first > 0 else f"from {first:.4g}"
        return "diverged", f"at rate {lr:g} the loss is {loss:.4g} after {step:,} steps, {times}"
    return "done", f"all {step:,} steps taken, the loss went from {first:.4g} to {loss:.4g}"
