"""The plan of a race, kept in its folder so that it can be resumed."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.race.command_line import filled, placeholders, watched
from lrtui.text.rates import rate_text

NAME = "race.json"

LAST_BYTES = 1 << 16
"""Bytes at the end of a file in which its last line is looked for."""

GROWTH_SECONDS = 2.0
"""Seconds within which the file of a run that is on grows."""


class Entry(NamedTuple):
    """One run of a race; ``seed`` is ``None`` where seeds are not filled in."""

    lr: float
    seed: int | None

    @property
    def name(self) -> str:
        """What the run and its files are called."""
        seed = "" if self.seed is None else f"-s{self.seed}"
        return f"lr-{rate_text(self.lr)}{seed}"


class Plan(Struct, frozen=True, kw_only=True):
    """Everything needed to resume a race.

    Attributes:
        command: of a run, with placeholders.
        cwd: folder in which it is started.
        lrs: rates.
        seeds: none if the command has no placeholder for them.
        launch: put before the command.
        keep_diverged: whether to continue runs that have diverged.
        diverged: by name, the evidence for which a run was ended.
    """

    command: list[str]
    cwd: str
    lrs: list[msg.LearningRate]
    seeds: list[int] = []
    launch: list[str] = []
    keep_diverged: bool = False
    diverged: dict[str, str] = {}

    def entries(self) -> list[Entry]:
        """Return the runs in their order: all rates with the first seed, then with the next."""
        seeds: list[int | None] = [*self.seeds] or [None]
        return [Entry(lr, seed) for seed in seeds for lr in self.lrs]


def check(plan: Plan) -> None:
    """Check that a plan can be carried out.

    Raises:
        ValueError: it cannot; says why.
    """
    names = placeholders(plan.command)
    if "lr" not in names:
        raise ValueError("the command needs {lr} where its learning rate is, as in --lr {lr}")
    if plan.seeds and "seed" not in names:
        raise ValueError("--seeds needs {seed} in the command, as in --seed {seed}")
    if "seed" in names and not plan.seeds:
        raise ValueError("{seed} in the command needs --seeds")
    watched(plan.command, [])


class Folder:
    """The folder of a race: its plan, and for each run a file of messages and one of output."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Use an existing folder."""
        self.path = path
        self.plan = plan

    @classmethod
    def make(cls, path: Path, plan: Plan) -> Folder:
        """Make a new folder for a plan.

        Raises:
            OSError: it cannot be made.
            ValueError: it is in use.
        """
        if (path / NAME).exists():
            raise ValueError(f"{path} has a race already; lrtui race --resume {path} goes on")
        if path.exists() and any(path.iterdir()):
            raise ValueError(f"{path} is not empty; a race needs a folder of its own")
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(Path(os.path.abspath(path)), plan)
        folder.save()
        return folder

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open the folder of a race that was cut short.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not the folder of a race, or one of its runs is on.
        """
        try:
            plan = msgspec.json.decode((path / NAME).read_bytes(), type=Plan)
            check(plan)
        except FileNotFoundError:
            raise ValueError(f"{path} is not the folder of a race: it has no {NAME}") from None
        except ValueError as error:
            raise ValueError(f"{path / NAME}: {error}") from error
        folder = cls(Path(os.path.abspath(path)), plan)
        cut = [entry for entry in plan.entries() if not folder.is_complete(entry)]
        before = {entry: folder.size(entry) for entry in cut}
        if any(before.values()):
            time.sleep(GROWTH_SECONDS)
        for entry in cut:
            if folder.size(entry) != before[entry]:
                raise ValueError(f"{entry.name} is still on: its file grows; end it, or wait")
        return folder

    def save(self) -> None:
        """Write the plan, as a whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        new = self.path / f"{NAME}.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(self.plan), indent=2) + b"\n")
        new.replace(self.path / NAME)

    def add(self, lr: float) -> None:
        """Add a rate to the plan."""
        self.plan = replace(self.plan, lrs=[*self.plan.lrs, lr])
        self.save()

    def note_diverged(self, entry: Entry, why: str) -> None:
        """Record that a run was ended because it had diverged."""
        self.plan = replace(self.plan, diverged={**self.plan.diverged, entry.name: why})
        self.save()

    def file(self, entry: Entry) -> Path:
        """Return the path of a run's messages."""
        return self.path / f"{entry.name}.jsonl"

    def log(self, entry: Entry) -> Path:
        """Return the path of what a run prints."""
        return self.path / f"{entry.name}.log"

    def size(self, entry: Entry) -> int:
        """Return the bytes of a run's messages, 0 if there are none."""
        with contextlib.suppress(OSError):
            return self.file(entry).stat().st_size
        return 0

    def is_complete(self, entry: Entry) -> bool:
        """Return whether a run came to its end, or was ended because it had diverged."""
        if entry.name in self.plan.diverged:
            return True
        last = last_message(self.file(entry))
        return isinstance(last, msg.Ended) and last.outcome == "done"

    def prepare(self, entry: Entry) -> list[str]:
        """Make room for a run, and return the command line that starts it.

        What an attempt that was cut short has written is kept beside it.

        Raises:
            OSError: a file or folder cannot be made.
        """
        file, out = self.file(entry), self.path / entry.name
        if file.exists():
            file.replace(file.with_suffix(".jsonl.old"))
        values = {"lr": rate_text(entry.lr), "name": entry.name, "out": str(out)}
        if "out" in placeholders(self.plan.command):
            out.mkdir(exist_ok=True)
        if entry.seed is not None:
            values["seed"] = str(entry.seed)
        command = watched(self.plan.command, ["--name", entry.name, "--save", str(file)])
        return [*self.plan.launch, *filled(command, values)]


def last_message(path: Path) -> msg.AnyMessage | None:
    """Return the last message of a file, ``None`` if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LAST_BYTES, 0))
            lines = file.read().splitlines()
        return msg.decode_message(lines[-1])
    except (OSError, ValueError, IndexError):
        return None


def files_in(folder: Path) -> list[Path]:
    """Return the files of messages in the folder of a race; none if it is no such folder."""
    return sorted(folder.glob("*.jsonl")) if (folder / NAME).exists() else []
