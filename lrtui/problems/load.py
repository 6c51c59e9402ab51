"""Loads the problem that settings describe."""

from __future__ import annotations

import torch

from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.line import LineFit
from lrtui.problems.networks import edge, moons, sine, spiral
from lrtui.problems.plane import bowl, rosenbrock
from lrtui.problems.problem import Problem, ProblemError

MAKERS = {
    "line": LineFit,
    "bowl": bowl,
    "rosenbrock": rosenbrock,
    "sine": sine,
    "edge": edge,
    "moons": moons,
    "spiral": spiral,
}
"""Makers of the built-in problems, by name."""


def load(settings: ProblemSettings) -> Problem:
    """Return the problem that settings describe.

    Raises:
        ProblemError: it cannot be trained; says why.
    """
    if settings.device != "cpu" and not getattr(torch, settings.device).is_available():
        raise ProblemError(f"torch finds no {settings.device} device on this machine")
    if not settings.is_file:
        return MAKERS[settings.name](settings)
    if settings.name.endswith(".csv"):
        from lrtui.problems.csv_table import load_table

        return load_table(settings)
    from lrtui.problems.file import load_file

    return load_file(settings)
