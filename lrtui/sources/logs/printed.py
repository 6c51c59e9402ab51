"""Printed lines of a training that have a loss, a step or a rate, or are rows of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lrtui.sources.logs.names import HELD_OUT, loss_rank, rate_rank
from lrtui.sources.logs.reader import Event, Mark, Reader
from lrtui.sources.logs.rows import STEP_NAMES, Rows, number, whole

MAX_TEXT = 4096
"""Most characters of a line that are searched."""

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")

NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf)"

SIGN = r"['\"]?\s*[:=#\[]?\s*['\"]?"
STEPS = [
    *(
        re.compile(rf"\b{word}\b{SIGN}(\d+)(?![\d.])(?:\s*/\s*(\d+))?", re.IGNORECASE)
        for word in ("global[ _]?step", "iter(?:ation)?", "step", "update", "batch")
    ),
    re.compile(r"\[\s*(\d+)\s*/\s*(\d+)\s*[\](]"),
    re.compile(r"\|\s*(\d+)/(\d+) \["),  # tqdm's bar
    re.compile(r"^\s*(\d+)/(\d+) [━\[]"),  # that of Keras
]
"""Patterns of a step, and perhaps of their number; the most certain first."""

EPOCH = re.compile(rf"\bepoch\b{SIGN}(\d+(?:\.\d+)?)", re.IGNORECASE)
STEP_WORDS = {"step", "iter", "iteration", "update", "batch", "epoch"}

PAIR = re.compile(
    rf"(?<![\w.])((?:[a-z][\w/.-]*[ _])?[a-z][\w/.-]*)['\"]?\s*([:=]?)\s*['\"]?({NUMBER})"
    r"(?![\w.]*\w)",
    re.IGNORECASE,
)
"""A name of one or two words, and a number."""

Cells = list[re.Match[str]]
"""Words of a line, with their places."""


class Printed(Reader):
    """A file of what a training printed.

    Attributes:
        pattern: a person's own for the lines, with groups called ``step``, ``loss``, ``lr``.
    """

    format, title = "text", "printed lines"
    pattern: re.Pattern[str] | None = None

    @classmethod
    def knows(cls, path: Path, head: bytes) -> bool:
        """See ``Reader.knows``."""
        if b"\0" in head:
            return False
        text = ESCAPES.sub("", head.decode(errors="replace"))
        columns: Cells = []
        for line in re.split(r"[\r\n]", text):
            if values_of(line) or row_of(columns, line):
                return True
            columns = header_of(line) or columns
        return False

    def entries(self) -> Iterator[Event]:
        """See ``Reader.entries``."""
        rows = Rows()
        columns: Cells = []
        under: float | None = None  # epoch that a line above has named
        has_steps = False

        for line in self.lines(self.path):
            if isinstance(line, Mark):
                yield line
                continue
            text, each = ESCAPES.sub("", line[1][-MAX_TEXT:]), None
            if self.pattern is not None:
                match = self.pattern.search(text)
                groups = match.groupdict() if match else {}
                step = whole(groups.pop("step", None))
                values = {k: v for k, text in groups.items() if (v := number(text)) is not None}
                epoch = values.get("epoch")
            elif values := values_of(text):
                step, epoch, each = step_of(text)
                has_steps = has_steps or step is not None
                if not has_steps and epoch is not None and rows.is_step(epoch):
                    step, epoch = whole(epoch), None
                elif epoch is None:
                    epoch = under
            elif row := row_of(columns, text):
                if (entry := rows.entry(row)) is not None:
                    yield entry
            else:
                columns = header_of(text) or columns
                under = named if (named := epoch_of(text)) is not None else under
            if values:
                at = rows.counted(step, epoch, values, each)
                if each is not None and epoch is None:
                    self.total = each if at == step else None  # else it is that of an epoch
                yield at, values, 0.0


def header_of(line: str) -> Cells:
    """Return the names in the header of a table, as skorch and fastai print it; else nothing."""
    first = line[:MAX_TEXT].split(None, 1)[:1]
    if not first or first[0].lower() not in STEP_NAMES:
        return []
    cells = [*re.finditer(r"\S+", line[:MAX_TEXT])]
    return cells if any(loss_rank(cell[0]) is not None for cell in cells) else []


def row_of(columns: Cells, line: str) -> dict[str, str]:
    """Return the cells of a row by the names above them; empty for other lines.

    Columns are aligned left or right, and some cells may be missing.
    """
    cells = [*re.finditer(r"\S+", line[:MAX_TEXT])] if columns else []
    if not len(columns) / 2 < len(cells) <= len(columns) or number(cells[0][0]) is None:
        return {}

    def above(cell: re.Match[str]) -> str:
        def distance(name: re.Match[str]) -> int:
            return min(abs(name.start() - cell.start()), abs(name.end() - cell.end()))

        return str(min(columns, key=distance)[0])

    return {above(cell): cell[0] for cell in cells}


def step_of(line: str) -> tuple[int | None, float | None, int | None]:
    """Return step and epoch that a line names, and how many steps there are, in an epoch if any."""
    for pattern in STEPS:
        if match := pattern.search(line):
            return whole(match[1]), epoch_of(line), whole(match[2]) if match[2] else None
    return None, epoch_of(line), None


def epoch_of(line: str) -> float | None:
    """Return the epoch that a line names."""
    match = EPOCH.search(line)
    return number(match[1]) if match else None


def values_of(line: str) -> dict[str, float]:
    """Return the scalars of a line that has a loss; empty for other lines."""
    found: dict[str, float] = {}
    for name, sign, text in PAIR.findall(line[:MAX_TEXT]):
        value = number(text.replace(",", ""))
        known = loss_rank(name) is not None or rate_rank(name) is not None
        if value is None or not (sign or known) or name.lower().split()[-1] in STEP_WORDS:
            continue
        # litgpt writes "loss train: 1.5, val: 1.6".
        found[f"{name} loss" if name in HELD_OUT else name] = value
    return found if any(loss_rank(name) is not None for name in found) else {}
