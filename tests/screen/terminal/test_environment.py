"""What the environment says about the terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lrtui.screen.terminal.environment import in_gnu_screen, is_dumb, prepare


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STY": "1.lab", "TERM": "xterm-256color"}, True),
        ({"STY": "1.lab", "TERM": "screen", "TMUX": "x"}, True),
        ({"TERM": "screen.xterm-256color"}, True),
        ({"TERM": "screen-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({}, False),
    ],
)
def test_gnu_screen_is_recognised(environment: dict[str, str], expected: bool) -> None:
    assert in_gnu_screen(environment) == expected
    prepare(environment)
    assert (environment.get("TEXTUAL_COLOR_SYSTEM") == "256") == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"TERM": ""}, True), ({"TERM": "dumb"}, True), ({"TERM": "vt100"}, False)],
)
def test_a_dumb_terminal_is_recognised(environment: dict[str, str], expected: bool) -> None:
    assert is_dumb(environment) == expected


def test_what_the_user_has_set_is_kept() -> None:
    mine = {
        "STY": "1.lab",
        "TEXTUAL_FPS": "5",
        "TEXTUAL_ANIMATIONS": "full",
        "TEXTUAL_COLOR_SYSTEM": "standard",
    }
    environment = dict(mine)
    prepare(environment)
    assert environment == mine


def test_importing_the_screen_changes_no_environment_and_textual_is_told_in_time() -> None:
    code = """
import os, sys
before = dict(os.environ)
import lrtui.commands.cli, lrtui.screen
assert dict(os.environ) == before, "changed by an import"
from lrtui.screen.terminal.environment import prepare
assert "textual" not in sys.modules, "too late"
prepare(os.environ)
from textual import constants
print(constants.MAX_FPS, constants.TEXTUAL_ANIMATIONS, constants.COLOR_SYSTEM)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"TERM": "screen", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "1000 none 256\n", done.stderr
