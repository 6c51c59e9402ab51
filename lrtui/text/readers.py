"""Parsers of the user's input: each returns the value or raises a helpful sentence."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from lrtui.messages import SCHEDULES, ScheduleName

Reader = Callable[[str], object]
"""Parses a text; raises ``ValueError`` with a sentence."""


def within(low: float, high: float, needed: str) -> Callable[[str], float]:
    """Return a parser of numbers in a range; ``needed`` begins its error sentence."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"{needed} needed, not {text[:24]!r}")
        return number

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range, in digits only."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"a whole number from {low:,} to {high:,} is needed, not {text[:24]!r}")

    return read


below_one = within(0, math.nextafter(1, 0), "a number from 0 to below 1 is")


def read_speed(text: str) -> float | None:
    """Parse steps a second; ``max`` is ``None``, as fast as possible."""
    if text == "max":
        return None
    return within(0.01, 1e6, "steps a second from 0.01 to 1,000,000, or max, are")(text)


def read_schedule(text: str) -> str:
    """Parse the name of a learning rate schedule."""
    try:
        return msgspec.convert(text, ScheduleName)
    except msgspec.ValidationError as error:
        known = ", ".join(SCHEDULES)
        raise ValueError(f"no schedule is called {text[:24]!r}; there are {known}") from error


def read_betas(text: str) -> tuple[float, float]:
    """Parse Adam's two betas, such as ``0.9,0.999``."""
    read = within(0, math.nextafter(1, 0), "two numbers from 0 to below 1, as 0.9,0.999, are")
    first, _, second = text.partition(",")
    return read(first), read(second)
