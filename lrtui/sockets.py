"""Where the sockets of trainings are: one private folder, one socket a training."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

LONGEST = 107
"""Bytes of a socket's path, at most, on Linux."""


class FolderError(OSError):
    """The folder of the sockets cannot be used; says why."""


def folder() -> Path:
    """Return the folder of the sockets, made where it is not there.

    ``$LRTUI_DIR``, else ``lrtui`` in ``$XDG_RUNTIME_DIR``, else ``lrtui-UID`` in the temporary
    folder. Never in the home, which may be on the network.

    Raises:
        FolderError: it is not a folder that its owner alone, and that is us, can open.
    """
    own, runtime = os.environ.get("LRTUI_DIR"), os.environ.get("XDG_RUNTIME_DIR")
    if own:
        path = Path(own)
    elif runtime and os.access(runtime, os.W_OK):
        path = Path(runtime) / "lrtui"
    else:
        path = Path(tempfile.gettempdir()) / f"lrtui-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise FolderError(f"{path} cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderError(f"{path} is not a folder")
    if found.st_uid != os.getuid():
        raise FolderError(f"{path} belongs to another user")
    if found.st_mode & 0o077:
        raise FolderError(f"{path} can be opened by others: chmod 700 {path}")
    return path


def new_path(pid: int) -> Path:
    """Return the path of a new socket of a process.

    Raises:
        FolderError: the folder cannot be used, or its name is too long.
    """
    where = folder()
    for number in range(1, 1000):
        path = where / (f"{pid}.sock" if number == 1 else f"{pid}.{number}.sock")
        if not path.exists():
            break
    if len(os.fsencode(path)) > LONGEST:
        raise FolderError(f"{path} is too long a name for a socket; set LRTUI_DIR to a shorter one")
    return path
