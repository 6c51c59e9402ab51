"""Formats bytes and durations."""

from __future__ import annotations


def bytes_text(count: float) -> str:
    """Format a number of bytes, such as ``321 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def duration(seconds: float) -> str:
    """Format a duration, such as ``3 h 12`` or ``5 days``."""
    minutes = int(seconds) // 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60):,} days"
    if minutes < 1:
        return f"{int(max(seconds, 0))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02}"


def pace_text(pace: float) -> str:
    """Format steps a second; as seconds a step if there is less than one."""
    if 0 < pace < 1:
        seconds = 1 / pace
        return f"{seconds:.1f} s/step" if seconds < 100 else f"{seconds:,.0f} s/step"
    return f"{pace:.1f} steps/s" if pace < 10 else f"{pace:,.0f} steps/s"
