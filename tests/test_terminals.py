"""The real program in terminals of all kinds."""

from __future__ import annotations

import re

import pytest

from tests.terminal import Terminal, terminal

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
        lab.wait_for(r"4\s+0\.7\s+\S settled\s+8\s+8")
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
    by_text = {word: color(lab, word) for word in ("settled", "diverged", "too slow", "prediction")}
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
    for found in COLOR.findall(lab.raw):
        red, green, blue = found.split(b";")[2:]
        assert red == green == blue
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
    """Asserts that nothing on the screen is told by colour alone."""
    for verdict in verdicts:
        assert verdict in screen
    # Each earlier run's curve carries its number, which the legend and the table explain.
    lines = screen.splitlines()
    top = next(i for i, line in enumerate(lines) if " loss " in line and " fit " in line)
    legend, *chart = [line[60:] for line in lines[top + 1 : top + 13]]
    for number, rate in ((1, "0.02"), (2, "0.1"), (3, "1.01")):
        assert f"{number}: {rate}" in legend
        assert sum(line[9:].count(str(number)) for line in chart) == 1, number
    # The ruler's four kinds of rates, the current one, the best and the limit.
    line, marks = (row[13:] for row in lines[2:4])
    assert len({c for c in line if not c.isalnum() and c not in ". │|"}) >= 5
    assert "best 0.7" in marks
    assert "limit 0.99" in marks


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
