"""Detects which format of log a path holds, if any."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence, Set
from pathlib import Path

from lrtui.sources.logs.databases import MLflow, Trackio
from lrtui.sources.logs.dvclive import METRICS, DvcLive
from lrtui.sources.logs.json_lines import JsonLines
from lrtui.sources.logs.mlruns import META, MLflowFolder
from lrtui.sources.logs.printed import Printed
from lrtui.sources.logs.reader import Reader, walk
from lrtui.sources.logs.table import Table
from lrtui.sources.logs.tensorboard import PARTS, TensorBoard, is_event_file
from lrtui.sources.logs.trainer_state import NAME, TrainerState
from lrtui.sources.logs.wandb_offline import WandbOffline
from lrtui.text.ascii_fallback import printable

READERS: dict[str, type[Reader]] = {
    reader.format: reader
    for reader in (
        TensorBoard, WandbOffline, Trackio, MLflow, MLflowFolder, TrainerState, DvcLive, JsonLines,
        Table, Printed,
    )
}  # fmt: skip
"""By the name of the format; those recognised with most certainty first."""

OF_FOLDERS = (DvcLive, MLflowFolder)
"""Formats of which a log is a folder."""

SUFFIXES = {
    ".csv": Table, ".tsv": Table, ".jsonl": JsonLines, ".ndjson": JsonLines,
    ".wandb": WandbOffline, ".log": Printed, ".txt": Printed, ".out": Printed, ".err": Printed,
}  # fmt: skip
"""Formats of files that are empty or not there yet."""

IN_FOLDERS = {*SUFFIXES, ".db", ".sqlite"}
"""Suffixes of the files in a folder that are opened to recognise them."""

HEAD = 1 << 16
"""Bytes from which a format is recognised."""

KNOWN = (
    "TensorBoard events, W&B offline runs, CSV, JSON lines, trainer_state.json, DVCLive, trackio, "
    "MLflow, or lines with a loss"
)


class NoLog(ValueError):
    """A path holds no log; says why."""


def looks_like_path(text: str) -> bool:
    """Return whether a word means a file or folder, there or not, rather than a training."""
    try:
        is_there = stat.S_IFMT(os.stat(text).st_mode) != stat.S_IFSOCK
    except OSError:
        is_there = False
    except ValueError:
        return False
    if Path(text).suffix == ".py":
        return False  # trainings have the names of their scripts
    return is_there or Path(text).suffix in {*SUFFIXES, ".json", ".db"} or text.endswith("/")


def open_log(path: Path, kind: str | None = None) -> tuple[Reader, list[str]]:
    """Return a reader of a log, and remarks on it.

    Args:
        path: of a file or a folder; one that does not exist yet is waited for.
        kind: name of the format, ``None`` to detect it.

    Raises:
        NoLog: no known format; says so.
    """
    name = printable(str(path))
    try:
        about = path.stat()
    except FileNotFoundError:
        return (READERS[kind](path), [f"waiting for {name}"]) if kind else awaited(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NoLog(f"{name}: {reason}") from error
    is_folder = stat.S_ISDIR(about.st_mode)
    if not is_folder and not stat.S_ISREG(about.st_mode):
        raise NoLog(f"{name} is not a file or a folder, and cannot be read as a log")
    if kind is not None:
        if is_folder and READERS[kind] not in (TensorBoard, DvcLive, TrainerState, MLflowFolder):
            raise NoLog(f"{name} is a folder, and --format {kind} needs a file")
        return READERS[kind](path), []
    if is_folder:
        return reader_in(path), []
    if not about.st_size:
        return awaited(path)
    if (found := reader_of(path)) is None:
        raise NoLog(f"{name} is not a log that lrtui knows: {KNOWN}; --format says which it is")
    return found, []


def awaited(path: Path) -> tuple[Reader, list[str]]:
    """Return a reader of a file that does not exist yet, by its name.

    Raises:
        NoLog: its folder does not exist, or its name does not tell the format.
    """
    name = printable(str(path))
    if not path.absolute().parent.is_dir():
        raise NoLog(f"{name}: there is no such file, nor its folder")
    kind: type[Reader] | None = TrainerState if path.name == NAME else SUFFIXES.get(path.suffix)
    if is_event_file(path):
        kind = TensorBoard
    if kind is None:
        what = "is empty" if path.exists() else "is not there"
        raise NoLog(f"{name} {what}, and its name does not say what will come; --format does")
    return kind(path), [f"waiting for {name}"]


def reader_of(path: Path) -> Reader | None:
    """Return a reader of a file, ``None`` if it is no log."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            head = file.read(HEAD)
        kinds = (kind for kind in READERS.values() if kind not in OF_FOLDERS)
        return next((kind(path) for kind in kinds if kind.knows(path, head)), None)
    except OSError:
        return None


def logs_in(folder: Path) -> list[Path]:
    """Return the logs in a folder and below it, the one written last first.

    A log is a file, or the folder of one run.
    """
    runs: dict[Path, float] = {}  # when it was written last, by folder or file
    files = [*walk(folder)]
    of_wandb = {path.parent for path in files if path.suffix == ".wandb"}
    states: set[Path] = set()  # folders of transformers' checkpoints
    for path in files:
        try:
            written = path.lstat().st_mtime
        except OSError:
            continue
        if is_event_file(path):
            at = run_of(path.parent, folder)
        elif path.name == NAME:
            at = path.parent.parent if is_checkpoint(path.parent, folder) else path.parent
            states.add(at)
        elif path.suffix == ".tsv" and METRICS.as_posix() in path.parent.as_posix():
            at = Path(path.as_posix().rpartition(f"/{METRICS.as_posix()}/")[0] or ".")
        elif path.name == META and MLflowFolder.knows(path.parent, b""):
            at = path.parent
        elif path.suffix not in IN_FOLDERS or is_beside_wandb(path, of_wandb):
            continue
        else:
            at = path
        runs[at] = max(written, runs.get(at, 0.0))
    newest = sorted(runs, key=lambda at: (runs[at], at), reverse=True)
    folders = {at for at in newest if at.is_dir()}
    # A training is shown once: not by a file beside what a tool writes of it, nor by checkpoints
    # of transformers if these have an event file in the folder that they make for it.
    twice = {state for state in states for at in folders - states if state / "runs" in at.parents}
    alone = [at for at in newest if at not in folders and at.parent not in folders]
    kept = {at for at in alone if reader_of(at) is not None} | (folders - twice)
    return [at for at in newest if at in kept]


def is_checkpoint(parent: Path, folder: Path) -> bool:
    """Return whether a folder below another one is a checkpoint of transformers' Trainer."""
    return parent != folder and parent.name.startswith("checkpoint")


def is_beside_wandb(path: Path, of_wandb: Set[Path]) -> bool:
    """Return whether W&B wrote a file beside one of its runs, such as its own debug logs.

    ``of_wandb`` are the folders of the runs.
    """
    if path.suffix == ".wandb":
        return False
    if not of_wandb.isdisjoint(path.parents):
        return True
    return path.parent.name == "wandb" and any(run.parent == path.parent for run in of_wandb)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return distinct names of logs: their paths without common beginning and end."""
    parts = [path.absolute().parts for path in paths]
    if len(parts) < 2:
        return ["" for _ in parts]
    first = last = 0
    shortest = min(map(len, parts))
    while first < shortest and len({each[first] for each in parts}) == 1:
        first += 1
    while last < shortest - first and len({each[-1 - last] for each in parts}) == 1:
        last += 1
    return ["/".join(each[first : len(each) - last]) for each in parts]


def run_of(parent: Path, folder: Path) -> Path:
    """Return the folder of the run that an event file in a folder belongs to."""
    if any(map(is_event_file, folder.iterdir())):
        return folder
    return parent.parent if parent.name.lower() in PARTS and parent != folder else parent


def reader_in(folder: Path) -> Reader:
    """Return a reader of the log in a folder written last.

    Raises:
        NoLog: there is none.
    """
    for at in logs_in(folder):
        if (reader := reader_of_folder(at) if at.is_dir() else reader_of(at)) is not None:
            return reader
    raise NoLog(f"nothing in {printable(str(folder))} is a log that lrtui knows: {KNOWN}")


def reader_of_folder(folder: Path) -> Reader:
    """Return a reader of a folder that is a log itself."""
    for kind in OF_FOLDERS:
        if kind.knows(folder, b""):
            return kind(folder)
    return TensorBoard(folder) if any(map(is_event_file, walk(folder))) else TrainerState(folder)
