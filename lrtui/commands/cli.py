"""Command-line entry point. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lrtui.commands.arguments import parse
from lrtui.commands.options import (
    HeatOptions,
    LabOptions,
    ProblemsOptions,
    ReplayOptions,
    SweepOptions,
    TellOptions,
    TourOptions,
    WatchOptions,
)
from lrtui.commands.parser import Parser, complain
from lrtui.screen.terminal.environment import chooses_driver, is_dumb, prepare
from lrtui.text.ascii_fallback import printable, write_plain

if TYPE_CHECKING:
    from lrtui.messages import AnyMessage
    from lrtui.sources.source import Source
    from lrtui.tour.script import Scene

Runs = LabOptions | SweepOptions | HeatOptions | TourOptions | ReplayOptions | WatchOptions
"""Options of the commands that show runs."""

SCREEN_SPEED = 20.0
"""Steps a second on the screen, where nothing else is asked for."""


def main(words: Sequence[str]) -> int:
    """Carry out any command but ``run``; return 0, 1 when it could not be, 2 for bad input."""
    open_closed_streams()
    try:
        try:
            return run(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        discard_output()  # its reader is gone
        return 141
    except OSError as error:
        if error.filename is not None:
            raise  # not about our output
        discard_output()
        complain(f"the output cannot be written: {error.strerror}")
        return 1


def run(words: Sequence[str]) -> int:
    """Carry out a command line; return the exit code.

    Raises:
        OSError: the output cannot be written.
    """
    parser, options = parse(words)
    if options.ascii:
        write_plain(sys.stdout)
        write_plain(sys.stderr)
    if isinstance(options, ProblemsOptions):
        list_problems(options.json)
        return 0
    if isinstance(options, TellOptions):
        return tell(parser, options)
    on_screen = shows_screen(options)
    if isinstance(options, WatchOptions) and options.training is None:
        chosen = choose_training(options, on_screen)
        if isinstance(chosen, int):
            return chosen
        options = dataclasses.replace(options, training=chosen)
    scenes: list[Scene] = []
    try:
        if isinstance(options, TourOptions):
            from lrtui.tour.script import read_script

            if not on_screen:
                parser.error("a tour needs a terminal to be shown on")
            scenes = read_script(options.script)
            options = options.about(scenes)
        if on_screen:
            prepare(os.environ)  # before textual is imported
        earlier = [*kept_runs(options)]
        source = open_source(options, on_screen)
    except FileExistsError as error:
        parser.error(f"{error.filename} is there already; --save makes a new file")
    except OSError as error:
        subject = "" if error.filename is None else f"{error.filename}: "
        parser.error(f"{subject}{error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    try:
        if on_screen:
            code = show(options, source, scenes, earlier)
        else:
            code = print_all(options, source, earlier)
    finally:
        source.close()
    if source.trouble:
        complain(source.trouble)
        code = code or (2 if isinstance(options, ReplayOptions) else 1)
    return code


def shows_screen(options: Runs) -> bool:
    """Return whether the screen is shown, rather than lines of text."""
    if isinstance(options, SweepOptions | HeatOptions):
        return False
    if not isinstance(options, TourOptions) and (options.plain or options.json):
        return False
    if chooses_driver(os.environ):
        return True
    # The screen is written to standard error, as textual does it.
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream.isatty() for stream in streams) and not is_dumb(os.environ)


def open_source(options: Runs, on_screen: bool) -> Source:
    """Start the trainer, or open the file that is shown instead.

    Raises:
        OSError: a file cannot be read or created.
        ValueError: a file is not a saved session; says why.
        SystemExit: the training that is to be watched is not running.
    """
    if isinstance(options, ReplayOptions):
        from lrtui.sources.replay import Replay

        return Replay(options.file, usual(options.speed, on_screen), options.follow)

    if isinstance(options, WatchOptions):
        from lrtui.sources.socket import SocketSource
        from lrtui.sources.trainings import NoTraining, choose

        try:
            training = choose(options.training)
        except NoTraining as error:
            complain(str(error))
            sys.exit(1)
        return SocketSource(training, read_only=options.read_only)

    from lrtui.sources.process import ProcessSource

    # Started before anything else is imported: torch loads while the first frame is drawn.
    trainer = ProcessSource(options.settings)
    keep = options.keep if isinstance(options, LabOptions) else None
    save = None if isinstance(options, SweepOptions | HeatOptions) else options.save or keep
    if save is None:
        return trainer

    from lrtui.sources.recorder import Recorder

    try:
        return Recorder(trainer, save, append=keep is not None)
    except OSError:
        trainer.close()
        raise


def kept_runs(options: Runs) -> Iterator[AnyMessage]:
    """Yield what was kept of earlier sessions, where this one is to be added to it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a saved session.
    """
    if isinstance(options, LabOptions) and options.keep is not None:
        from lrtui.sources.recorder import kept

        yield from kept(options.keep)


def choose_training(options: WatchOptions, on_screen: bool) -> str | int:
    """Return the socket of the training that a person chooses from the list.

    The exit code, where none is chosen: without a screen the list is printed, and that is all.
    """
    from lrtui.messages import encode
    from lrtui.session.sentences import training_line
    from lrtui.sources.trainings import find

    found = find()
    if on_screen:
        prepare(os.environ)
        from lrtui.screen.dialogs.training_list import choose_on_screen

        return choose_on_screen(options.theme) or 0
    for training in found:
        if training.greeting is None:
            print(f"{training.number:>8}  does not answer")
        elif options.json:
            print(encode(training.greeting).decode())
        else:
            print(printable(training_line(training.greeting)))
    if not found:
        complain("no training is running: start one by lrtui run, or put a Monitor into it")
    return 0 if found else 1


def tell(parser: Parser, options: TellOptions) -> int:
    """Tell a training something; return the exit code."""
    from lrtui.commands.tell import parse_command
    from lrtui.commands.tell import tell as tell_it
    from lrtui.sources.trainings import NoTraining, choose

    try:
        target, command = parse_command(options.words)
        training = choose(target)
    except NoTraining as error:
        complain(str(error))
        return 1
    except (OSError, ValueError) as error:
        parser.error(str(error))
    text, done = tell_it(training, command, options.wait)
    if done:
        print(printable(text))
    else:
        complain(text)
    return 0 if done else 1


def usual(speed: float | None, on_screen: bool) -> float | None:
    """Return the speed that was asked for, or the default one where none was."""
    return speed if speed != 0 else SCREEN_SPEED if on_screen else None


def list_problems(as_json: bool) -> None:
    """Print the problems that come with lrtui."""
    from lrtui.messages import encode
    from lrtui.messages.problem_settings import BUILT_IN
    from lrtui.session.reports import Problems

    if as_json:
        print(encode(Problems(names=[*BUILT_IN])).decode())
        return
    for name, built_in in BUILT_IN.items():
        print(f"{name:<12} {built_in.shows}")
    print("FILE.py      a model, a loss and data of your own (lrtui --help shows one)")
    print("FILE.csv     a table of your own, for --target COLUMN")


def print_all(options: Runs, source: Source, earlier: Sequence[AnyMessage]) -> int:
    """Print what was asked for as text; return the exit code."""
    from lrtui.commands import plain_text as plain
    from lrtui.commands.tables import print_table

    failure = ""
    match options:
        case SweepOptions() | HeatOptions():
            try:
                failure = print_table(source, options, sys.stdout)
            except ValueError as error:
                complain(str(error))
                return 2
        case ReplayOptions():
            plain.replay(source, plain.Printer(options.every, options.json, sys.stdout))
        case WatchOptions():
            plain.replay(source, plain.Printer(options.every, options.json, sys.stdout))
        case LabOptions():
            printer = plain.Printer(options.every, options.json, sys.stdout)
            printer.session.open_again(earlier)
            speed = usual(options.speed, on_screen=False)
            runs = plain.started(options, speed)
            failure = plain.play(source, runs, printer, options.advice)
            if printer.session.unusable:
                complain(failure)
                return 2
    if failure:
        complain(failure)
    return 1 if failure else 0


def show(
    options: Runs, source: Source, scenes: Sequence[Scene], earlier: Sequence[AnyMessage]
) -> int:
    """Show the screen, or a tour on it; return the exit code."""
    from lrtui.screen.app import known_theme, run_app
    from lrtui.screen.control.controller import Controller
    from lrtui.screen.main_screen import MainScreen

    assert not isinstance(options, SweepOptions | HeatOptions)
    try:
        theme = known_theme(options.theme)
    except ValueError as error:
        complain(str(error))
        return 2
    if isinstance(options, TourOptions):
        from lrtui.tour.player import make_tour

        return run_app(make_tour(source, scenes, options), theme)
    speed = None if isinstance(options, WatchOptions) else usual(options.speed, on_screen=True)
    if isinstance(options, LabOptions):
        controller = Controller(
            source,
            options.races,
            settings=options.settings,
            optimizer=options.optimizer,
            schedule=options.schedule,
            steps=options.steps_of_a_run,
            speed=speed,
            factor=options.factor,
        )
        controller.session.open_again(earlier)
    else:
        controller = Controller(source, [], steps=1, speed=speed)
    return run_app(MainScreen(controller, options.fps), theme)


def open_closed_streams() -> None:
    """Open standard streams that the shell has closed (``<&-``): Python leaves them ``None``.

    A read then finds the end of a file, and what is written is lost.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - never closed


def discard_output() -> None:
    """Discard what is still buffered, or it would raise when the program exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
