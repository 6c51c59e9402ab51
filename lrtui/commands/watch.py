"""``lrtui watch``: watch and steer a training that is running."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.commands.arguments import ScreenOptions, add_form, add_screen, argument
from lrtui.commands.parser import BadInput, Parser, complain
from lrtui.commands.showing import present_reports, reading_files, recorded, shows_screen, theme_of
from lrtui.text.ascii_fallback import printable

if TYPE_CHECKING:
    from lrtui.sources.source import Source

FORMATS = (
    "tensorboard", "wandb", "trackio", "mlflow", "mlruns", "trainer_state", "dvclive", "jsonl",
    "csv", "text",
)  # fmt: skip
"""Names of the formats of logs, as ``lrtui.sources.logs.find`` has them."""


def read_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern for lines of a log.

    Raises:
        ValueError: not a regular expression, or without a group named loss.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if "loss" not in pattern.groupindex:
        raise ValueError("a group named loss is needed, as in 'loss=(?P<loss>[0-9.]+)'")
    return pattern


@dataclass(frozen=True, kw_only=True)
class WatchOptions(ScreenOptions):
    """Options of ``lrtui watch``."""

    training: list[str]
    read_only: bool
    format: str | None
    pattern: re.Pattern[str] | None
    once: bool
    save: Path | None


OPTIONS = WatchOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Watch and steer a training of yours that is running: one with a Monitor in it, or started "
        "by lrtui run; or follow the log that another tool writes. Several of them share one "
        "screen. Over SSH: ssh -t HOST lrtui watch."
    )
    add = parser.add_argument
    which = "its process, name or socket, or a file or folder of logs; several share "
    which += "one screen; none for a list"
    add("training", nargs="*", metavar="PID|NAME|SOCKET|PATH", help=which)
    add("--read-only", action="store_true", help="steer nothing")
    kinds = f"what the log is, where looking does not tell: {', '.join(FORMATS)}"
    add("--format", choices=FORMATS, metavar="FORMAT", help=kinds)
    pattern = "of printed lines: a regular expression with groups named step, loss and lr"
    add("--pattern", type=argument(read_pattern), metavar="REGEX", help=pattern)
    add("--once", action="store_true", help="end where the log ends, wait for nothing")
    add_screen(parser)
    add_form(parser, "plain", "json")


def run(options: WatchOptions) -> int:
    """Watch trainings and logs; without a name, let the user choose, or list them as text.

    Raises:
        BadInput: one of them cannot be read; the file to save to cannot be written.
    """
    from lrtui.sources.trainings import NoTraining

    on_screen = shows_screen(options.plain or options.json)
    which = options.training
    if not which and (options.format or options.pattern or options.once):
        raise BadInput("--format, --pattern and --once need the path of a log")
    if not which and not on_screen:
        return list_trainings(options.json)
    if not which:
        from lrtui.screen.dialogs.training_list import choose_on_screen

        if (chosen := choose_on_screen(theme_of(options.theme))) is None:
            return 0
        which = [chosen]
    try:
        with reading_files():
            source = source_of(which, options)
    except NoTraining as error:
        complain(str(error))
        return 1
    trouble = 2 if any(is_log(word, options) for word in which) else 1
    return present_reports(recorded(source, options.save), options, on_screen, trouble=trouble)


def source_of(words: Sequence[str], options: WatchOptions) -> Source:
    """Return a source of the named trainings, logs, and folders of logs.

    Raises:
        NoTraining: there is no training of that name.
        OSError: a file cannot be read.
        ValueError: a word names nothing that can be watched; says which.
    """
    from lrtui.sources.logs.find import logs_in, short_names
    from lrtui.sources.race.plan import files_in
    from lrtui.sources.several import MOST_SOURCES, Several
    from lrtui.sources.socket import SocketSource
    from lrtui.sources.trainings import choose

    trainings: list[Source] = []
    paths: list[Path] = []
    folders: list[Path] = []
    for word in words:
        path = Path(word)
        if not is_log(word, options):
            trainings.append(SocketSource(choose(word), read_only=options.read_only))
        elif path.is_dir() and len(found := files_in(path) or logs_in(path)) > 1:
            paths += found
            folders.append(path)
        else:
            paths.append(path)
    room = MOST_SOURCES - len(trainings)
    shown = sorted(paths[:room])
    names = short_names(shown)
    logs = [log for each in zip(shown, names, strict=True) for log in log_sources(*each, options)]
    sources = [*trainings, *logs[:room]]
    if len(sources) == 1 and not folders:
        return sources[0]
    known = {*paths}

    def find_new() -> Iterator[Source]:
        for folder in folders:
            for path in files_in(folder) or logs_in(folder):
                if path not in known:
                    known.add(path)
                    with suppress(OSError, ValueError):  # it is gone, or nothing is in it yet
                        yield from log_sources(path, path.relative_to(folder).as_posix(), options)

    count = len(paths) - len(shown) + len(logs)
    remarks = [f"{count:,} logs; there is room for {room}"] if count > room else []
    return Several(sources, remarks, find_new if folders and not options.once else None)


def is_log(word: str, options: WatchOptions) -> bool:
    """Return whether a word is the path of a log, and not the name of a training."""
    from lrtui.sources.logs.find import looks_like_path
    from lrtui.sources.trainings import find

    of_logs = options.format or options.pattern or options.once
    if not of_logs and not looks_like_path(word):
        return False
    return all(word not in (training.number, training.name) for training in find())


def log_sources(path: Path, name: str, options: WatchOptions) -> list[Source]:
    """Return a source for each run in a log; an empty name stands for that of its file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a log.
    """
    from lrtui.sources.followed import Followed, is_followed
    from lrtui.sources.logs.find import open_log
    from lrtui.sources.logs.printed import Printed
    from lrtui.sources.logs.source import LogSource

    if options.pattern and options.format not in (None, "text"):
        raise BadInput("--pattern is for printed lines, which is --format text")
    if options.format is None and options.pattern is None and is_followed(path):
        return [Followed(path, once=options.once)]
    reader, remarks = open_log(path, options.format or ("text" if options.pattern else None))
    if isinstance(reader, Printed):
        reader.pattern = options.pattern
    name = "" if reader.named_by_run and reader.run else name
    return [
        LogSource(each, remarks, once=options.once, name="/".join(filter(None, (name, each.run))))
        for each in reader.runs()
    ]


def list_trainings(as_json: bool) -> int:
    """Print the trainings of this machine; return 1 if there are none."""
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
        start = "start one by lrtui run, or put a Monitor into it"
        complain(f"no training is running: {start}; it is listed from its first step")
    return 0 if found else 1
