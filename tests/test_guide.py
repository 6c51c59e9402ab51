"""The guide and the README, held against the program: what they name exists, what exists they name.

Conventions of the pages: a key, command or option stands in backticks, a verdict in ``*italics*``
on the page that defines them, and what the program says in ``"double quotes"``, with ``…`` for
what varies.
"""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from textual.widgets import Input, Static

import lrtui
from lrtui.__main__ import main
from lrtui.analysis.diagnosis import Verdict
from lrtui.commands.cli import parse
from lrtui.commands.config_file import KEYS
from lrtui.commands.parser import COMMANDS, Parser
from lrtui.guide import FOLDER, PAGES, page_text, plain_text
from lrtui.messages.problem_settings import BUILT_IN
from lrtui.screen.actions import ACTIONS
from lrtui.screen.dialogs.guide import Guide, GuideApp, Pages
from lrtui.screen.panes.status import LOOKS
from tests.terminal import terminal

ROOT = Path(__file__).parent.parent
PACKAGE = Path(lrtui.__file__).parent
FILES = [ROOT / "README.md", *sorted(FOLDER.glob("*.md"))]
GUIDE = "\n".join(path.read_text() for path in FILES[1:])

NAMED_KEYS = {"Enter", "Esc", "ctrl+p", "tab", "space", "home", "end", "pgup", "pgdn"}
"""Keys of more than one letter; the first three are no action's."""


def lines(text: str) -> list[str]:
    """The lines of the blocks of shell commands."""
    blocks = re.findall(r"^```(?:sh|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def code(text: str) -> list[str]:
    """What stands in backticks within lines, and the commands of the blocks of code."""
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*lines(text), *(" ".join(piece.split()) for piece in re.findall(r"`([^`]+)`", rest))]


# --- pages and links ----------------------------------------------------------------------


def test_every_page_is_listed_linked_and_has_a_title() -> None:
    assert {path.stem for path in FILES[1:]} == {*PAGES, "index"}
    for page in PAGES:
        assert page_text(page).startswith("# ")
        assert f"({page}.md)" in page_text()
        assert f"(lrtui/guide/{page}.md)" in FILES[0].read_text()


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        if file.startswith("https://"):
            continue
        to = path.parent / file if file else path
        assert to.exists(), target
        headings = re.findall(r"^#+ (.*)", to.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(slug, headings), target


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_measurements_named_exist(path: Path) -> None:
    text = path.read_text()
    for test in re.findall(r"tests/[\w/]+\.(?:py|txt)", text):
        assert (ROOT / test).exists(), test
    for module in re.findall(r"python -m tests\.([\w.]+)", text):
        found = ROOT / "tests" / module.replace(".", "/")
        assert found.is_dir() or found.with_suffix(".py").exists(), module
    if path.stem == "how-it-is-measured":
        rows = re.findall(r"^\|.*\| `([a-z_]+)(?: 113bb2f)?` \|$", text, re.MULTILINE)
        assert len(rows) > 20
        for name in rows:
            assert (ROOT / "tests" / "benchmarks" / f"{name}.py").exists()


def test_the_readme_is_short_and_begins_with_a_picture() -> None:
    lines = FILES[0].read_text().splitlines()
    assert len(lines) <= 160
    assert lines[2].startswith("![")
    assert lines[2].endswith("(screenshots/tour.gif)")


def test_code_and_text_fit_a_terminal_of_80_columns() -> None:
    for path in FILES[1:]:
        wide = [line for line in path.read_text().splitlines() if len(line) > 80]
        assert [line for line in wide if line[0] not in "|!"] == []
        for block in re.findall(r"^```.*?^```", path.read_text(), re.MULTILINE | re.DOTALL):
            assert max(map(len, block.splitlines())) <= 72


# --- keys ---------------------------------------------------------------------------------


def test_every_key_and_action_is_named() -> None:
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", page_text("keys"), re.M)]
    keys = {key for row in rows for key in re.findall(r"`([^`]+)`", row[0])}
    names = {name.strip() for row in rows if len(row) == 3 for name in re.findall(r"\w+", row[1])}
    assert {action.sign for action in ACTIONS} <= keys
    assert {action.name for action in ACTIONS} <= names
    assert names - {action.name for action in ACTIONS} == {"action"}


def test_every_key_named_exists() -> None:
    known = {action.sign for action in ACTIONS} | NAMED_KEYS | {"0", "9", "g", "↑", "…"}
    ctrl = {piece for piece in code(GUIDE) if piece.startswith("ctrl+")}
    single = {piece for piece in code(page_text("keys")) if len(piece) == 1}
    signs = set("░╱╳◆★┃•▲↑✕?")
    assert ctrl - {"ctrl+t"} <= known
    assert single - signs <= known


# --- commands and options ------------------------------------------------------------------


def parser_of(command: str) -> Parser:
    parser = Parser(prog=f"lrtui {command}")
    import_module(f"lrtui.commands.{command or 'lab'}").add_arguments(parser)
    return parser


@cache
def options_of(command: str) -> set[str]:
    strings = {text for action in parser_of(command)._actions for text in action.option_strings}
    return {text for text in strings if text.startswith("--")}


def named_options(text: str) -> set[str]:
    return {word for piece in code(text) for word in re.findall(r"(?<![\w-])--[a-z][\w-]*", piece)}


OTHERS = {"--nproc-per-node", "--epochs", "--seconds"}
"""Options of torchrun, of the script in the examples, and of a program of the tests."""


def test_every_option_is_named_and_every_one_named_exists() -> None:
    existing = set[str]().union(*map(options_of, ("", "run", *COMMANDS)))
    assert existing - named_options(GUIDE) == set()
    assert named_options(GUIDE + FILES[0].read_text()) - existing <= OTHERS


def test_every_command_is_named_and_every_one_named_exists() -> None:
    for text in (GUIDE, FILES[0].read_text()):
        named = {word for piece in code(text) for word in re.findall(r"\blrtui ([a-z]+)", piece)}
        assert {"run", *COMMANDS} <= named
        known = {"run", *COMMANDS, *BUILT_IN, "mine", "houses"}
        assert named <= known


def test_options_named_with_their_command_are_its_own() -> None:
    rows = re.findall(r"`(?!lrtui)(\w+) (--[\w-]+)[^`]*`", page_text("commands"))
    assert len(rows) >= 8
    for command, option in rows:
        assert option in options_of(command), (command, option)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_commands_of_the_examples_are_right(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("mine.py", "houses.csv", "train.py"):
        Path(file).touch()
    found = [
        re.search(r"^(?:eval \"\$\()?lrtui\b([^#|>)]*)", line) for line in lines(path.read_text())
    ]
    for words in (shlex.split(match[1]) for match in found if match):
        if words[:1] == ["run"]:
            parser_of("run").parse_args(words[1:3] if words[1] == "-m" else words[1:2])
        else:
            parse(words)


def test_what_can_be_configured_is_named() -> None:
    assert {f"\n{key} = " for key in KEYS[:-1]} | {"\n[keymap]\n"} <= set(
        re.findall(r"\n\w+ = |\n\[keymap\]\n", "\n" + page_text("commands"))
    )


# --- verdicts and messages ----------------------------------------------------------------


def test_every_verdict_is_explained() -> None:
    text = page_text("what-is-said")
    named = {name for row in re.findall(r"^\| (\*.*?) \|", text, re.M) for name in italics(row)}
    also = italics(text)
    assert {*get_args(Verdict), *LOOKS} <= also
    assert named <= {*get_args(Verdict)}


def italics(text: str) -> set[str]:
    return {" ".join(found.split()) for found in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", text)}


@cache
def said() -> list[str]:
    """All texts of the program, with ``…`` where something is put in."""
    texts = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                texts.append("".join(map(str, parts)))
    return texts


def quotes(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", text, flags=re.M | re.S)
    return [" ".join(found.split()) for found in re.findall(r'"([^"]+)"', prose)]


@pytest.mark.slow
def test_every_message_quoted_is_one_of_the_program() -> None:
    found = quotes(GUIDE)
    assert len(found) >= 4
    for quote in found:
        assert any(quote in text for text in said()), quote


def test_a_message_that_is_not_there_is_not_found() -> None:
    assert quotes('say "nothing of\nthe kind" and `"code"`') == ["nothing of the kind"]
    assert not any("nothing of the kind" in text for text in said())


# --- searching and showing ----------------------------------------------------------------


def test_a_page_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no page 'cats'; there are keys, commands"):
        page_text("cats")


def test_pictures_are_for_browsers_and_marks_are_not_searched() -> None:
    assert "![" in (FOLDER / "what-is-said.md").read_text()
    assert "![" not in page_text("what-is-said")
    assert "`" not in plain_text("keys")
    assert "see Watch and steer." in plain_text("keys").replace("See", "see")


def test_as_text_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", "over-ssh", "--no-ascii"]) == 0
    assert capsys.readouterr().out == page_text("over-ssh")
    assert main(["guide", "--plain", "--no-ascii"]) == 0
    assert capsys.readouterr().out == page_text()
    with pytest.raises(SystemExit) as exit_:
        main(["guide", "cats"])
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("lrtui: the guide has no page 'cats'; there are keys, commands")
    assert said.count("\n") == 1


@pytest.mark.slow
async def test_the_search_goes_from_place_to_place_through_all_pages() -> None:
    app = GuideApp("recording", None)
    async with app.run_test(size=(80, 24)) as pilot:
        guide = app.screen
        assert isinstance(guide, Guide)

        def found() -> tuple[str, str]:
            mark = guide.query_one(".-found", Static)
            return guide.query_one(Pages).page, str(mark.content)

        await pilot.press("slash", *"FiFo", "enter")
        assert found() == ("recording", text := found()[1])
        assert "or writes to a fifo or /dev/stdout" in text
        await pilot.press("enter")  # there is no other: round to it again
        assert found() == ("recording", text)
        for _ in range(4):
            await pilot.press("backspace")
        await pilot.press(*"sigkill", "enter")
        assert guide.query_one(Input).placeholder == "sigkill is on no page"
        await pilot.press(*"ignored", "backspace", "backspace", "backspace", *"ed", "enter")
        await pilot.press("escape", "p")
        assert guide.query_one(Pages).page == "over-ssh"
        await pilot.press("slash", *"allow-pass", "enter")
        assert found()[0] == "commands"
        await pilot.pause()
        assert guide.query_one(Pages).scroll_offset.y > 0
        await pilot.press("escape", "escape")
    assert app.return_code == 0


@pytest.mark.slow
async def test_links_turn_pages_and_find_headings() -> None:
    app = GuideApp("keys", None)
    async with app.run_test(size=(120, 36)) as pilot:
        pages = app.screen.query_one(Pages)
        assert pages.show_table_of_contents
        await pages.go("commands.md#notices")
        await pilot.pause()
        await pilot.pause()
        assert (pages.page, pages.scroll_offset.y > 50) == ("commands", True)
        await pages.go("../tour/post.txt")
        assert pages.page == "commands"
        await pilot.press("n", "t")
        assert pages.page == "any-problem"
        assert not pages.show_table_of_contents
        assert "commands" not in str(app.screen.query_one("#guide-head", Static).content)


@pytest.mark.slow
def test_from_the_help_and_in_the_terminal() -> None:
    with terminal("--lr", "0.7", columns=80, rows=24) as lab:
        lab.wait_for("settled")
        lab.type("?")
        lab.wait_for("g the guide")
        lab.type("g")
        lab.wait_for("A newcomer needs four of them")
        lab.type("q")
        lab.wait_for("g the guide")
    with terminal("guide", "what-is-said", "--ascii", columns=80, rows=24) as lab:
        lab.wait_for(r"\| converging \| it will settle")
        lab.type("q")
        assert lab.wait_for_end() == 0
