"""Which room may import what, seen in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "textual", "plotext", "numpy")


def loaded(code: str) -> set[str]:
    """The heavy packages that a piece of code brings in."""
    listing = f"{code}\nimport sys\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    ("module", "may"),
    [
        ("lrtui.cli", set()),
        ("lrtui.messages", set()),
        ("lrtui.sources.process", set()),
        ("lrtui.plain", set()),
        ("lrtui.sources.recording", set()),
        ("lrtui.tour.script", set()),
        ("lrtui.ascii_fallback", set()),
        ("lrtui.run.rate", set()),
        ("lrtui.run.session", set()),
        ("lrtui.run.series", {"numpy"}),
        ("lrtui.trainer.worker", {"torch", "numpy"}),
        # What the first frame needs; numpy and plotext come with the first chart.
        ("lrtui.screen.app", {"textual"}),
        ("lrtui.tour.player", {"textual"}),
        ("lrtui.screen.charts", {"plotext", "numpy"}),
    ],
)
def test_a_room_imports_only_its_own(module: str, may: set[str]) -> None:
    assert loaded(f"import {module}") <= may


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    code = f"from lrtui.cli import main\ntry: main(['{option}'])\nexcept SystemExit: pass"
    assert loaded(code) == set()
