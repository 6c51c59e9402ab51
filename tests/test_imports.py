"""Which room may import what: read from the source, and seen in a fresh interpreter."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lrtui
from lrtui.commands import showing

pytestmark = pytest.mark.slow

PACKAGE = Path(lrtui.__file__).parent
HEAVY = ("torch", "textual", "plotext", "numpy", "numpy.ma")
NEVER = {
    "problems": {"textual", "plotext"},
    "trainer": {"textual", "plotext"},
    "monitor": {"textual", "plotext"},
    "integrations": {"textual", "plotext"},
    "analysis": {"torch", "textual", "plotext"},
    "session": {"torch", "textual", "plotext"},
    "messages": {"torch", "textual", "plotext", "numpy"},
    "text": {"torch", "textual", "plotext", "numpy"},
    "screen": {"torch"},
    "sources": {"torch", "textual", "plotext"},
}
"""What the modules of a room may not import, neither themselves nor by way of others."""


LAYERS = (
    {"messages"},
    {"text"},
    {"analysis", "problems"},
    {"session", "sources", "monitor", "trainer"},
    {"screen", "integrations"},
    {"tour"},
    {"commands"},
)
"""The rooms from the ground up: imports go down, or stay within a layer without a circle."""


def name_of(path: Path) -> str:
    parts = ("lrtui", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """All modules of the package."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(name: str) -> str:
    return [*name.split("."), ""][1]


def imports(source: str, known: frozenset[str]) -> Iterator[str]:
    """Everything that some source code imports, wherever in it and if only for types."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


@cache
def graph() -> dict[str, set[str]]:
    known = frozenset(modules())
    return {name: {*imports(path.read_text(), known)} for name, path in modules().items()}


def loaded(code: str) -> set[str]:
    """The heavy packages that a piece of code brings in."""
    listing = f"{code}\nimport sys\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")[-2].split())


def test_the_imports_of_some_code_are_found() -> None:
    code = (
        "import a.b\nfrom c import d\nfrom e import f, g\n"
        "if TYPE_CHECKING:\n    import h\ndef i():\n    from j import k"
    )
    assert [*imports(code, frozenset({"e.f"}))] == ["a.b", "c", "e.f", "e", "h", "j"]


def test_the_modules_are_found() -> None:
    assert {"lrtui", "lrtui.commands.cli", "lrtui.session.session", "lrtui.screen.terminal"} <= {
        *modules()
    }
    assert "lrtui.messages" in graph()["lrtui.session.session"]
    assert {room(name) for name in modules()} >= {*NEVER}


@pytest.mark.parametrize("name", modules())
def test_no_module_names_what_its_room_may_not_import(name: str) -> None:
    packages = {imported.split(".")[0] for imported in graph()[name]}
    assert not packages & NEVER.get(room(name), set())


@pytest.mark.parametrize("own", sorted({room(name) for name in modules()} & {*NEVER}))
def test_no_room_brings_in_what_it_may_not_import(own: str) -> None:
    # Not the entry points: they run the program when they are imported.
    names = [name for name in modules() if room(name) == own and not name.endswith("__main__")]
    if own == "integrations":
        pytest.importorskip("lightning")
        pytest.importorskip("transformers")
    assert not loaded(f"import {', '.join(names)}") & NEVER[own]


def test_no_circle_of_imports() -> None:
    inner = {name: {to for to in found if to in modules()} for name, found in graph().items()}
    try:
        [*TopologicalSorter(inner).static_order()]
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def arrows() -> set[tuple[str, str]]:
    """The pairs of rooms of which the first imports the second."""
    modules_ = modules()
    rooms = {name: room(name) for name in modules_}
    return {
        (rooms[name], rooms[to])
        for name, found in graph().items()
        for to in found
        if to in rooms and rooms[to] != rooms[name] and len(to.split(".")) > 2
    }


def test_imports_between_rooms_go_down_and_are_few() -> None:
    height = {name: level for level, names in enumerate(LAYERS) for name in names}
    rooms = {room(name) for name in modules() if len(name.split(".")) > 2}
    assert rooms == {*height}, "a room without a layer"
    between = {(own, to) for own, to in arrows() if own in height}
    assert [pair for pair in between if height[pair[0]] < height[pair[1]]] == []
    assert len(between) <= 40


@pytest.mark.parametrize(
    ("module", "may"),
    [
        # What is needed before the trainer is started, or to tell a person what is wrong.
        (
            "lrtui.commands.cli, lrtui.commands.plain_text, "
            "lrtui.sources.process, lrtui.sources.replay",
            set(),
        ),
        ("lrtui.session.session, lrtui.tour.script, lrtui.guide", set()),
        ("lrtui, lrtui.commands.tell, lrtui.sources.socket, lrtui.monitor.script", set()),
        # What the first frame needs; numpy and plotext come with the first chart.
        ("lrtui.screen.app", {"textual"}),
        ("lrtui.tour.player", {"textual"}),
    ],
)
def test_what_is_heavy_comes_late(module: str, may: set[str]) -> None:
    assert loaded(f"import {module}") <= may


def test_a_monitor_brings_torch_and_nothing_of_the_screen() -> None:
    assert not loaded("import lrtui; lrtui.Monitor") & {"textual", "plotext"}
    assert "Monitor" in lrtui.__all__


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["sweep", "--help"],
        ["watch", "--help"],
        ["run", "--help"],
        ["race", "--help"],
        ["guide", "--help"],
        ["guide", "--plain"],
        ["completion", "bash"],
        ["config", "--help"],
    ],
)
def test_what_only_prints_imports_nothing_heavy(words: list[str]) -> None:
    code = f"from lrtui.__main__ import main\ntry: main({words})\nexcept SystemExit: pass"
    assert loaded(code) == set()


def test_a_script_that_is_run_pays_for_no_other_command(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(*sorted(m for m in sys.modules if m[:5] == 'lrtui'))")
    command = [sys.executable, "-m", "lrtui", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert {*done.stdout.split()} == {
        "lrtui", "lrtui.text", "lrtui.text.ascii_fallback", "lrtui.text.version",
        "lrtui.monitor", "lrtui.monitor.options", "lrtui.monitor.script",
        "lrtui.monitor.stderr_tail",
        "lrtui.commands", "lrtui.commands.parser", "lrtui.commands.run",
    }  # fmt: skip


SCREEN = """
import asyncio
from tests.screen.fake import FakeTrainer, frame, greeting, make_app, only_until

async def shown(trainer, expected):
    app = make_app(trainer, 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        await frame(pilot, 2)
        assert expected in "".join(line.text for line in app.screen._compositor.render_strips())
"""

FIRST_FRAME = f"""{SCREEN}
asyncio.run(shown(FakeTrainer(lambda start: [], first=[greeting()]), "q quit"))
"""

FIRST_CHART = f"""{SCREEN}
asyncio.run(shown(FakeTrainer(only_until(3)), "◆"))
"""


def test_the_first_frame_draws_no_chart() -> None:
    # The fakes of the tests bring numpy.
    assert "plotext" not in loaded(FIRST_FRAME)


def test_the_first_chart_does_without_masked_arrays() -> None:
    # Many functions of numpy import them, which takes as long as that chart.
    assert loaded(FIRST_CHART) == {"textual", "numpy", "plotext"}


def test_garbage_is_collected_once_the_screen_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(showing, "START_SECONDS", 0.05)
    try:
        showing.collect_later()
        assert not gc.isenabled()
        until = time.monotonic() + 10
        while not gc.isenabled():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
