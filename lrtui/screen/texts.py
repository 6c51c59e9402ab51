"""The panes of words: the header, what the run does, the table of runs, the log, the footer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from lrtui.run.advice import Advice
from lrtui.run.rate import rate_text
from lrtui.run.session import Run, Session
from lrtui.screen.commands import COMMANDS
from lrtui.screen.spans import Row, Span, behind, fitted, length

TONES = {
    "converging": "prediction",
    "side to side": "prediction",
    "settled": "good",
    "too slow": "slow",
    "on the edge": "edge",
    "diverging": "bad",
    "diverged": "bad",
    "paused": "change",
    "stopped": "dim",
    "failed": "bad",
}
SIGNS = {
    "converging": "▶",
    "side to side": "⇄",
    "settled": "✓",
    "too slow": "…",
    "on the edge": "╱",
    "diverging": "↗",
    "diverged": "✕",
    "paused": "‖",
    "stopped": "■",
    "failed": "!",
}
"""How each state is told apart: by a tone, and by a sign for who sees no colour."""

SMALLEST = (40, 12)
"""Columns and rows below which only one line is shown."""

HINT = "type a rate and press Enter; p: the post's 0.1, 0.7, 1.01"


def state(run: Run, paused: bool) -> str:
    """Returns what a run is at: its verdict, unless it is held, cut short or lost."""
    verdict = run.verdict()[0]
    if run.outcome == "failed" or (run.outcome == "stopped" and verdict != "settled"):
        return run.outcome
    return "paused" if paused and run.outcome is None else verdict


def pace_text(speed: float | None) -> str:
    """Writes a speed."""
    return "flat out" if speed is None else f"{speed:g}/s"


def header(session: Session, paused: bool, speed: float | None, width: int) -> list[Row]:
    """Says what is being learned, how far the run is, and how fast."""
    run, ready = session.current, session.ready
    left: Row = [(" lrtui ", "strong")]
    if ready is not None:
        problem = ready.problem
        for text in (
            " line fit",
            f" · {problem.points:,} points",
            f" · {problem.noise} noise",
            f" · seed {problem.seed}",
        ):
            left.append((text, "dim"))
    right: Row = []
    if run is not None:
        now = state(run, paused)
        right.append((f"step {run.step:,}/{run.steps:,} ", "text"))
        right.extend(bar(run.step / run.steps, 24 if width >= 100 else 12, TONES[now]))
        right.append((f" {pace_text(speed):>8} ", "dim"))
        right.append((SIGNS[now] + " ", TONES[now]))
    room = width - length(right)
    left = fitted(left, room - 1)
    return [[*left, (" " * (room - length(left)), "dim"), *right]]


def bar(share: float, width: int, tone: str) -> Row:
    """Draws a bar filled to a share of its width, by half cells."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    row: Row = [("━" * full, tone)]
    if half:
        row.append(("╸", tone))
    row.append(("─" * (width - full - half), "faint"))
    return row


def status(
    session: Session, paused: bool, complaint: str, details: Sequence[str], width: int, height: int
) -> list[Row]:
    """Says what the current run's curve means and which rate to try, or what is wrong.

    Args:
        session: the runs so far.
        paused: whether the current run is held.
        complaint: what is wrong with what was typed, empty if nothing is.
        details: the last lines of a trainer that failed.
        width: cells.
        height: rows.
    """
    run = session.current
    after: Row = [("  ", "dim"), (HINT, "dim")]
    if complaint:
        text, tone, sign = complaint, "bad", "✕"
    elif session.failure and (run is None or run.outcome == "failed"):
        text, tone, sign = f"{session.failure}; r starts a new one", "bad", "!"
        last = next((line for line in reversed(details) if line.strip()), "")
        after = [("  ", "dim"), (last[: max(width - 2, 0)], "dim")]
    elif run is None or (session.ready is None and run.outcome is None):
        text, tone, sign = "torch is loading", "dim", "·"
    else:
        now = state(run, paused)
        verdict, evidence = run.verdict()
        tone, sign = TONES[now], SIGNS[now]
        text = f"{verdict}: {evidence}" if now in (verdict, "paused") else f"{now}: {run.reason}"
        text = f"paused; {text}" if now == "paused" else text
        after = advice_row(session.advice()) or (
            [("  no rate settles sooner", "good")] if session.bowl else after
        )
    lines = textwrap.wrap(text, max(width - 2, 1)) or [""]
    room = max(height - 1, 1)
    if len(lines) > room:
        lines = lines[:room]
        lines[-1] = lines[-1][: max(width - 3, 0)] + "…"
    rows: list[Row] = [[("  " if i else f"{sign} ", tone), (s, tone)] for i, s in enumerate(lines)]
    rows.append(fitted(after, width))
    return rows[:height]


def advice_row(advice: Advice | None) -> Row:
    """Says which rate to try next, the reason last so that it can be left out."""
    if advice is None:
        return []
    when = f", settles at step {advice.steps:,}" if advice.steps is not None else ""
    row: Row = [("a ", "strong"), (f"try {rate_text(advice.rate)}{when}", "good")]
    row.append((f": {advice.reason}", "dim"))
    return row


def runs_table(
    session: Session, paused: bool, highlighted: int | None, width: int, height: int
) -> list[Row]:
    """Lists the runs, the youngest first; columns that do not fit are left out from the right.

    Args:
        session: the runs so far.
        paused: whether the current run is held.
        highlighted: the number of the run that is highlighted, which is always listed.
        width: cells.
        height: rows.
    """
    tones = {run.number: tone for run, tone in behind(session, highlighted)}
    heads = f"  {'#':>3}  {'rate':<7} {'':<14}"
    title: Row = [(heads, "dim")]
    title += [(f"{name:>{size}}", "dim") for name, size in COLUMNS]
    rows = [fitted(title, width)]
    for run in listed(session, highlighted, height):
        current = run is session.current
        now = state(run, paused and current)
        tone = "prediction" if current else tones.get(run.number, "")
        pace = run.steps_per_second
        cells = (
            "–" if run.forecast is None else f"{run.forecast:,}",
            "–" if run.settled_at is None else f"{run.settled_at:,}",
            "–" if run.loss is None else f"{run.loss:.4g}",
            "–" if pace is None else f"{pace:,.0f}",
        )
        row: Row = [
            ("▶ " if run.number == highlighted else "━ " if tone else "  ", tone or "dim"),
            (f"{run.number:>3}  ", "strong" if run.number == highlighted else "dim"),
            (f"{rate_text(run.rate):<7.7} ", "strong" if current else "text"),
            (f"{SIGNS[now]} {now:<12}", TONES[now]),
        ]
        row += [(f"{cell:>{size}}", "text") for cell, (_, size) in zip(cells, COLUMNS, strict=True)]
        rows.append(fitted(row, width))
    return rows


def listed(session: Session, highlighted: int | None, height: int) -> list[Run]:
    """Returns the runs that a table of so many rows lists, the title's row included."""
    runs = list(reversed(session.runs))
    at = next((i for i, run in enumerate(runs) if run.number == highlighted), 0)
    first = max(at - height + 2, 0)
    return runs[first : first + max(height - 1, 0)]


COLUMNS = (("foreseen", 9), ("settled", 8), ("loss", 10), ("steps/s", 8))
"""The columns of the table of runs after the verdict, and their widths."""


def log(entries: Iterable[Span], width: int, height: int) -> list[Row]:
    """Lists what happened, the youngest first; what is longer than a row takes several."""
    rows: list[Row] = []
    for text, tone in entries:
        rows += [[(line, tone)] for line in textwrap.wrap(text, width) or [""]]
        if len(rows) >= height:
            break
    return rows[:height]


def caption(text: str, width: int, height: int) -> list[Row]:
    """Tells the story of a tour."""
    lines = textwrap.wrap(text, max(width - 2, 1))[:height]
    return [[("▌ ", "prediction"), (line, "strong")] for line in lines]


def footer(width: int) -> list[Row]:
    """Lists the keys, as many as fit, the way to the help and out always."""
    keys = [("0-9", "type a rate"), *(c.footer for c in COMMANDS if c.footer)]
    entries: list[Row] = [[(f" {sign}", "strong"), (f" {word} ", "dim")] for sign, word in keys]
    last = entries[-2:]
    row: Row = []
    for entry in entries[:-2]:
        if length(row) + length(entry) + sum(map(length, last)) <= width:
            row.extend(entry)
    for entry in last:
        if length(row) + length(entry) <= width:
            row.extend(entry)
    return [row]


def too_small(width: int, height: int) -> list[Row]:
    """Says that the terminal is too small, in as many words as it holds."""
    wanted = f"{SMALLEST[0]} × {SMALLEST[1]}"
    texts = (f"lrtui needs {wanted}, this is {width} × {height}", f"lrtui needs {wanted}", wanted)
    return [[(next((t for t in texts if len(t) <= width), "–"), "dim")]]
