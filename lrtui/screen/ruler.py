"""The ruler: one line that shows what every rate would do."""

from __future__ import annotations

from lrtui.run.diagnosis import Verdict
from lrtui.run.rate import rate_text
from lrtui.run.rate_axis import ABOVE, BELOW, place, verdicts
from lrtui.run.session import Session
from lrtui.run.theory import Theory
from lrtui.screen.spans import Row

SHADES = ((1.5, "█"), (4.0, "▓"), (float("inf"), "▒"))
"""How a rate that settles is drawn: by how many times the fewest steps it takes."""

FEWEST = 8
"""Cells that a ruler needs."""

SIGNS: dict[Verdict, tuple[str, str]] = {
    "too slow": ("░", "target"),
    "on the edge": ("╱", "edge"),
    "diverging": ("╳", "bad"),
    "diverged": ("╳", "bad"),
}


def ruler(session: Session, steps: int, rate: float, width: int, height: int) -> list[Row]:
    """Draws the ruler, and below it the best rate and the limit.

    Args:
        session: the runs so far.
        steps: steps of a run.
        rate: the current rate.
        width: cells.
        height: rows.
    """
    bowl, ready, swept = session.bowl, session.ready, session.swept
    if bowl is None or ready is None or swept is None:
        return [[("what each rate would do"[:width], "faint")]]
    low, high = ends(bowl)
    cells = width - len(low) - len(high)
    if cells < FEWEST:
        return []
    found = verdicts(swept, bowl, ready.weights, steps)
    settled = [at for _, at in found if at is not None]
    fewest = max(min(settled, default=1), 1)
    line: Row = []
    here = round(place(rate, bowl) * (cells - 1))
    for cell in range(cells):
        verdict, at = found[round(cell / (cells - 1) * (len(found) - 1))]
        if cell == min(max(here, 0), cells - 1):
            line.append(("◆", "strong-prediction"))
        elif at is not None:
            line.append((next(s for most, s in SHADES if at <= most * fewest), "good"))
        else:
            line.append(SIGNS[verdict])
    best = len(low) + round(place(bowl.best, bowl) * (cells - 1))
    limit = len(low) + round(place(bowl.limit, bowl) * (cells - 1))
    left, right = f"best {rate_text(float(f'{bowl.best:.3g}'))} ★", f"┃ limit {bowl.limit:.3g}"
    if best + 1 - len(left) < 0 or limit + len(right) > width:
        left, right = f"{bowl.best:.3g} ★", f"┃ {bowl.limit:.3g}"
    if limit + len(right) > width:
        left, right = "★", "┃"
    marks: Row = [
        (" " * (best + 1 - len(left)), "dim"),
        (left, "good"),
        (" " * (limit - best - 1), "dim"),
        (right, "bad"),
    ]
    rows = [[(low, "dim"), *line, (high, "dim")], marks]
    return rows[:height]


def ends(bowl: Theory) -> tuple[str, str]:
    """Returns what stands at the ruler's ends."""
    return f"{BELOW * bowl.limit:.1g} ", f" {ABOVE * bowl.limit:.2g}"


def rate_at(session: Session, cell: int, width: int) -> float | None:
    """Returns the rate that a cell of the ruler stands for, ``None`` beside it.

    Args:
        session: the runs so far.
        cell: counted from the left.
        width: of the ruler, its ends included.
    """
    bowl = session.bowl
    if bowl is None or session.swept is None:
        return None
    low, high = ends(bowl)
    cells = width - len(low) - len(high)
    share = (cell - len(low)) / max(cells - 1, 1)
    if cells < FEWEST or not 0 <= share <= 1:
        return None
    return float(f"{BELOW * bowl.limit * (ABOVE / BELOW) ** share:.3g}")
