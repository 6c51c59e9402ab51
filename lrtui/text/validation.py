"""Which scalars are validation losses, judging by their names."""

from __future__ import annotations

import re
from functools import lru_cache

KIND = re.compile(r"(?<![A-Za-z])(?i:(val|valid|validation|eval|evaluation|test))(?![a-z])")
"""A whole word, so that the value loss of PPO does not count."""


@lru_cache(maxsize=1024)
def validation_kind(name: str) -> str:
    """Return a word for a validation loss, such as ``val``; empty for any other scalar."""
    found = KIND.search(re.sub(r"(?i)loss", "_loss_", name))
    if found is None or "loss" not in name.lower():
        return ""
    return {"v": "val", "e": "eval", "t": "test"}[found[1][0].lower()]
