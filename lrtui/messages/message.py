"""The base class of messages."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a source reports about a run, or about itself."""


def check_equal_lengths(*columns: Sequence[object]) -> None:
    """Check that the columns of a table fit together.

    Raises:
        ValueError: their lengths differ.
    """
    if len(set(map(len, columns))) > 1:
        raise ValueError("columns of different lengths")
