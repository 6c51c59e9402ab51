"""A person's own table: linear regression of one column on the other numeric ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lrtui.messages import LineScene, ProblemFacts
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import Affine, closed_form, squared
from lrtui.problems.problem import Problem, ProblemError, pair_batches
from lrtui.problems.scenes import subsample

Floats = NDArray[np.float64]

MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
"""Cells for a missing value, in lower case."""

NUMERIC_SHARE = 0.5
"""Least share of numbers among the cells of a numeric column."""

TYPE_ROWS = 1000
"""First rows, which decide the type of a column."""

ROWS_PER_READ = 50_000
"""Rows read at a time."""

LARGEST_CELL = 1e15
"""Numbers beyond this lose their digits when squared and summed."""

MIN_INDEPENDENT_SHARE = 1e-7
"""A column is redundant if its part orthogonal to the others is a smaller share than this."""

MAX_QUADRATIC_WEIGHTS = 300
"""Most weights for a closed form."""

NOTABLE_CONDITION = 10
"""Ratio of two condition numbers worth a remark."""

MAX_NAMED_COLUMNS = 4
"""Most columns that a remark names."""


@dataclass
class Table:
    """The numeric columns of a file.

    Attributes:
        names: of the columns.
        values: shape [rows, columns].
        remarks: about data left out, in sentences.
    """

    names: list[str]
    values: Floats
    remarks: list[str] = field(default_factory=list)


def load_table(settings: ProblemSettings) -> Problem:
    """Return the regression of a column of a table on its other numeric columns.

    Raises:
        ProblemError: the table is unsuitable; says why.
    """
    table = read(settings.file, settings.target)
    at = table.names.index(str(settings.target))
    y = table.values[:, at]
    table = independent(
        replace(
            table,
            names=table.names[:at] + table.names[at + 1 :],
            values=np.delete(table.values, at, axis=1),
        )
    )
    raw = table.values
    deviation = raw.std(axis=0)
    standard = (raw - raw.mean(axis=0)) / deviation
    plain, other = (standard, raw) if settings.standardise else (raw, standard)
    exact_x, exact_y = torch.from_numpy(with_ones(plain)), torch.from_numpy(y)
    # Apple's devices have no float64.
    dtype = torch.float32 if settings.device == "mps" else torch.float64
    x, targets = (part.to(dtype).to(settings.device) for part in (exact_x, exact_y))
    start = torch.zeros(x.shape[1], dtype=dtype)
    whole = settings.batch is None or settings.batch >= len(y)
    scene = None
    if x.shape[1] == 2:
        rows = subsample(len(y))
        scene = LineScene(x=x[rows, 0].tolist(), y=targets[rows].tolist(), true_weights=None)
    quadratic = None
    if whole and x.shape[1] <= MAX_QUADRATIC_WEIGHTS:
        quadratic = closed_form(exact_x, exact_y, start)
    own_condition, other_condition = condition(plain), condition(other)
    columns = f"{len(table.names):,} column{'s' if len(table.names) > 1 else ''}"
    return Problem(
        facts=ProblemFacts(
            name=settings.name,
            weights=x.shape[1],
            samples=len(y),
            batch=None if whole else settings.batch,
            remarks=[
                f"{settings.target} from {columns} ({shortened(table.names)}), {len(y):,} rows",
                *table.remarks,
                *condition_remark(own_condition, other_condition, settings.standardise),
            ],
            condition=own_condition,
            other_condition=other_condition,
        ),
        seed=settings.seed,
        make_model=lambda: Affine(start),
        loss=squared,
        batches=pair_batches(x, targets, settings.batch, settings.seed),
        probe=(x, targets),
        scene=scene,
        quadratic=quadratic,
        device=settings.device,
        file=settings.file,
    )


def read(file: Path, target: str | None) -> Table:
    """Return the numeric columns of a file, without unusable rows.

    The file is comma-, semicolon- or tab-separated text with a row of names.

    Raises:
        ProblemError: it cannot be read, or has no such target column; says why.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as text:
            first = text.readline()
            text.seek(0)
            separator = max(",;\t", key=first.count)
            rows = csv.reader(text, delimiter=separator)
            names = [name.strip() for name in next(rows, [])]
            return parsed(names, rows, target)
    except OSError as error:
        raise ProblemError(f"it cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise ProblemError(f"it is no table: {error}") from error


def parsed(names: list[str], rows: Iterator[list[str]], target: str | None) -> Table:
    """Return the numeric columns of rows of text."""
    if not any(names):
        raise ProblemError("it is empty")
    head = [*islice(rows, TYPE_ROWS)]
    if not head:
        raise ProblemError("it has a row of names, and no other")
    types = [
        column_type([row[i] for row in head if len(row) == len(names)]) for i in range(len(names))
    ]
    numeric = [i for i, found in enumerate(types) if found == "numbers"]
    choice = shortened([names[i] for i in numeric]) or "none"
    if target is None:
        raise ProblemError(f"--target says which column is predicted; columns of numbers: {choice}")
    if target not in names:
        raise ProblemError(f"no column is called {target[:40]!r}; columns of numbers: {choice}")
    if names.index(target) not in numeric:
        raise ProblemError(f"{target} is no column of numbers; those are: {choice}")
    if len(numeric) == 1:
        raise ProblemError(f"{target} is the only column of numbers; another has to predict it")
    kept: list[Floats] = []
    short = missing = invalid = 0
    for chunk in chunks(head, rows):
        fitting = [row for row in chunk if len(row) == len(names)]
        short += sum(1 for row in chunk if row) - sum(1 for row in fitting if row)
        columns = [numbers([row[i] for row in fitting]) for i in numeric]
        values = np.column_stack(columns) if fitting else np.empty((0, len(numeric)))
        is_missing, is_invalid = np.isnan(values).any(axis=1), np.isinf(values).any(axis=1)
        is_invalid |= (np.abs(np.nan_to_num(values)) > LARGEST_CELL).any(axis=1)
        missing += int((is_missing & ~is_invalid).sum())
        invalid += int(is_invalid.sum())
        kept.append(values[~(is_missing | is_invalid)])
    table = Table([names[i] for i in numeric], np.concatenate(kept))
    table.remarks += omission("row", missing, "with missing values")
    table.remarks += omission("row", invalid, "with something that is no number, or none to use")
    table.remarks += omission("row", short, f"with other than {len(names)} cells")
    others = [names[i] for i, found in enumerate(types) if found == "text"]
    table.remarks += omission("column", len(others), f"of text ({shortened(others)})")
    blank = [names[i] for i, found in enumerate(types) if found == "missing"]
    table.remarks += omission("column", len(blank), f"mostly missing ({shortened(blank)})")
    if len(table.values) < 2:
        count = len(table.values)
        said = "; ".join(table.remarks) or "there are no others"
        raise ProblemError(f"{count} row{'' if count == 1 else 's'} can be used; {said}")
    return table


def chunks(head: list[list[str]], rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the first rows, then the others in parts."""
    yield head
    while part := [*islice(rows, ROWS_PER_READ)]:
        yield part


def column_type(cells: Sequence[str]) -> str:
    """Return the type of a column: ``numbers``, ``text``, or ``missing`` if most values are."""
    values = numbers(cells)
    present = ~np.isnan(values)
    if present.sum() < NUMERIC_SHARE * max(len(values), 1):
        return "missing"
    return (
        "numbers" if np.isfinite(values[present]).sum() >= NUMERIC_SHARE * present.sum() else "text"
    )


def numbers(cells: Sequence[str]) -> Floats:
    """Return cells as numbers: NaN for missing values, infinity for text."""
    try:
        if "" not in cells:
            return np.nan_to_num(np.array(cells, dtype=np.float64), nan=np.nan, posinf=np.inf)
    except ValueError:
        pass  # some cell is no number
    return np.array([number(cell) for cell in cells], dtype=np.float64)


def number(cell: str) -> float:
    """Return one cell as a number; see ``numbers``."""
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("inf")


def independent(table: Table) -> Table:
    """Return a table without constant columns and linear combinations of others.

    Raises:
        ProblemError: no column is left.
    """
    values = table.values
    centred = values - values.mean(axis=0)
    size = np.sqrt((centred**2).mean(axis=0))
    constant = size <= MIN_INDEPENDENT_SHARE * np.abs(values).max(axis=0, initial=1e-300)
    basis: list[Floats] = []
    kept: list[int] = []
    dependent: list[str] = []
    for i in np.flatnonzero(~constant):
        unit = centred[:, i] / np.linalg.norm(centred[:, i])
        rest = unit
        for _ in range(2):  # twice is enough: Kahan's rule
            for direction in basis:
                rest = rest - (direction @ rest) * direction
        if np.linalg.norm(rest) > MIN_INDEPENDENT_SHARE:
            basis.append(rest / np.linalg.norm(rest))
            kept.append(int(i))
        else:
            dependent.append(table.names[i])
    still = [table.names[i] for i in np.flatnonzero(constant)]
    remarks = omission("column", len(still), f"constant ({shortened(still)})")
    remarks += omission("column", len(dependent), f"made of others ({shortened(dependent)})")
    if not kept:
        raise ProblemError(f"no column is left to predict from; {'; '.join(remarks)}")
    return Table([table.names[i] for i in kept], values[:, kept], table.remarks + remarks)


def condition(features: Floats) -> float | None:
    """Return the condition number of the Hessian of a regression on features."""
    x = with_ones(features)
    values = np.linalg.eigvalsh(2 / len(x) * x.T @ x)
    found = float(values[-1] / values[0]) if values[0] > 0 else float("inf")
    return found if np.isfinite(found) else None


def condition_remark(now: float | None, other: float | None, standardised: bool) -> list[str]:
    """Return a remark on the effect of standardising on the condition number, if notable."""
    if now is None or other is None or max(now, other) < NOTABLE_CONDITION * min(now, other):
        return []
    if standardised:
        return [f"condition number {now:,.3g}; {other:,.3g} without --standardise"]
    return [
        f"condition number {now:,.3g}, with --standardise {other:,.3g}: columns of different "
        "scales are why only small rates converge, and slowly"
    ]


def with_ones(features: Floats) -> Floats:
    """Return the design matrix: features and a column of ones."""
    return np.column_stack([features, np.ones(len(features))])


def omission(what: str, number: int, why: str) -> list[str]:
    """Return a remark about rows or columns left out, if any."""
    return [f"{number:,} {what}{'s' if number > 1 else ''} left out: {why}"] if number else []


def shortened(names: Sequence[str]) -> str:
    """List the first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED_COLUMNS:,} more" if len(names) > MAX_NAMED_COLUMNS else ""
    return ", ".join(name[:40] for name in names[:MAX_NAMED_COLUMNS]) + more
