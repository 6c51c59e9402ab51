"""``lrtui replay``: show a session that was saved."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from lrtui.commands.arguments import add_form, add_screen, add_speed, typed
from lrtui.commands.parser import Parser
from lrtui.commands.showing import carry_out, reading_files, show, shows_screen, usual_speed


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Options of ``lrtui replay``; a speed of 0 is the usual one, ``None`` as fast as possible."""

    file: Path
    speed: float | None
    follow: bool
    every: int
    fps: int
    theme: str | None
    plain: bool
    json: bool
    ascii: bool


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Show a session that --save recorded, on the same screen, without a trainer: pause, "
        "single steps, speed and every pane work as they did."
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="the file")
    add("--follow", action="store_true", help="wait at its end for more, of a file still written")
    add_speed(parser, "reports")
    add_screen(parser, save=False)
    add_form(parser, "plain", "json")


def options(found: argparse.Namespace) -> ReplayOptions:
    """Return what was asked for."""
    return typed(ReplayOptions, found)


def run(options: ReplayOptions) -> int:
    """Replay, on the screen or as lines of text.

    Raises:
        BadInput: the file cannot be read.
    """
    from lrtui.sources.replay import Replay

    on_screen = shows_screen(options.plain or options.json)
    speed = usual_speed(options.speed, on_screen)
    with reading_files():
        source = Replay(options.file, speed, options.follow)

    def on_the_screen() -> int:
        from lrtui.screen.control.controller import Controller
        from lrtui.screen.main_screen import MainScreen

        controller = Controller(source, [], speed=speed)
        return show(lambda: MainScreen(controller, options.fps), options.theme)

    def as_text() -> int:
        from lrtui.commands.plain_text import Printer, replay

        replay(source, Printer(options.every, options.json, sys.stdout))
        return 0

    return carry_out(source, on_the_screen if on_screen else as_text, trouble=2)
