"""Plain characters say as much as the others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

import lrtui
from lrtui.screen.panes.ruler import CELLS, GRADES, SHADES
from lrtui.screen.panes.status import LOOKS
from lrtui.text.ascii_fallback import SIGNS, lacks_unicode, plain, write_plain


def test_every_state_has_a_sign_of_its_own_in_ascii() -> None:
    signs = [plain(sign) for sign, _ in LOOKS.values()]
    assert len(set(signs)) == len(signs), sorted(signs)
    assert all(sign.isascii() for sign in signs)


def test_every_part_of_the_ruler_has_a_sign_of_its_own_in_ascii() -> None:
    parts = {sign for sign, _ in CELLS.values()} | {sign for _, sign in (*SHADES, *GRADES)}
    signs = [plain(sign) for sign in [*parts, "◆", "★", "┃"]]
    assert len(set(signs)) == len(signs)


def test_every_mark_on_the_charts_has_a_sign_of_its_own_in_ascii() -> None:
    signs = [plain(sign) for sign in "●○✚▲✕◆★"]
    assert len(set(signs)) == len(signs)


def literals(source: str) -> Iterator[str]:
    """Every string in some source code, the text in f-strings included, docstrings left out."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value


@pytest.mark.slow
def test_every_character_in_a_string_of_the_package_has_a_likeness() -> None:
    package = Path(lrtui.__file__).parent
    said = "".join("".join(literals(path.read_text())) for path in package.rglob("*.py"))
    said += "".join(path.read_text() for path in package.rglob("*.txt"))
    characters = {c for c in said if not c.isascii()}
    assert len(characters) > 50
    unlike = {c for c in characters if plain(c) in ("", "?", "??")}
    assert not unlike


def test_the_strings_of_some_code_are_found() -> None:
    code = '"""Doc λ."""\nx = "a"  # µ\ndef f():\n    """Doc."""\n    return f"b{x}c"'
    assert sorted(literals(code)) == ["a", "b", "c"]


def test_a_text_takes_as_many_cells() -> None:
    assert plain("━━ 0.1 · ⠿⣀⠉⡇⠒ 漢 e\u0301 ?") == "== 0.1 - :_'|- ?? e ?"
    assert len(plain("".join(SIGNS))) == len(SIGNS)


def test_a_slope_rises_and_falls() -> None:
    assert plain("⡠⠊") == "//"
    assert plain("⠑⢄") == "\\\\"


def test_a_stream_is_switched_over() -> None:
    stream = TextIOWrapper(BytesIO(), "utf-8")
    write_plain(stream)
    stream.write("✓ settled – 2 × as far")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ settled - 2 x as far"


@pytest.mark.parametrize(
    ("environment", "lacks"),
    [
        ({}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_US.utf8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
    ],
)
def test_what_a_locale_has(environment: dict[str, str], lacks: bool) -> None:
    assert lacks_unicode(environment) == lacks


def test_the_two_lines_of_the_heat_map_have_signs_of_their_own_in_ascii() -> None:
    assert plain("┃") != plain("┊")
