"""The header: the title, the progress of the run, and its pace."""

from __future__ import annotations

from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, length
from lrtui.screen.panes.pane import Pane
from lrtui.screen.panes.status import LOOKS, state
from lrtui.session.run import Run
from lrtui.text.amounts import duration, pace_text


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the header: the title on the left, the progress on the right."""
    session = view.session
    run = session.current
    left: Row = [(" lrtui ", "strong")]
    if session.greeting is not None:
        first, *others = session.greeting.title.split(" · ")
        left += [(f" {first}", "dim"), *((f" · {text}", "dim") for text in others)]
    right: Row = []
    if run is not None and run.steps is not None and not view.several:
        sign, tone = LOOKS[state(run, session.is_paused(run))]
        right.append((f"step {run.step:,}/{run.steps:,} ", "text"))
        right += bar(run.step / run.steps, 24 if width >= 100 else 12, tone)
        if run.series is not None:
            pace = "max" if session.speed is None else f"{session.speed:g}/s"
            right.append((f" {pace:>6} ", "dim"))
        right.append((f"{sign} ", tone))
    elif view.several:
        right.append((f"{counts(view)} ", "text"))
    elif run is not None and run.live is not None:
        right += where_it_stands(run, session.is_paused(run), width)
    room = width - length(right)
    while length(left) + 2 > room and len(left) > 1:
        left.pop()  # the most important parts of a title come first
    return [[*left, (" " * (room - length(left)), "dim"), *right]]


def counts(view: View) -> str:
    """Say how many trainings go on, wait, are over, or were lost."""
    found = {"live": 0, "waiting": 0, "over": 0, "lost": 0}
    for run in view.session.current_group:
        if run.is_on:
            found["waiting" if run.stall else "live"] += 1
        else:
            found["lost" if run.outcome in ("disconnected", "failed") else "over"] += 1
    return " · ".join(f"{count} {word}" for word, count in found.items() if count)


def where_it_stands(run: Run, paused: bool, width: int) -> Row:
    """Return the progress of a training that is not ours, and how long it will take."""
    live = run.live
    assert live is not None
    total = live.vitals.total if live.vitals is not None else None
    pace = 0.0 if run.stall else live.pace
    row: Row = [(f"step {run.step:,}", "text")]
    if total is not None and run.is_on:
        row.append((f"/{total:,}  ", "text"))
        row += bar(run.step / total, 20 if width >= 100 else 6, "good")
        if pace:
            left = duration(max(total - run.step, 0) / pace)
            row.append((f"  {left} left", "text"))
    elif run.seconds:
        row.append((f" · {duration(run.seconds)}", "dim"))
    if pace and run.is_on:
        row.append((f" · {pace_text(pace)}", "dim"))
    if not run.is_on:
        word, tone = f" ■ {run.outcome} ", "bad" if run.outcome != "done" else "dim"
    else:
        word, tone = (" ‖ paused ", "strong") if paused else (" ● live ", "good")
        if run.stall:
            word, tone = " … waiting ", "warn"
    return [*row, (word, tone)]


def bar(share: float, width: int, tone: str) -> Row:
    """Draw a bar filled to a share of its width."""
    full = int(min(max(share, 0.0), 1.0) * width)  # by whole cells: half as many bytes as halves
    return [("━" * full, tone), ("─" * (width - full), "faint")]


HEADER = Pane(id="header", place="row", draw=draw)
