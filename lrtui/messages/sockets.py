"""Where the sockets of trainings are: private folders, one socket a training."""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path, at most."""

BOUND = re.compile(r"/(\d+)(\.\d+)?\.new$")
"""End of a socket's path when it is bound; it is renamed to ``.sock`` then."""

PROC_UNIX = Path("/proc/net/unix")
"""Lists all bound sockets, on Linux."""


class FolderError(OSError):
    """The folder of the sockets cannot be used; says why."""


def candidates() -> Iterator[Path]:
    """Yield the folders that a socket may be in, the most private first.

    ``$LRTUI_DIR``; ``lrtui`` in ``$XDG_RUNTIME_DIR`` and where a login has that; ``lrtui-UID`` in
    the temporary folder and in ``/tmp``. Never in the home, which may be on the network.
    """
    found = [Path(own)] if (own := os.environ.get("LRTUI_DIR")) else []
    for runtime in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        if runtime:
            found.append(Path(runtime) / "lrtui")
    found += [Path(t) / f"lrtui-{os.getuid()}" for t in (tempfile.gettempdir(), "/tmp")]
    yield from dict.fromkeys(found)


def check_private(path: Path) -> None:
    """Check that only we can open a folder.

    Raises:
        FolderError: others can, or it cannot be used; says why.
    """
    try:
        found = path.lstat()
    except OSError as error:
        raise FolderError(f"{path} cannot be used: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderError(f"{path} is not a folder")
    if found.st_uid != os.getuid():
        raise FolderError(f"{path} belongs to another user")
    if found.st_mode & 0o077:
        raise FolderError(f"{path} can be opened by others: chmod 700 {path}")


def make_private(path: Path) -> None:
    """Make a folder if it does not exist, and check that it is private.

    Raises:
        FolderError: it cannot be used; says why.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise FolderError(f"{path} cannot be made: {error.strerror}") from error
    check_private(path)


def new_path(pid: int) -> Path:
    """Return the path of a new socket of a process, in the first folder that can be used.

    If ``$LRTUI_DIR`` is set, only there.

    Raises:
        FolderError: none can be used; says why the first one cannot.
    """
    first: FolderError | None = None
    for where in candidates():
        try:
            make_private(where)
            return free_path(where, pid)
        except FolderError as error:
            first = first or error
            if os.environ.get("LRTUI_DIR"):
                break
    assert first is not None
    raise first


def free_path(folder: Path, pid: int) -> Path:
    """Return an unused path for a socket in a folder.

    Raises:
        FolderError: its name is too long.
    """
    for number in range(1, 1000):
        path = folder / (f"{pid}.sock" if number == 1 else f"{pid}.{number}.sock")
        if not path.exists():
            break
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise FolderError(f"{path} is too long a name for a socket; set LRTUI_DIR to a shorter one")
    return path


def all_paths() -> list[Path]:
    """Return the sockets of this user's trainings, in all folders that ``lrtui`` may have used.

    A training in a batch job, a container or under sudo may have another environment than ours;
    Linux lists the paths of all sockets.
    """
    folders = dict.fromkeys(candidates())
    try:
        bound = [line.split(" ", 7)[-1].strip() for line in PROC_UNIX.read_text().splitlines()]
    except (OSError, ValueError):
        bound = []
    folders |= dict.fromkeys(Path(path).parent for path in bound if BOUND.search(path))
    found: list[Path] = []
    for folder in folders:
        try:
            check_private(folder)
            found += sorted(folder.glob("*.sock"))
        except OSError:
            continue  # not there, or not ours
    return [*{path.resolve(): path for path in found}.values()]


def peer_of(connection: socket.socket) -> tuple[int, int] | None:
    """Return the process and the user at the other end of a connection.

    ``None`` if the system does not say; the folder is private anyway.

    Raises:
        OSError: the connection is gone.
    """
    if hasattr(socket, "SO_PEERCRED"):
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", found)
        return pid, uid
    if sys.platform == "darwin":
        local, credentials, peer_pid = 0, 0x001, 0x002  # SOL_LOCAL, LOCAL_PEERCRED, LOCAL_PEERPID
        _, uid = struct.unpack_from("II", connection.getsockopt(local, credentials, 76))
        (pid,) = struct.unpack("i", connection.getsockopt(local, peer_pid, struct.calcsize("i")))
        return pid, uid
    return None
