"""The command line of a run: fills in placeholders, and inserts ``lrtui run``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

PLACEHOLDER = re.compile(r"\{(lr|name|out|seed)\}")

PYTHON = re.compile(r"python(\d+(\.\d+)*t?)?")
"""Name of a Python interpreter."""

PYTHON_VALUES = ("-X", "-W", "--check-hash-based-pycs")
"""Options of the interpreter that take a value."""

LAUNCHERS = ("torch.distributed.run", "torch.distributed.launch")
"""Modules that are torchrun."""

TORCHRUN_FLAGS = (
    *("-m", "--module", "--standalone", "--no-python", "--no_python", "--run-path", "--run_path"),
    *("--use-env", "--use_env", "--signals-to-handle", "--help", "-h"),
)
"""Options of torchrun that take no value."""

NEEDED = (
    "lrtui run has to stand in the command: begin that with python or torchrun, or write it before "
    "the script yourself, as in accelerate launch -m lrtui run train.py"
)


def placeholders(command: Sequence[str]) -> set[str]:
    """Return the names of the placeholders in a command."""
    return {name for word in command for name in PLACEHOLDER.findall(word)}


def filled(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return a command with its placeholders replaced; all other braces stay."""
    return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in command]


def watched(command: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return a command of python or torchrun whose script runs under ``lrtui run``, with options.

    Raises:
        ValueError: it cannot be inserted; says what is needed.
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
    """Return the index of the script or ``-m``, after the options of the interpreter."""
    while at < len(command) and command[at].startswith("-") and command[at] != "-m":
        if command[at] in ("-c", "-"):
            raise ValueError(f"python {command[at]} cannot be watched: put it into a script")
        at += 2 if command[at] in PYTHON_VALUES else 1
    if at + (command[at : at + 1] == ["-m"]) >= len(command):
        raise ValueError("the command has no script")
    return at


def _under_torchrun(command: Sequence[str], at: int, options: Sequence[str]) -> list[str]:
    """Return a torchrun command under ``lrtui run``; its options begin at index ``at``."""
    is_module = False
    while at < len(command) and command[at].startswith("-"):
        is_module = is_module or command[at] in ("-m", "--module")
        at += 1 if command[at] in TORCHRUN_FLAGS or "=" in command[at] else 2
    if at >= len(command):
        raise ValueError("the command has no script")
    inserted = ["lrtui", "run", *options, "-m"] if is_module else ["-m", "lrtui", "run", *options]
    return [*command[:at], *inserted, *command[at:]]
