"""``lrtui run``: a script or module run as python does, and watched.

Imports little: what is loaded here, a person's training has to pay for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from lrtui.commands.parser import Parser, complain
from lrtui.monitor.script import RunOptions, run


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.usage = "lrtui run [OPTIONS] SCRIPT|-m MODULE [ARGS]"
    parser.description = (
        "Run a script or a module as python does, to be watched by lrtui watch: its rate can be "
        "changed, it can be paused and stopped, and nothing in it need be changed for that. The "
        "script may stand in a command of python or torchrun: lrtui run torchrun train.py."
    )
    add = parser.add_argument
    add("--name", metavar="NAME", help="what the list of trainings calls it (the script's name)")
    add("--journal", metavar="FILE", help="where commands are noted (beside the socket)")
    add("--save", metavar="FILE", help="write what a viewer would get to a new file, by rank 0")
    add(
        "--no-vitals",
        dest="vitals",
        action="store_false",
        help="show no gradient norm, waits, time left or room for a higher rate",
    )
    add("--on-spike", metavar="COMMAND", help="run it when a spike begins, at most one a minute")
    add(
        "--own-batch",
        action="store_true",
        help="measure by the step's own batch as well: forward passes, 0.5 %% of the time",
    )
    add("-m", dest="module", metavar="MODULE", help="a module, as python -m")
    add("script", nargs="?", metavar="SCRIPT", help="a script")


def run_script(words: Sequence[str]) -> int:
    """Run the script or module of a command line; return its exit code, 2 if it does not exist.

    The words after the script are the script's own. In place of a script there may be a whole
    command of python or torchrun: then this process becomes that one, under ``lrtui run``.

    Raises:
        SystemExit: raised by the script, or the command line is wrong.
    """
    end = 0
    while end < len(words) and words[end].startswith("-") and words[end] != "-m":
        end += 2 if words[end] in ("--name", "--journal", "--save", "--on-spike") else 1
    end += 2 if words[end : end + 1] == ["-m"] else 1
    parser = Parser(prog="lrtui run", allow_abbrev=False)
    add_arguments(parser)
    found = parser.parse_args(words[:end])
    if (found.script is None) == (found.module is None):
        parser.error("a script or -m MODULE is needed")
    if os.environ.get("RANK", "0") != "0":
        found.save = None  # of the ranks that a launcher starts, the first one saves
    if found.save and (why := unusable(found.save)):
        complain(why)
        return 2
    try:
        if found.script and is_program(found.script):
            become(words[end - 1 :], words[: end - 1])
        options = RunOptions(
            found.name, found.journal, found.vitals, found.on_spike, found.own_batch, found.save
        )
        is_module = found.module is not None
        script = found.module or found.script
        return run(script, words[end:], is_module=is_module, options=options)
    except ValueError as error:
        complain(str(error))
        return 2


def is_program(word: str) -> bool:
    """Return whether a word is a program, such as an interpreter or a launcher, and no script."""
    if not os.path.exists(word):
        return shutil.which(word) is not None
    name = os.path.basename(word)
    if not name.startswith("python"):
        return False  # without an import on the way of most
    from lrtui.sources.race.command_line import PYTHON

    return PYTHON.fullmatch(name) is not None


def become(command: Sequence[str], options: Sequence[str]) -> NoReturn:
    """Become a command whose script runs under ``lrtui run``.

    Raises:
        ValueError: it is no command of python or torchrun with a script.
    """
    from lrtui.sources.race.command_line import watched

    words = watched(command, options)
    os.execvp(words[0], words)


def unusable(file: str) -> str:
    """Say why a training cannot be saved to a new file, empty if it can."""
    if os.path.lexists(file):
        return f"{file} is there already; --save makes a new file"
    folder = os.path.dirname(file) or "."
    return "" if os.path.isdir(folder) else f"{file}: there is no folder {folder}"
