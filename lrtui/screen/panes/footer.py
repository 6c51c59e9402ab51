"""The footer: the keys, as many as fit."""

from __future__ import annotations

from lrtui.screen.actions import BY_NAME, Action, is_over
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, length
from lrtui.screen.panes.pane import Pane, Press
from lrtui.session.session import Session

LAST = 2
"""Entries that are always there: the help and the key that quits."""

OURS = (
    "pause", "advice", "older", "zoom", "chart", "settings", "restart", "export", "step",
    "cursor_left",
)  # fmt: skip
"""Essential actions on a run of ours, most important first."""

STEERED = (
    "shrink", "pause", "try", "release", "rewind", "checkpoint", "stop", "step", "scalar", "zoom",
    "export", "cursor_left",
)  # fmt: skip
"""Essential actions on a training that is watched."""

RECORDED = (
    "pause", "seek_start", "run_before", "slower", "scalar", "zoom", "older", "stop", "chart",
    "export", "cursor_left",
)  # fmt: skip
"""Essential actions on a record, on a log, or on a race of scripts."""

ALONE = {"every-rate": ("every_rate", "cursor_left", "zoom_ruler"), "heat": ("heat",)}
"""Most important actions by the pane that is shown alone."""


def essential(session: Session) -> list[Action]:
    """Return the actions that a user must know, among those that the source offers."""
    # The rate of some cannot be held, such as that of Prodigy.
    is_steered = session.offers("hold") or session.offers("scale") or session.offers("rewind")
    watched = STEERED if is_steered else RECORDED
    names: tuple[str, ...] = OURS if session.offers("start") else watched
    found = [BY_NAME[name] for name in (*names, "help", "leave")]
    return [action for action in found if action.is_offered(session)]


def entries(view: View, width: int) -> list[tuple[str, Row]]:
    """Return the action and the text of each key that fits; the last entries always do."""
    session = view.session
    found: list[tuple[str, Row]] = []
    if view.alone in ALONE and session.offers("start"):
        found.append(("", entry("enter", "run it")))
    elif view.race and session.is_on and session.offers("alone"):
        found.append(("", entry("enter", "alone")))
    if session.offers("start"):
        found.append(("", entry("0-9", "rate")))
    elif session.offers("add"):
        found.append(("", entry("0-9", "add a rate")))
    elif session.offers("hold") and not is_over(session):
        found.append(("", entry("0-9", "hold")))
    here = [BY_NAME[name] for name in ALONE.get(view.alone or "", ())]
    for action in [*here, *(known for known in essential(session) if known not in here)]:
        if action.is_offered(session):
            found.append((action.name, entry("".join(action.signs), action.footer)))
    last = found[-LAST:]
    room = width - sum(length(row) for _, row in last)
    kept = []
    for name, row in found[:-LAST]:
        if length(row) > room:
            break
        kept.append((name, row))
        room -= length(row)
    return kept + last


def entry(sign: str, word: str) -> Row:
    """Return a key and its word."""
    return [(f" {sign}", "strong"), (f" {word} ", "dim")]


def draw(view: View, width: int, height: int) -> list[Row]:
    """List the keys."""
    return [[span for _, row in entries(view, width) for span in row]]


def click(view: View, x: int, y: int, width: int, height: int) -> Press | None:
    """Press the clicked key; of a pair, the one that was hit."""
    start = 0
    for name, row in entries(view, width):
        if x < start + length(row):
            if not name:
                return None
            return Press(BY_NAME[name].pressed_at(x - start - 1).name)  # a blank comes first
        start += length(row)
    return None


FOOTER = Pane(id="footer", place="row", draw=draw, click=click)
