"""The config file: its values become the defaults of a command line, so that options override them.

Every command with a screen reads it.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrtui.commands.parser import BadInput, Parser

KEYS = ("theme", "fps", "factor", "speed", "notify", "keymap")
"""What can be set: options of the same names, and the keys of actions."""


@dataclass(frozen=True)
class Config:
    """A config file: its path, its text, and the text parsed; the latter two empty without one."""

    path: Path
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def bad(self, key: str, why: str) -> BadInput:
        """Return an error about a key that names its line."""
        named = re.compile(rf"^[^#\n]*?(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=.\]]", re.M)
        found = named.search(self.text)
        line = self.text.count("\n", 0, found.end() if found else 0) + 1
        return BadInput(f"{self.path}, line {line}: {why}")


def read_config() -> Config:
    """Read the config file.

    Raises:
        BadInput: it cannot be read, or has an unknown key.
    """
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = Path(home, "lrtui", "config.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Config(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not text in UTF-8") from error
    import tomllib  # few people have such a file

    try:
        config = Config(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: {error}") from error
    for key in config.values:
        if key not in KEYS:
            raise config.bad(key, f"nothing is called {key[:24]!r}; there are {', '.join(KEYS)}")
    return config


def apply(config: Config, parser: Parser, found: argparse.Namespace) -> None:
    """Make configured values the defaults of a command; an environment variable overrides them.

    ``found``, the parsed command line, has an attribute for each setting of the command.

    Raises:
        BadInput: a value is invalid.
    """
    readers: dict[str, Any] = {action.dest: action.type for action in parser._actions}
    for key, value in config.values.items():
        if not hasattr(found, key) or (key == "theme" and os.environ.get("TEXTUAL_THEME")):
            continue
        kind = {"theme": str, "notify": bool, "keymap": dict}.get(key)
        if kind is None:
            try:
                value = readers[key](str(value))
            except argparse.ArgumentTypeError as error:
                raise config.bad(key, f"{key}: {error}") from error
        elif not isinstance(value, kind):
            needed = {str: "a name in quotes", bool: "true or false", dict: "a table"}[kind]
            raise config.bad(key, f"{key}: {needed} is needed")
        if key == "keymap":
            for action, keys in value.items():
                if not isinstance(keys, str):
                    raise config.bad(action, f"{action}: a key in quotes is needed")
        parser.set_defaults(**{key: value})
