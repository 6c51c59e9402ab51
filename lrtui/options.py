"""What can be asked for on the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from lrtui import __version__
from lrtui.ascii_fallback import lacks_unicode
from lrtui.run.rate import parse_rate

EXAMPLES = """\
commands:
  sweep                           what every rate would do (lrtui sweep --help)
  tour                            the post, told by itself (lrtui tour --help)
  replay FILE                     runs that were saved (lrtui replay --help)

examples:
  lrtui                           the post's experiment at a rate of 0.1
  lrtui --lr 0.1 --lr 0.7 --lr 1.01
                                  the post's three rates, one after the other
  lrtui --lr 0.7 --speed max      as fast as torch goes
  lrtui --save runs.jsonl         keep every message, for lrtui replay
  lrtui sweep                     what every rate would do, as a table
  lrtui --spread unit --lr 0.7    a long valley: the same rate is slow
  lrtui --json --lr 1.01 | tail -n 1
                                  what became of a run, for another program
  lrtui tour --pace 2             the post in half a minute
  asciinema rec -c 'lrtui tour' demo.cast
                                  a recording of it

keys:
  type a rate and press Enter; ? shows all keys, q leaves

environment:
  TEXTUAL_THEME                   colours, where --theme says nothing
  NO_COLOR                        no colours: words and shapes tell all
  LC_ALL, LC_CTYPE, LANG          without Unicode, plain characters

exit codes:
  0 done; 1 it could not be carried out; 2 bad input; 128 + n ended by signal n
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Prints the line and exits with code 2."""
        self.exit(2, f"lrtui: {message} (see {self.prog} --help)\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Returns a reader of whole numbers in a range."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"a whole number from {low:,} to {high:,} is needed, not {text[:24]!r}"
            )
        return number

    return read


def rate(text: str) -> float:
    """Reads a learning rate."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def speed(text: str) -> float | None:
    """Reads steps a second, or ``max``."""
    if text == "max":
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= 1e6:
        raise argparse.ArgumentTypeError(
            f"steps a second from 0.01 to 1,000,000, or max, are needed, not {text[:24]!r}"
        )
    return number


def pace(text: str) -> float:
    """Reads how many times as fast a tour is to be."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 20:
        raise argparse.ArgumentTypeError(f"a pace from 0.1 to 20 is needed, not {text[:24]!r}")
    return number


def add_problem(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is learned."""
    add = parser.add_argument
    add("--steps", default=100, type=whole(1, 10**9), metavar="N", help="steps a run (100)")
    add("--points", default=100, type=whole(2, 100_000), metavar="N", help="samples (100)")
    add(
        "--noise",
        default="uniform",
        choices=["uniform", "gaussian"],
        help="noise on the target: uniform on [0, 1) as in the post's code, or gaussian "
        "(mean 0, deviation 1) as in its text",
    )
    add(
        "--spread",
        default="symmetric",
        choices=["symmetric", "unit"],
        help="first column from [-1, 1), or from the unit interval [0, 1), where the condition "
        "number is about 19 instead of 3",
    )
    add("--seed", default=0, type=whole(0, 2**63 - 1), metavar="N", help="seed of the data (0)")


def add_save(parser: argparse.ArgumentParser) -> None:
    """Adds the option that keeps the runs."""
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="write every message to a new file as it comes, one JSON object a line",
    )


def add_speed(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds the option that says how fast."""
    parser.add_argument(
        "--speed",
        type=speed,
        default=argparse.SUPPRESS,
        metavar="N",
        help=f"{what} a second, or max (20 on the screen, max in plain text)",
    )


def add_screen(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the screen and its log."""
    add = parser.add_argument
    add(
        "--every",
        type=whole(1, 10**9),
        default=10,
        metavar="N",
        help="steps between two lines of the log (10)",
    )
    add("--fps", type=whole(1, 60), default=10, metavar="N", help="frames a second, at most (10)")
    add(
        "--theme",
        metavar="NAME",
        help="colours: one of textual's themes (ansi-dark where the terminal has 16)",
    )


def add_form(parser: argparse.ArgumentParser, plain: bool = True) -> None:
    """Adds the options that say in which form it is told."""
    add = parser.add_argument
    if plain:
        text = "lines of text (by itself where there is no terminal)"
        add("--plain", action="store_true", help=text)
    add("--json", action="store_true", help="every message as one JSON object a line")
    add_ascii(parser)


def add_ascii(parser: argparse.ArgumentParser) -> None:
    """Adds the option for terminals without Unicode."""
    parser.add_argument(
        "--ascii",
        action=argparse.BooleanOptionalAction,
        default=lacks_unicode(os.environ),
        help="plain characters only (by itself where the locale has no others)",
    )


def make_parser() -> Parser:
    """Returns the parser of the command line."""
    parser = Parser(
        prog="lrtui",
        usage="lrtui [sweep | tour | replay FILE] [options]",
        description="Type a learning rate, watch gradient descent answer, and be told why.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lrtui {__version__}")
    parser.add_argument(
        "--lr",
        type=rate,
        action="append",
        metavar="RATE",
        help="the learning rate (0.1); given several times, the runs follow one another",
    )
    add_problem(parser)
    add_speed(parser, "steps")
    add_save(parser)
    add_screen(parser)
    add_form(parser)
    return parser


def make_sweep_parser() -> Parser:
    """Returns the parser of ``lrtui sweep``."""
    parser = Parser(
        prog="lrtui sweep",
        description="Runs many rates from the same start, trained in one batch, and prints what "
        "became of each: verdict, the step at which it settled, final loss; then limit and best.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--from", dest="low", type=rate, metavar="RATE", help="the smallest rate (limit/1000)")
    add("--to", dest="high", type=rate, metavar="RATE", help="the largest rate (4 x limit)")
    add("--count", type=whole(1, 4096), default=25, metavar="K", help="how many rates (25)")
    add_problem(parser)
    add_form(parser, plain=False)
    return parser


def make_tour_parser() -> Parser:
    """Returns the parser of ``lrtui tour``."""
    parser = Parser(
        prog="lrtui tour",
        description="Plays the post by itself, in the real screen with the real trainer, in less "
        "than a minute. Space pauses it; a number that is typed ends it and runs that rate.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("script", nargs="?", type=Path, metavar="FILE", help="a tour of your own (the post's)")
    add("--pace", type=pace, default=1.0, metavar="X", help="so many times as fast (1)")
    add_problem(parser)
    add_save(parser)
    add_screen(parser)
    add_ascii(parser)
    return parser


def make_replay_parser() -> Parser:
    """Returns the parser of ``lrtui replay``."""
    parser = Parser(
        prog="lrtui replay",
        description="Shows runs that --save has kept, on the same screen, without a trainer: "
        "pause, single steps, speed and every pane work as they did.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file")
    add_speed(parser, "reports")
    add_screen(parser)
    add_form(parser)
    return parser


PARSERS = {"sweep": make_sweep_parser, "tour": make_tour_parser, "replay": make_replay_parser}


def parse(words: Sequence[str]) -> tuple[Parser, argparse.Namespace]:
    """Reads a command line; prints what is wrong with it and exits with code 2 if anything is.

    Returns:
        The parser, and the options; their ``command`` is the first word or empty.
    """
    command = words[0] if words and words[0] in PARSERS else ""
    parser = PARSERS.get(command, make_parser)()
    options = parser.parse_args(words[bool(command) :])
    options.command = command
    if command == "sweep" and options.low and options.high and options.low > options.high:
        parser.error("--from is larger than --to")
    return parser, options
