"""Pythons that start at once: forks of one that has imported torch, which takes seconds each time.

``Popen`` and ``run`` are those of ``subprocess`` for ``[sys.executable, *arguments]``. The process
is a child of the one that asked for it, with a number, a session, an environment, streams and an
end of its own, and is killed and stopped as any other. In it torch is not imported: it only comes
at once when it is. What tells such a process from one of ``subprocess``: ``/proc/PID/cmdline``,
memory that it shares with others, torch's first random state, no destruction of torch's libraries
after the end of Python, and that Python's options and what it reads of the environment at a start
are those of the server.
Tests of such things use ``subprocess``.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, AnyStr, cast
from unittest import mock

SERVER = "fork server"
"""Name of a server among processes; ``torchrun`` has one for its ranks."""

BEFOREHAND = "torch", "torch._dynamo"  # the first optimizer of a process imports the latter
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36

libc = ctypes.CDLL(None)
start_anew = subprocess.Popen
servers: list[subprocess.Popen[bytes]] = []
pair = functools.partial(socket.socketpair, socket.AF_UNIX, socket.SOCK_SEQPACKET)


@functools.cache
def server() -> socket.socket:
    """Start a server that ends with this process; return what it is asked by."""
    mine, its = pair()
    with its:
        assert os.environ["OMP_NUM_THREADS"] == "1"  # then no library has threads yet
        command = [sys.executable, __file__, str(its.fileno())]
        servers.append(start_anew(command, pass_fds=[its.fileno()]))
    return mine


class Popen(subprocess.Popen[AnyStr]):
    """As that of ``subprocess``, of a Python that starts at once."""

    def _execute_child(self, args: Any, program: Any, before: Any, _: bool, *more: Any) -> None:
        passed, cwd, env, _info, _flags, shell, *pipes = more[:12]
        assert args[0] == sys.executable
        assert not any((program, before, passed, shell)), "only subprocess can"
        env = dict(os.environ if env is None else env)
        for name in (env.keys() | os.environ.keys()) - {"PYTHONPATH"}:
            is_read = name.startswith(("PYTHON", "LC_", "LANG", "LD_"))
            assert not is_read or env.get(name) == os.environ.get(name), (
                f"{name} is read at a start"
            )
        request = {
            "arguments": [*map(os.fspath, args[1:])],
            "env": env,
            "folder": os.fspath(cwd or Path.cwd()),
            "parent": os.getpid(),
            "new_session": more[-2],
        }
        streams = [own if fd == -1 else fd for own, fd in enumerate((pipes[0], pipes[3], pipes[5]))]
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # it becomes a child of this process
        socket.send_fds(server(), [json.dumps(request).encode()], streams)
        self.pid = int(server().recv(100))
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run(command: list[str], **settings: Any) -> subprocess.CompletedProcess[Any]:
    """As that of ``subprocess``, of a Python that starts at once."""
    with mock.patch("subprocess.Popen", Popen):
        return subprocess.run(command, **settings)  # noqa: PLW1510, RUF100


# --- the server -----------------------------------------------------------------------------------


class Kept:
    """Finds torch as it was imported beforehand, when a script imports it."""

    def __init__(self) -> None:
        names = [name for name in sys.modules if name.split(".")[0] == "torch"]
        self.modules = {name: sys.modules.pop(name) for name in names}
        self.spec = self.modules["torch"].__spec__

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, cast("Any", self)) if name == "torch" else None

    def create_module(self, spec: object) -> ModuleType:
        return self.modules["torch"]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
        sys.modules.update(self.modules)
        sys.meta_path.remove(self)


def serve(asked: socket.socket) -> list[str]:
    """Fork until nobody can ask any more; return in each fork, with the arguments of its Python."""
    others = [path for path in sys.path[1:] if path not in python_path()]
    libc.prctl(PR_SET_NAME, SERVER.encode(), 0, 0, 0)
    while True:
        data, fds, _, _ = socket.recv_fds(asked, 1 << 20, 3)
        if not data:
            os._exit(0)
        reader, writer = os.pipe()
        if not (between := os.fork()):
            if number := os.fork():
                os.write(writer, str(number).encode())
                os._exit(0)
            break
        os.waitpid(between, 0)
        asked.send(os.read(reader, 100))
        for fd in (reader, writer, *fds):
            os.close(fd)
    asked.close()
    for own, fd in enumerate(fds):
        os.dup2(fd, own)
    for fd in (reader, writer, *fds):
        os.close(fd)
    request = json.loads(data)
    while os.getppid() != request["parent"]:
        time.sleep(0.0002)
    if request["new_session"]:
        os.setsid()
    libc.prctl(PR_SET_NAME, Path(sys.executable).name.encode(), 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    arguments: list[str] = request["arguments"]
    sys.orig_argv = [sys.executable, *arguments]
    is_unbuffered = arguments[0] == "-u" or "PYTHONUNBUFFERED" in os.environ
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        was = getattr(sys, f"__{name}__")
        raw = io.FileIO(fd, "w" if fd else "r", closefd=False)
        raw.name = f"<{name}>"
        buffer: Any = io.BufferedWriter if fd else io.BufferedReader
        file = raw if is_unbuffered and fd else buffer(raw)
        as_lines = not is_unbuffered and (fd == 2 or os.isatty(fd))
        stream = io.TextIOWrapper(file, was.encoding, was.errors, None, as_lines, is_unbuffered)
        stream.mode = "w" if fd else "r"  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.path[:] = [os.getcwd(), *python_path(), *others]
    importlib.invalidate_caches()
    return arguments[arguments[0] == "-u" :]


def python_path() -> list[str]:
    return [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]


def torchrun_or_rank(arguments: list[str]) -> list[str]:
    """Have ``torchrun`` start its ranks by a server of its own; return the arguments of each."""
    global server
    mine, its = pair()
    if not os.fork():
        mine.close()
        return serve(its)
    its.close()
    server = lambda: mine  # type: ignore[assignment] # noqa: E731
    subprocess.Popen = Popen  # type: ignore[misc]
    return arguments


def execute(arguments: list[str]) -> None:
    """Run what Python's arguments say as Python does."""
    if arguments[:2] == ["-m", "torch.distributed.run"]:
        arguments = torchrun_or_rank(arguments)
    sys.argv = arguments
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__dict__.update(__annotations__={}, __builtins__=__builtins__)
    try:
        if arguments[0] == "-m":
            runpy._run_module_as_main(arguments.pop(1))  # type: ignore[attr-defined]
        elif arguments[0] == "-c":
            sys.path[0] = ""
            exec(compile(arguments.pop(1), "<string>", "exec", dont_inherit=True), main.__dict__)
        else:
            path = os.path.abspath(arguments[0])
            sys.path[0] = os.path.dirname(os.path.realpath(path))
            main.__file__, main.__dict__["__cached__"] = path, None
            main.__loader__ = SourceFileLoader("__main__", path)
            exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        shown = error.__traceback__
        while shown is not None and shown.tb_frame.f_code.co_filename == __file__:
            shown = shown.tb_next
        sys.excepthook(type(error), error.with_traceback(shown), shown)
        sys.excepthook = lambda *_: None
        raise


if __name__ == "__main__":
    for module in BEFOREHAND:
        importlib.import_module(module)
    sys.meta_path.insert(0, Kept())
    libc.on_exit(libc._exit, None)
    gc.freeze()
    execute(serve(socket.socket(fileno=int(sys.argv[1]))))
