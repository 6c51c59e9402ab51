"""``lrtui watch``: watch and steer a training that is running."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from lrtui.commands.arguments import add_form, add_screen, typed
from lrtui.commands.parser import Parser, complain
from lrtui.commands.showing import carry_out, reading_files, show, shows_screen
from lrtui.text.ascii_fallback import printable


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Options of ``lrtui watch``."""

    training: str | None
    read_only: bool
    every: int
    fps: int
    theme: str | None
    plain: bool
    json: bool
    ascii: bool


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

        if (which := choose_on_screen(options.theme)) is None:
            return 0

    from lrtui.sources.socket import SocketSource

    try:
        with reading_files():
            source = SocketSource(choose(which), read_only=options.read_only)
    except NoTraining as error:
        complain(str(error))
        return 1

    def on_the_screen() -> int:
        from lrtui.screen.control.controller import Controller
        from lrtui.screen.main_screen import MainScreen

        controller = Controller(source, [], speed=None)
        return show(lambda: MainScreen(controller, options.fps), options.theme)

    def as_text() -> int:
        from lrtui.commands.plain_text import Printer, replay

        replay(source, Printer(options.every, options.json, sys.stdout))
        return 0

    return carry_out(source, on_the_screen if on_screen else as_text)


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
