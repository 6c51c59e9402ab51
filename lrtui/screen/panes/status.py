"""The verdict on the current run, or what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from lrtui.analysis.headroom import sentence
from lrtui.messages import USUAL_FACTORS
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, fitted, length
from lrtui.screen.panes.loss import knows_no_loss
from lrtui.screen.panes.pane import TALL, Pane
from lrtui.session.run import Run
from lrtui.session.session import Session
from lrtui.text.rates import factor_text, rate_text

LOOKS = {
    "converging": ("▶", "good"),
    "cannot tell yet": ("?", "text"),
    "falling": ("▸", "good"),
    "falling, swinging": ("⇅", "warn"),
    "at the edge": ("≈", "warn"),
    "level": ("▬", "warn"),
    "rising": ("⇡", "bad"),
    "spike": ("∧", "warn"),
    "above its start": ("△", "warn"),
    "above its level": ("⊼", "warn"),
    "side to side": ("⇄", "good"),
    "settled": ("✓", "good"),
    "too few steps": ("▷", "warn"),
    "too slow": ("…", "warn"),
    "on the edge": ("╱", "warn"),
    "diverging": ("↗", "bad"),
    "diverged": ("✕", "bad"),
    "paused": ("‖", "strong"),
    "stopped": ("■", "dim"),
    "failed": ("!", "bad"),
    "disconnected": ("∅", "bad"),
}
"""The sign and the tone of each state of a run; the sign is for those who cannot see colours."""

RISEN = ("spike", "rising", "above its start", "above its level", "diverged")
"""Verdicts on a loss that was lower before."""

Verdict = tuple[str, str, str]
"""A sign, a text and a tone."""


def state(run: Run, paused: bool) -> str:
    """Return the state of a run in a word, a key of ``LOOKS``."""
    return "paused" if paused and run.is_on else run.status()


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the verdict, and in the last rows what can be done about it."""
    if view.race and not view.several and not urgent(view):
        under = below(view, width, 1)
        rows = race_rows(view, width, max(height - len(under), 1))
    else:
        sign, text, tone = verdict_of(view)
        run = view.session.current
        number: Row = [(f" {run.number}", view.tone(run))] if view.several and run else []
        margin = " " * length(number)
        lines = textwrap.wrap(text, max(width - len(margin) - 4, 1)) or [""]
        under = below(view, width, height - len(lines))
        room = max(height - len(under), 1)
        if len(lines) > room:
            lines = lines[:room]
            lines[-1] = lines[-1][: max(width - len(margin) - 5, 0)] + "…"
        rows = [[(f"{margin}   ", tone), (line, tone)] for line in lines]
        rows[0] = [*number, (f" {sign} ", tone), (lines[0], tone)]
    if not under and len(rows) < height:
        under = [why_advised(view, width)]
    return [*rows, *under, *([[]] * height)][:height]


def race_rows(view: View, width: int, height: int) -> list[Row]:
    """Return a cell for each run of a race: its number, rate and verdict, as far as they fit."""
    race, session = view.race, view.session
    by = len({run.title for run in race}) > 1
    for form, gap, with_rate in FORMS:
        cells = []
        for run in race:
            now = state(run, session.is_paused(run))
            sign, tone = LOOKS[now]
            here = run is view.session.current
            name = f"{rate_text(run.lr)} {run.title}" if by else rate_text(run.lr)
            # A run that is paused or was stopped does not get where it was forecast to.
            at = f"at step {run.step:,}" if now in ("paused", "stopped") else fate(run)
            text = form(sign, now, at)
            number: Row = [(f" {run.number} ", view.tone(run))]
            if with_rate:
                number.append((f"{name} ", "strong" if here else "text"))
            cells.append([*number, (text, tone)])
        rows: list[Row] = [[]]
        for cell in cells:
            if rows[-1] and length(rows[-1]) + gap + length(cell) > width:
                rows.append([])
            rows[-1] += ([(" " * gap, "dim")] if rows[-1] else []) + cell
        if len(rows) <= height:
            break
    return [*(fitted(row, width) for row in rows[:height]), *([[]] * (height - len(rows)))]


FORMS: tuple[tuple[Callable[[str, str, str], str], int, bool], ...] = (
    (lambda sign, now, fate: f"{sign} {now} {fate}", 3, True),
    (lambda sign, now, fate: f"{sign} {fate or now}", 3, True),
    (lambda sign, now, fate: f"{sign} {fate.rsplit(' ', 1)[-1]}", 2, True),
    (lambda sign, now, fate: sign, 1, True),
    (lambda sign, now, fate: sign, 1, False),
)
"""Forms of the verdict on a run of a race, from most to fewest words; for each the cells between
two runs, and whether it includes the rate."""


def fate(run: Run) -> str:
    """Say at which step a run settles, if known; else its loss."""
    if run.settled_at is not None:
        return f"at {run.settled_at:,}"
    if run.forecast is not None:
        return f"at {run.forecast:,}"
    return f"loss {run.loss:.3g}" if run.loss is not None else ""


def urgent(view: View) -> bool:
    """Return whether something is more urgent than any verdict."""
    session = view.session
    wrong = session.unusable or session.failure
    return bool(wrong or view.silent_for or not session.has_losses)


def verdict_of(view: View) -> Verdict:
    """Return the verdict on the current run, or what is more urgent."""
    session = view.session
    run = session.current
    if session.unusable:
        again = "; r loads it again" if session.offers("start") else ""
        return "✕", f"{session.unusable}{again}", "bad"
    if session.failure and not session.is_on:
        again = "; r starts a new one" if session.offers("start") else ""
        return "!", f"{session.failure}{again}", "bad"
    waited = f" ({view.silent_for} s)" if view.silent_for else ""
    if run is not None and run.live is not None and run.series is None and run.is_on:
        if knows_no_loss(run):
            return "·", f"no verdict without a loss; steps and rate are shown{waited}", "dim"
        return "·", f"no step has been taken yet{waited}", "dim"
    if run is None and not session.offers("start"):
        return "·", f"nothing has come yet{waited}", "dim"
    if run is None or (run.series is None and run.is_on):
        return "·", f"torch is loading{waited}", "dim"
    now = state(run, session.is_paused(run))
    sign, tone = LOOKS[now]
    verdict, evidence, stands_on = run.reading()
    ground = "" if stands_on == "exact" else f" ({stands_on})"
    said = f"{verdict}{ground}: {evidence}"
    text = said if now in (verdict, "paused") else f"{now}: {run.reason}"
    if now == "paused":
        text = f"paused at step {run.step:,}; {text}"
    elif run.stall:
        sign, tone = "!", "warn"
        text = f"{run.stall}; {text}"
    elif view.silent_for:
        sign, tone = "!", "warn"
        text = f"nothing has come from the trainer for {view.silent_for} s; {text}"
    return sign, text, tone


def below(view: View, width: int, height: int) -> list[Row]:
    """Return the last rows: the output of a trainer that failed, or what a live training offers.

    Two rows only if the height allows it.
    """
    session = view.session
    if session.failure and view.details:
        last = next((line for line in reversed(view.details) if line.strip()), "")
        return [fitted([("  ", "dim"), (last[: max(view.size[0] - 6, 0)], "dim")], width)]
    if session.current is None or session.current.live is None:
        return []
    forms = headroom_of(session.current)
    offered = try_offered(session, session.current) if forms and height > 1 else []
    remedy = way_back_from(session.current) or offered or last_spike(session.current)
    if not remedy or not forms or height < 2:  # one row, in as many words as fit
        room = width - length(remedy)
        said = next((row for row in forms if length(row) <= room or row is forms[-1]), [])
        row = fitted([*said, *remedy], width)
        return [row] if row else []
    return [next((row for row in forms if length(row) <= width), []), fitted(remedy, width)]


def why_advised(view: View, width: int) -> Row:
    """Return the reason for the advice, if the row of numbers has no room for it."""
    session = view.session
    if width >= 110 or view.race or urgent(view) or not session.offers("start"):
        return []
    found = session.advice()
    return [] if found is None else fitted([(f"   advice: {found.reason}", "dim")], width)


def rows(view: View) -> int:
    """Return its rows: the same number throughout a run, so that nothing below it moves."""
    session, (columns, height) = view.session, view.size
    run = session.current
    if height < TALL:
        return 2
    if run is not None and run.live is not None:
        return 3
    return 2 if columns < 110 or view.race or session.failure or session.unusable else 1


def headroom_of(run: Run) -> list[Row]:
    """Say whether the rate may go up, from most to fewest words; nothing if that is unknown."""
    gauge = run.live.gauge if run.live is not None and run.is_on else None
    if gauge is None or not (text := sentence(gauge.word, gauge.left)):
        return []
    forms = [text, text.partition(";")[0], gauge.word]
    return [[(" ↑ ", "good"), (form, "good")] for form in forms]


def way_back_from(run: Run) -> Row:
    """Return the key that leads back to before a rise, with the snapshot; empty without a rise."""
    live = run.live
    if live is None or live.way_back is None or not run.is_on or run.verdict()[0] not in RISEN:
        return []
    step, by = live.way_back
    at = "rate kept" if by == 1 else "at half the rate"
    return [("   t ", "strong"), (f"back to step {step:,}", "text"), (f", {at}", "dim")]


def try_offered(session: Session, run: Run) -> Row:
    """Return the key that tries the next steps at other rates, with these; empty amid a try."""
    factors = " ".join(map(factor_text, USUAL_FACTORS))
    offered: Row = [("   T ", "strong"), ("try", "text"), (f" {factors}", "dim")]
    is_on = run.live is not None and run.live.trying is not None
    return offered if session.offers("try") and not is_on else []


def last_spike(run: Run) -> Row:
    """Return the last spike once it is over; one that is not is the verdict, with its figures."""
    spike = run.live.spike if run.live is not None else None
    if spike is None or spike.over is None:
        return []
    over = f"recovered in {spike.over:,} steps"
    return [(f"   last spike at {spike.step:,}, {spike.height_text}; {over}", "dim")]


STATUS = Pane(
    id="status",
    place="row",
    draw=draw,
    title="verdict",
    help="What the curve means, with the evidence and in brackets what that stands on.",
)
