"""The parser of a command line, and how errors are printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from lrtui.text.ascii_fallback import printable

COMMANDS = (
    "sweep", "heat", "tour", "replay", "problems", "watch", "race", "tell", "guide", "config",
    "completion",
)  # fmt: skip
"""The commands, each a module here; ``lab`` is the default, and ``run`` starts elsewhere."""


class BadInput(Exception):
    """The command line cannot be carried out as it is; the text says why."""


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line.

    Attributes:
        takes_command: whether what follows ``--`` is a command of its own.
    """

    takes_command = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Leave a command that follows ``--`` as it is."""
        words, command = [*(sys.argv[1:] if args is None else args)], []
        if self.takes_command and "--" in words:
            at = words.index("--")
            words, command = words[:at], words[at + 1 :]
        found, unknown = super().parse_known_args(words, namespace)
        if self.takes_command:
            found.command = command
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(2, f"lrtui: {printable(message)} (see {self.prog} --help)\n")


def complain(text: str) -> None:
    """Print an error on standard error."""
    print(*map(printable, f"lrtui: {text}".splitlines()), sep="\n", file=sys.stderr)
