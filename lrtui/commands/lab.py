"""``lrtui``: train at the rates that the user types."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.commands.arguments import (
    ScreenOptions,
    add_form,
    add_screen,
    add_setup,
    add_speed,
    argument,
)
from lrtui.commands.parser import BadInput, Parser
from lrtui.commands.showing import present, reading_files, shows_screen, start_trainer, usual_speed
from lrtui.messages import MOST_ENTRANTS
from lrtui.session.setup import Setup
from lrtui.text.rates import parse_rate
from lrtui.text.readers import within
from lrtui.text.version import __version__

if TYPE_CHECKING:
    from lrtui.commands.plain_text import Printer
    from lrtui.screen.control.controller import Controller

EXAMPLES = """\
commands (lrtui COMMAND --help says more):
  sweep, heat                     what every rate would do; at every momentum
  tour, replay FILE               the post as a story; runs that were saved
  run SCRIPT, watch, tell         a training of yours: watched and steered
  guide [PAGE]                    all of this at length, with a search
  problems, config, completion    built-in problems; your settings; your shell

examples:
  lrtui edge                      a network that trains at the edge of stability
  lrtui mine.py --optimizer adam  your own model (lrtui guide any-problem)
  lrtui --race --lr 0.1 --lr 0.7 --lr 1.01
                                  the post's three rates, on one chart
  lrtui --json --lr 1.01 | tail -n 1
                                  what became of a run, for another program

On the screen, type a rate and press Enter; ? shows all keys, q leaves.
Exit code: 0 done, 1 not carried out, 2 bad input, 128 + n ended by signal n.
"""

ADVICE_SECONDS = 10.0
"""Seconds that a sweep for the advice may take in plain text and JSON."""


@dataclass(frozen=True, kw_only=True)
class LabOptions(ScreenOptions):
    """Options of ``lrtui`` itself."""

    setup: Setup
    lr: list[float] | None
    race: bool
    advice: float
    keep: Path | None
    save: Path | None

    def __post_init__(self) -> None:
        if self.keep and self.save:
            raise BadInput("--keep and --save are two names for a file; give one")
        if self.race and not 2 <= len(self.lrs) <= MOST_ENTRANTS:
            raise BadInput(f"--race needs --lr two to {MOST_ENTRANTS} times")

    @property
    def lrs(self) -> list[float]:
        """Rates to run, one after another."""
        return self.lr or [self.setup.settings.lrs[0]]

    @property
    def races(self) -> list[list[float]]:
        """The same, those that are run in step in one list."""
        return [self.lrs] if self.race else [[lr] for lr in self.lrs]


OPTIONS = LabOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.usage = "lrtui [PROBLEM | COMMAND] [options]"
    parser.description = "Type a learning rate, watch training answer, and be told why."
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    lr = "the learning rate (0.1 for the line); given several times, the runs follow one another"
    add("--version", action="version", version=f"lrtui {__version__}")
    race = f"train the rates in step, on one chart ({MOST_ENTRANTS} at most)"
    add("--lr", type=argument(parse_rate), action="append", metavar="RATE", help=lr)
    add("--race", action="store_true", help=race)
    add_setup(parser)
    add_speed(parser, "steps")
    add_screen(parser)
    advice = (
        "in plain text and JSON, where the loss has no closed form: time for a sweep that the "
        f"advice follows from ({ADVICE_SECONDS:g}); 0 for no such advice"
    )
    seconds = argument(within(0, 1e9, "a number of seconds from 0 is"))
    add("--advice", type=seconds, default=ADVICE_SECONDS, metavar="SECONDS", help=advice)
    keep = "open the runs of FILE again, and add this session's to it"
    add("--keep", type=Path, metavar="FILE", help=keep)
    add_form(parser, "plain", "json")


def run(options: LabOptions) -> int:
    """Train, on the screen or as lines of text.

    Raises:
        BadInput: a file cannot be read or written.
    """
    on_screen = shows_screen(options.plain or options.json)
    earlier = []
    if options.keep is not None:
        from lrtui.sources.recorder import kept

        with reading_files():
            earlier = [*kept(options.keep)]
    append, file = options.keep is not None, options.keep or options.save
    source = start_trainer(options.setup.settings, file, append)
    speed = usual_speed(options.speed, on_screen)

    def controller() -> Controller:
        from lrtui.screen.control.controller import Controller

        made = Controller(source, options.races, setup=options.setup, speed=speed)
        made.session.open_again(earlier)
        return made

    def as_text(printer: Printer) -> str:
        from lrtui.commands.plain_text import play

        printer.session.open_again(earlier)
        return play(source, options.races, options.setup, speed, printer, options.advice)

    return present(source, options, on_screen, controller, as_text)
