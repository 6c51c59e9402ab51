"""Formats errors."""

from __future__ import annotations


def in_words(error: BaseException) -> str:
    """Return an error's type and message."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
