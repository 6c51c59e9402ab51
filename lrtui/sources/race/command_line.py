"""The command line of a run: placeholders filled in, and ``lrtui run`` put into it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

PLACEHOLDER = re.compile(r"\{(lr|name|out|seed)\}")

PYTHON = re.compile(r"python(\d+(\.\d+)*t?)?")
"""What the name of an interpreter is."""

PYTHON_VALUES = ("-X", "-W", "--check-hash-based-pycs")
"""Options of the interpreter with a value behind them."""

LAUNCHERS = ("torch.distributed.run", "torch.distributed.launch")
"""Modules that are torchrun."""

TORCHRUN_FLAGS = (
    *("-m", "--module", "--standalone", "--no-python", "--no_python", "--run-path", "--run_path"),
    *("--use-env", "--use_env", "--signals-to-handle", "--help", "-h"),
)
"""Options of torchrun without a value behind them."""

NEEDED = (
    "race has to put lrtui run into the command: begin it with python or torchrun, or write lrtui "
    "run before the script, as in accelerate launch -m lrtui run train.py"
)


def placeholders(command: Sequence[str]) -> set[str]:
    """Return the names of the placeholders in a command."""
    return {name for word in command for name in PLACEHOLDER.findall(word)}


def filled(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return a command with its placeholders replaced; all other braces stay."""
    return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in command]


def watched(command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return a command whose script runs under ``lrtui run``.

    Args:
        command: of python or torchrun, or with ``lrtui run`` in it.
        options: of ``lrtui run``.

    Raises:
        ValueError: there is no place for it; says what is needed.
    """
    names = [PurePath(word).name for word in command]
    for at in range(len(names) - 1):
        if names[at] == "lrtui" and command[at + 1] == "run":
            return [*command[: at + 2], *options, *command[at + 2 :]]
    for at, name in enumerate(names, 1):
        if name == "torchrun":
            return _under_torchrun(command, at, options)
        if PYTHON.fullmatch(name):
            at = _behind_options(command, at)
            if tuple(command[at : at + 1]) == ("-m",) and command[at + 1] in LAUNCHERS:
                return _under_torchrun(command, at + 2, options)
            return [*command[:at], "-m", "lrtui", "run", *options, *command[at:]]
    raise ValueError(NEEDED)


def _behind_options(command: Sequence[str], at: int) -> int:
    """Return where the script or ``-m`` stands, behind the options of the interpreter."""
    while at < len(command) and command[at].startswith("-") and command[at] != "-m":
        if command[at] in ("-c", "-"):
            raise ValueError(f"python {command[at]} cannot be raced: put it into a script")
        at += 2 if command[at] in PYTHON_VALUES else 1
    if at + (command[at : at + 1] == ["-m"]) >= len(command):
        raise ValueError("the command has no script")
    return at


def _under_torchrun(command: Sequence[str], at: int, options: Sequence[str]) -> list[str]:
    """Return a command of torchrun, whose options begin at a place, under ``lrtui run``."""
    is_module = False
    while at < len(command) and command[at].startswith("-"):
        is_module = is_module or command[at] in ("-m", "--module")
        at += 1 if command[at] in TORCHRUN_FLAGS or "=" in command[at] else 2
    if at >= len(command):
        raise ValueError("the command has no script")
    inserted = ["lrtui", "run", *options, "-m"] if is_module else ["-m", "lrtui", "run", *options]
    return [*command[:at], *inserted, *command[at:]]
