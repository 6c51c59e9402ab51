"""The status: what the current run's curve means and which rate to try, or what is wrong."""

from __future__ import annotations

import textwrap

from lrtui.run.rate import complaint
from lrtui.run.run import Run
from lrtui.run.words import advice_text
from lrtui.screen.panes.pane import Pane, Press
from lrtui.screen.spans import Row, fitted
from lrtui.screen.view import View

LOOKS = {
    "converging": ("▶", "prediction"),
    "cannot tell yet": ("?", "prediction"),
    "falling": ("▸", "prediction"),
    "falling, swinging": ("⤳", "prediction"),
    "at the edge": ("≈", "edge"),
    "level": ("▬", "slow"),
    "rising": ("⇡", "bad"),
    "spike": ("⋀", "edge"),
    "above its start": ("△", "edge"),
    "side to side": ("⇄", "prediction"),
    "settled": ("✓", "good"),
    "too few steps": ("▷", "slow"),
    "too slow": ("…", "slow"),
    "on the edge": ("╱", "edge"),
    "diverging": ("↗", "bad"),
    "diverged": ("✕", "bad"),
    "paused": ("‖", "change"),
    "stopped": ("■", "dim"),
    "failed": ("!", "bad"),
    "disconnected": ("∅", "bad"),
}
"""How each state of a run is told apart: by a sign for who sees no colour, and by a tone."""

HINT = "type a rate and press Enter; p runs the rates worth seeing"

Told = tuple[str, str, str]
"""A sign, a text and a tone."""


def state(run: Run, paused: bool) -> str:
    """Return the state of a run in a word, a key of ``LOOKS``."""
    return "paused" if paused and run.is_on else run.status()


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw what is told in all rows but the last, and the advice in that."""
    sign, text, tone = told(view)
    lines = textwrap.wrap(text, max(width - 2, 1)) or [""]
    room = max(height - 1, 1)
    if len(lines) > room:
        lines = lines[:room]
        lines[-1] = lines[-1][: max(width - 3, 0)] + "…"
    rows: list[Row] = [[("  " if i else f"{sign} ", tone), (s, tone)] for i, s in enumerate(lines)]
    rows += [[] for _ in range(room - len(rows))]
    rows.append(fitted(below(view), width))
    return rows[:height]


def told(view: View) -> Told:
    """Return what is to be told now: the most urgent first."""
    session = view.session
    run = session.current
    if wrong := complaint(view.typed):
        return "✕", wrong, "bad"
    text, tone = view.notice
    if text:
        return {"bad": "✕", "good": "✓"}.get(tone, "·"), text, tone
    if session.unusable:
        again = "; r loads it again" if session.offers("start") else ""
        return "✕", f"{session.unusable}{again}", "bad"
    if session.failure and (run is None or not run.is_on):
        again = "; r starts a new one" if session.offers("start") else ""
        return "!", f"{session.failure}{again}", "bad"
    waited = f" ({view.silent_for} s)" if view.silent_for else ""
    if run is None or (run.series is None and run.is_on):
        return "·", f"torch is loading{waited}", "dim"
    now = state(run, session.paused)
    sign, tone = LOOKS[now]
    verdict, evidence, stands_on = run.reading()
    ground = "" if stands_on == "exact" else f" ({stands_on})"
    told = f"{verdict}{ground}: {evidence}"
    text = told if now in (verdict, "paused") else f"{now}: {run.reason}"
    if now == "paused":
        text = f"paused at step {run.step:,}; {text}"
    elif view.silent_for:
        sign, tone = "!", "change"
        text = f"nothing has come from the trainer for {view.silent_for} s; {text}"
    return sign, text, tone


def below(view: View) -> Row:
    """Return the last row: the advice, the reason last so that it can be left out."""
    session = view.session
    if session.failure and view.details:
        last = next((line for line in reversed(view.details) if line.strip()), "")
        return [("  ", "dim"), (last[: max(view.size[0] - 6, 0)], "dim")]
    if not session.offers("start"):
        return []
    if session.has_losses:
        advice = session.advice()
        if advice is None:
            if session.theory is not None:
                return [("  no rate settles sooner", "good")]
            if session.swept is not None and session.current is not None:
                return [("  none of the rates tried did better", "good")]
            return hint()
        return [("a ", "strong"), (advice_text(advice), "good"), (f": {advice.reason}", "dim")]
    return hint()


def hint() -> Row:
    """Return what a newcomer does first."""
    return [("  ", "dim"), (HINT, "dim")]


def click(view: View, x: int, y: int, width: int, height: int) -> Press | None:
    """Take the advice where it is clicked."""
    session = view.session
    on_advice = y == height - 1 and session.has_losses and session.advice() is not None
    return Press("advice") if on_advice else None


STATUS = Pane(
    id="status",
    place="box",
    draw=draw,
    help="What the curve means, with the evidence; a: which rate to try next, and why.",
    click=click,
)
