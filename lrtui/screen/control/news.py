"""What is worth a notice to somebody who does not look at the terminal."""

from __future__ import annotations

from lrtui.session.session import Session
from lrtui.text.rates import rate_text

ALARMS = ("spike", "diverged")
"""Verdicts that are told while a run is on."""


def news(session: Session) -> str:
    """Return in a sentence what became of the current run, empty as long as all is well.

    The same sentence means the same news: there is another one only where something has happened.
    """
    run = session.current
    if run is None:
        return session.failure or session.unusable
    live = session.greeting if run.live is not None else None
    name = live.name if live is not None else f"rate {rate_text(run.lr)}"
    if not session.is_on:
        return f"{name} is over after {run.step:,} steps: {run.status()}"
    verdict, _ = run.verdict()
    return f"{name}: {verdict}" if verdict in ALARMS else ""
