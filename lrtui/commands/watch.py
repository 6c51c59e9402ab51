"""``lrtui watch``: watch and steer a training that is running."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.commands.arguments import ScreenOptions, add_form, add_screen, typed
from lrtui.commands.parser import Parser, complain
from lrtui.commands.showing import present, reading_files, shows_screen, theme_of
from lrtui.text.ascii_fallback import printable

if TYPE_CHECKING:
    from lrtui.commands.plain_text import Printer
    from lrtui.screen.control.controller import Controller


@dataclass(frozen=True, kw_only=True)
class WatchOptions(ScreenOptions):
    """Options of ``lrtui watch``."""

    training: str | None
    read_only: bool


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Watch and steer a training of yours that is running: one with a Monitor in it, or started "
        "by lrtui run. Over SSH: ssh -t HOST lrtui watch."
    )
    add = parser.add_argument
    which = "its process, name or socket; none for a list to choose from"
    add("training", nargs="?", metavar="PID|NAME|SOCKET", help=which)
    add("--read-only", action="store_true", help="steer nothing")
    add_screen(parser, save=False)
    add_form(parser, "plain", "json")


def options(found: argparse.Namespace) -> WatchOptions:
    """Return what was asked for."""
    return typed(WatchOptions, found)


def run(options: WatchOptions) -> int:
    """Watch a training; without a name, let a person choose one, or list them as text.

    Raises:
        BadInput: the socket cannot be used.
    """
    from lrtui.sources.trainings import NoTraining, choose

    on_screen = shows_screen(options.plain or options.json)
    which = options.training
    if which is None and not on_screen:
        return list_trainings(options.json)
    if which is None:
        from lrtui.screen.dialogs.training_list import choose_on_screen

        if (which := choose_on_screen(theme_of(options.theme))) is None:
            return 0

    from lrtui.sources.socket import SocketSource

    try:
        with reading_files():
            source = SocketSource(choose(which), read_only=options.read_only)
    except NoTraining as error:
        complain(str(error))
        return 1

    def controller() -> Controller:
        from lrtui.screen.control.controller import Controller

        return Controller(source, [], speed=None)

    def as_text(printer: Printer) -> str:
        from lrtui.commands.plain_text import replay

        return replay(source, printer)

    return present(source, options, on_screen, controller, as_text)


def list_trainings(as_json: bool) -> int:
    """Print the trainings of this machine; return 1 where there are none."""
    from lrtui.messages import encode
    from lrtui.session.sentences import training_line
    from lrtui.sources.trainings import find

    found = find()
    for training in found:
        if training.greeting is None:
            print(f"{training.number:>8}  does not answer")
        elif as_json:
            print(encode(training.greeting).decode())
        else:
            print(printable(training_line(training.greeting)))
    if not found:
        complain("no training is running: start one by lrtui run, or put a Monitor into it")
    return 0 if found else 1
