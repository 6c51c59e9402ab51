"""``lrtui run``: runs a script or module as ``python`` does, and watches it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from lrtui.monitor.options import RunOptions as RunOptions
from lrtui.monitor.stderr_tail import keep_tail

if TYPE_CHECKING:
    from lrtui.monitor.automatic import Automatic


STOPPED = 130
"""Exit code of a script stopped before its end: that of an interrupt."""


class TorchImportHook(MetaPathFinder):
    """Runs a callback once the script has imported torch; never imports it itself."""

    def __init__(self, callback: Callable[[], None]) -> None:
        """Set the callback."""
        self._callback = callback

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find torch as usual, and make its loader run the callback."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader

            def exec_module(module: ModuleType) -> None:
                del loader.exec_module  # back to the method of its class
                loader.exec_module(module)
                self._callback()

            loader.exec_module = exec_module
        return spec


def run(target: str, arguments: Sequence[str], *, is_module: bool, options: RunOptions) -> int:
    """Run a script, or the module called ``target``, as ``python`` does; return the exit code.

    Raises:
        ValueError: there is no such script or module.
        SystemExit: the script raised it.
    """
    watching = watch(options)  # before finding the module, whose package may import torch
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
    except SystemExit as error:
        if error.code:
            sys.last_value = error
        raise
    except KeyboardInterrupt:
        if any(automatic.was_asked_to_stop() for automatic in watching):
            return say_stopped()
        hide_own_frames()
        raise
    except BaseException as error:
        if getattr(error, "exit_code", None) == STOPPED:  # of a rank spawned by torch
            return say_stopped()
        error.__traceback__ = strip_own_frames(error.__traceback__)
        sys.last_value = error
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def watch(options: RunOptions) -> list[Automatic]:
    """Watch this process and those it spawns once it has imported torch.

    Return a list that will hold the watcher from then on.
    """
    watching: list[Automatic] = []
    keep_tail()

    def begin() -> None:
        from lrtui.monitor import saving
        from lrtui.monitor.automatic import Automatic

        saving.PATH = Path(options.save) if options.save else None
        watching.append(Automatic(options))
        watch_spawned(options)

    if "torch" in sys.modules:
        begin()
    else:
        sys.meta_path.insert(0, TorchImportHook(begin))
    return watching


def watch_spawned(options: RunOptions) -> None:
    """Watch the processes that this one spawns, such as the ranks of a launcher."""
    from multiprocessing import context

    for cls in (context.SpawnProcess, context.ForkServerProcess):
        start: Callable[[Any], Any] = cls._Popen

        def watched(process: Any, start: Callable[[Any], Any] = start) -> Any:
            target = process._target
            if target is not None:
                process._target = WatchedTarget(target, options)
            try:
                return start(process)
            finally:
                process._target = target

        cls._Popen = staticmethod(watched)  # type: ignore[method-assign, assignment]


class WatchedTarget:
    """The target of a spawned process, watched there; picklable without importing torch."""

    def __init__(self, target: Callable[..., Any], options: RunOptions) -> None:
        """Wrap the target."""
        self._target, self._options = target, options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the target.

        Raises:
            SystemExit: its training was stopped by a viewer. Launchers would take an interrupt for
                their own.
        """
        watching = watch(self._options)
        result = self._target(*args, **kwargs)
        if any(automatic.was_asked_to_stop() for automatic in watching):
            raise SystemExit(STOPPED)
        return result


def say_stopped() -> int:
    """Report that the script was stopped before its end; return the exit code."""
    print("lrtui: stopped as asked, before the end of the script", file=sys.stderr)
    return STOPPED


def hide_own_frames() -> None:
    """Show the error that ends the program without this module's frames."""
    show = sys.excepthook

    def shown(
        cls: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        while traceback is not None and traceback.tb_frame.f_code.co_filename != __file__:
            traceback = traceback.tb_next
        show(cls, error.with_traceback(strip_own_frames(traceback)), strip_own_frames(traceback))

    sys.excepthook = shown


def strip_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without this module's outer frames."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


def load_script(path: str) -> tuple[CodeType, ModuleType]:
    """Return the code of a script, and a ``__main__`` module to run it in.

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
    """Return the code of a module or a package's ``__main__``, and a module to run it in.

    Raises:
        ValueError: there is no such module.
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
