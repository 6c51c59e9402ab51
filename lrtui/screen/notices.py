"""A bell and a notice on the desktop, for a user who does not look at the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from lrtui.screen.terminal.environment import in_gnu_screen
from lrtui.session.session import Session
from lrtui.text.ascii_fallback import printable
from lrtui.text.rates import rate_text

ALARMS = ("spike", "diverged")
"""Verdicts that are worth a notice while a run is on."""

NORM_STEPS = 128
"""Steps for which a high gradient norm is news."""


def news(session: Session) -> str:
    """Say what happened to the current run; empty if that is not worth a notice."""
    run = session.current
    if run is None:
        return session.failure or session.unusable
    live = session.greeting if run.live is not None else None
    name = live.name if live is not None else f"rate {rate_text(run.lr)}"
    if not session.is_on:
        return f"{name} is over after {run.step:,} steps: {run.status()}"
    verdict, _ = run.verdict()
    high, spike = run.spikes.norms.last, run.spikes.now
    if verdict == "spike":
        high = spike.norm if spike is not None else None  # one event, one notice
    elif verdict == "diverged" or (high is not None and run.step > high.step + NORM_STEPS):
        high = None
    if high is not None:
        return f"{name}: {high.in_words()}, step {high.step:,}"
    return f"{name}: {verdict}" if verdict in ALARMS else ""


def sequence(text: str, environment: Mapping[str, str]) -> str:
    """Return the output of a notice (OSC 9), wrapped for tmux to pass on, and a bell.

    GNU screen and the Linux console, which might print the notice, get only the bell.
    """
    bell = "\x07"
    if in_gnu_screen(environment) or environment.get("TERM") == "linux":
        return bell
    notice = f"\x1b]9;{printable(text)}{bell}"
    if environment.get("TMUX"):
        notice = "\x1bPtmux;" + notice.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return notice + bell
