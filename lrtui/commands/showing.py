"""What the commands that show runs share: the source, and the screen or lines of text."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

from lrtui.commands.config_file import read_config
from lrtui.commands.parser import BadInput, complain
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.terminal.environment import chooses_driver, is_dumb, prepare

if TYPE_CHECKING:
    from lrtui.commands.arguments import ScreenOptions
    from lrtui.commands.plain_text import Printer
    from lrtui.screen.control.controller import Controller
    from lrtui.screen.main_screen import MainScreen
    from lrtui.sources.source import Source

SCREEN_SPEED = 20.0
"""Steps a second on the screen by default."""

START_SECONDS = 1.0
"""Seconds without garbage collection while the screen starts."""


def shows_screen(as_text: bool = False) -> bool:
    """Return whether to show the screen rather than lines of text; if so, prepare for it."""
    if as_text:
        return False
    # The screen is written to standard error, as textual does it.
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if chooses_driver(os.environ) or (
        all(stream.isatty() for stream in streams) and not is_dumb(os.environ)
    ):
        prepare(os.environ)  # before textual is imported
        collect_later()
        return True
    return False


def collect_later() -> None:
    """Collect no garbage at first: that would take a twelfth of the time to the first frame.

    What is there by then is never garbage, and is not looked at again.
    """

    def begin() -> None:
        gc.freeze()
        gc.enable()

    gc.disable()
    timer = Timer(START_SECONDS, begin)
    timer.daemon = True
    timer.start()


def usual_speed(speed: float | None, on_screen: bool) -> float | None:
    """Return a speed, the usual one in place of 0."""
    return speed if speed != 0 else SCREEN_SPEED if on_screen else None


@contextmanager
def reading_files() -> Iterator[None]:
    """Turn errors of the user's files into ``BadInput``."""
    try:
        yield
    except FileExistsError as error:
        raise BadInput(f"{error.filename} is there already; --save makes a new file") from error
    except OSError as error:
        subject = "" if error.filename is None else f"{error.filename}: "
        raise BadInput(f"{subject}{error.strerror}") from error
    except ValueError as error:
        raise BadInput(str(error)) from error


def start_trainer(settings: ProblemSettings, save: Path | None, append: bool = False) -> Source:
    """Start the trainer, and record the session if a file is given.

    Nothing heavy is imported before, so that torch loads while the first frame is drawn.

    Raises:
        BadInput: the file cannot be written.
    """
    from lrtui.sources.process import ProcessSource

    return recorded(ProcessSource(settings), save, append)


def recorded(source: Source, save: Path | None, append: bool = False) -> Source:
    """Return a source that also records its messages, if a file is given.

    Raises:
        BadInput: the file cannot be written; the source is closed then.
    """
    if save is None:
        return source

    from lrtui.sources.recorder import Recorder

    try:
        with reading_files():
            return Recorder(source, save, append=append)
    except BadInput:
        source.close()
        raise


def carry_out(source: Source, work: Callable[[], int], trouble: int = 1) -> int:
    """Do the work with a source, and close it in any case; return the exit code.

    ``trouble`` is the exit code where the work succeeded and the source reports trouble.
    """
    try:
        code = work()
    finally:
        source.close()
    if source.trouble:
        complain(source.trouble)
        code = code or trouble
    return code


def show(screen: Callable[[], MainScreen], options: ScreenOptions) -> int:
    """Run the app on a screen; return the exit code.

    Raises:
        BadInput: there is no such theme, or an action cannot have a key.
    """
    from lrtui.screen.app import run_app

    theme, keymap = theme_of(options.theme), keymap_of(options.keymap)
    made = screen()
    made.notifies = options.notify
    return run_app(made, theme, keymap)


def theme_of(name: str | None) -> str | None:
    """Return a theme, else that of the environment; ``None`` to fit the terminal's colours.

    Raises:
        BadInput: there is no such theme; lists the themes.
    """
    from textual.theme import BUILTIN_THEMES

    found = name or os.environ.get("TEXTUAL_THEME") or None
    if found is None or found in BUILTIN_THEMES:
        return found
    why = f"no theme is called {found[:24]!r}; there are {', '.join(BUILTIN_THEMES)}"
    config = read_config()
    raise config.bad("theme", why) if name and config.values.get("theme") == name else BadInput(why)


def keymap_of(keymap: Mapping[str, str]) -> Mapping[str, str]:
    """Return the user's own keys, by action, in textual's names.

    Raises:
        BadInput: an action cannot have a key.
    """
    if not keymap:
        return keymap
    from lrtui.screen.keymap import read_keymap

    try:
        return read_keymap(keymap)
    except ValueError as error:
        raise read_config().bad(*error.args) from error


def present(
    source: Source,
    options: ScreenOptions,
    on_screen: bool,
    controller: Callable[[], Controller],
    as_text: Callable[[Printer], str],
    trouble: int = 1,
) -> int:
    """Show runs on the screen, or print them; return the exit code.

    Args:
        source: of the runs; closed at the end.
        options: of the command.
        on_screen: whether to show the screen.
        controller: makes what the screen shows.
        as_text: prints, and returns why that failed, if it did.
        trouble: see ``carry_out``.
    """

    def work() -> int:
        if on_screen:
            from lrtui.screen.main_screen import MainScreen

            return show(lambda: MainScreen(controller(), options.fps), options)

        from lrtui.commands.plain_text import Printer

        printer = Printer(options.every, options.json, sys.stdout)
        if failure := as_text(printer):
            complain(failure)
        return 2 if printer.session.unusable else bool(failure)

    return carry_out(source, work, trouble)


def present_reports(
    source: Source,
    options: ScreenOptions,
    on_screen: bool,
    speed: float | None = None,
    trouble: int = 1,
) -> int:
    """Show a source that starts its runs itself; for the arguments see ``present``."""

    def controller() -> Controller:
        from lrtui.screen.control.controller import Controller

        return Controller(source, [], speed=speed)

    def as_text(printer: Printer) -> str:
        from lrtui.commands.plain_text import replay

        return replay(source, printer)

    return present(source, options, on_screen, controller, as_text, trouble)
