"""Parses and formats learning rates."""

from __future__ import annotations

import math
import re

from lrtui.messages import MOST_ENTRANTS

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

UNFINISHED = re.compile(r"\+?(0*[.,]?0*|\d+[.,]?\d*e[+-]?|[.,]\d+e[+-]?)", re.ASCII | re.IGNORECASE)
"""The beginning of a rate."""

THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
"""An ambiguous comma: 1,000 may be one or a thousand."""

SEPARATOR = re.compile(r"[,;]?\s+")
"""Separates two rates."""

MAX_CHARACTERS = 40
"""Maximum characters of a rate."""

FACTOR = 1.25
"""Factor on the rate of one key press."""


def parse_rate(text: str) -> float:
    """Parse a learning rate such as ``0.1``, ``1e-3``, ``.7`` or ``0,7``.

    Raises:
        ValueError: it is not a learning rate; says why, in a sentence for the user.
    """
    text = text.strip()
    if not text:
        raise ValueError("a learning rate is needed, such as 0.1")
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError(f"a learning rate is a finite number, not {text}")
    if THOUSANDS.fullmatch(text):
        raise ValueError(f"{shown(text)} can be read in two ways; write a point for the decimals")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{shown(text)} is longer than {MAX_CHARACTERS} characters")
    number = text.replace(",", ".", 1)
    if not NUMBER.fullmatch(number):
        raise ValueError(f"{shown(text)} is not a number; a learning rate is one, as 0.1 or 1e-3")
    lr = float(number)
    if math.isinf(lr):
        raise ValueError(f"{shown(text)} is too large for a learning rate")
    if lr == 0 and re.search("[1-9]", number.lower().split("e")[0]):
        raise ValueError(f"{shown(text)} is too small for a learning rate")
    if lr <= 0:
        raise ValueError(f"a learning rate is more than 0, not {shown(text)}")
    return lr


def parse_rates(text: str) -> list[float]:
    """Parse the learning rates of a race, such as ``0.1 0.7 1.01``.

    Raises:
        ValueError: one is not a learning rate, or there are too many; says why.
    """
    parts = SEPARATOR.split(text.strip())
    if len(parts) > MOST_ENTRANTS:
        raise ValueError(f"{len(parts)} rates; a race has {MOST_ENTRANTS} at most")
    return [parse_rate(part) for part in parts]


def complaint(text: str) -> str:
    """Return why a text cannot be completed to a list of rates, empty if it can."""
    *whole, last = SEPARATOR.split(text.lstrip())
    try:
        parse_rates(" ".join([*whole, "1"]))
    except ValueError as error:
        return str(error)
    return _complaint(last) if last or not whole else ""


def _complaint(text: str) -> str:
    """Return why a text cannot be completed to a rate, empty if it can."""
    if UNFINISHED.fullmatch(text) or (THOUSANDS.fullmatch(text) and text.count(",") == 1):
        return ""
    try:
        parse_rate(text)
    except ValueError as error:
        return str(error)
    return ""


def scaled(lr: float, factor: float) -> float:
    """Return the rate times a factor, to three digits; unchanged if that is 0 or infinite."""
    new = float(f"{lr * factor:.3g}")
    return new if 0 < new < math.inf else lr


def rate_text(lr: float) -> str:
    """Format a rate with up to nine digits."""
    return f"{lr:.9g}"


def rate_cell(lr: float, width: int) -> str:
    """Format a rate in at most ``width`` cells, with as many digits as fit; never cut."""
    for digits in range(9, 0, -1):
        texts = (
            f"{lr:.{digits}g}",
            f"{lr:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e"),
        )
        for text in texts:
            if len(text) <= width and (float(text) == lr or digits <= 4):
                return text
    return f"{lr:.0e}"


def factor_text(factor: float) -> str:
    """Format a factor: ``2×``."""
    return f"{factor:.4g}×"


def shown(text: str) -> str:
    """Quote the user's input, shortened if it is long."""
    return repr(text if len(text) <= 24 else text[:23] + "…")
