"""``lrtui run``: a script or module runs as under ``python``, and is watched."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrtui.monitor.automatic import Automatic


STOPPED = 130
"""Exit code of a script that was asked to stop and did not finish: that of an interrupt."""


class WhenTorchComes(MetaPathFinder):
    """Has something done once a script has imported torch, and not before: that is its affair."""

    def __init__(self, do: Callable[[], None]) -> None:
        """Wait for torch.

        Args:
            do: called once it is loaded.
        """
        self._do = do

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find torch as it would be found without this, and have its loader watched."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = ThenDo(spec.loader, self._do)
        return spec


class ThenDo(Loader):
    """Loads a module as another loader does, then does something."""

    def __init__(self, loader: Loader, do: Callable[[], None]) -> None:
        """Wrap a loader.

        Args:
            loader: what loads it.
            do: called afterwards.
        """
        self._loader, self._do = loader, do

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Return what the loader creates."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load the module, then do it."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._do()


def run(
    target: str,
    arguments: Sequence[str],
    *,
    is_module: bool,
    name: str | None,
    journal: str | None,
) -> int:
    """Run a script or a module as ``python`` does; return the exit code.

    Args:
        target: path of the script, or name of the module.
        arguments: its arguments.
        is_module: which of the two it is.
        name: what the list of trainings calls it.
        journal: file of the commands.

    Raises:
        ValueError: there is no such script or module; says so.
        SystemExit: the script has asked for it.
    """
    watching = watch(name, journal)  # before a module is looked for: its package may import torch
    try:
        code, main = load_module(target) if is_module else load_script(target)
    except SyntaxError as error:
        sys.excepthook(type(error), error.with_traceback(None), None)
        return 1
    origin = str(main.__file__)
    sys.argv = [origin if is_module else target, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd() if is_module else os.path.dirname(os.path.realpath(origin))
    sys.modules["__main__"] = main
    try:
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        if any(automatic.was_asked_to_stop() for automatic in watching):
            return say_stopped()
        leave_ours_out()
        raise
    except BaseException as error:
        if getattr(error, "exit_code", None) == STOPPED:  # of a rank that torch has spawned
            return say_stopped()
        error.__traceback__ = without_ours(error.__traceback__)
        sys.last_value = error
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def watch(name: str | None, journal: str | None) -> list[Automatic]:
    """Watch what this process trains, and what it spawns, once it has imported torch.

    Args:
        name: what the list of trainings calls it.
        journal: file of the commands.

    Returns:
        What watches, as soon as it does.
    """
    watching: list[Automatic] = []

    def begin() -> None:
        from lrtui.monitor.automatic import Automatic

        watching.append(Automatic(name, journal))
        watch_spawned(name, journal)

    if "torch" in sys.modules:
        begin()
    else:
        sys.meta_path.insert(0, WhenTorchComes(begin))
    return watching


def watch_spawned(name: str | None, journal: str | None) -> None:
    """Watch the processes that this one spawns, as launchers do one for each rank."""
    from multiprocessing import context

    for kind in (context.SpawnProcess, context.ForkServerProcess):
        start: Callable[[Any], Any] = kind._Popen

        def watched(process: Any, start: Callable[[Any], Any] = start) -> Any:  # noqa: ANN401
            target = process._target
            if target is not None:
                process._target = Spawned(target, name, journal)
            try:
                return start(process)
            finally:
                process._target = target

        kind._Popen = staticmethod(watched)  # type: ignore[method-assign, assignment]


class Spawned:
    """What a spawned process does, watched there: pickled on its way, so it brings no torch."""

    def __init__(self, target: Callable[..., Any], name: str | None, journal: str | None) -> None:
        """Wrap it.

        Args:
            target: what the process is to do.
            name: what the list of trainings calls it.
            journal: file of the commands.
        """
        self._target, self._name, self._journal = target, name, journal

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Do it.

        Raises:
            SystemExit: its training was asked to stop and did not finish: launchers take an
                interrupt for their own.
        """
        watching = watch(self._name, self._journal)
        result = self._target(*args, **kwargs)
        if any(automatic.was_asked_to_stop() for automatic in watching):
            raise SystemExit(STOPPED)
        return result


def say_stopped() -> int:
    """Say that the script was stopped before its end; return the exit code."""
    print("lrtui: stopped as asked, before the end of the script", file=sys.stderr)
    return STOPPED


def leave_ours_out() -> None:
    """Have an error that ends the program shown without the frames that run the script."""
    show = sys.excepthook

    def shown(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        while traceback is not None and traceback.tb_frame.f_code.co_filename != __file__:
            traceback = traceback.tb_next
        show(kind, error.with_traceback(without_ours(traceback)), without_ours(traceback))

    sys.excepthook = shown


def without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that run the script."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


def load_script(path: str) -> tuple[CodeType, ModuleType]:
    """Return the code of a script, and the module that it runs in.

    Raises:
        ValueError: it cannot be read; says why.
    """
    found = Path(os.path.abspath(path))
    if found.is_dir():
        found /= "__main__.py"
    try:
        source = found.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    main = types.ModuleType("__main__")
    main.__file__ = str(found)
    main.__dict__["__cached__"] = None
    return compile(source, str(found), "exec", dont_inherit=True), main


def load_module(name: str) -> tuple[CodeType, ModuleType]:
    """Return the code of a module, or of a package's ``__main__``, and the module it runs in.

    Raises:
        ValueError: there is none of that name.
    """
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise ValueError(f"no module is called {name}: {error}") from error
    loader = spec.loader if spec is not None else None
    if spec is None or loader is None or not hasattr(loader, "get_code"):
        raise ValueError(f"no module is called {name}")
    code = loader.get_code(spec.name)
    if code is None:
        raise ValueError(f"the module {name} has no code")
    main = types.ModuleType("__main__")
    main.__file__, main.__spec__, main.__package__ = spec.origin, spec, spec.parent
    main.__loader__ = loader
    return code, main
