"""The command line that reproduces a run: the inverse of reading one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import join

from lrtui.messages import OWN, PLAIN, Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.text.rates import rate_text

USUAL = {"nesterov": (0.9, 0.0), "adamw": (0.0, 0.01)}
"""Momentum and weight decay where nothing else is asked for, other than 0: those of torch."""


def given(
    settings: ProblemSettings, optimizer: Optimizer, schedule: str, steps: int
) -> dict[str, str]:
    """Return what is not as usual, by the option that asks for it; a flag has an empty text."""
    usual = ProblemSettings(name=settings.name)
    found = {
        name: str(getattr(settings, name))
        for name in ("points", "noise", "spread", "seed", "batch", "target", "device")
        if getattr(settings, name) != getattr(usual, name)
    }
    if settings.standardise:
        found["standardise"] = ""
    if steps != settings.steps:
        found["steps"] = str(steps)
    if schedule != "constant":
        found["schedule"] = schedule
    if optimizer in (PLAIN, OWN) and (settings.name.endswith(".py") == (optimizer == OWN)):
        return found
    found["optimizer"] = optimizer.name
    momentum, decay = USUAL.get(optimizer.name, (0.0, 0.0))
    if optimizer.momentum != momentum:
        found["momentum"] = f"{optimizer.momentum:.9g}"
    if optimizer.weight_decay != decay:
        found["weight-decay"] = f"{optimizer.weight_decay:.9g}"
    if optimizer.betas != (0.9, 0.999):
        found["betas"] = "{:.9g},{:.9g}".format(*optimizer.betas)
    return found


def words(problem: str, options: Mapping[str, str], lrs: Sequence[float] = ()) -> list[str]:
    """Return the words of a command line after ``lrtui``."""
    found = [] if problem == "line" else [problem]
    found += ["--race"] if len(lrs) > 1 else []
    found += [word for lr in lrs for word in ("--lr", rate_text(lr))]
    found += [word for name, value in options.items() for word in (f"--{name}", value) if word]
    return found


def command_line(problem: str, options: Mapping[str, str], lrs: Sequence[float]) -> str:
    """Return a command line as a shell takes it."""
    return join(["lrtui", *words(problem, options, lrs)])
