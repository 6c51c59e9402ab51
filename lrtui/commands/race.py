"""``lrtui race``: start a script at several rates, and compare the runs."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.commands.arguments import ScreenOptions, add_form, add_screen, argument
from lrtui.commands.parser import BadInput, Parser
from lrtui.commands.showing import present_reports, reading_files, shows_screen
from lrtui.text.ascii_fallback import printable
from lrtui.text.file_names import unused
from lrtui.text.rates import parse_rate, rate_text
from lrtui.text.readers import whole

if TYPE_CHECKING:
    from lrtui.session.race import Standings
    from lrtui.session.reports import RaceTable
    from lrtui.sources.race.plan import Folder
    from lrtui.sources.race.source import RaceSource

MAX_RUNS = 1000
"""Runs of a race."""

INTERRUPTED = 130
"""Exit code of a race that was left before its end."""


@dataclass(frozen=True, kw_only=True)
class RaceOptions(ScreenOptions):
    """Options of ``lrtui race``."""

    lrs: list[float]
    command: list[str]
    jobs: int
    seeds: list[int]
    keep_diverged: bool
    out: Path | None
    launch: list[str]
    resume: Path | None

    def __post_init__(self) -> None:
        if self.resume is not None:
            if self.lrs or self.command or self.seeds or self.launch or self.out:
                raise BadInput("--resume FOLDER knows rates, command, --seeds, --launch and --out")
            return
        if not self.lrs:
            example = "lrtui race 0.01 0.1 -- python train.py …"
            raise BadInput(f"a learning rate is needed, as in {example}")
        if not self.command:
            raise BadInput("a command is needed, after --")
        twice = [lr for lr in self.lrs if self.lrs.count(lr) > 1]
        if twice:
            raise BadInput(f"{rate_text(twice[0])} is given twice")
        if len(self.lrs) * max(len(self.seeds), 1) > MAX_RUNS:
            raise BadInput(f"a race has at most {MAX_RUNS:,} runs")


OPTIONS = RaceOptions


def read_seeds(text: str) -> list[int]:
    """Parse the number of seeds to try, such as ``3``, or the seeds themselves: ``1,2,3``.

    Raises:
        ValueError: not a whole number, or out of range.
    """
    number = whole(0, 10**9)
    if "," not in text:
        return [*range(1, whole(1, MAX_RUNS)(text) + 1)]
    return [*dict.fromkeys(number(part.strip()) for part in text.split(",") if part.strip())]


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.takes_command = True
    parser.usage = "lrtui race LR [LR …] [OPTIONS] -- COMMAND"
    parser.description = (
        "Start a script at each rate, follow all runs on one screen, end those that have diverged, "
        "and compare the others. COMMAND begins with python or torchrun and has {lr} where the "
        "rate is, as in: lrtui race 0.01 0.1 -- python train.py --lr {lr}. {name} is the name of "
        "the run, {out} a folder of its own, {seed} its seed."
    )
    add = parser.add_argument
    rate = argument(parse_rate)
    rates = add("lrs", nargs="+", type=rate, default=[], metavar="LR", help="a learning rate")
    rates.required = False  # --resume knows them
    jobs = "runs at a time (1); where there are several GPUs, each gets one"
    add("--jobs", type=argument(whole(1, 1024)), default=1, metavar="N", help=jobs)
    seeds = "each rate with N seeds, from 1 on, or with those named: 1,2,3"
    add("--seeds", type=argument(read_seeds), default=[], metavar="N", help=seeds)
    add("--keep-diverged", action="store_true", help="let runs go on that have diverged")
    out = "a new folder for what the runs write (race- and the time)"
    add("--out", type=Path, metavar="FOLDER", help=out)
    launch = "what is put before each command, as in 'srun -N1 --gpus 1'"
    add("--launch", type=argument(shlex.split), default=[], metavar="PREFIX", help=launch)
    resume = "go on with a race that was cut short"
    add("--resume", type=Path, metavar="FOLDER", help=resume)
    add_screen(parser, save=False)
    add_form(parser, "plain", "json")


def run(options: RaceOptions) -> int:
    """Run the race, then print its table.

    Raises:
        BadInput: the command has no place for the rate, or the folder cannot be used.
    """
    from lrtui.session.race import Standings
    from lrtui.sources.race.source import RaceSource

    on_screen = shows_screen(options.plain or options.json)
    with reading_files():
        folder = folder_of(options)
    standings = Standings()

    def conclude() -> list[str]:
        # Text has the table at its end.
        return result(folder, standings).advice if on_screen else []

    source = RaceSource(folder, options.jobs, standings.take, conclude)
    code = 0
    try:
        with signals_as_exit(source):
            code = present_reports(source, options, on_screen)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as error:
        code = int(error.code or 0)
    if source.was_cut_short:
        code = code or INTERRUPTED
    print_table(folder, standings, options)
    return code or int(source.has_failed)


def folder_of(options: RaceOptions) -> Folder:
    """Make the folder of a new race, or open that of the race to resume.

    Raises:
        OSError: it cannot be used.
        ValueError: the command cannot be raced, or the folder is in use or no race's.
    """
    from msgspec import structs

    from lrtui.sources.race.plan import Folder, Plan, check

    if options.resume is not None:
        folder = Folder.open(options.resume)
        if options.keep_diverged:
            folder.plan = structs.replace(folder.plan, keep_diverged=True)
        return folder
    plan = Plan(
        command=options.command,
        cwd=os.getcwd(),
        lrs=options.lrs,
        seeds=options.seeds,
        launch=options.launch,
        keep_diverged=options.keep_diverged,
    )
    check(plan)
    named = time.strftime("race-%Y%m%d-%H%M%S")
    return Folder.make(options.out or unused(Path(), named, ""), plan)


@contextmanager
def signals_as_exit(source: RaceSource) -> Iterator[None]:
    """Turn signals that are not ignored into an exit, so that no run is left behind.

    The first one takes effect between two looks at the runs: amid one, it would leave a reader
    that never comes to the end of its file. A further one takes effect at once.
    """

    def leave(number: int, frame: object) -> None:
        if source.left_by:
            raise SystemExit(128 + number)
        source.left_by = number

    found = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: was for n in found if (was := signal.getsignal(n)) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def result(folder: Folder, standings: Standings) -> RaceTable:
    """Return the table of a race as it stands."""
    from lrtui.session.race import table

    entries = {entry.name: (entry.lr, entry.seed) for entry in folder.plan.entries()}
    return table(standings, entries)


def print_table(folder: Folder, standings: Standings, options: RaceOptions) -> None:
    """Print the table, as JSON or as lines."""
    from lrtui.messages import encode

    found = result(folder, standings)
    if options.json:
        print(encode(found).decode(), flush=True)
        return
    for line in [*lines(found), "", f"in {folder.path}"]:
        print(printable(line), flush=True)


def lines(found: RaceTable) -> Iterator[str]:
    """Yield a table as lines of text."""
    seeds = any(row.seed is not None for row in found.runs)
    head = f"at {found.step:,}"
    yield (
        f"{'rate':>8}{'  seed' if seeds else ''} {'verdict':<15} {'steps':>8} {'last loss':>9}"
        f" {'lowest':>9} {'at step':>8} {head:>9}"
    )
    for row in found.runs:
        seed = f" {row.seed:>5}" if row.seed is not None else ""
        at = "–" if row.best_step is None else f"{row.best_step:,}"
        last, lowest, there = map(loss_text, (row.loss, row.best, row.at_step))
        yield (
            f"{rate_text(row.rate):>8}{seed} {row.verdict:<15} {row.steps:>8,} {last:>9}"
            f" {lowest:>9} {at:>8} {there:>9}"
        )
    yield "losses are means over the last 5% of the steps, and over ten steps at least"
    yield ""
    yield from found.advice


def loss_text(loss: float | None) -> str:
    """Return a loss as a cell of the table."""
    return "–" if loss is None else f"{loss:.4g}"
