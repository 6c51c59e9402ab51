"""The command line read: the subcommands, and the arguments of each."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from lrtui import __version__
from lrtui.commands.argument_types import betas, rate, schedule, speed, whole, within
from lrtui.commands.command_line import USUAL
from lrtui.commands.options import (
    HeatOptions,
    LabOptions,
    Options,
    ProblemsOptions,
    ReplayOptions,
    SweepOptions,
    TellOptions,
    TourOptions,
    WatchOptions,
)
from lrtui.commands.parser import Parser
from lrtui.messages import MOST_ENTRANTS, SCHEDULES, Optimizer, OptimizerName
from lrtui.messages.problem_settings import BUILT_IN
from lrtui.text.ascii_fallback import lacks_unicode
from lrtui.text.rates import FACTOR

EXAMPLES = """\
commands:
  sweep                           what every rate would do (lrtui sweep --help)
  heat                            rate by momentum, as a map (lrtui heat --help)
  tour                            the post as a story (lrtui tour --help)
  replay FILE                     runs that were saved (lrtui replay --help)
  run SCRIPT                      python SCRIPT, watched (lrtui run --help)
  watch                           one that is running (lrtui watch --help)
  tell                            steer it without a screen (lrtui tell --help)
  problems                        the problems that come with lrtui

problems:
  a name (lrtui problems lists them), a .py file of yours, a .csv table of yours

a file of yours:
  x = torch.linspace(-2, 2, 64)[:, None]
  y = torch.sin(2 * x)
  def model():
      return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
  loss = nn.functional.mse_loss
  and, as you like: optimizer(parameters, lr), batch, target, scene; or
  objective(model, batch) and batches() in place of x, y and loss

examples:
  lrtui                           the post's line fit at a rate of 0.1
  lrtui edge                      a network that trains at the edge of stability
  lrtui mine.py --optimizer adam --lr 0.01
                                  your own model
  lrtui houses.csv --target price --standardise
                                  a regression on your own table
  lrtui --lr 0.1 --lr 0.7 --lr 1.01
                                  the post's three rates, one after another
  lrtui --race --lr 0.1 --lr 0.7 --lr 1.01
                                  the three in step, on one chart
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


ADVICE_SECONDS = 10.0
"""Seconds that a sweep for the advice may take in plain text and JSON."""

Add = Callable[..., argparse.Action]
"""Adds an option to a parser, as ``add_argument`` does."""


def problem(text: str) -> str:
    """Read which problem is trained: a name, or the path of a file."""
    if text in BUILT_IN:
        return text
    if text in COMMANDS and text:
        raise argparse.ArgumentTypeError(f"{text} comes first, as in lrtui {text}")
    if Path(text).suffix.lower() not in (".py", ".csv"):
        known = ", ".join(BUILT_IN)
        raise argparse.ArgumentTypeError(
            f"no problem is called {text[:24]!r}; there are {known}, and .py and .csv files"
        )
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text[:200]}")
    return text


def add_problem(add: Add, named: bool = True) -> None:
    """Add the options that say what is trained, and by which optimizer."""
    which = "a built-in problem (line; lrtui problems lists them), a .py file or a .csv table"
    if named:
        add("problem", nargs="?", default="line", type=problem, metavar="PROBLEM", help=which)
    noise = (
        "noise on the target: uniform on [0, 1) as in the post's code, or gaussian "
        "(mean 0, deviation 1) as in its text"
    )
    spread = (
        "first column from [-1, 1), or from the unit interval [0, 1), where the condition "
        "number is about 19 instead of 3"
    )
    steps = "steps a run (100 for the line, else as many as the problem needs)"
    batch = "mini-batches of N samples (all of them), the same for every run"
    moves = "how the rate, its peak, moves over a run: " + ", ".join(SCHEDULES) + " (constant)"
    target = "column of a table that is predicted"
    standard = "bring the columns of a table to mean 0 and deviation 1"
    below_one = within(0, math.nextafter(1, 0), "a number from 0 to below 1 is")
    add("--steps", type=whole(1, 10**9), metavar="N", help=steps)
    add("--optimizer", choices=["sgd", "nesterov", "adam", "adamw", "own"], help="(sgd)")
    add("--momentum", type=below_one, metavar="B", help="of sgd (0) and nesterov (0.9)")
    decay = within(0, 1e9, "a number from 0 is")
    add("--weight-decay", type=decay, metavar="D", help="(0; adamw 0.01)")
    add("--betas", type=betas, metavar="B1,B2", help="of adam and adamw (0.9,0.999)")
    add("--schedule", default="constant", type=schedule, metavar="NAME", help=moves)
    add("--batch", type=whole(1, 10**9), metavar="N", help=batch)
    add("--target", metavar="COLUMN", help=target)
    add("--standardise", "--standardize", action="store_true", help=standard)
    add("--device", default="cpu", choices=["cpu", "cuda", "mps"], help="(cpu)")
    add("--points", default=100, type=whole(2, 100_000), metavar="N", help="samples of line (100)")
    add("--noise", default="uniform", choices=["uniform", "gaussian"], help=noise)
    add("--spread", default="symmetric", choices=["symmetric", "unit"], help=spread)
    add("--seed", default=0, type=whole(0, 2**63 - 1), metavar="N", help="of data and model (0)")


def add_speed(add: Add, what: str) -> None:
    """Add the option that says how fast."""
    text = f"{what} a second, or max (20 on the screen, max in plain text)"
    add("--speed", type=speed, default=0.0, metavar="N", help=text)


def add_screen(add: Add, save: bool = True) -> None:
    """Add the options of the screen and its log, and the one that records the session."""
    file = "write every message to a new file as it comes, for lrtui replay"
    every = "steps between two lines of the log (10)"
    theme = "colours: one of textual's themes (ansi-dark where the terminal has 16)"
    if save:
        add("--save", type=Path, metavar="FILE", help=file)
    add("--every", type=whole(1, 10**9), default=10, metavar="N", help=every)
    add("--fps", type=whole(1, 60), default=10, metavar="N", help="frames a second, at most (10)")
    add("--theme", metavar="NAME", help=theme)


def add_form(add: Add, plain: bool = True, json: bool = True, csv: bool = False) -> None:
    """Add the options that say in which form it is printed."""
    text = "lines of text (automatic where there is no terminal)"
    signs = "plain characters only (automatic where the locale has no others)"
    boolean, usual = argparse.BooleanOptionalAction, lacks_unicode(os.environ)
    if plain:
        add("--plain", action="store_true", help=text)
    if json:
        add("--json", action="store_true", help="every message as one JSON object a line")
    if csv:
        add("--csv", action="store_true", help="a table of comma-separated values")
    add("--ascii", action=boolean, default=usual, help=signs)


def add_lab(parser: Parser) -> None:
    """Complete the parser of ``lrtui`` itself, the command where none is named."""
    parser.usage = "lrtui [PROBLEM | sweep | heat | tour | replay FILE | problems] [options]"
    parser.description = "Type a learning rate, watch training answer, and be told why."
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    lr = "the learning rate (0.1 for the line); given several times, the runs follow one another"
    add("--version", action="version", version=f"lrtui {__version__}")
    race = f"train the rates in step, on one chart ({MOST_ENTRANTS} at most)"
    add("--lr", type=rate, action="append", metavar="RATE", help=lr)
    add("--race", action="store_true", help=race)
    add(
        "--factor",
        type=within(1.001, 1000, "a number from 1.001 is"),
        default=FACTOR,
        metavar="F",
        help=f"what the keys [ ] and {{ }} multiply a rate by ({FACTOR:g})",
    )
    add_problem(add)
    add_speed(add, "steps")
    add_screen(add)
    advice = (
        "in plain text and JSON, where the loss has no closed form: time for a sweep that the "
        f"advice follows from ({ADVICE_SECONDS:g}); 0 for no such advice"
    )
    seconds = within(0, 1e9, "a number of seconds from 0 is")
    add("--advice", type=seconds, default=ADVICE_SECONDS, metavar="SECONDS", help=advice)
    keep = "open the runs of FILE again, and add this session's to it"
    add("--keep", type=Path, metavar="FILE", help=keep)
    add_form(add)


def add_sweep(parser: Parser) -> None:
    """Complete the parser of ``lrtui sweep``."""
    parser.description = (
        "Train many rates from the same start, in one batch where that can be, and print what "
        "became of each: verdict, the step at which it settled, final loss; then limit and best."
    )
    add = parser.add_argument
    add("--from", dest="low", type=rate, metavar="RATE", help="the smallest rate (limit/1000)")
    add("--to", dest="high", type=rate, metavar="RATE", help="the largest rate (4 x limit)")
    ranges = "print beside it what the usual learning rate range tests would have suggested"
    add("--count", type=whole(1, 4096), default=25, metavar="K", help="how many rates (25)")
    add("--range-test", action="store_true", help=ranges)
    add_problem(add)
    add_form(add, plain=False, csv=True)


def add_heat(parser: Parser) -> None:
    """Complete the parser of ``lrtui heat``."""
    parser.description = (
        "Train 48 rates at each of 24 momenta from the same start, in one batch where that can be, "
        "and print after how many steps each settled, or the loss it came to; then the best."
    )
    add_problem(parser.add_argument)
    add_form(parser.add_argument, plain=False, csv=True)


def add_tour(parser: Parser) -> None:
    """Complete the parser of ``lrtui tour``."""
    parser.description = (
        "Play a story on the real screen with the real trainer, in less than a minute: the post's, "
        "edge, optimizers, race, or a file of yours. Space pauses it; a number that is typed ends "
        "it and runs that rate."
    )
    add, pace = parser.add_argument, within(0.1, 20, "a pace from 0.1 to 20 is")
    story = "edge, optimizers, race, or a tour of your own (the post's)"
    add("script", nargs="?", metavar="TOUR", help=story)
    add("--pace", type=pace, default=1.0, metavar="X", help="how many times as fast (1)")
    parser.set_defaults(problem="line")
    add_problem(add, named=False)
    add_screen(add)
    add_form(add, plain=False, json=False)


def add_replay(parser: Parser) -> None:
    """Complete the parser of ``lrtui replay``."""
    parser.description = (
        "Show a session that --save recorded, on the same screen, without a trainer: pause, "
        "single steps, speed and every pane work as they did."
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="the file")
    add("--follow", action="store_true", help="wait at its end for more, of a file still written")
    add_speed(add, "reports")
    add_screen(add, save=False)
    add_form(add)


def add_problems(parser: Parser) -> None:
    """Complete the parser of ``lrtui problems``."""
    parser.description = "List the problems that come with lrtui."
    add_form(parser.add_argument, plain=False)


def add_watch(parser: Parser) -> None:
    """Complete the parser of ``lrtui watch``."""
    parser.description = (
        "Watch and steer a training of yours that is running: one with a Monitor in it, or started "
        "by lrtui run. Over SSH: ssh -t HOST lrtui watch."
    )
    add = parser.add_argument
    which = "its process, name or socket; none for a list to choose from"
    add("training", nargs="?", metavar="PID|NAME|SOCKET", help=which)
    add("--read-only", action="store_true", help="steer nothing")
    add_screen(add, save=False)
    add_form(add)


def add_tell(parser: Parser) -> None:
    """Complete the parser of ``lrtui tell``."""
    parser.usage = "lrtui tell [PID|NAME|SOCKET] COMMAND [--wait SECONDS]"
    parser.description = (
        "Steer a training and print the step at which it took effect. COMMAND: lr RATE, "
        "scale FACTOR, release, pause, resume, step, checkpoint, rewind [STEP], stop. Exit code 0 "
        "when it took effect, 1 when it could not be done, 2 for bad input."
    )
    add = parser.add_argument
    seconds = within(0.1, 1e9, "a number of seconds is")
    add("words", nargs="*", metavar="COMMAND", help="see above")
    add("--wait", type=seconds, default=60.0, metavar="SECONDS", help="for an answer (60)")
    add_form(add, plain=False, json=False)


COMMANDS: dict[str, tuple[Callable[[Parser], None], type[Options]]] = {
    "": (add_lab, LabOptions),
    "sweep": (add_sweep, SweepOptions),
    "heat": (add_heat, HeatOptions),
    "tour": (add_tour, TourOptions),
    "replay": (add_replay, ReplayOptions),
    "problems": (add_problems, ProblemsOptions),
    "watch": (add_watch, WatchOptions),
    "tell": (add_tell, TellOptions),
}
"""Commands by name, none for ``lrtui`` itself: what completes the parser, and the options."""


def optimizer(found: argparse.Namespace) -> Optimizer:
    """Return the optimizer that was asked for.

    Raises:
        ValueError: what was asked for does not go together; says what.
    """
    plain = found.optimizer is None and found.momentum is None and found.weight_decay is None
    # A file may bring its own optimizer along; where it does not, own is gradient descent.
    name: OptimizerName = "own" if plain and found.problem.endswith(".py") else "sgd"
    name = found.optimizer or name
    is_adaptive = name in ("adam", "adamw")
    for given, text, fits in (
        (found.momentum, "--momentum", not is_adaptive and name != "own"),
        (found.betas, "--betas", is_adaptive),
        (found.weight_decay, "--weight-decay", name != "own"),
    ):
        if given is not None and not fits:
            raise ValueError(f"{text} is not for {name}")
    if name == "nesterov" and found.momentum == 0:
        raise ValueError("nesterov needs a momentum above 0")
    usual_momentum, usual_decay = USUAL.get(name, (0.0, 0.0))
    momentum, decay = found.momentum, found.weight_decay
    return Optimizer(
        name=name,
        momentum=usual_momentum if momentum is None else momentum,
        weight_decay=usual_decay if decay is None else decay,
        betas=found.betas or (0.9, 0.999),
    )


def parse(words: Sequence[str], parser_class: type[Parser] = Parser) -> tuple[Parser, Options]:
    """Read a command line; print what is wrong with it and exit with code 2 if anything is.

    Args:
        words: of the command line, without the program's name.
        parser_class: of the parsers; another may do something else about what is wrong.

    Returns:
        The parser of its command, and the options.
    """
    commands = parser_class().add_subparsers(parser_class=parser_class)
    for name, (complete, kind) in COMMANDS.items():
        parser = commands.add_parser(name, prog=f"lrtui {name}".strip(), allow_abbrev=False)
        parser.set_defaults(kind=kind)
        complete(parser)
    named = bool(words and words[0]) and words[0] in COMMANDS
    parser = commands.choices[words[0] if named else ""]
    found = parser.parse_args(words[named:])
    if hasattr(found, "optimizer"):
        try:
            found.optimizer = optimizer(found)
        except ValueError as error:
            parser.error(str(error))
    options: Options = found.kind(**{f.name: getattr(found, f.name) for f in fields(found.kind)})
    if isinstance(options, SweepOptions) and (options.low or 0) > (options.high or math.inf):
        parser.error("--from is larger than --to")
    if isinstance(options, LabOptions) and options.keep and options.save:
        parser.error("--keep and --save are two names for a file; give one")
    if isinstance(options, SweepOptions | HeatOptions) and options.json and options.csv:
        parser.error("--json and --csv are two forms of the same; one is printed")
    if isinstance(options, HeatOptions):
        if options.optimizer.is_adaptive:
            parser.error(f"{options.optimizer.name} has no momentum; heat is for sgd and nesterov")
        if found.momentum is not None:
            parser.error("--momentum is not for heat, which goes through 24 of them")
    in_range = 2 <= len(found.lr or []) <= MOST_ENTRANTS if "race" in found else True
    if isinstance(options, LabOptions) and options.race and not in_range:
        parser.error(f"--race needs --lr two to {MOST_ENTRANTS} times")
    return parser, options
