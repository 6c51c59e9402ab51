"""How lrtui says that a command line is wrong."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from lrtui.text.ascii_fallback import printable


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(2, f"lrtui: {printable(message)} (see {self.prog} --help)\n")


class AskingParser(Parser):
    """A parser that raises what is wrong, for somebody who is still there to mend it."""

    def error(self, message: str) -> NoReturn:
        """Raise it.

        Raises:
            ValueError: always.
        """
        raise ValueError(message.split(": ", 1)[-1])


def complain(text: str) -> None:
    """Say on standard error what went wrong."""
    print(*map(printable, f"lrtui: {text}".splitlines()), sep="\n", file=sys.stderr)
