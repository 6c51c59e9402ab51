"""A try of other rates: its progress, then the loss of each on the same batches."""

from __future__ import annotations

from lrtui.analysis.comparison import MEANINGS
from lrtui.messages import Branch, Tried
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted, length
from lrtui.screen.panes.header import bar
from lrtui.screen.panes.pane import TALL, Pane, Press
from lrtui.session.tried import advised, difference_text
from lrtui.text.amounts import duration
from lrtui.text.rates import factor_text

LEVELS = "▁▂▃▄▅▆▇█"
"""Losses of a small curve, from the lowest to the highest."""

WIDE = 100
"""Columns from which on there is room for more than what matters most."""

CURVE = 20
"""Cells of the small curve of a branch."""

MAX_ROWS = 9
"""Most rows: a title and as many branches as a try can have."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the progress of a try, or its result."""
    live = view.live
    assert live is not None
    if (trying := live.trying) is not None:
        left = trying.seconds_left
        what = "recording the next steps" if trying.phase == "recording" else "replaying"
        at = "" if trying.phase == "recording" else f" at {factor_text(trying.factor)}"
        row: Row = [(f" trying: {what}{at:<8}", "strong")]
        row += bar(trying.share, 24 if width >= WIDE else 12, "text")
        row.append((f" {trying.share:>4.0%}", "text"))
        if left is not None:
            row.append((f"  {duration(left)} left", "dim"))
        return [fitted([*row, ("   esc cancels", "dim")], width)]
    tried = live.tried
    assert tried is not None
    return [title(view, tried, width), *(row_of(b, tried, width) for b in tried.branches)][:height]


def title(view: View, tried: Tried, width: int) -> Row:
    """Return the heading of a result, with its keys."""
    steps = f"{tried.steps:,} steps from {tried.from_step:,}"
    left: Row = [(f" tried on the same {steps}", "strong")]
    left.append(("  control exact" if not tried.warning else f"  {tried.warning}", "dim"))
    right: Row = []
    best = advised(tried)
    if best is not None and view.session.offers("adopt"):
        right += [("A ", "strong"), (f"adopt {factor_text(best.factor)}  ", "text")]
    if view.rate_offered is not None and width >= WIDE:
        right += [("Enter ", "strong"), ("only its rate  ", "text")]
    right += [("esc ", "strong"), ("close ", "text")]
    left = fitted(left, width - length(right))
    return [*left, (" " * (width - length(left) - length(right)), "dim"), *right]


def row_of(branch: Branch, tried: Tried, width: int) -> Row:
    """Return the result of one rate."""
    is_best = branch is advised(tried)
    sign = " ▸ " if is_best else "   "
    row: Row = [(f"{sign}{factor_text(branch.factor):<6}", "strong")]
    if width >= WIDE:
        row.append((f"{small_curve(branch, tried):<{CURVE}}  ", "dim"))
    row.append((f"{difference_text(branch):<15}", "strong"))
    room = width - length(row)
    return [*row, (MEANINGS.get(branch.word, branch.word)[: max(room, 0)], "text")]


def small_curve(branch: Branch, tried: Tried) -> str:
    """Return the losses of a branch in a line, on a scale that all branches share."""
    finite = [loss for b in tried.branches for loss in means(b) if loss is not None]
    first = means(tried.branches[0])[0] if finite else None
    low = min(finite, default=0.0)
    high = min(max(finite, default=1.0), 2 * (first or 1.0) - low) if finite else 1.0
    scale = (len(LEVELS) - 1) / max(high - low, 1e-30)
    return "".join(
        "✕" if loss is None else LEVELS[min(int((loss - low) * scale), len(LEVELS) - 1)]
        for loss in means(branch)
    )


def means(branch: Branch) -> list[float | None]:
    """Return the mean losses of ``CURVE`` stretches; ``None`` if a loss is not finite."""
    losses, found = branch.losses, list[float | None]()
    cells = min(CURVE, len(losses))
    for i in range(cells):
        part = losses[len(losses) * i // cells : len(losses) * (i + 1) // cells]
        finite = [loss for loss in part if loss is not None]
        found.append(sum(finite) / len(finite) if len(finite) == len(part) else None)
    return found


def applies(view: View) -> bool:
    """Return whether a try is on, or its result has not been closed."""
    live = view.live
    if live is None or view.size[1] < TALL:
        return False
    return live.trying is not None or (live.tried is not None and live.tried is not view.closed)


def rows(view: View) -> int:
    """Return how many rows it has."""
    live = view.live
    if live is None or live.trying is not None or live.tried is None:
        return 1
    return min(1 + len(live.tried.branches), MAX_ROWS)


def click(view: View, x: int, y: int, width: int, height: int) -> Press | None:
    """Adopt the advised branch if its key is clicked."""
    live = view.live
    if live is None or live.tried is None or live.trying is not None or y:
        return None
    row = title(view, live.tried, width)
    starts = [i for i, span in enumerate(row) if span == ("A ", "strong")]
    hit = any(length(row[:i]) <= x < length(row[: i + 2]) for i in starts)
    return Press("adopt") if hit else None


TRIED = Pane(
    id="tried",
    title="try",
    place="row",
    draw=draw,
    help="The same batches at other rates: each one's losses, how they differ, and what that "
    "means. A goes on from the better one, Enter only takes its rate, esc closes it.",
    applies=applies,
    click=click,
)
