"""The panes of words: the header, what the run does, the table of runs, the log, the footer."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lrtui.run.rate import rate_text
from lrtui.run.session import Run, Session
from lrtui.screen.commands import COMMANDS
from lrtui.screen.rows import EARLIER, Row, fitted, length

TONE_OF_STATE = {
    "running": "prediction",
    "paused": "change",
    "done": "good",
    "diverged": "bad",
    "stopped": "dim",
    "failed": "bad",
}
SIGN_OF_STATE = {
    "running": "▶",
    "paused": "‖",
    "done": "✓",
    "diverged": "✕",
    "stopped": "■",
    "failed": "!",
}
PACE_WIDTH = 9

SMALLEST = (40, 12)
"""Columns and rows below which only one line is shown."""

HINT = "type a rate and press Enter, or p for the post's 0.1, 0.7 and 1.01 in turn"


def state(run: Run, paused: bool) -> str:
    """Returns what a run is at, in one word."""
    return run.outcome or ("paused" if paused else "running")


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
        right.extend(bar(run.step / run.steps, 24 if width >= 100 else 12, TONE_OF_STATE[now]))
        right.append((f" {pace_text(speed):>8} ", "dim"))
        right.append((SIGN_OF_STATE[now] + " ", TONE_OF_STATE[now]))
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
    row.append(("━" * (width - full - half), "faint"))
    return row


def status(
    session: Session, paused: bool, complaint: str, details: Sequence[str], width: int, height: int
) -> list[Row]:
    """Says what the current run does and why it ended, or what is wrong with what was typed.

    Args:
        session: the runs so far.
        paused: whether the current run is held.
        complaint: what is wrong with what was typed, empty if nothing is.
        details: the last lines of a trainer that failed.
        width: cells.
        height: rows.
    """
    run = session.current
    after = HINT
    if complaint:
        text, tone, sign = complaint, "bad", "✕"
    elif run is None or (session.ready is None and run.outcome is None):
        text, tone, sign = "torch is loading", "dim", "·"
    else:
        now = state(run, paused)
        tone, sign = TONE_OF_STATE[now], SIGN_OF_STATE[now]
        text = f"{now}: {run.reason if run.outcome else progress_text(run)}"
        if run.outcome == "failed":
            text = f"{run.reason}; r starts a new one"
            after = next((line for line in reversed(details) if line.strip()), "")
    lines = textwrap.wrap(text, max(width - 2, 1)) or [""]
    if len(lines) > height:
        lines = lines[:height]
        lines[-1] = lines[-1][: max(width - 3, 0)] + "…"
    rows: list[Row] = [[("  " if i else f"{sign} ", tone), (s, tone)] for i, s in enumerate(lines)]
    rows.append([(f"  {after}"[:width], "dim")])
    return rows[:height]


def progress_text(run: Run) -> str:
    """Says how far the loss has come."""
    if run.series is None or run.loss is None:
        return "at the first weights"
    return f"the loss went from {run.series.first:.4g} to {run.loss:.4g}"


def runs_table(session: Session, paused: bool, width: int, height: int) -> list[Row]:
    """Lists the runs, the youngest first."""
    title = f"  {'#':>3}  {'rate':<8} {'state':<11}{'loss':>10}"
    wide = width >= len(title) + PACE_WIDTH
    rows: list[Row] = [[(title + (f"{'steps/s':>{PACE_WIDTH}}" if wide else ""), "dim")]]
    drawn = [r for r in session.runs[:-1] if r.series is not None and r.series.count > 1]
    tones = dict(zip((r.number for r in reversed(drawn)), EARLIER, strict=False))
    for run in list(reversed(session.runs))[: max(height - 1, 0)]:
        now = state(run, paused) if run is session.current else (run.outcome or "stopped")
        mark = ("━ ", "prediction" if run is session.current else tones.get(run.number, ""))
        loss = "–" if run.loss is None else f"{run.loss:.4g}"
        pace = run.steps_per_second
        row: Row = [
            mark if mark[1] else ("  ", "dim"),
            (f"{run.number:>3}  ", "dim"),
            (f"{rate_text(run.rate):<8.8} ", "strong" if run is session.current else "text"),
            (f"{SIGN_OF_STATE[now]} {now:<9}", TONE_OF_STATE[now]),
            (f"{loss:>10}", "text"),
        ]
        if wide:
            row.append((f"{'–' if pace is None else f'{pace:,.0f}':>{PACE_WIDTH}}", "dim"))
        rows.append(row)
    return rows


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
