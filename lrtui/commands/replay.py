"""``lrtui replay``: show a session that was saved."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.commands.arguments import ScreenOptions, add_form, add_screen, add_speed, typed
from lrtui.commands.parser import Parser
from lrtui.commands.showing import present, reading_files, shows_screen, usual_speed

if TYPE_CHECKING:
    from lrtui.commands.plain_text import Printer
    from lrtui.screen.control.controller import Controller


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(ScreenOptions):
    """Options of ``lrtui replay``."""

    file: Path
    follow: bool


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

    def controller() -> Controller:
        from lrtui.screen.control.controller import Controller

        return Controller(source, [], speed=speed)

    def as_text(printer: Printer) -> str:
        from lrtui.commands.plain_text import replay

        return replay(source, printer)

    return present(source, options, on_screen, controller, as_text, trouble=2)
