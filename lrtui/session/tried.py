"""The advice after a try."""

from __future__ import annotations

from lrtui.analysis.comparison import BETTER
from lrtui.messages import Branch, Tried


def advised(tried: Tried) -> Branch | None:
    """Return the advised branch: of those that are better, the one with the lowest loss."""
    better = [branch for branch in tried.branches if branch.word == BETTER]
    return min(better, key=lambda branch: branch.difference or 0.0, default=None)


def difference_text(branch: Branch) -> str:
    """Return how a branch's losses differ from those at the rate in force."""
    if branch.factor == 1:
        last = [loss for loss in branch.losses[len(branch.losses) // 2 :] if loss is not None]
        return f"loss {sum(last) / len(last):.4g}" if last else ""
    share = branch.difference
    if share is None:
        return ""
    if share > 1:
        return f"{1 + share:.3g} × the loss"
    return f"{abs(share):.1%} {'lower' if share < 0 else 'higher'}"
