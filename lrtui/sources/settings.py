"""The configuration of a training, from files beside its log or its command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lrtui.text.ascii_fallback import printable

NAMES = (
    *("config.yaml", "hparams.yaml", "config.yml", "params.yaml", "args.yaml"),
    *("config.json", "hparams.json", "args.json", "params.json"),
)
"""Files that hold a configuration."""

FOLDERS = (".", "files", ".hydra")
"""Where they are, from the folder of the log."""

MAX_BYTES = 1 << 18
"""Bytes of a configuration that is read."""

MAX_SETTINGS = 256
"""Settings that are kept."""

MAX_VALUE = 80
"""Characters of a value."""

LINE = re.compile(r"(\s*)(?:'([^']*)'|\"([^\"]*)\"|([^\s:#'\"-][^:#]*?))\s*:(?:\s+(.*?))?\s*")
"""A line of YAML with a name: how far it is indented, the name, and the value after it."""

OF_TOOLS = ("_wandb", "_Created", "_Username", "_Group")
"""How entries begin that a tool makes about itself."""

OPTION = re.compile(r"--?([A-Za-z][\w.-]*)(?:=(.*))?")
SETTING = re.compile(r"\+{0,2}([A-Za-z][\w.]*)=(.+)")


def beside(path: Path) -> dict[str, str]:
    """Return the configuration in the folder of a log; empty if none can be read."""
    folder = path if path.is_dir() else path.parent
    for below in FOLDERS:
        for name in NAMES:
            try:
                with (folder / below / name).open("rb") as file:
                    text = file.read(MAX_BYTES).decode(errors="replace")
                found = json.loads(text) if name.endswith("json") else of_yaml(text)
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(found, dict) and found:
                return flat(found)
    return {}


def of_yaml(text: str) -> dict[str, str]:
    """Return the scalars of a file of YAML, the names of nested ones joined by dots.

    Only mappings in block style are understood, as trainings write them; the rest is left out.
    """
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # indentation and name of the enclosing mappings
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        indent, *quoted, value = match.groups()
        name = next(each for each in quoted if each is not None)
        while above and above[-1][0] >= len(indent):
            above.pop()
        if value is None or value.startswith("#"):
            above.append((len(indent), name))
        elif value[0] not in "|>&*!":
            value = value if value[0] in "'\"[{" else value.partition(" #")[0].rstrip()
            found[".".join([*(each for _, each in above), name])] = value.strip("'\"")
    return found


def flat(settings: Mapping[str, object]) -> dict[str, str]:
    """Return settings as text, the names of nested ones joined by dots, as many as are kept.

    W&B wraps each value in a mapping, and W&B and trackio add entries about themselves.
    """
    found: dict[str, str] = {}
    for name, value in scalars(settings, ""):
        if name.startswith(OF_TOOLS) or name.endswith(".desc"):
            continue
        if len(found) < MAX_SETTINGS:
            found[printable(name.removesuffix(".value"))[:MAX_VALUE]] = value
    return found


def scalars(settings: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield names and values of nested settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{prefix}{name}.")
        elif value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            yield f"{prefix}{name}", printable(text)[:MAX_VALUE]


def of_command(command: Sequence[str]) -> dict[str, str]:
    """Return what a command line sets: ``--lr 0.1``, ``--lr=0.1`` and ``lr=0.1``."""
    found: dict[str, object] = {}
    words = iter([*command, "--"])
    word = next(words)
    while word != "--":
        following = next(words, "--")
        if (match := OPTION.fullmatch(word)) is not None:
            name, value = match.groups()
            is_value = OPTION.fullmatch(following) is None and following != "--"
            if value is None and is_value:
                value, following = following, next(words, "--")
            found[name] = "yes" if value is None else value
        elif (match := SETTING.fullmatch(word)) is not None:
            found[match[1]] = match[2]
        word = following
    return flat(found)
