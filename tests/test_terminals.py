"""The real program in terminals of all kinds."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from threading import Timer
from typing import IO

import pytest

from tests.terminal import PATIENCE, Terminal, terminal

pytestmark = pytest.mark.slow

RUNS = ("--lr", "0.02", "--lr", "0.1", "--lr", "1.01", "--lr", "0.7", "--speed", "max")
FILE: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Four runs of the real trainer, saved once for all terminals."""
    file = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    with terminal(*RUNS, "--save", str(file)) as lab:
        lab.wait_for("◆")
        lab.wait_for(r"4\s+0\.7\s+✓ settled")
    FILE[:] = ["replay", str(file), "--speed", "max"]


COLOR = re.compile(rb"[34]8;2;\d+;\d+;\d+")


def shown(env: dict[str, str], *arguments: str) -> Terminal:
    """The screen after four runs, and all that was written to get there."""
    with terminal(*FILE, *arguments, env=env) as lab:
        lab.wait_for(r"4\s+0\.7\s+\S settled\s.*\s8\s+8")
        lab.read(0.5)
    return lab


def styled(lab: Terminal) -> set[bytes]:
    """Every SGR sequence that was written."""
    return set(re.findall(rb"\x1b\[([\d;]*)m", lab.raw))


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "tmux-256color"])
def test_256_colours(term: str) -> None:
    lab = shown({"TERM": term, "COLORTERM": ""})
    assert not any(b"8;2;" in style for style in styled(lab))
    assert sum(b"8;5;" in style for style in styled(lab)) > 10
    assert "✓ settled" in lab.text


def test_16_colours() -> None:
    lab = shown({"TERM": "linux", "COLORTERM": ""})
    assert not any(b"8;2;" in style or b"8;5;" in style for style in styled(lab))
    assert sum(bool(re.search(rb"\b(3|9)[0-7]\b", style)) for style in styled(lab)) > 5
    by_text = {
        word: color(lab, word) for word in ("settled:", "diverged", "too slow", "prediction:")
    }
    assert len(set(by_text.values())) == 4, by_text


def color(lab: Terminal, word: str) -> str:
    """The colour of the sign or line that stands before a word."""
    for y, line in enumerate(lab.screen.display):
        x = line.find(word)
        if x > 1:
            return str(lab.screen.buffer[y][x - 2].fg)
    raise AssertionError(word)


def test_no_color() -> None:
    lab = shown({"NO_COLOR": "1"})
    for sequence in re.findall(rb"\x1b\[([\d;]*)m", lab.raw):
        assert set(sequence.split(b";")) <= {b"", b"0", b"1", b"2", b"7"}
    cells = [cell for row in lab.screen.buffer.values() for cell in row.values()]
    assert {(cell.fg, cell.bg) for cell in cells} == {("default", "default")}
    y = next(y for y, row in enumerate(lab.screen.display) if "✕ diverged" in row)
    assert lab.screen.buffer[y][lab.screen.display[y].index("diverged")].bold
    assert not lab.screen.buffer[y][lab.screen.display[y].index("diverged")].italics
    told_apart(lab.text, "✓ settled", "✕ diverged", "… too slow")


@pytest.mark.parametrize(
    ("env", "arguments"),
    [
        ({"LANG": "C", "LC_ALL": "", "LC_CTYPE": ""}, ()),
        ({"LC_ALL": "C"}, ()),
        ({}, ("--ascii",)),
        ({"LC_ALL": "C", "NO_COLOR": "1", "TERM": "vt100", "COLORTERM": ""}, ()),
    ],
)
def test_ascii(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    lab = shown(env, *arguments)
    assert lab.raw.isascii()
    assert "?" not in lab.text.replace("? help", "")
    told_apart(lab.text, "+ settled", "x diverged", ". too slow")


def test_unicode_in_a_locale_without_it_on_demand() -> None:
    lab = shown({"LC_ALL": "C"}, "--no-ascii")
    assert "✓ settled" in lab.text


def told_apart(screen: str, *verdicts: str) -> None:
    """Assert that nothing on the screen is told by colour alone."""
    for verdict in verdicts:
        assert verdict in screen
    # Each curve carries its rate at its end, which the table explains.
    lines = screen.splitlines()
    top = next(i for i, line in enumerate(lines) if " loss " in line and " fit " in line)
    chart = [line[:70].rstrip(" │|") for line in lines[top + 1 :]]
    for rate in ("0.02", "0.1", "0.7"):
        assert sum(line.endswith(f" {rate}") for line in chart) == 1, rate
    # The ruler's four kinds of rates, the current one, the best and the limit.
    ruler = lines[2]
    assert len({c for c in ruler if not c.isalnum() and c not in ". │|"}) >= 5
    assert "best 0.7" in ruler
    assert "limit 0.99" in ruler


@pytest.mark.parametrize("theme", ["textual-light", "ansi-light", "ansi-dark", "nord"])
def test_a_theme_is_taken_from_the_command_line(theme: str) -> None:
    lab = shown({}, "--theme", theme)
    assert any(b"8;2;" in style for style in styled(lab)) != theme.startswith("ansi")


def test_a_theme_is_taken_from_the_environment_and_gives_way_to_the_command_line() -> None:
    assert not COLOR.search(shown({"TEXTUAL_THEME": "ansi-dark"}).raw)
    assert COLOR.search(shown({"TEXTUAL_THEME": "ansi-dark"}, "--theme", "nord").raw)


@pytest.mark.parametrize(
    ("env", "arguments"), [({}, ("--theme", "x")), ({"TEXTUAL_THEME": "x"}, ())]
)
def test_an_unknown_theme_is_told(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    with terminal(*FILE, *arguments, env=env) as lab:
        lab.wait_for("lrtui: no theme is called 'x'; there are textual-dark, ")
        assert lab.wait_for_end() == 2
        assert b"Traceback" not in lab.raw


def test_another_driver_is_used_over_pipes() -> None:
    """Textual's own protocol for browsers: what is drawn in packets, the end in the last one."""
    program = subprocess.Popen(
        [sys.executable, "-m", "lrtui", *FILE],
        env={**os.environ, "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    watch = Timer(PATIENCE, program.kill)
    watch.start()
    try:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline() == b"__GANGLION__\n"
        drawn = b""
        while b"settled" not in drawn:
            kind, data = packet(program.stdout)
            assert kind == b"D", (kind, program.stderr.read())
            drawn += data
        quit_ = b'{"type": "quit"}'
        program.stdin.write(b"M" + len(quit_).to_bytes(4, "big") + quit_)
        program.stdin.flush()
        packets = list(iter(lambda: packet(program.stdout), (b"", b"")))
        assert packets[-1] == (b"M", b'{"type": "exit"}')
        assert program.wait() == 0
        assert program.stderr.read() == b""
    finally:
        watch.cancel()
        program.kill()
        program.communicate()


def packet(pipe: IO[bytes] | None) -> tuple[bytes, bytes]:
    """Read a kind of one byte, a size of four, and as many bytes."""
    assert pipe
    kind = pipe.read(1)
    return kind, pipe.read(int.from_bytes(pipe.read(4), "big"))


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_plain_text(term: str) -> None:
    with terminal(*FILE, env={"TERM": term}) as lab:
        assert lab.wait_for_end() == 0
    assert b"\x1b" not in lab.raw
    assert b"settled" in lab.raw


def test_a_tour_asks_for_more_than_a_dumb_terminal() -> None:
    with terminal("tour", env={"TERM": "dumb"}) as lab:
        assert lab.wait_for_end() == 2
    assert b"a tour needs a terminal" in lab.raw


@pytest.mark.skipif(
    not (shutil.which("screen") and shutil.which("script")),
    reason="GNU screen or script is not installed",
)
def test_gnu_screen_is_sent_256_colours(tmp_path: Path) -> None:
    log = tmp_path / "raw"
    # What lrtui writes, kept by script(1): screen itself translates what it is sent.
    run = f"{shlex.quote(sys.executable)} -m lrtui {shlex.join(FILE)}"
    inside = ["script", "-qfec", run, str(log)]
    name = f"lrtui-{uuid.uuid4().hex[:8]}"
    rc = tmp_path / "screenrc"
    rc.write_text("startup_message off\n")
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    env = {"SCREENDIR": str(sockets), "TMUX": ""}
    with terminal(command=["screen", "-U", "-c", str(rc), "-S", name, *inside], env=env) as lab:
        lab.wait_for(r"4\s+0\.7\s+\S settled\s.*\s8\s+8")
        lab.type("q")
        lab.wait_for_end()
    written = log.read_bytes()
    assert written.count(b"8;5;") > 10
    assert not COLOR.search(written)
