"""The dispatcher of the commands. Imports nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from lrtui.commands.config_file import apply, read_config
from lrtui.commands.parser import COMMANDS, BadInput, Parser, complain
from lrtui.text.ascii_fallback import write_plain

if TYPE_CHECKING:
    from lrtui.commands.arguments import FormOptions


class Command(Protocol):
    """What the module of a command defines."""

    OPTIONS: type[FormOptions]

    def add_arguments(self, parser: Parser) -> None:
        """Complete the parser."""

    def run(self, options: Any) -> int:  # noqa: ANN401 - of the class OPTIONS
        """Carry it out and return the exit code; raises ``BadInput``."""


def main(words: Sequence[str]) -> int:
    """Carry out any command but ``run``; return 0, 1 when it could not be, 2 for bad input."""
    open_closed_streams()
    try:
        try:
            return dispatch(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        discard_output()  # its reader is gone
        return 141
    except OSError as error:
        if error.filename is not None:
            raise  # not about our output
        discard_output()
        complain(f"the output cannot be written: {error.strerror}")
        return 1


def dispatch(words: Sequence[str]) -> int:
    """Carry out a command line; return the exit code.

    Raises:
        OSError: the output cannot be written.
    """
    _, command, options = parse(words)
    if options.ascii:
        write_plain(sys.stdout)
        write_plain(sys.stderr)
    try:
        return command.run(options)
    except BadInput as error:
        complain(str(error))
        return 2


def parse(words: Sequence[str]) -> tuple[Parser, Command, Any]:
    """Parse a command line without the program's name: return parser, command and options.

    If anything is wrong with it, print that and exit with code 2.
    """
    name = words[0] if words and words[0] in COMMANDS else ""
    command = cast(Command, import_module(f"lrtui.commands.{name or 'lab'}"))
    parser = Parser(prog=f"lrtui {name}".strip(), allow_abbrev=False)
    command.add_arguments(parser)
    found = parser.parse_args(words[bool(name) :])
    try:
        if hasattr(found, "theme") and (config := read_config()).values:
            apply(config, parser, found)
            found = parser.parse_args(words[bool(name) :])  # which overrides the file
    except BadInput as error:
        complain(str(error))
        sys.exit(2)
    try:
        return parser, command, command.OPTIONS.of(found)
    except BadInput as error:
        parser.error(str(error))


def open_closed_streams() -> None:
    """Open standard streams that the shell has closed (``<&-``): Python leaves them ``None``.

    A read then finds the end of a file, and what is written is lost.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - never closed


def discard_output() -> None:
    """Discard buffered output, which would raise as the program exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
