"""The front door: arguments in, one of the ways to run out. Imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.ascii_fallback import printable, write_plain
from lrtui.options import parse
from lrtui.screen.terminal.environment import chooses_driver, is_dumb, prepare

if TYPE_CHECKING:
    from lrtui.sources.process import Trainer
    from lrtui.sources.recording import Recorder, Replay

DEFAULT_SPEED = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs lrtui.

    Returns:
        The exit code: 0 when the runs were carried out, 1 when they could not be, 2 for bad input.
    """
    parser, options = parse(sys.argv[1:] if arguments is None else arguments)
    # The screen is written to standard error, as textual does it.
    terminal = chooses_driver(os.environ) or (
        all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
        and not is_dumb(os.environ)
    )
    as_text = getattr(options, "plain", False) or getattr(options, "json", False)
    options.on_screen = terminal and not as_text and options.command != "sweep"
    if not hasattr(options, "speed"):
        options.speed = DEFAULT_SPEED if options.on_screen else None
    if options.command == "tour" and not terminal:
        parser.error("a tour needs a terminal to be shown on")
    if options.ascii:
        write_plain(sys.stdout)
        write_plain(sys.stderr)
    try:
        if options.command == "tour":
            from lrtui.tour.script import read_script

            options.scenes = read_script(options.script)
        source = open_source(options)
    except FileExistsError as error:
        parser.error(f"{printable(str(error.filename))} is there already; --save makes a new file")
    except OSError as error:
        parser.error(f"{printable(str(error.filename))}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    try:
        failure = run(options, source)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        source.close()
    code = failure if isinstance(failure, int) else 1
    for trouble in (failure, getattr(source, "trouble", "")):
        if isinstance(trouble, str) and trouble:
            print(f"lrtui: {trouble}", file=sys.stderr)
            code = code or (1 if source.trains else 2)
    return code


def open_source(options: argparse.Namespace) -> Trainer | Recorder | Replay:
    """Starts the trainer, or opens the file that is shown instead.

    Raises:
        OSError: a file cannot be read or created.
        ValueError: a file is no saved session; says why.
    """
    if options.command == "replay":
        from lrtui.sources.recording import Replay

        return Replay(options.file, options.speed)

    from lrtui.messages import Problem
    from lrtui.sources.process import Trainer

    # Started before anything else is imported: torch loads while the first frame is drawn.
    trainer = Trainer(
        Problem(
            points=options.points,
            noise=options.noise,
            spread=options.spread,
            seed=options.seed,
        )
    )
    if getattr(options, "save", None) is None:
        return trainer

    from lrtui.sources.recording import Recorder

    try:
        return Recorder(trainer, options.save)
    except OSError:
        trainer.close()
        raise


def run(options: argparse.Namespace, source: Trainer | Recorder | Replay) -> int | str:
    """Runs what was asked for, on the screen or as text.

    Returns:
        The exit code, or what went wrong.
    """
    if options.on_screen:
        return show(options, source)

    from lrtui import plain

    if options.command == "sweep":
        return plain.sweep(
            source,
            options.low,
            options.high,
            count=options.count,
            steps=options.steps,
            as_json=options.json,
            out=sys.stdout,
        )
    if options.command == "replay":
        return plain.replay(source, every=options.every, as_json=options.json, out=sys.stdout)
    return plain.play(
        source,
        options.lr or [0.1],
        steps=options.steps,
        speed=options.speed,
        every=options.every,
        as_json=options.json,
        out=sys.stdout,
    )


def show(options: argparse.Namespace, source: Trainer | Recorder | Replay) -> int:
    """Shows the lab, or the tour in it.

    Returns:
        The exit code.
    """
    prepare(os.environ)  # before textual is imported

    from lrtui.screen.app import known_theme, run_app
    from lrtui.screen.controller import Controller
    from lrtui.screen.main_screen import MainScreen

    try:
        theme = known_theme(options.theme)
    except ValueError as error:
        print(f"lrtui: {error}", file=sys.stderr)
        return 2
    if options.command == "tour":
        from lrtui.tour.player import SPEED, Lockstep, Tour

        trainer = Lockstep(source)
        controller = Controller(
            trainer, (), steps=options.steps, speed=SPEED * options.pace, every=options.every
        )
        tour = Tour(controller, trainer, options.scenes, fps=options.fps, pace=options.pace)
        return run_app(tour, theme)
    rates = (options.lr or [0.1]) if source.trains else ()
    controller = Controller(
        source,
        rates,
        steps=options.steps if source.trains else 1,
        speed=options.speed,
        every=options.every,
    )
    return run_app(MainScreen(controller, options.fps), theme)
