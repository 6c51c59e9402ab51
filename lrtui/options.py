"""The command line: its subcommands, and a typed dataclass of options for each."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lrtui import __version__
from lrtui.ascii_fallback import lacks_unicode, printable
from lrtui.problems.settings import POST_LRS, LineSettings, Noise, Spread
from lrtui.run.rate import parse_rate

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction["Parser"]

LAB = "lab"
"""Name of the default command."""

SCREEN_SPEED = 20.0
"""Steps a second on the screen, where nothing else is asked for."""

EXAMPLES = """\
commands:
  sweep                           what every rate would do (lrtui sweep --help)
  tour                            the post as a story (lrtui tour --help)
  replay FILE                     runs that were saved (lrtui replay --help)

examples:
  lrtui                           the post's line fit at a rate of 0.1
  lrtui --lr 0.1 --lr 0.7 --lr 1.01
                                  the post's three rates, one after another
  lrtui --lr 0.7 --speed max      as fast as torch goes
  lrtui --save runs.jsonl         record the session, for lrtui replay
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
  NO_COLOR                        no colours: words and shapes say the same
  LC_ALL, LC_CTYPE, LANG          without Unicode, plain characters
  TERM                            dumb: lines of text instead of the screen
  TEXTUAL_DRIVER                  another driver, as textual serve sets it

exit codes:
  0 done; 1 it could not be carried out; 2 bad input; 128 + n ended by signal n
"""


@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """Options of the commands that train: what is trained, and for how long."""

    steps: int
    points: int
    noise: Noise
    spread: Spread
    seed: int

    @property
    def settings(self) -> LineSettings:
        """Settings of the problem."""
        return LineSettings(
            points=self.points, noise=self.noise, spread=self.spread, seed=self.seed
        )


@dataclass(frozen=True, kw_only=True)
class ScreenOptions:
    """Options of the commands that show the screen."""

    every: int
    fps: int
    theme: str | None


@dataclass(frozen=True, kw_only=True)
class LabOptions(ProblemOptions, ScreenOptions):
    """Options of ``lrtui`` itself; a speed of 0 is the usual one, ``None`` as fast as possible."""

    lr: list[float] | None
    speed: float | None
    save: Path | None
    plain: bool
    json: bool
    ascii: bool

    @property
    def lrs(self) -> list[float]:
        """Rates to run, one after another."""
        return self.lr or [POST_LRS[0]]


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ProblemOptions):
    """Options of ``lrtui sweep``."""

    low: float | None
    high: float | None
    count: int
    json: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class TourOptions(ProblemOptions, ScreenOptions):
    """Options of ``lrtui tour``."""

    script: Path | None
    pace: float
    save: Path | None
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(ScreenOptions):
    """Options of ``lrtui replay``; ``speed`` as in ``LabOptions``."""

    file: Path
    speed: float | None
    plain: bool
    json: bool
    ascii: bool


Options = LabOptions | SweepOptions | TourOptions | ReplayOptions


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(2, f"lrtui: {printable(message)} (see {self.prog} --help)\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in a range."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"a whole number from {low:,} to {high:,} is needed, not {text[:24]!r}"
            )
        return number

    return read


def rate(text: str) -> float:
    """Read a learning rate."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def speed(text: str) -> float | None:
    """Read steps a second, or ``max``."""
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
    """Read how many times as fast a tour is to play."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 20:
        raise argparse.ArgumentTypeError(f"a pace from 0.1 to 20 is needed, not {text[:24]!r}")
    return number


def add_problem(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is trained."""
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
    """Add the option that records the session."""
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="write every message to a new file as it comes, for lrtui replay",
    )


def add_speed(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that says how fast."""
    parser.add_argument(
        "--speed",
        type=speed,
        default=0.0,
        metavar="N",
        help=f"{what} a second, or max (20 on the screen, max in plain text)",
    )


def add_screen(parser: argparse.ArgumentParser) -> None:
    """Add the options of the screen and its log."""
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
    """Add the options that say in which form it is printed."""
    add = parser.add_argument
    if plain:
        text = "lines of text (automatic where there is no terminal)"
        add("--plain", action="store_true", help=text)
    add("--json", action="store_true", help="every message as one JSON object a line")
    add_ascii(parser)


def add_ascii(parser: argparse.ArgumentParser) -> None:
    """Add the option for terminals without Unicode."""
    parser.add_argument(
        "--ascii",
        action=argparse.BooleanOptionalAction,
        default=lacks_unicode(os.environ),
        help="plain characters only (automatic where the locale has no others)",
    )


def add_lab(commands: Commands) -> None:
    """Add ``lrtui`` itself, which is the command where none is named."""
    parser = commands.add_parser(
        LAB,
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
        help=f"the learning rate ({POST_LRS[0]}); given several times, the runs follow one another",
    )
    add_problem(parser)
    add_speed(parser, "steps")
    add_save(parser)
    add_screen(parser)
    add_form(parser)
    parser.set_defaults(make=LabOptions)


def add_sweep(commands: Commands) -> None:
    """Add ``lrtui sweep``."""
    parser = commands.add_parser(
        "sweep",
        description="Train many rates from the same start in one batch, and print what became of "
        "each: verdict, the step at which it settled, final loss; then limit and best.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--from", dest="low", type=rate, metavar="RATE", help="the smallest rate (limit/1000)")
    add("--to", dest="high", type=rate, metavar="RATE", help="the largest rate (4 x limit)")
    add("--count", type=whole(1, 4096), default=25, metavar="K", help="how many rates (25)")
    add_problem(parser)
    add_form(parser, plain=False)
    parser.set_defaults(make=SweepOptions)


def add_tour(commands: Commands) -> None:
    """Add ``lrtui tour``."""
    parser = commands.add_parser(
        "tour",
        description="Play the post as a story, on the real screen with the real trainer, in less "
        "than a minute. Space pauses it; a number that is typed ends it and runs that rate.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("script", nargs="?", type=Path, metavar="FILE", help="a tour of your own (the post's)")
    add("--pace", type=pace, default=1.0, metavar="X", help="how many times as fast (1)")
    add_problem(parser)
    add_save(parser)
    add_screen(parser)
    add_ascii(parser)
    parser.set_defaults(make=TourOptions)


def add_replay(commands: Commands) -> None:
    """Add ``lrtui replay``."""
    parser = commands.add_parser(
        "replay",
        description="Show a session that --save recorded, on the same screen, without a trainer: "
        "pause, single steps, speed and every pane work as they did.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file")
    add_speed(parser, "reports")
    add_screen(parser)
    add_form(parser)
    parser.set_defaults(make=ReplayOptions)


def parse(words: Sequence[str]) -> tuple[Parser, Options]:
    """Read a command line; print what is wrong with it and exit with code 2 if anything is.

    Returns:
        The parser of its command, and the options.
    """
    top = Parser(prog="lrtui", add_help=False, allow_abbrev=False)
    commands: Commands = top.add_subparsers()
    for add in (add_lab, add_sweep, add_tour, add_replay):
        add(commands)
    named = bool(words) and words[0] in commands.choices and words[0] != LAB
    command = words[0] if named else LAB
    parser = commands.choices[command]
    found = parser.parse_args(words[named:])
    make = found.make
    options: Options = make(**{field.name: getattr(found, field.name) for field in fields(make)})
    if isinstance(options, SweepOptions) and (options.low or 0) > (options.high or math.inf):
        parser.error("--from is larger than --to")
    return parser, options
