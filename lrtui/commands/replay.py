"""``lrtui replay``: show a session that was saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrtui.commands.arguments import ScreenOptions, add_form, add_screen, add_speed
from lrtui.commands.parser import Parser
from lrtui.commands.showing import present_reports, reading_files, shows_screen, usual_speed


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(ScreenOptions):
    """Options of ``lrtui replay``."""

    file: Path
    follow: bool


OPTIONS = ReplayOptions


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
    return present_reports(source, options, on_screen, speed, trouble=2)
