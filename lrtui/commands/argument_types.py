"""What an argument of the command line may be, and what is said of one that is not."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import msgspec

from lrtui.messages import SCHEDULES, ScheduleName
from lrtui.text.rates import parse_rate


def within(
    low: float, high: float, needed: str, read: Callable[[str], float] = float
) -> Callable[[str], float]:
    """Return a reader of numbers in a range; ``needed`` names them where it finds another."""

    def read_number(text: str) -> float:
        try:
            number = read(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{needed} needed, not {text[:24]!r}")
        return number

    return read_number


def whole(low: int, high: int) -> Callable[[str], float]:
    """Return a reader of whole numbers in a range, written in digits alone."""

    def read(text: str) -> int:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1

    return within(low, high, f"a whole number from {low:,} to {high:,} is", read)


def rate(text: str) -> float:
    """Read a learning rate."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def speed(text: str) -> float | None:
    """Read steps a second, or ``max``."""
    needed = "steps a second from 0.01 to 1,000,000, or max, are"
    return None if text == "max" else within(0.01, 1e6, needed)(text)


def schedule(text: str) -> str:
    """Read how the rate moves."""
    try:
        return msgspec.convert(text, ScheduleName)
    except msgspec.ValidationError as error:
        known = ", ".join(SCHEDULES)
        raise argparse.ArgumentTypeError(
            f"no schedule is called {text[:24]!r}; there are {known}"
        ) from error


def betas(text: str) -> tuple[float, float]:
    """Read the two betas of Adam, such as ``0.9,0.999``."""
    needed = "two numbers from 0 to below 1, as 0.9,0.999, are"
    read = within(0, math.nextafter(1, 0), needed)
    first, _, second = text.partition(",")
    return read(first) or 0.0, read(second) or 0.0
