"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from lrtui.commands.parser import COMMANDS, BadInput, Parser
from lrtui.session.setup import FIELDS, Setup
from lrtui.text.ascii_fallback import lacks_unicode
from lrtui.text.readers import Reader, read_speed, whole


@dataclass(frozen=True, kw_only=True)
class FormOptions:
    """Options of every command; ``plain``, ``json`` and ``csv`` for those that offer them."""

    ascii: bool
    plain: bool = False
    json: bool = False
    csv: bool = False

    @classmethod
    def of(cls, found: argparse.Namespace) -> Self:
        """Return the options that a command line gives, with the setup that it describes.

        Raises:
            BadInput: they contradict each other.
        """
        names = [field.name for field in fields(cls)]
        if "setup" in names:
            found.setup = setup_of(found)
        return cls(**{name: getattr(found, name) for name in names if hasattr(found, name)})


@dataclass(frozen=True, kw_only=True)
class TableOptions(FormOptions):
    """Options of a command that prints one table."""

    setup: Setup

    def __post_init__(self) -> None:
        if self.json and self.csv:
            raise BadInput("--json and --csv are two forms of the same; one is printed")


@dataclass(frozen=True, kw_only=True)
class ScreenOptions(FormOptions):
    """Options of a command that shows runs.

    A speed of 0 is the usual one, ``None`` as fast as possible.
    """

    every: int
    fps: int
    theme: str | None
    keymap: Mapping[str, str]
    notify: bool
    speed: float | None = 0.0


def argument(read: Reader) -> Callable[[str], Any]:
    """Return a reader for argparse, which shows the message of the error that it raises."""

    def parse(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def read_problem(text: str) -> object:
    """Parse the problem; if it is a command, say that this comes first."""
    if text in COMMANDS:
        raise ValueError(f"{text} comes first, as in lrtui {text}")
    return FIELDS[0].read(text)


def add_setup(parser: Parser, leave_out: tuple[str, ...] = ()) -> None:
    """Add an option for each field of a setup, and the problem as a positional argument."""
    for row in FIELDS:
        if row.name in leave_out:
            continue
        if row.is_flag:
            spellings = {row.option, row.option.replace("ise", "ize")}
            parser.add_argument(*sorted(spellings), action="store_true", help=row.help)
        elif row.choices:
            parser.add_argument(row.option, choices=row.choices, help=row.help)
        elif row.name == "problem":
            parser.add_argument(
                "problem", nargs="?", default="line", type=argument(read_problem),
                metavar=row.metavar, help=row.help,
            )  # fmt: skip
        else:
            parser.add_argument(
                row.option, type=argument(row.read), metavar=row.metavar, help=row.help
            )


def setup_of(found: argparse.Namespace) -> Setup:
    """Return the setup that a command line describes.

    Raises:
        BadInput: its options contradict each other.
    """
    given = {row.name: getattr(found, row.name, None) for row in FIELDS}
    problem = given.pop("problem") or "line"
    try:
        return Setup.of(problem, **given)
    except ValueError as error:
        raise BadInput(str(error)) from error


def add_speed(parser: Parser, what: str) -> None:
    """Add the option for the speed, by default 0 for the usual one."""
    text = f"{what} a second, or max (20 on the screen, max in plain text)"
    parser.add_argument("--speed", type=argument(read_speed), default=0.0, metavar="N", help=text)


def add_screen(parser: Parser, save: bool = True) -> None:
    """Add the options of the screen and its log, and the one that records the session."""
    file = "write every message to a new file as it comes, for lrtui replay"
    theme = "colours: one of textual's themes (ansi-dark where the terminal has 16)"
    number = argument(whole(1, 10**9))
    add = parser.add_argument
    if save:
        add("--save", type=Path, metavar="FILE", help=file)
    lines = "steps between two lines in plain text (10)"
    add("--every", type=number, default=10, metavar="N", help=lines)
    frames = argument(whole(1, 60))
    add("--fps", type=frames, default=10, metavar="N", help="frames a second, at most (10)")
    add("--theme", metavar="NAME", help=theme)
    notify = "bell and notice when a run ends or spikes while you look elsewhere (on)"
    add("--notify", action=argparse.BooleanOptionalAction, default=True, help=notify)
    parser.set_defaults(keymap={})  # of the config file


def add_form(parser: Parser, *forms: str) -> None:
    """Add the options for the form of the output: ``plain``, ``json``, ``csv``; and ASCII."""
    helps = {
        "plain": "lines of text (automatic where there is no terminal)",
        "json": "every message as one JSON object a line",
        "csv": "a table of comma-separated values",
    }
    for form in forms:
        parser.add_argument(f"--{form}", action="store_true", help=helps[form])
    parser.add_argument(
        "--ascii",
        action=argparse.BooleanOptionalAction,
        default=lacks_unicode(os.environ),
        help="plain characters only (automatic where the locale has no others)",
    )
