"""Options of ``lrtui run``, apart from torch."""

from __future__ import annotations

import os
from typing import NamedTuple


class RunOptions(NamedTuple):
    """How to watch a script: see ``Monitor``; ``save`` is a file for the messages of a viewer."""

    name: str | None = None
    journal: str | os.PathLike[str] | None = None
    vitals: bool = True
    on_spike: str | None = None
    own_batch: bool = False
    save: str | None = None
