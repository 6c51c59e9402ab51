"""Learning rates as a person types and reads them."""

from __future__ import annotations

import math
import re

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

UNFINISHED = re.compile(r"\+?(0*\.?0*|\d+\.?\d*e[+-]?|\.\d+e[+-]?)", re.ASCII | re.IGNORECASE)
"""What can still become a rate as more is typed."""

FACTOR = 1.25
"""What one press of a key makes a rate larger or smaller by."""


def parse_rate(text: str) -> float:
    """Reads a learning rate such as ``0.1``, ``1e-3`` or ``.7``.

    Raises:
        ValueError: it can be no learning rate; says why, in a sentence a person can act on.
    """
    text = text.strip()
    if not text:
        raise ValueError("a learning rate is needed, such as 0.1")
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError(f"a learning rate is a finite number, not {text}")
    if not NUMBER.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a number; a learning rate is one such as 0.1 or 1e-3"
        )
    rate = float(text)
    if math.isinf(rate):
        raise ValueError(f"{shown(text)} is too large for a learning rate")
    if rate == 0 and re.search("[1-9]", text.lower().split("e")[0]):
        raise ValueError(f"{shown(text)} is too small for a learning rate")
    if rate <= 0:
        raise ValueError(f"a learning rate is more than 0, not {shown(text)}")
    return rate


def complaint(text: str) -> str:
    """Says why a text is no rate and can become none by typing on; empty if it is or can."""
    if UNFINISHED.fullmatch(text.strip()):
        return ""
    try:
        parse_rate(text)
    except ValueError as error:
        return str(error)
    return ""


def scaled(rate: float, factor: float) -> float:
    """Returns the rate times a factor, rounded to the three digits that are shown of it.

    A product that is no rate any more (zero or infinite) leaves the rate as it is.
    """
    new = float(f"{rate * factor:.3g}")
    return new if 0 < new < math.inf else rate


def rate_text(rate: float) -> str:
    """Writes a rate in full, up to nine digits."""
    return f"{rate:.9g}"


def shown(text: str) -> str:
    """Quotes what a person typed, cut where it is long."""
    return repr(text if len(text) <= 24 else text[:23] + "…")
