"""``lrtui tour``: play a story on the screen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lrtui.commands.arguments import (
    ScreenOptions,
    add_form,
    add_screen,
    add_setup,
    argument,
    setup_of,
)
from lrtui.commands.parser import BadInput, Parser
from lrtui.commands.showing import carry_out, reading_files, show, shows_screen, start_trainer
from lrtui.text.readers import within
from lrtui.tour.script import Scene, read_script


@dataclass(frozen=True, kw_only=True)
class TourOptions(ScreenOptions):
    """Options of ``lrtui tour``; the setup follows once the script is read."""

    found: argparse.Namespace
    script: str | None
    pace: float
    save: Path | None

    @classmethod
    def of(cls, found: argparse.Namespace) -> Self:
        """Check the setup, and keep the namespace: a script may change the setup."""
        found.found = found
        setup_of(found)
        return super().of(found)


OPTIONS = TourOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Play a story on the real screen with the real trainer, in about a minute: the post's, "
        "edge, optimizers, race, live, or a file of yours. Space pauses it; a number that is typed "
        "ends it and runs that rate."
    )
    add, pace = parser.add_argument, argument(within(0.1, 20, "a pace from 0.1 to 20 is"))
    story = "edge, optimizers, race, live, or a tour of your own (the post's)"
    add("script", nargs="?", metavar="TOUR", help=story)
    add("--pace", type=pace, default=1.0, metavar="X", help="how many times as fast (1)")
    add_setup(parser, leave_out=("problem", "factor"))
    add_screen(parser)
    add_form(parser)


def run(options: TourOptions) -> int:
    """Play the tour.

    Raises:
        BadInput: the script cannot be read, or there is no terminal.
    """
    if not shows_screen():
        raise BadInput("a tour needs a terminal to be shown on")
    with reading_files():
        scenes: list[Scene] = read_script(options.script)
    asked = {scene.verb: scene for scene in scenes}
    if "training" in asked:
        return play_live(asked["training"].text, scenes, options)
    if "problem" in asked:
        options.found.problem = asked["problem"].text
    if "steps" in asked and options.found.steps is None:
        options.found.steps = int(asked["steps"].number)
    setup = setup_of(options.found)
    source = start_trainer(setup.settings, options.save)

    def on_the_screen() -> int:
        from lrtui.tour.lockstep import Lockstep
        from lrtui.tour.player import Tour

        held, fps, pace = Lockstep(source), options.fps, options.pace
        return show(lambda: Tour(held, scenes, setup, fps=fps, pace=pace), options)

    return carry_out(source, on_the_screen)


def play_live(script: str, scenes: Sequence[Scene], options: TourOptions) -> int:
    """Start a training, and play a tour on it.

    Raises:
        BadInput: the training does not start.
    """
    from lrtui.tour.live import LiveTour, started

    with reading_files(), started(script) as source:
        return carry_out(
            source,
            lambda: show(
                lambda: LiveTour(source, scenes, fps=options.fps, pace=options.pace), options
            ),
        )
