"""The front door: arguments in, one of the ways to run out. Imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from lrtui import __version__
from lrtui.characters import lacks_unicode, write_plain
from lrtui.run.rate import parse_rate

if TYPE_CHECKING:
    from lrtui.source import Trainer

DEFAULT_SPEED = 20.0

EXAMPLES = """\
commands:
  sweep                           what every rate would do (lrtui sweep --help)

examples:
  lrtui                           the post's experiment at a rate of 0.1
  lrtui --lr 0.1 --lr 0.7 --lr 1.01
                                  the post's three rates, one after the other
  lrtui --lr 0.7 --speed max      as fast as torch goes
  lrtui sweep                     what every rate would do, as a table
  lrtui --spread unit --lr 0.7    a long valley: the same rate is slow
  lrtui --json --lr 1.01 | tail -n 1
                                  what became of a run, for another program
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


def add_problem(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is learned, and in which form it is told."""
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
    add("--json", action="store_true", help="every message as one JSON object a line")
    add(
        "--ascii",
        action=argparse.BooleanOptionalAction,
        default=lacks_unicode(os.environ),
        help="plain characters only (by itself where the locale has no others)",
    )


def make_parser() -> Parser:
    """Returns the parser of the command line."""
    parser = Parser(
        prog="lrtui",
        description="Type a learning rate, watch gradient descent answer, and be told why.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lrtui {__version__}")
    add = parser.add_argument
    add(
        "--lr",
        type=rate,
        action="append",
        metavar="RATE",
        help="the learning rate (0.1); given several times, the runs follow one another",
    )
    add(
        "--speed",
        type=speed,
        default=argparse.SUPPRESS,
        metavar="N",
        help="steps a second, or max (20 on the screen, max in plain text)",
    )
    add(
        "--every",
        type=whole(1, 10**9),
        default=10,
        metavar="N",
        help="steps between two lines of the log (10)",
    )
    add("--fps", type=whole(1, 60), default=10, metavar="N", help="frames a second, at most (10)")
    add("--plain", action="store_true", help="lines of text (by itself where there is no terminal)")
    add(
        "--theme",
        metavar="NAME",
        help="colours: one of textual's themes (TEXTUAL_THEME; ansi-dark where there are 16)",
    )
    add_problem(parser)
    return parser


def make_sweep_parser() -> Parser:
    """Returns the parser of ``lrtui sweep``."""
    sweep = Parser(
        prog="lrtui sweep",
        description="Runs many rates from the same start, trained in one batch, and prints what "
        "became of each: verdict, the step at which it settled, final loss; then limit and best.",
        allow_abbrev=False,
    )
    sweep.add_argument(
        "--from", dest="low", type=rate, metavar="RATE", help="the smallest rate (limit/1000)"
    )
    sweep.add_argument(
        "--to", dest="high", type=rate, metavar="RATE", help="the largest rate (4 x limit)"
    )
    sweep.add_argument(
        "--count", type=whole(1, 4096), default=25, metavar="K", help="how many rates (25)"
    )
    add_problem(sweep)
    return sweep


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs lrtui.

    Returns:
        The exit code: 0 when the runs were carried out, 1 when they could not be, 2 for bad input.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["sweep"]:
        parser = make_sweep_parser()
        options = parser.parse_args(words[1:])
        if options.low and options.high and options.low > options.high:
            parser.error("--from is larger than --to")
    else:
        options = make_parser().parse_args(words)
    options.sweep = words[:1] == ["sweep"]
    if options.ascii:
        write_plain(sys.stdout)
        write_plain(sys.stderr)  # which the screen is written to

    from lrtui.messages import Problem
    from lrtui.source import Trainer

    # Started before anything else is imported: torch loads while the first frame is drawn.
    trainer = Trainer(
        Problem(
            points=options.points,
            noise=options.noise,
            spread=options.spread,
            seed=options.seed,
        )
    )
    try:
        failure = run(options, trainer)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        trainer.close()
    if isinstance(failure, str):
        print(f"lrtui: {failure}", file=sys.stderr)
        return 1
    return failure


def run(options: argparse.Namespace, trainer: Trainer) -> int | str:
    """Runs what was asked for, on the screen or as text.

    Returns:
        The exit code, or what went wrong.
    """
    if options.sweep:
        from lrtui.plain import sweep

        return sweep(
            trainer,
            options.low,
            options.high,
            count=options.count,
            steps=options.steps,
            as_json=options.json,
            out=sys.stdout,
        )
    rates: list[float] = options.lr or [0.1]
    # The screen is written to standard error, as textual does it.
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    on_screen = terminal and not (options.plain or options.json)
    pace: float | None = getattr(options, "speed", DEFAULT_SPEED if on_screen else None)
    if on_screen:
        from lrtui.screen.app import known_theme, run_app

        try:
            theme = known_theme(options.theme)
        except ValueError as error:
            print(f"lrtui: {error}", file=sys.stderr)
            return 2
        return run_app(
            trainer,
            rates,
            steps=options.steps,
            speed=pace,
            every=options.every,
            fps=options.fps,
            theme=theme,
        )
    from lrtui.plain import play

    return play(
        trainer,
        rates,
        steps=options.steps,
        speed=pace,
        every=options.every,
        as_json=options.json,
        out=sys.stdout,
    )
